"""The known mistakes of E4, each by its signature on a function whose Hessian is known."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.observe import observe

probe = Probes()

Function = Callable[[Tensor], Tensor]


def diagonal(spectrum: Tensor) -> Function:
    """½ Σ λᵢ xᵢ²: the Hessian is diagonal, with these eigenvalues."""
    return lambda x: 0.5 * (spectrum * x * x).sum()


def rotated(t: Trial, spectrum: Tensor) -> Function:
    """½ xᵀAx, where A has these eigenvalues and random eigenvectors."""
    basis = torch.linalg.qr(t.randn(len(spectrum), len(spectrum))).Q
    matrix = basis @ torch.diag(spectrum) @ basis.T
    return lambda x: 0.5 * (x @ matrix @ x)


def watched(f: Function, points: list[Tensor]) -> Function:
    """f, with a note of each point at which it is called."""

    def call(x: Tensor) -> Tensor:
        points.append(x.detach().clone())
        return f(x)

    return call


def quartic(x: Tensor) -> Tensor:
    return (x**4).sum()


def coupled(x: Tensor) -> Tensor:
    """Hessian [[2, 3], [3, 0]] everywhere."""
    return x[0] ** 2 + 3 * x[0] * x[1]


# ---- hvp ------------------------------------------------------------------------------------------------


@probe("first-gradient-without-a-graph")
def no_graph(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.hvp(quartic, t.randn(3), t.randn(3)))
    words = str(attempt.error)
    if attempt.raised(RuntimeError) and ("does not require grad" in words or "second time" in words):
        return (
            "the second derivative does not exist for torch: the first gradient was computed without a "
            "graph of its own. Build it with `create_graph=True`, and do not detach it"
        )
    return None


@probe("finite-differences")
def finite_differences(a: Any, t: Trial) -> str | None:
    x, v = t.randn(20, dtype=torch.float32) + 3, t.randn(20, dtype=torch.float32)
    points: list[Tensor] = []
    product = a.hvp(watched(quartic, points), x, v)
    exact = 12 * x**2 * v
    try:
        elsewhere = any(not torch.equal(point, x) for point in points)
    except (RuntimeError, TypeError):  # a transformed tensor that cannot be compared: no difference quotient
        return None
    if elsewhere and same(points[0], v):
        return "f was called at v instead of x: the point and the direction are exchanged. It is hvp(f, x, v)"
    if elsewhere:
        error = float((product - exact).norm() / exact.norm())
        return (
            f"f was called away from x: a difference quotient, here with a relative error of {error:.0e} "
            "in float32. Differentiate ⟨∇f, v⟩ instead: it is exact"
        )
    return None


@probe("gradients-left-behind")
def left_behind(a: Any, t: Trial) -> str | None:
    for grad in (None, torch.ones(3, dtype=torch.float64)):
        x = t.randn(3).requires_grad_()
        x.grad = None if grad is None else grad.clone()
        weights = t.randn(3).requires_grad_()
        t.attempt(lambda x=x, weights=weights: a.hvp(lambda z: (weights * z**4).sum(), x, t.randn(3)))
        if (x.grad is None) != (grad is None) or (grad is not None and not same(x.grad, grad)):
            return (
                "x.grad was modified: `backward()` leaves its results there. `torch.autograd.grad` "
                "returns them instead"
            )
        if weights.grad is not None:
            return (
                "a tensor that f uses got a `.grad`: `backward()` writes into every leaf it meets. "
                "`torch.autograd.grad(…, x)` returns the one gradient that is asked for"
            )
    return None


@probe("changes-requires-grad")
def changes_requires_grad(a: Any, t: Trial) -> str | None:
    x = t.randn(3)
    a.hvp(quartic, x, t.randn(3))
    if x.requires_grad or x.grad is not None:
        return (
            "after hvp the caller's x requires a gradient: `x.requires_grad_()` changes x itself. Use "
            "`x.detach().requires_grad_()`"
        )
    return None


@probe("input-that-requires-a-gradient")
def leaf_trouble(a: Any, t: Trial) -> str | None:
    x = t.randn(3).requires_grad_()
    attempt = t.attempt(lambda: a.hvp(quartic, x * 1, t.randn(3)))
    plain = t.attempt(lambda: a.hvp(quartic, x.detach(), t.randn(3)))
    if plain.error is None and attempt.raised(RuntimeError):
        return (
            f"an x that was itself computed by torch raises {type(attempt.error).__name__}: "
            f"{attempt.error}. Detach it first"
        )
    return None


@probe("linear-function")
def linear(a: Any, t: Trial) -> str | None:
    w = t.randn(3)
    attempt = t.attempt(lambda: a.raw("hvp")(lambda z: (w * z).sum(), t.randn(3), t.randn(3)))
    if attempt.raised(RuntimeError, TypeError, AttributeError) or (
        attempt.error is None and attempt.value is None
    ):
        what = "returned None" if attempt.error is None else f"raised {type(attempt.error).__name__}"
        return (
            f"for a linear f hvp {what}; its Hessian is 0, so return zeros. The gradient is then a "
            "constant that requires no gradient: ask `g.requires_grad` before you differentiate it"
        )
    return None


@probe("partly-linear-function")
def partly_linear(a: Any, t: Trial) -> str | None:
    w = t.randn(3).requires_grad_()
    attempt = t.attempt(lambda: a.hvp(lambda z: (w * z).sum(), t.randn(3), t.randn(3)))
    if attempt.raised(RuntimeError) and "allow_unused" in str(attempt.error):
        return (
            "f(x) = ⟨w, x⟩ with a w that requires a gradient raised RuntimeError: the gradient then has a "
            "graph, but x is not in it. `allow_unused=True` gives None there, which means zeros"
        )
    return None


@probe("shape-lost")
def shape_lost(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.hvp(quartic, t.randn(4, 3).T, t.randn(3, 4)))
    if attempt.raised(RuntimeError) and "view" in str(attempt.error):
        return (
            "a transposed x failed: `.view` needs contiguous memory. Use `.reshape`, or leave x in its shape"
        )
    if attempt.error is None and attempt.value.numel() == 12 and attempt.value.shape != (3, 4):
        return f"x has shape (3, 4), your result {tuple(attempt.value.shape)}: H v has the shape of x"
    return None


@probe("times-a-constant")
def times_constant(a: Any, t: Trial) -> str | None:
    x, v = torch.tensor([1.0, 1.0]).double(), torch.tensor([1.0, 2.0]).double()
    factor = a.hvp(coupled, x, v) / torch.tensor([8.0, 3.0]).double()
    if same(factor[0], factor[1]) and not same(factor[0], torch.tensor(1.0)):
        return (
            f"H v has the right direction, but {factor[0].item():.4g} times its length. (If that is 1/|v| "
            "= 0.4472, v was normalised: hvp takes v as it is)"
        )
    return None


@probe("sums-the-gradient")
def sums_gradient(a: Any, t: Trial) -> str | None:
    x, v = torch.tensor([1.0, 1.0]).double(), torch.tensor([1.0, 2.0]).double()
    if same(a.hvp(coupled, x, v), torch.tensor([5.0, 6.0])):
        return (
            "H = [[2, 3], [3, 0]] times [1, 2] gave [5, 6], expected [8, 3]: you added up the rows of H "
            "first and multiplied by v afterwards. The inner product with v comes before the second "
            "derivative: `grad(g, x, grad_outputs=v)`"
        )
    return None


@probe("diagonal-only")
def diagonal_only(a: Any, t: Trial) -> str | None:
    x, v = torch.tensor([1.0, 1.0]).double(), torch.tensor([1.0, 2.0]).double()
    if same(a.hvp(coupled, x, v), torch.tensor([2.0, 0.0])):
        return (
            "H = [[2, 3], [3, 0]] times [1, 2] gave [2, 0], expected [8, 3]: only the diagonal of H was used"
        )
    return None


@probe("gradient-instead-of-curvature")
def gradient_instead(a: Any, t: Trial) -> str | None:
    x, v = torch.tensor([2.0, 1.0]).double(), torch.tensor([1.0, 2.0]).double()
    g = torch.tensor([7.0, 6.0]).double()
    found = a.hvp(coupled, x, v)
    if (
        same(found, g * v)
        or same(found, g)
        or same(found, g * (g @ v))
        or same(found, (g @ v).reshape(1))
        or same(found, g @ v)
    ):
        return (
            f"at x = [2, 1] the gradient of x₀² + 3x₀x₁ is [7, 6], and you returned {numbers(found)}, made "
            "of it: a second derivative was never taken. Expected H v = [8, 3]"
        )
    return None


@probe("inner-product-instead-of-a-vector")
def quadratic_form(a: Any, t: Trial) -> str | None:
    x, v = torch.tensor([2.0, 1.0]).double(), torch.tensor([1.0, 2.0]).double()
    found = a.hvp(coupled, x, v)
    if found.numel() == 1:
        return f"hvp returned the single number {found.item():g}, expected a vector like x: H v, not vᵀH v"
    return None


@probe("dense-hessian")
def dense(a: Any, t: Trial) -> str | None:
    n = 1000
    x, v = t.randn(n), t.randn(n)
    for name, call in {
        "hvp": lambda: a.hvp(quartic, x, v),
        "sharpness": lambda: a.sharpness(quartic, x, iters=2, generator=t.generator),
    }.items():
        with observe() as seen:
            attempt = t.attempt(call, seconds=1.5)
        if seen.largest >= n * n // 4:
            return (
                f"for n = {n:,} {name} allocated a tensor of {seen.largest:,} elements, the dense Hessian: "
                "a million parameters would need four terabytes. H v can be had without H"
            )
        if attempt.timed_out:
            break
    return None


@probe("one-backward-pass-a-parameter")
def n_passes(a: Any, t: Trial) -> str | None:
    counts = []
    for n in (20, 80):
        with observe() as seen:
            a.hvp(quartic, t.randn(n), t.randn(n))
        counts.append(sum(seen.calls.values()))
    if counts[1] > 2.5 * counts[0]:
        return (
            f"hvp took {counts[0]} tensor operations for n = 20 and {counts[1]} for n = 80: one backward "
            "pass for each parameter. Two are enough, whatever n is"
        )
    return None


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
