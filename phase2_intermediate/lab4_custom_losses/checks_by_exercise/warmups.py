"""W1 and W2: a stable logarithm, a mean of what counts."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise import pictures
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import (
    F64,
    close,
    double,
    expect,
    gradients,
)

# ---- W1 -----------------------------------------------------------------------------------------------

w1 = Exercise(
    "W1",
    takes={"softplus": Tensor},
    forbids=forbid(
        *("softplus", "logsigmoid", "log_sigmoid", "binary_cross_entropy_with_logits"),
        aten=("softplus", "log_sigmoid_forward", "binary_cross_entropy_with_logits"),
        why="it is this very function. Build it from `exp`, `log1p` and `abs`",
    ),
    hints=(
        "Overflow comes from eˣ with a large x. Which power of e in the formula is never larger than 1?",
        "max(x, 0) + log(1 + e^(−|x|)): the exponent −|x| is never positive.",
        "`x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))`.",
    ),
)


@w1.probe("kink")
def kink(a: Any, t: Trial) -> str | None:
    if close(a.softplus(double([0.0])), double([0.0])):
        return "softplus(0) is 0: that is relu. log(1 + e⁰) = log 2 = 0.6931"
    return None


@w1.probe("exponential-overflows")
def overflows(a: Any, t: Trial) -> str | None:
    found = a.softplus(torch.tensor([0.0, 1000.0]))
    if close(found[0], math.log(2)) and not bool(found[1].isfinite()):
        return (
            f"softplus(1000) is {float(found[1])}, expected 1000: e^1000 is infinite, and 1/e^1000 is 0. "
            "Take the large part out first, max(x, 0), and let the exponent be −|x|"
        )
    return None


@w1.probe("small-values-rounded-away")
def rounded_away(a: Any, t: Trial) -> str | None:
    found = a.softplus(double([-40.0]))
    if close(found, double([0.0]), atol=1e-30):
        return (
            "softplus(−40) is 0, expected 4.2e-18: 1 + e^(−40) is rounded to 1 before the logarithm. "
            "`log1p(u)` computes log(1 + u) without that sum"
        )
    return None


@w1.probe("one-side-only")
def one_side(a: Any, t: Trial) -> str | None:
    found = a.softplus(double([-3.0, 3.0]))
    right = double([math.log1p(math.exp(-3)), math.log1p(math.exp(3))])
    if close(found[1], right[1]) and not close(found[0], right[0]):
        return (
            f"softplus(−3) is {numbers(found[0])}, expected {numbers(right[0])}: the formula holds for x "
            f"> 0 only"
        )
    if close(found[0], right[0]) and not close(found[1], right[1]):
        return (
            f"softplus(3) is {numbers(found[1])}, expected {numbers(right[1])}: max(x, 0) is missing, or "
            f"clamped"
        )
    if close(found, -right):
        return "the sign is the other way round: softplus is positive"
    if close(found, right.flip(0)):
        return "that is softplus(−x): the exponent is +x"
    return None


@w1.property("right for every finite x")
def softplus_right(a: Any, t: Trial) -> None:
    for shape in ((), (1,), (7,), (2, 3), (0,)):
        x = t.randn(*shape) * 5
        expect(
            t,
            lambda x=x: a.softplus(x),
            torch.logaddexp(x, torch.zeros_like(x)),
            f"softplus of shape {shape}",
            diagnosis="softplus-value",
            dtype=True,
            rtol=1e-9,
        )
    for dtype in (torch.float32, F64):
        x = torch.tensor([-1e4, -80.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1e4], dtype=dtype)
        right = torch.tensor([math.exp(-80), math.exp(-40), 0.31326168751822286, math.log(2)], dtype=F64)
        expect(
            t,
            lambda x=x: a.softplus(x)[1:5],
            right.to(dtype),
            f"softplus of {numbers(x[1:5])}, {dtype}",
            diagnosis="softplus-extremes",
            dtype=True,
            rtol=1e-5,
            atol=0.0,
        )
        expect(
            t,
            lambda x=x: a.softplus(x)[[0, 6, 7]],
            torch.tensor([0.0, 40.0, 1e4], dtype=dtype),
            "softplus of −10,000, 40 and 10,000",
            diagnosis="softplus-extremes",
            dtype=True,
            rtol=1e-6,
        )


w1.reward(pictures.softplus_curves)

# ---- W2 -----------------------------------------------------------------------------------------------

w2 = Exercise(
    "W2",
    takes={"mean_kept": Tensor},
    hints=(
        "Two numbers: the sum of the losses that are kept, and how many there are. What should stand in for "
        "the others so that they do no harm?",
        "Σ over kept / max(number kept, 1). Replace the others by 0 (do not multiply them by 0).",
        "`losses.masked_fill(~keep, 0).sum() / keep.sum().clamp(min=1)`.",
    ),
)
LOSSES, KEEP = double([1.0, 2.0, 60.0]), torch.tensor([True, True, False])


@w2.probe("divides-by-all")
def divides_by_all(a: Any, t: Trial) -> str | None:
    found = a.mean_kept(LOSSES, KEEP)
    if close(found, 1.0):
        return (
            "mean_kept([1, 2, 60], [T, T, F]) is 1: the sum of two was divided by 3. Divide by what is kept"
        )
    if close(found, 3.0):
        return "mean_kept([1, 2, 60], [T, T, F]) is 3, the sum: divide by the number that is kept, 2"
    if close(found, 60.0):
        return "the mask is the other way round: True means that a loss counts"
    if close(found, 21.0):
        return "mean_kept([1, 2, 60], [T, T, F]) is 21, the mean of all three: the mask was not used"
    if found.dim():
        return f"the result has shape {tuple(found.shape)}, expected a single number"
    return None


@w2.probe("axis-by-axis")
def axis_by_axis(a: Any, t: Trial) -> str | None:
    table = double([[1.0, 2.0, 60.0], [5.0, 7.0, 9.0]])
    found = a.mean_kept(table, torch.stack([KEEP, torch.tensor([True, False, False])]))
    for wrong, axis in (((1.5 + 5) / 2, "row"), ((3 + 2 + 0) / 3, "column"), ((3 + 2) / 2, "column")):
        if close(found, wrong):
            return (
                f"kept are 1, 2 in one row and 5 in the next, and the result is {numbers(found)}, expected "
                f"8/3: a mean for each {axis}, then the mean of these. Add up everything, divide once"
            )
    return None


@w2.probe("infinity-times-zero")
def infinity(a: Any, t: Trial) -> str | None:
    for bad in (math.inf, math.nan):
        found = a.mean_kept(double([1.0, 2.0, bad]), KEEP)
        if not bool(found.isfinite()):
            return (
                f"a left-out loss of {bad} makes the result {float(found)}: {bad} · 0 is nan. Replace it, by "
                "`masked_fill` or `torch.where`, or pick the others by indexing"
            )
        found = t.attempt(lambda bad=bad: a.mean_kept(double([1.0, 2.0, bad]), ~KEEP & KEEP)).value
        if close(a.mean_kept(LOSSES, ~KEEP & KEEP), 0.0) and not close(found, 0.0):
            return (
                f"nothing is kept, but a left-out loss of {bad} makes the result {numbers(found)}: "
                "`losses.sum() * 0` is nan then. Take the 0 from the sum of what is kept"
            )
    return None


@w2.probe("nothing-kept")
def nothing_kept(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: gradients(lambda x: a.mean_kept(x, torch.tensor([False] * 3)), LOSSES))
    if attempt.error is not None:
        return f"nothing is kept: it raised {type(attempt.error).__name__}, expected 0"
    loss, (grad,) = attempt.value
    if not close(loss, 0.0):
        return f"nothing is kept: the result is {float(loss)}, expected 0. Divide by at least 1"
    if grad is None or bool((grad != 0).any()):
        return (
            f"nothing is kept: the gradient is {grad}, expected zeros; let the 0 come out of the losses "
            f"themselves"
        )
    return None


@w2.property("the mean of what is kept, and its gradient")
def kept_right(a: Any, t: Trial) -> None:
    for shape in ((1,), (5,), (3, 4), (0,), (), (2, 3, 2)):
        keep = t.randint(0, 2, *shape).bool()
        x = t.randn(*shape).masked_fill(~keep, math.nan)
        count = max(int(keep.sum()), 1)
        expect(
            t,
            lambda x=x, keep=keep: gradients(lambda x: a.mean_kept(x, keep), x),
            (x[keep].sum() / count, [keep.double() / count]),
            f"mean_kept of shape {shape} with {int(keep.sum())} kept, and its gradient",
            diagnosis="mean-kept-value",
            dtype=True,
        )
    t.that(
        math.isinf(a.mean_kept(double([1.0, math.inf, 2.0]), torch.tensor([True, True, False]))),
        "a *kept* loss of inf was left out or hidden: 1 and inf have the mean inf, and training must show it",
        diagnosis="hides-what-is-kept",
    )


w2.reward(pictures.masked_means)
