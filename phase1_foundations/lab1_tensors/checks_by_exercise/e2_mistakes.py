"""The known mistakes of E2 in the node and in the walk: data, gradients that add up, order."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.observe import observe, same_storage

probe = Probes()


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def slope(a: Any, f: Callable[[Any], Any], x: Tensor, seed: Tensor | None = None) -> Tensor:
    """The gradient that the learner's tape finds for f at x."""
    v = a.Var(x)
    f(v).backward(seed)
    return v.grad


# ---- the node itself ------------------------------------------------------------------------------------


@probe("copies-its-data")
def copies_data(a: Any, t: Trial) -> str | None:
    data = t.randn(3)
    held = a.Var(data).data
    if isinstance(held, Tensor) and not same_storage(held, data):
        return (
            "Var(data) holds a copy of its tensor: `torch.tensor(t)` and `.clone()` copy. Keep the tensor "
            "itself, and make one only from a Python number"
        )
    return None


@probe("gradient-starts-at-zero")
def starts_at_zero(a: Any, t: Trial) -> str | None:
    v = a.Var(t.randn(3))
    if isinstance(v.grad, Tensor | float | int):
        return (
            "a new Var has grad 0, expected None: None says “no gradient has arrived”, which is how a "
            "learner sees that a parameter is not connected"
        )
    return None


@probe("asks-torch-for-gradients")
def asks_torch(a: Any, t: Trial) -> str | None:
    v = a.Var(t.randn(3))
    if v.data.requires_grad or (v * v).data.requires_grad:
        return (
            "your data requires a gradient of torch, whose autograd then records everything beside your "
            "own tape"
        )
    return None


@probe("T-is-a-method")
def t_method(a: Any, t: Trial) -> str | None:
    if callable(a.Var(t.randn(2, 3)).T):
        return "`v.T` gave a method: T is used without brackets, so it needs `@property` above its `def`"
    return None


@probe("changes-its-data")
def changes_data(a: Any, t: Trial) -> str | None:
    x, y = t.randn(2, 2), t.randn(2, 2)
    mixed = t.randn(3)
    kept = mixed.clone()
    a.Var(mixed).relu()
    if not same(mixed, kept):
        return (
            "`relu` changed the data of its operand: `relu_()` and `clamp_()` write in place; make a new "
            "tensor"
        )
    for text, run in {
        "a + b": lambda p, q: p + q,
        "a * b": lambda p, q: p * q,
        "a - b": lambda p, q: p - q,
        "a.relu()": lambda p, q: p.relu(),
        "a.exp()": lambda p, q: p.exp(),
        "a.tanh()": lambda p, q: p.tanh(),
    }.items():
        left, right = x.clone(), y.clone()
        p, q = a.Var(left), a.Var(right)
        run(p, q).backward(torch.ones_like(x))
        if not (same(left, x) and same(right, y) and same(p.data, x) and same(q.data, y)):
            return (
                f"`{text}` changed the data of its operand: operations make new tensors, so no `+=` and no "
                "`relu_()`"
            )
    return None


@probe("numbers-get-an-axis")
def number_axis(a: Any, t: Trial) -> str | None:
    held = a.Var(2.0).data
    if isinstance(held, Tensor) and held.dim() != 0:
        return (
            f"Var(2.0).data has shape {tuple(held.shape)}, expected (): `torch.tensor(2.0)`, not "
            "`torch.tensor([2.0])`"
        )
    return None


@probe("ignores-its-seed")
def ignores_seed(a: Any, t: Trial) -> str | None:
    found = slope(a, lambda v: v * 3, scalar(1.0), scalar(5.0))
    if same(found, scalar(3.0)):
        return (
            "(v * 3).backward(5) gave 3, expected 15: the pass starts from the seed that is given, not from 1"
        )
    return None


