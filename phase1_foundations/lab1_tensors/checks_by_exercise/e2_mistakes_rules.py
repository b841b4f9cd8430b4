"""The known mistakes of E2 in single rules: shapes that come back, derivatives, the seed."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_mistakes import probe, scalar, slope

# ---- shapes ---------------------------------------------------------------------------------------------


@probe("averaged-over-broadcast-axes")
def averaged(a: Any, t: Trial) -> str | None:
    p, q = a.Var(t.randn(4, 3)), a.Var(t.randn(3))
    (p + q).backward(torch.ones(4, 3, dtype=torch.float64))
    if same(q.grad, torch.ones(3)):
        return (
            "(4, 3) + (3,): the second operand's gradient is 1, expected 4: it was read in four rows, and "
            "their gradients add up"
        )
    return None


@probe("gradient-not-turned-back")
def not_turned_back(a: Any, t: Trial) -> str | None:
    for text, run, shape in (
        ("v.T", lambda v: v.T, (3, 2)),
        ("v.reshape(3, 2)", lambda v: v.reshape(3, 2), (3, 2)),
    ):
        v = a.Var(t.randn(2, 3))
        run(v).backward(t.randn(*shape))
        if isinstance(v.grad, Tensor) and v.grad.shape != (2, 3):
            return (
                f"`{text}` of a (2, 3): the gradient came back with shape {tuple(v.grad.shape)}. Turn it "
                "back on the way: the share of T is g.T, that of reshape is g.reshape(the input's shape)"
            )
    return None


@probe("gradient-not-summed-back")
def not_unbroadcast(a: Any, t: Trial) -> str | None:
    for text, run in {
        ("+"): lambda p, q: p + q,
        "*": lambda p, q: p * q,
        "-": lambda p, q: p - q,
        "/": lambda p, q: p / q,
    }.items():
        for shape in ((3,), (4, 1), ()):
            p, q = a.Var(t.rand(4, 3, low=1, high=2)), a.Var(t.rand(*shape, low=1, high=2))
            attempt = t.attempt(
                lambda run=run, p=p, q=q: run(p, q).backward(torch.ones(4, 3, dtype=torch.float64))
            )
            if attempt.error is None and isinstance(q.grad, Tensor) and q.grad.shape != q.data.shape:
                return (
                    f"(4, 3) {text} {shape}: the second operand's grad has shape {tuple(q.grad.shape)}, "
                    f"its data has shape {shape}. It was broadcast on the way forward, so sum over the "
                    "broadcast axes on the way back"
                )
    return None


@probe("matmul-not-transposed")
def matmul(a: Any, t: Trial) -> str | None:
    x, w, g = t.randn(2, 2), t.randn(2, 2), t.randn(2, 2)
    p, q = a.Var(x), a.Var(w)
    (p @ q).backward(g)
    if not (same(p.grad, g @ w.T) and same(q.grad, x.T @ g)) and p.grad.shape == q.grad.shape == (2, 2):
        which = "W̄ must be Xᵀ @ Ȳ" if same(p.grad, g @ w.T) else "X̄ must be Ȳ @ Wᵀ, and W̄ must be Xᵀ @ Ȳ"
        return (
            f"the gradients of X @ W are wrong: {which}. With X [N, K] and W [K, M] only this order fits "
            "the shapes"
        )
    return None


@probe("matmul-shapes")
def matmul_shapes(a: Any, t: Trial) -> str | None:
    p, q = a.Var(t.randn(2, 3)), a.Var(t.randn(3, 4))
    y = p @ q
    attempt = t.attempt(lambda: y.backward(t.randn(2, 4)))
    if attempt.raised(RuntimeError) and (
        "mat1 and mat2" in str(attempt.error) or "size" in str(attempt.error)
    ):
        return (
            "X @ W with shapes (2, 3) and (3, 4): the way back multiplies matrices that do not fit. "
            "X̄ must be Ȳ @ Wᵀ, and W̄ must be Xᵀ @ Ȳ"
        )
    return None


@probe("sum-gradient-not-spread")
def sum_spread(a: Any, t: Trial) -> str | None:
    v = a.Var(t.randn(2, 3))
    v.sum().backward()
    if isinstance(v.grad, Tensor) and v.grad.shape != (2, 3):
        return (
            f"v.sum() of a (2, 3): the gradient has shape {tuple(v.grad.shape)}. Each element gets the "
            "gradient of the sum"
        )
    return None


@probe("sum-differentiated-as-a-mean")
def sum_as_mean(a: Any, t: Trial) -> str | None:
    if same(slope(a, lambda v: v.sum(), t.randn(2, 3)), torch.full((2, 3), 1 / 6)):
        return (
            "v.sum() of six numbers gave each the gradient 1/6, which belongs to the mean; for a sum it is 1"
        )
    return None


@probe("sum-along-an-axis")
def sum_axis(a: Any, t: Trial) -> str | None:
    seed = torch.tensor([1.0, 10.0], dtype=torch.float64)
    rows = slope(a, lambda v: v.sum(dim=1), t.randn(2, 2), seed)
    if same(rows, torch.tensor([[1.0, 10.0], [1.0, 10.0]])):
        return (
            "v.sum(dim=1) with the seed [1, 10]: row 0 should get 1 and row 1 should get 10, you gave "
            "[[1, 10], [1, 10]]. Put the summed axis back (`g.unsqueeze(dim)`) before g is broadcast"
        )
    return None


@probe("sum-kept-axis")
def sum_kept(a: Any, t: Trial) -> str | None:
    kept = a.Var(t.randn(2, 3)).sum(dim=1, keepdim=True)
    if kept.data.shape != (2, 1):
        return f"v.sum(dim=1, keepdim=True) of a (2, 3) has shape {tuple(kept.data.shape)}, expected (2, 1)"
    attempt = t.attempt(lambda: slope(a, lambda v: v.sum(dim=1, keepdim=True), t.randn(2, 3), t.randn(2, 1)))
    if attempt.raised(RuntimeError, IndexError):
        return (
            f"the way back of v.sum(dim=1, keepdim=True) raised {type(attempt.error).__name__}: with "
            "keepdim the axis is still there, so `unsqueeze` only without"
        )
    return None


@probe("view-of-a-transpose")
def view_of_transpose(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: slope(a, lambda v: v.T.reshape(6), t.randn(2, 3), t.randn(6)))
    if attempt.raised(RuntimeError) and "view" in str(attempt.error):
        return (
            "v.T.reshape(6) failed: `.view` needs contiguous memory, and a transpose has none. Use `.reshape`"
        )
    return None


# ---- calculus -------------------------------------------------------------------------------------------


@probe("relu-masked-by-the-gradient")
def relu_by_gradient(a: Any, t: Trial) -> str | None:
    found = slope(a, lambda v: v.relu(), torch.tensor([2.0, -2.0]), torch.tensor([-1.0, 1.0]))
    if found is not None and same(found, torch.tensor([0.0, 1.0])):
        return (
            "relu at 2 with the seed −1 gave 0, expected −1; and at −2 it let 1 through: you mask by the "
            "sign of the *gradient*. What counts is whether the input was positive"
        )
    if found is not None and same(found, torch.tensor([0.0, 0.0])):
        return (
            "relu at 2 with the seed −1 gave 0, expected −1: negative gradients pass too. "
            "What counts is whether the input was positive"
        )
    return None


@probe("relu-without-a-mask")
def relu_unmasked(a: Any, t: Trial) -> str | None:
    if same(slope(a, lambda v: v.relu(), torch.tensor([2.0, -2.0]), torch.ones(2)), torch.ones(2)):
        return (
            "relu at −2 has slope 1 in your tape, expected 0: where the input is not positive nothing "
            "comes back"
        )
    return None


@probe("relu-at-zero")
def relu_zero(a: Any, t: Trial) -> str | None:
    found = slope(a, lambda v: v.relu(), torch.tensor([0.0, 1.0]), torch.ones(2))
    if not same(found, torch.tensor([0.0, 1.0])) and same(found[1], torch.tensor(1.0)):
        return (
            f"the slope of relu at 0 is {found[0].item():g}, asked for is 0, torch's convention: "
            "the mask is x > 0"
        )
    return None


@probe("ignores-the-incoming-gradient")
def ignores_incoming(a: Any, t: Trial) -> str | None:
    x = torch.tensor([0.5, 1.0], dtype=torch.float64)
    for text, run in {**SLOPES, "a * 3": (lambda v: v * 3, lambda x: 0 * x + 3)}.items():
        one = slope(a, run[0], x, torch.ones_like(x))
        if same(one, run[1](x)) and same(slope(a, run[0], x, torch.ones_like(x) * 2), one):
            return (
                f"`{text}`: seed 1 and seed 2 gave the same gradient {numbers(one)}. The chain rule "
                "multiplies: each share is the incoming gradient *times* the derivative, and "
                "`backward(seed)` starts from the seed"
            )
    return None


SLOPES: dict[str, tuple[Callable[[Any], Any], Callable[[Tensor], Tensor]]] = {
    "exp": (lambda v: v.exp(), lambda x: x.exp()),
    "log": (lambda v: v.log(), lambda x: 1 / x),
    "tanh": (lambda v: v.tanh(), lambda x: 1 - x.tanh() ** 2),
    "** 3": (lambda v: v**3, lambda x: 3 * x**2),
    "** 0.5": (lambda v: v**0.5, lambda x: 0.5 * x**-0.5),
    "1 /": (lambda v: 1 / v, lambda x: -1 / x**2),
    "negation": (lambda v: -v, lambda x: 0 * x - 1),
}


def _calculus(name: str) -> None:
    @probe(f"derivative-of-{name.replace(' ', '')}")
    def derivative(a: Any, t: Trial) -> str | None:
        run, exact = SLOPES[name]
        x = torch.tensor([0.5, 1.25], dtype=torch.float64)
        found = slope(a, run, x, torch.ones_like(x))
        if isinstance(found, Tensor) and found.shape == (2,) and not same(found, exact(x)):
            return (
                f"the derivative of `{name}` at 0.5 and 1.25 came out as {numbers(found)}, expected "
                f"{numbers(exact(x))}"
            )
        return None


for _name in SLOPES:
    _calculus(_name)


@probe("derivative-of-a-quotient")
def quotient(a: Any, t: Trial) -> str | None:
    p, q = a.Var(scalar(3.0)), a.Var(scalar(2.0))
    (p / q).backward()
    if not (same(p.grad, scalar(0.5)) and same(q.grad, scalar(-0.75))):
        return (
            f"a / b at 3 / 2: gradients {p.grad.item():g} and {q.grad.item():g}, expected 1/b = 0.5 and "
            "−a/b² = −0.75"
        )
    return None


@probe("derivative-of-a-difference")
def a_difference(a: Any, t: Trial) -> str | None:
    p, q = a.Var(scalar(3.0)), a.Var(scalar(2.0))
    (p - q).backward()
    if not (same(p.grad, scalar(1.0)) and same(q.grad, scalar(-1.0))):
        return f"a - b: gradients {p.grad.item():g} and {q.grad.item():g}, expected 1 and −1"
    return None


@probe("derivative-of-a-product")
def a_product(a: Any, t: Trial) -> str | None:
    p, q = a.Var(scalar(3.0)), a.Var(scalar(2.0))
    (p * q).backward()
    if not (same(p.grad, scalar(2.0)) and same(q.grad, scalar(3.0))):
        return f"a * b at 3 * 2: gradients {p.grad.item():g} and {q.grad.item():g}, expected b = 2 and a = 3"
    return None


# ---- the seed -------------------------------------------------------------------------------------------


@probe("no-seed-needed")
def no_seed(a: Any, t: Trial) -> str | None:
    y = a.Var(t.randn(3)) * 2
    attempt = t.attempt(lambda: y.backward())
    if attempt.raised(AssertionError, TypeError):
        return (
            f"backward() without a seed raised {type(attempt.error).__name__}; asked for is ValueError or "
            "RuntimeError"
        )
    if attempt.error is None:
        return (
            "backward() of a result of shape (3,) ran without a seed: which of the three numbers is to be "
            "differentiated? Raise ValueError unless the result holds a single number"
        )
    return None
