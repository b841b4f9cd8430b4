"""W1 to W4: a stable logarithm, a mean of what counts, all distances, recall class by class."""

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


@w1.probe("exponential-overflows")
def overflows(a: Any, t: Trial) -> str | None:
    found = a.softplus(torch.tensor([0.0, 1000.0]))
    if close(found[0], math.log(2)) and not bool(found[1].isfinite()):
        return (
            f"softplus(1000) is {float(found[1])}, expected 1000: e^1000 is infinite. Take the large "
            f"part out first, "
            "max(x, 0), and let the exponent be −|x|"
        )
    return None


@w1.probe("small-values-rounded-away")
def rounded_away(a: Any, t: Trial) -> str | None:
    found = a.softplus(double([-40.0]))
    if close(found, 0.0, atol=1e-30) or close(found, double([0.0]), atol=1e-30):
        return (
            "softplus(−40) is 0, expected 4.2e-18: 1 + e^(−40) is rounded to 1 before the logarithm. "
            "`log1p(u)` "
            "computes log(1 + u) without that sum"
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


@w1.probe("kink")
def kink(a: Any, t: Trial) -> str | None:
    if close(a.softplus(double([0.0])), double([0.0])):
        return "softplus(0) is 0: that is relu. log(1 + e⁰) = log 2 = 0.6931"
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
        "Two numbers: the sum of the losses that are kept, and how many there are. What should stand in "
        "for the "
        "others so that they do no harm?",
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


@w2.probe("infinity-times-zero")
def infinity(a: Any, t: Trial) -> str | None:
    for bad in (math.inf, math.nan):
        found = a.mean_kept(double([1.0, 2.0, bad]), KEEP)
        if not bool(found.isfinite()):
            return (
                f"a left-out loss of {bad} makes the result {float(found)}: {bad} · 0 is nan. Replace it, by "
                "`masked_fill` or `torch.where`, or pick the others by indexing"
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
        )


w2.reward(pictures.masked_means)

# ---- W3 -----------------------------------------------------------------------------------------------

w3 = Exercise(
    "W3",
    takes={"squared_distances": Tensor},
    hints=(
        "Write (a − b)² as a² − 2ab + b². Which of the three parts depends on i alone, which on j alone?",
        "[N, 1] + [1, M] − 2 · [N, M]: the lengths broadcast, the products are `a @ b.T`. Then clamp at 0.",
        "`(a.square().sum(1)[:, None] + b.square().sum(1)[None, :] - 2 * a @ b.T).clamp(min=0)`.",
    ),
)
P, Q = double([[0.0, 0.0], [1.0, 1.0]]), double([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]])
TABLE = double([[25.0, 1.0, 4.0], [13.0, 1.0, 2.0]])


@w3.probe("another-table")
def square_root(a: Any, t: Trial) -> str | None:
    found = a.squared_distances(P, Q)
    if close(found, TABLE.sqrt()):
        return f"the entries are {numbers(found[0])} …: distances; asked for are their squares"
    if close(found, TABLE.T):
        return "the table is transposed: rows belong to `a`, columns to `b`, so [N, M]"
    if close(found, P @ Q.T):
        return "these are dot products: distances need ‖a‖² − 2 a·b + ‖b‖²"
    if close(found, TABLE / 2) or close(found, (P[:, None] - Q[None]).abs().sum(2)):
        return (
            f"the first row is {numbers(found[0])}, expected [25, 1, 4]: the *sum* of *squared* differences"
        )
    return None


@w3.probe("cross-term")
def cross_term(a: Any, t: Trial) -> str | None:
    found = a.squared_distances(P, Q)
    lengths = P.square().sum(1)[:, None] + Q.square().sum(1)[None]
    for wrong, what in ((lengths - P @ Q.T, "−1"), (lengths + 2 * P @ Q.T, "+2"), (lengths, "0")):
        if close(found, wrong) or close(found, wrong.clamp(min=0)):
            return f"the product a·b comes in with the factor {what}, expected −2: (a − b)² = a² − 2ab + b²"
    return None


@w3.probe("negative-by-rounding")
def negative(a: Any, t: Trial) -> str | None:
    x = t.randn(150, 60, dtype=torch.float32) * 30 + 50
    found = a.squared_distances(x, x)
    if bool((found < 0).any()):
        return (
            f"the smallest entry for equal rows is {float(found.min()):.3g}: rounding made a square "
            f"negative, and its "
            "root would be nan. `clamp(min=0)`"
        )
    return None