@probe("number-on-the-left")
def number_on_left(a: Any, t: Trial) -> str | None:
    v = a.Var(scalar(4.0))
    cases: dict[str, tuple[Callable[[], Any], float]] = {
        "2 + v": (lambda: 2 + v, 6.0),
        "2 - v": (lambda: 2 - v, -2.0),
        "2 * v": (lambda: 2 * v, 8.0),
        "2 / v": (lambda: 2 / v, 0.5),
    }
    for text, (run, expected) in cases.items():
        attempt = t.attempt(run)
        if attempt.raised(TypeError, AttributeError):
            return (
                f"`{text}` raised {type(attempt.error).__name__}: with the number on the left Python asks "
                "the Var for the reflected operation (`__radd__`, `__rsub__`, `__rmul__`, "
                "`__rtruediv__`), and numbers have no `.data`"
            )
        if attempt.error is None and attempt.value.data.dim():
            return (
                f"`{text}` with a v of shape () has shape {tuple(attempt.value.data.shape)}: the number "
                "became a vector of one element. It is 0-d, `torch.tensor(2.0)` without brackets"
            )
        if attempt.error is None and not same(attempt.value.data, scalar(expected)):
            return (
                f"`{text}` with v = 4 gave {attempt.value.data.item():g}, expected {expected:g}: mind "
                "which side the number is on"
            )
    return None


# ---- adding up ------------------------------------------------------------------------------------------


@probe("overwrites-gradients")
def overwrites(a: Any, t: Trial) -> str | None:
    if same(slope(a, lambda v: v * 5, scalar(3.0)), scalar(5.0)):
        square = slope(a, lambda v: v * v, scalar(3.0))
        double = slope(a, lambda v: v + v, scalar(3.0))
        if same(square, scalar(3.0)) or same(double, scalar(1.0)):
            return (
                f"x * x at x = 3: your gradient is {square.item():g}, expected 6. A node that is used "
                "twice gets two contributions, and they add up: yours overwrites the first (`=` where a "
                "sum is needed)"
            )
    return None


@probe("gradients-share-memory")
def share_memory(a: Any, t: Trial) -> str | None:
    p, q = a.Var(t.randn(3)), a.Var(t.randn(3))
    seed = torch.ones(3, dtype=torch.float64)
    y = p + q
    y.backward(seed)
    before = q.grad.clone()
    (p * 1).backward(torch.ones(3, dtype=torch.float64))
    if not same(q.grad, before) or not same(seed, torch.ones(3)):
        other = "the seed that I passed in" if not same(seed, torch.ones(3)) else "q.grad"
        return (
            f"y = p + q; y.backward(seed), then another backward through p alone changed {other}: `+` "
            "hands the *same* tensor to both, and `grad += …` writes into it. Use `grad = grad + …`, or "
            "keep a copy"
        )
    p, q = a.Var(scalar(1.0)), a.Var(scalar(1.0))
    ((p + q) + p * 3).backward()
    if same(p.grad, scalar(4.0)) and same(q.grad, scalar(4.0)):
        return (
            "(p + q) + p * 3 gave q the gradient 4, expected 1: `+` hands the *same* tensor to both "
            "operands, and `+=` on one of them changes the other. Use `grad = grad + …`"
        )
    return None


@probe("forgets-earlier-passes")
def forgets(a: Any, t: Trial) -> str | None:
    v = a.Var(scalar(3.0))
    (v * 2).backward()
    (v * 5).backward()
    if same(v.grad, scalar(5.0)):
        return (
            "(v * 2).backward() and then (v * 5).backward() left v.grad = 5, expected 2 + 5 = 7: "
            "gradients add up from pass to pass, until somebody sets v.grad = None"
        )
    return None


