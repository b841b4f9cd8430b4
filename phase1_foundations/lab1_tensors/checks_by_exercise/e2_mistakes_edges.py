"""More mistakes of E2: seeds, dtypes, and operations that are right but for some arguments."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_mistakes import scalar, slope
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_mistakes_rules import probe


@probe("another-default-dtype")
def default_dtype(a: Any, t: Trial) -> str | None:
    held = a.Var(2.0).data
    if isinstance(held, Tensor) and held.dtype != torch.float32:
        return f"Var(2.0).data is {held.dtype}, expected torch.float32, torch's default (`torch.tensor(2.0)`)"
    return None


@probe("gradient-in-another-dtype")
def gradient_dtype(a: Any, t: Trial) -> str | None:
    given = slope(a, lambda v: v * 2, t.randn(3), t.randn(3))
    if isinstance(given, Tensor) and given.dtype != torch.float64:
        return f"data and seed are float64, the gradient is {given.dtype}: do not convert on the way"
    made = slope(a, lambda v: v * 2, scalar(1.0).reshape(1, 1))
    if isinstance(made, Tensor) and made.dtype != torch.float64:
        return (
            f"without a seed a float64 result gave a gradient of {made.dtype}: make the seed 1 of the dtype "
            "and shape of `y.data` (`torch.ones_like`)"
        )
    return None


@probe("one-number-in-a-table")
def one_number(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: slope(a, lambda v: v * 2, torch.ones(1, 1)))
    if attempt.raised(ValueError, RuntimeError, AssertionError):
        return (
            "backward() of a result of shape (1, 1) asked for a seed: it holds a single number, so the seed "
            "is 1 (`y.data.numel() == 1`, whatever the number of axes)"
        )
    if attempt.error is None and isinstance(attempt.value, Tensor) and attempt.value.shape != (1, 1):
        return f"the gradient of a (1, 1) leaf has shape {tuple(attempt.value.shape)}: that of its data"
    return None


@probe("backward-of-a-leaf")
def of_a_leaf(a: Any, t: Trial) -> str | None:
    v = a.Var(scalar(3.0))
    attempt = t.tried(lambda: v.backward())
    if attempt.error is None and v.grad is None:
        return (
            "v.backward() of a leaf v left v.grad = None, expected 1: a leaf is part of its own computation, "
            "and the derivative of v with respect to v is 1"
        )
    return None


@probe("sum-of-a-negative-axis")
def negative_axis(a: Any, t: Trial) -> str | None:
    for axis in (-1, -2):
        x, seed = t.randn(2, 2), t.randn(2)
        wanted = seed.unsqueeze(axis).clone() + 0 * x
        attempt = t.tried(lambda x=x, s=seed, d=axis: slope(a, lambda v: v.sum(dim=d), x, s))
        if attempt.error or (isinstance(attempt.value, Tensor) and not same(attempt.value, wanted)):
            got = type(attempt.error).__name__ if attempt.error else numbers(attempt.value)
            return (
                f"v.sum(dim={axis}) of a 2×2 with the seed {numbers(seed)}: the way back gave {got}, "
                f"expected {numbers(wanted)}. Negative axes count from the end; `unsqueeze(dim)` knows that"
            )
    return None


@probe("transpose-by-counting-on")
def transposed(a: Any, t: Trial) -> str | None:
    seed = t.randn(3, 2)
    found = slope(a, lambda v: v.T, t.randn(2, 3), seed)
    if same(found, seed.reshape(2, 3)):
        return (
            "`v.T`: the gradient was put into shape by `reshape`, which keeps the order of the numbers and "
            "mixes rows with columns. The way back of a transpose is a transpose, g.T"
        )
    return None


@probe("reshape-with-minus-one")
def minus_one(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: slope(a, lambda v: v.reshape(3, -1), t.randn(2, 3), t.randn(3, 2)))
    if attempt.error is not None:
        return (
            f"v.reshape(3, -1) of a (2, 3), or its way back, raised {type(attempt.error).__name__}: sizes as "
            "in torch, and there -1 means “work it out”"
        )
    return None


@probe("power-of-a-negative-number")
def negative_base(a: Any, t: Trial) -> str | None:
    x = torch.tensor([-2.0], dtype=torch.float64)
    for n, value, derivative in ((2, 4.0, -4.0), (3, -8.0, 12.0)):
        found = (a.Var(x) ** n).data
        gradient = slope(a, lambda v, n=n: v**n, x, torch.ones_like(x))
        if not same(found, torch.tensor([value])) or not same(gradient, torch.tensor([derivative])):
            return (
                f"(−2)**{n} gave {numbers(found)} with the derivative {numbers(gradient)}, expected "
                f"{value:g} and {derivative:g}: a negative number has powers with a whole n, but no "
                "logarithm, and the derivative n·xⁿ⁻¹ keeps its sign"
            )
    return None
