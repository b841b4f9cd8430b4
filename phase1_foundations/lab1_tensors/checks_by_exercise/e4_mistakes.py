"""The known mistakes of E4 in the Hessian-vector product."""

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