@w3.property("all squared distances")
def distances_right(a: Any, t: Trial) -> None:
    for n, m, width in ((1, 1, 1), (2, 3, 2), (5, 5, 4), (0, 3, 2), (3, 0, 2), (4, 2, 7)):
        for dtype in (torch.float32, F64):
            x, y = t.randn(n, width, dtype=dtype), t.randn(m, width, dtype=dtype)
            right = torch.stack([(x[i] - y).square().sum(1) for i in range(n)]) if n else torch.zeros(0, m)
            expect(
                t,
                lambda x=x, y=y: a.squared_distances(x, y),
                right.to(dtype),
                f"squared_distances of [{n}, {width}] and [{m}, {width}]",
                diagnosis="distances-value",
                dtype=True,
                atol=1e-4 if dtype == torch.float32 else 1e-6,
            )


w3.reward(pictures.distance_table)

# ---- W4 -----------------------------------------------------------------------------------------------

w4 = Exercise(
    "W4",
    takes={"recall_per_class": Tensor},
    hints=(
        "For one class c: which rows are asked about (their *target* is c), and how many of these were "
        "found?",
        "recall_c = #(predicted = c and target = c) / #(target = c). 0/0 is nan by itself, if both are "
        "floats.",
        "`found = torch.bincount(target[predicted == target], minlength=classes)`, divided by "
        "`torch.bincount(target, minlength=classes)`, as floats.",
    ),
)
GUESS, TRUE = torch.tensor([0, 0, 1, 1, 0]), torch.tensor([0, 0, 0, 1, 1])


@w4.probe("precision-instead")
def precision(a: Any, t: Trial) -> str | None:
    found = a.recall_per_class(GUESS, TRUE, 2)
    if close(found, torch.tensor([2 / 3, 1 / 2])):
        # the same numbers for both here: ask where they differ
        found = a.recall_per_class(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1]), 2)
        if close(found, torch.tensor([1 / 3, 1.0])):
            return (
                "that is precision: divided by how many were *predicted* as the class. Recall divides by "
                "how many "
                "*are* of the class"
            )
    if close(found, torch.tensor([2 / 5, 1 / 5])):
        return "the hits were divided by all rows; divide by the rows whose target is the class"
    if found.dim() == 0:
        return f"the result is the single number {float(found):.4g}, expected one recall for each class"
    return None


@w4.probe("absent-class")
def absent(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.recall_per_class(torch.tensor([0, 0]), torch.tensor([0, 0]), 3))
    if attempt.error is not None:
        return f"a class without an example raised {type(attempt.error).__name__}; its recall is nan"
    found = attempt.value
    if tuple(found.shape) != (3,):
        return (
            f"with classes=3 the result has shape {tuple(found.shape)}, expected (3,), absent classes "
            f"included"
        )
    if not bool(found[1:].isnan().all()):
        return (
            f"classes 1 and 2 have no example, and you say {numbers(found[1:])}: nobody tested them, so "
            f"their recall is "
            "nan, not 0 and not 1"
        )
    return None


@w4.probe("recall-dtype")
def recall_dtype(a: Any, t: Trial) -> str | None:
    found = a.recall_per_class(GUESS, TRUE, 2)
    if found.dtype != torch.float32:
        return f"the recalls are {found.dtype}, asked for is torch.float32: convert with `.float()`"
    return None


@w4.property("recall of every class")
def recall_right(a: Any, t: Trial) -> None:
    for rows, classes in ((1, 1), (6, 2), (20, 3), (9, 7), (0, 2)):
        guess, true = t.randint(0, classes, rows), t.randint(0, classes, rows)
        right = []
        for c in range(classes):
            own = [g for g, y in zip(guess.tolist(), true.tolist(), strict=True) if y == c]
            right.append(sum(g == c for g in own) / len(own) if own else math.nan)
        expect(
            t,
            lambda g=guess, y=true, k=classes: a.recall_per_class(g, y, k),
            torch.tensor(right),
            f"recall_per_class of {rows} rows and {classes} classes",
            diagnosis="recall-value",
        )


w4.reward(pictures.recall_bars)
