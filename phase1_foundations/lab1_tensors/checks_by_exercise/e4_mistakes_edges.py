"""More mistakes of E4: signs and dtypes, the last round, and what an option is when it is left out."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_mistakes import coupled, diagonal
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_mistakes_sharpness import probe

SLOW = torch.tensor([2.0, 1.9, 1.8, 0.5, 0.1], dtype=torch.float64)  # converges slowly


@probe("sign-of-the-product")
def sign_lost(a: Any, t: Trial) -> str | None:
    x, v = torch.tensor([2.0, 1.0]).double(), torch.tensor([1.0, -2.0]).double()
    found = a.hvp(coupled, x, v)
    if same(found, torch.tensor([4.0, 3.0]), dtype=False):
        return (
            "H = [[2, 3], [3, 0]] times [1, −2] gave [4, 3], expected [−4, 3]: a product keeps its signs; "
            "the absolute value is taken of the eigenvalue alone, in `sharpness`"
        )
    return None


@probe("product-in-another-dtype")
def product_dtype(a: Any, t: Trial) -> str | None:
    seen: list[torch.dtype] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z.dtype)
        return (z**4).sum()

    for dtype in (torch.float64, torch.float32):
        x, v = t.randn(3, dtype=dtype), t.randn(3, dtype=dtype)
        found = a.hvp(f, x, v)
        if found.dtype != dtype:
            return f"x and v are {dtype}, your product is {found.dtype}: it has their dtype"
    if any(dtype != torch.float32 for dtype in seen[len(seen) // 2 :]):
        return (
            "x is float32 and `f` was called with another dtype: an f that holds float32 tensors of its own "
            "(a network) cannot take that. Call f at x as it is"
        )
    return None


@probe("no-round-at-all")
def no_round(a: Any, t: Trial) -> str | None:
    generator = torch.Generator().manual_seed(1)
    found = a.sharpness(lambda z: 1.5 * (z * z).sum(), t.randn(6), iters=1, generator=generator)
    if found == 0.0:
        return (
            "with iters=1 and a Hessian of 3·I sharpness is 0: one round is one product with H, and its "
            "estimate, 3, is returned (a round too few, or the estimate of the round before)"
        )
    return None


@probe("default-of-an-option")
def other_default(a: Any, t: Trial) -> str | None:
    def value(**how: float) -> float:
        generator = torch.Generator().manual_seed(5)
        return float(a.sharpness(diagonal(SLOW), torch.ones(5).double(), generator=generator, **how))

    given = value(iters=100, tol=1e-4)
    for name, number in {"iters": value(tol=1e-4), "tol": value(iters=100)}.items():
        if number != given:
            return (
                f"without `{name}` sharpness is {number:.6g}, with iters=100 and tol=1e-4 it is {given:.6g}: "
                f"the default of `{name}` is another one"
            )
    return None


@probe("global-generator-not-used")
def always_the_same(a: Any, t: Trial) -> str | None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(a.sharpness(diagonal(SLOW), torch.ones(5).double(), iters=1))
    if found[0] == found[1]:
        return (
            f"without a generator two runs under different seeds of torch both gave {numbers(found[0])}: if "
            "it is None, the start is drawn from torch's global generator"
        )
    return None
