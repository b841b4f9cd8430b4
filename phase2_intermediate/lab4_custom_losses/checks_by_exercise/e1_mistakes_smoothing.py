"""The known mistakes of E1 in label smoothing, Huber and the reductions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e1_mistakes import (
    CLASS,
    LOG_P,
    ROWS,
    probe,
)
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import F64, close, double

# ---- label smoothing ----------------------------------------------------------------------------------


def smoothed(right: float, others: float) -> Tensor:
    onehot = torch.eye(3, dtype=F64)[CLASS]
    return -((right * onehot + others * (1 - onehot)) * LOG_P).sum(1).mean()


probe.value(
    "smooths-only-the-others",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    smoothed(0.7, 0.15),
    "smooth_ce gave {found}: the true class has 1 − ε and the others ε/(C − 1). ε is spread over all C "
    "classes, the true one has 1 − ε + ε/C",
)
probe.value(
    "shares-do-not-add-up",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    [
        *(
            smoothed(0.7, 0.1),
            smoothed(1.0, 0.1),
            smoothed(1.1, 0.1),
            smoothed(1.0, 0.15),
            smoothed(1.0, 0.3),
        ),
        0.7 * smoothed(1.0, 0.0) - 0.3 * LOG_P.sum(1).mean(),
    ],
    "smooth_ce with eps=0.3 gave {found}: the shares of your smoothed target do not add up to 1. The true "
    "class gets 1 − ε + ε/C, every other ε/C",
)
probe.value(
    "no-smoothing",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    smoothed(1.0, 0.0),
    "eps=0.3 makes no difference: {found} is plain cross-entropy",
)
probe.value(
    "eps-fixed",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    smoothed(0.9 + 0.1 / 3, 0.1 / 3),
    "eps=0.3 gives what eps=0.1 should give: use the argument",
)
probe.value(
    "shares-swapped",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    smoothed(0.3 + 0.7 / 3, 0.7 / 3),
    "smooth_ce gave {found}: ε and 1 − ε are swapped, the truth has 0.3 and the uniform part 0.7",
)
probe.value(
    "smooth-ce-sums",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    2 * smoothed(0.8, 0.1),
    "smooth_ce of two rows gave {found}, the sum; asked for is the mean over the kept rows",
)


probe.value(
    "smoothing-subtracted",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    0.7 * smoothed(1.0, 0.0) + 0.3 * LOG_P.mean(),
    "smooth_ce gave {found}: the two parts have opposite signs. Both are −log p: (1 − ε) times that of the "
    "true class, plus ε times its mean over the classes",
)


probe.value(
    "divergence-instead-of-cross-entropy",
    lambda a: a.smooth_ce(ROWS, CLASS, eps=0.3),
    smoothed(0.8, 0.1) + 0.8 * math.log(0.8) + 0.2 * math.log(0.1),
    "smooth_ce gave {found}: that is the divergence of the smoothed target q, smaller by the entropy of q. "
    "Cross-entropy is −Σ q log p alone",
)


@probe("ignored-rows-count")
def ignored_rows(a: Any, t: Trial) -> str | None:
    if not close(a.smooth_ce(ROWS, CLASS, 0.3), smoothed(0.8, 0.1)):
        return None  # wrong without an ignored row already
    one = -(0.8 * LOG_P[0, 1] + 0.1 * LOG_P[0, [0, 2]].sum())
    attempt = t.attempt(lambda: a.smooth_ce(ROWS, torch.tensor([1, -100]), 0.3))
    if attempt.raised(IndexError, RuntimeError):
        return (
            "a target of −100 was used as an index: leave those rows out first, or put a harmless class in "
            f"its place ({type(attempt.error).__name__})"
        )
    if attempt.error is None and close(attempt.value, one / 2):
        return "one of two rows is ignored, and still the sum was divided by 2: divide by the rows that count"
    fits = attempt.error is None and close(attempt.value, one)
    for index in (2, -1, 255):
        found = t.attempt(lambda index=index: a.smooth_ce(ROWS, torch.tensor([1, index]), 0.3, index))
        if fits and found.error:
            return (
                f"ignore_index={index} and the targets [1, {index}] raised {type(found.error).__name__}: "
                f"{index} was used as an index. Leave out what equals the argument, be it what it may"
            )
        if fits and not close(found.value, one):
            return (
                f"ignore_index={index}: smooth_ce of targets [1, {index}] is not that of the first row. "
                f"Here {index} is left out, and nothing else: compare the target with the argument"
            )
    if attempt.error is None and not close(attempt.value, one):
        return (
            f"with targets [1, −100] smooth_ce is {numbers(attempt.value)}, expected that of the first row, "
            f"{one:.4g}: an ignored row is in neither the sum nor the count"
        )
    return None


# ---- Huber --------------------------------------------------------------------------------------------


def huber_of_three(a: Any) -> Tensor:
    found: Tensor = a.huber(double([3.0]), double([0.0]), 2.0)
    return found


probe.value(
    "smooth-l1",
    lambda a: torch.stack([huber_of_three(a), a.huber(double([1.0]), double([0.0]), 2.0)]),
    double([2.0, 0.25]),
    "huber of (3, 1) and 0 with δ = 2 is {found}: that is smooth_l1 with β = 2, which is Huber divided "
    "by δ. Expected [4, 0.5]",
)
probe.value(
    "squares-the-outlier",
    huber_of_three,
    [4.5, 9.0],
    "huber(3, 0; δ = 2) is {found}: |e| = 3 is beyond δ and costs δ (|e| − δ/2) = 4, not a square",
)
probe.value(
    "flat-beyond-delta",
    lambda a: a.huber(double([3.0, 5.0]), double([0.0, 0.0]), 2.0, "none"),
    double([2.0, 2.0]),
    "errors of 3 and of 5 with δ = 2 both cost {found}: beyond δ the loss goes on as a straight line, "
    "δ (|e| − ½ δ)",
)
probe.value(
    "one-error-decides-for-all",
    lambda a: a.huber(double([3.0, 1.0]), double([0.0, 0.0]), 2.0, "none"),
    [double([4.0, 0.0]), double([4.5, 0.5])],
    "errors of 3 and 1 with δ = 2 cost {found}, expected [4, 0.5]: each element is square or straight by its "
    "own |e|, use `torch.where`",
)
probe.value(
    "tail-does-not-meet-the-square",
    huber_of_three,
    [6.0, 2.0 * (3 - 2), 5.0, 3.0, 5.5],
    "huber(3, 0; δ = 2) is {found}, expected 4: at |e| = δ the straight part must meet ½δ², so it is "
    "δ (|e| − ½ δ)",
)
probe.value(
    "huber-without-half",
    lambda a: a.huber(double([1.0]), double([0.0]), 2.0),
    [1.0, 1.5],
    "huber(1, 0; δ = 2) is {found}, expected 0.5: inside δ it is *half* the square",
)
probe.value(
    "delta-fixed", huber_of_three, [2.5], "huber(3, 0; δ = 2) is {found}, what δ = 1 gives: use the argument"
)


@probe("forgets-the-absolute-value")
def no_absolute(a: Any, t: Trial) -> str | None:
    up, down = a.huber(double([3.0]), double([0.0]), 2.0), a.huber(double([0.0]), double([3.0]), 2.0)
    if close(up, 4.0) and not close(down, 4.0):
        return (
            f"huber(0, 3; δ = 2) is {numbers(down)} and huber(3, 0; δ = 2) is 4: both errors are of size 3. "
            "Take |e| before comparing with δ"
        )
    return None


# ---- reductions ---------------------------------------------------------------------------------------


@probe("reduction-ignored")
def reduction_ignored(a: Any, t: Trial) -> str | None:
    calls = {
        "focal_loss": lambda how: a.focal_loss(ROWS, CLASS, reduction=how),
        "huber": lambda how: a.huber(double([1.0, 3.0]), double([0.0, 0.0]), reduction=how),
    }
    for name, call in calls.items():
        mean, total, each = call("mean"), call("sum"), call("none")
        if tuple(each.shape) != (2,):
            return f'{name} with reduction="none" has shape {tuple(each.shape)}, expected (2,): one for each'
        if tuple(mean.shape) != () or tuple(total.shape) != ():
            return f'{name} with "mean" or "sum" should be a 0-d tensor, not of shape {tuple(mean.shape)}'
        if not close(total, each.sum()):
            return f'{name} with reduction="sum" is {numbers(total)}, but "none" adds up to {each.sum():.4g}'
        if not close(mean, each.mean()):
            return f'{name} with "mean" is {numbers(mean)}, but the mean of "none" is {each.mean():.4g}'
    square = double([[1.0, 3.0], [2.0, 0.5]])
    mean, total = a.huber(square, 0 * square), a.huber(square, 0 * square, reduction="sum")
    if not close(mean, total / 4):
        return (
            f'huber of 2×2 errors with "mean" is {numbers(mean)}, but a quarter of "sum" is {total / 4:.4g}'
        )
    return None