@probe("old-gradients-travel-again")
def stale(a: Any, t: Trial) -> str | None:
    v = a.Var(scalar(1.0))
    y = (v * 2) * 3
    y.backward()
    y.backward()
    if same(v.grad, scalar(12.0)):
        return None
    once = slope(a, lambda v: (v * 2) * 3, scalar(1.0))
    if same(once, scalar(6.0)) and same(v.grad, scalar(6.0)):
        return (
            "y = (v * 2) * 3: two calls of y.backward() left 6, expected 6 + 6 = 12. The second one added "
            "nothing, or threw the first away: the graph must survive a backward pass, and leaves add up"
        )
    if same(once, scalar(6.0)) and v.grad is not None and v.grad.numel() == 1:
        return (
            f"y = (v * 2) * 3: two calls of y.backward() left {v.grad.item():g}, expected 6 + 6 = 12. What "
            "inner nodes kept from the first pass travelled through the graph again: each pass needs "
            "inner gradients that start empty"
        )
    return None


# ---- order ----------------------------------------------------------------------------------------------


@probe("walks-every-path")
def every_path(a: Any, t: Trial) -> str | None:
    def calls(doublings: int) -> int:
        y = v = a.Var(scalar(1.0))
        for _ in range(doublings):
            y = y * 0.5 + y
        with observe() as seen:
            y.backward()
        return sum(seen.calls.values()) if same(v.grad, scalar(1.5**doublings)) else 0

    few, many = calls(4), calls(9)
    if few and many > 12 * few:
        return (
            f"y = y * 0.5 + y repeated 4 times took {few} tensor operations on the way back, repeated 9 "
            f"times {many}: you walk every *path* to the leaf, and paths double at each step. Visit each "
            "node once, when its gradient is complete"
        )
    return None


@probe("not-in-topological-order")
def wrong_order(a: Any, t: Trial) -> str | None:
    diamonds: dict[str, tuple[Callable[[Any], Any], float]] = {
        "b = v * 2; y = b + b * 3": (lambda v: (lambda b: b + b * 3)(v * 2), 8.0),
        "b = v * 2; y = b * 3 + b": (lambda v: (lambda b: b * 3 + b)(v * 2), 8.0),
        "b = v * 2; c = b * 3; y = (c + b) + c": (
            lambda v: (lambda b: (lambda c: (c + b) + c)(b * 3))(v * 2),
            14.0,
        ),
        "b = v * 2; y = b + (b * 3 + 1) * 5": (lambda v: (lambda b: b + (b * 3 + 1) * 5)(v * 2), 32.0),
        "b = v * 2; y = (b * 3 + 1) * 5 + b": (lambda v: (lambda b: (b * 3 + 1) * 5 + b)(v * 2), 32.0),
    }
    if not same(slope(a, lambda v: (v * 2) * 3 + 1, scalar(1.0)), scalar(6.0)):
        return None
    for text, (f, expected) in diamonds.items():
        found = slope(a, f, scalar(1.0))
        if found is not None and found.numel() == 1 and not same(found, scalar(expected)):
            return (
                f"{text}: the gradient of v is {found.item():g}, expected {expected:g}. Node b was "
                "back-propagated before all its consumers had contributed, or more than once. Go through "
                "the nodes in reverse topological order"
            )
    return None


@contextmanager
def ordinary_recursion_limit() -> Iterator[int]:
    """Python's usual limit, whatever a notebook or an answer has set; gives it, to see if it is moved."""
    before, limit = sys.getrecursionlimit(), 1000 + len(inspect.stack(0))
    sys.setrecursionlimit(limit)
    try:
        yield limit
    finally:
        sys.setrecursionlimit(before)


@probe("recursion")
def recursion(a: Any, t: Trial) -> str | None:
    y = v = a.Var(scalar(1.0))
    for _ in range(3_000):  # deep enough to fail: the property goes to 20,000
        y = y + 1
    with ordinary_recursion_limit() as limit:
        attempt = t.attempt(lambda: y.backward(), seconds=2)
        now = sys.getrecursionlimit()
    if attempt.raised(RecursionError) or now != limit:
        how = f"Python's recursion limit was moved to {now:,}" if now != limit else "RecursionError"
        return (
            f"{how} on a chain of 3,000 operations, and 20,000 must work: replace the recursion by a loop "
            "with an explicit stack"
        )
    if attempt.error is None and v.grad is None:
        return "after a long chain of operations the leaf has no gradient"
    return None
