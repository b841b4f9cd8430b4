"""The known mistakes of E4 in the power iteration."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_mistakes import (
    Function,
    diagonal,
    probe,
    quartic,
    watched,
)

# ---- sharpness ------------------------------------------------------------------------------------------


def sharpness(a: Any, t: Trial, f: Function, x: Tensor, **how: Any) -> float:
    """The middle of three estimates: one start in a thousand holds next to nothing of the top eigenvector."""
    generators = [torch.Generator().manual_seed(t.random.randrange(10**9)) for _ in range(3)]
    return sorted(float(a.sharpness(f, x, generator=generator, **how)) for generator in generators)[1]


@probe("vector-not-normalised")
def not_normalised(a: Any, t: Trial) -> str | None:
    first = sharpness(a, t, lambda x: 1.5 * (x * x).sum(), t.randn(40), iters=1)
    for wrong, what in ((9.0, "its square"), (3**0.5, "its root"), (1.5, "half of it"), (6.0, "twice that")):
        if abs(first - wrong) < 1e-3:
            return (
                f"every eigenvalue is 3, and sharpness is {first:.4g}, {what}: return the eigenvalue itself"
            )
    if not 2.9 < first < 3.1 and first > 0:
        later = sharpness(a, t, lambda x: 1.5 * (x * x).sum(), t.randn(40), iters=30)
        if not 2.9 < later < 3.1:
            return (
                f"every eigenvalue is 3, and your estimate is {first:.4g} after one round and {later:.4g} "
                f"after thirty: vᵀHv and |Hv| carry the length of v, here |v|² = {first / 3:.3g}. "
                "Normalise v before each product"
            )
    elif first > 0:
        later = sharpness(a, t, lambda x: 1.5 * (x * x).sum(), t.randn(40), iters=2, tol=0.0)
        if not 2.9 < later < 3.1:
            return (
                f"every eigenvalue is 3, and your estimate is {first:.4g} after one round and {later:.4g} "
                "after two: v has to have the length 1, √Σv² (`v.norm()`), before each product. Its largest "
                "entry is another measure"
            )
    return None


@probe("overflow-without-normalising")
def grows(a: Any, t: Trial) -> str | None:
    value = sharpness(a, t, lambda x: 5e5 * (x * x).sum(), t.randn(10), tol=0.0)
    if value != value or value == float("inf"):
        return (
            "with eigenvalues of 1e6 the estimate overflowed: v grows in each round. Normalise it each time"
        )
    return None


@probe("zero-hessian")
def zero_hessian(a: Any, t: Trial) -> str | None:
    w = t.randn(4)
    attempt = t.attempt(lambda: sharpness(a, t, lambda z: (w * z).sum() + 0 * (z * z).sum(), t.randn(4)))
    if attempt.raised(ZeroDivisionError) or (attempt.error is None and attempt.value != attempt.value):
        return "a Hessian of zeros gave nan: Hv is 0, and normalising it divides 0 by 0. The answer is 0.0"
    return None


@probe("starts-from-ones")
def starts_from_ones(a: Any, t: Trial) -> str | None:
    # The eigenvector of 10 is (1, −1, 0, 0)/√2, orthogonal to (1, 1, 1, 1), which has the eigenvalue 2.
    minus = torch.tensor([1.0, -1.0, 0.0, 0.0]).double() / 2**0.5
    ones = torch.ones(4).double() / 2
    value = sharpness(a, t, lambda x: 5 * (minus @ x) ** 2 + (ones @ x) ** 2 + 0.25 * (x @ x), t.randn(4))
    if abs(value - 2.5) < 0.05:
        return (
            "you found 2.5, the top eigenvalue is 10.5: its eigenvector (1, −1, 0, 0) is orthogonal to "
            "your start (1, 1, 1, 1), and power iteration never finds what its start does not contain. "
            "Start from a random vector"
        )
    return None


@probe("starts-from-a-fixed-vector")
def fixed_start(a: Any, t: Trial) -> str | None:
    for place in range(3):
        spectrum = torch.full((3,), 1.0, dtype=torch.float64)
        spectrum[place] = 9.0
        value = sharpness(a, t, diagonal(spectrum), t.randn(3))
        if abs(value - 1) < 0.05:
            return (
                f"eigenvalues {numbers(spectrum)} gave 1: your start has no part along the eigenvector of "
                "9, for instance because it is a unit vector. Start from a random vector"
            )
    return None


@probe("sign-of-the-dominant-eigenvalue")
def sign(a: Any, t: Trial) -> str | None:
    value = sharpness(a, t, diagonal(torch.tensor([1.0, -4.0, 0.5, 0.2]).double()), t.randn(4))
    if value < 0:
        return f"eigenvalues −4, 1, 0.5, 0.2 gave {value:.4g}: asked for is the largest *absolute* value, 4"
    if abs(value - 1) < 0.05:
        return (
            "eigenvalues −4, 1, 0.5, 0.2 gave 1, the largest positive one: asked for is the largest "
            "*absolute* value, 4"
        )
    return None


@probe("starts-from-the-gradient")
def starts_from_gradient(a: Any, t: Trial) -> str | None:
    f = diagonal(torch.tensor([5.0, 1.0, 0.5]).double())
    x = torch.zeros(3, dtype=torch.float64)
    value = sharpness(a, t, f, x)
    if not abs(value - 5) < 0.1 and abs(sharpness(a, t, f, t.randn(3)) - 5) < 0.1:
        return (
            f"at a point where x and the gradient are 0 you return {value:g}, expected 5: you started from "
            "one of them. Start from a random vector"
        )
    return None


@probe("absolute-tolerance")
def absolute_tolerance(a: Any, t: Trial) -> str | None:
    spectrum = torch.cat([torch.tensor([1.0]).double(), t.rand(60, high=0.7)])
    if abs(sharpness(a, t, diagonal(spectrum), t.randn(61)) - 1) < 0.01:
        value = sharpness(a, t, diagonal(spectrum * 1e-6), t.randn(61))
        if abs(value - 1e-6) > 2e-8:
            return (
                f"right for λ = 1, but a Hessian a million times smaller gave {value:.3g}, expected 1e-6: "
                "your stopping test compares with `tol` itself, and everything is small there. Compare "
                "with tol times the estimate"
            )
    return None


@probe("stops-too-early")
def stops_early(a: Any, t: Trial) -> str | None:
    spectrum = torch.cat([torch.tensor([1.0]).double(), t.rand(60, high=0.7)])
    value = sharpness(a, t, diagonal(spectrum), t.randn(61))
    if 0.3 < value < 0.985:
        return (
            f"eigenvalues 1 and sixty between 0 and 0.7 gave {value:.4g}, expected 1 to 1 %: the iteration "
            "ended too early. Go on until the estimate moves by less than tol times itself, or `iters` "
            "rounds are done"
        )
    return None


@probe("global-generator")
def global_generator(a: Any, t: Trial) -> str | None:
    before = torch.get_rng_state()
    sharpness(a, t, quartic, t.randn(5))
    if not bool((torch.get_rng_state() == before).all()):
        return (
            "torch's global random state has moved although a generator was given: pass it on, "
            "`torch.randn(…, generator=generator)`, and call no `torch.manual_seed`"
        )
    return None


@probe("iters-ignored")
def iters_ignored(a: Any, t: Trial) -> str | None:
    points: list[Tensor] = []
    a.sharpness(watched(quartic, points), t.randn(5), iters=5, tol=0.0, generator=t.generator)
    if len(points) > 20:
        return f"with iters=5 f was called {len(points)} times: stop after `iters` rounds"
    return None


@probe("returns-a-tensor")
def returns_tensor(a: Any, t: Trial) -> str | None:
    value = a.sharpness(quartic, t.randn(3), generator=t.generator)
    if isinstance(value, Tensor):
        return f"sharpness returned {value}, a tensor; asked for is a Python float: `.item()` gets it out"
    if value is None:
        return "sharpness returned None: is a `return` missing, perhaps after the loop?"
    return None
