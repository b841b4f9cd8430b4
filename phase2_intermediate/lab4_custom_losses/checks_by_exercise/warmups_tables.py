"""W3 and W4: all distances, recall class by class."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise import pictures
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import F64, close, double, expect

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


@w3.probe("another-length")
def another_length(a: Any, t: Trial) -> str | None:
    found, cross = a.squared_distances(P, Q), -2 * P @ Q.T
    of_a, of_b = P.square().sum(1)[:, None], Q.square().sum(1)[None]
    for wrong, words in (
        (of_a + cross, "the length of b is missing"),
        (of_b + cross, "the length of a is missing"),
        (of_a.sqrt() + of_b.sqrt() + cross, "the lengths were not squared"),
        ((P[:, None] - Q[None]).sum(2).square(), "the differences were added up before they were squared"),
        (2 - 2 * cosines(P, Q), "the rows were normalised; here their length counts"),
    ):
        if close(found, wrong) or close(found, wrong.clamp(min=0)):
            return f"the second row is {numbers(found[1])}, expected [13, 1, 2]: {words}"
    return None


def cosines(a: Tensor, b: Tensor) -> Tensor:
    return torch.nn.functional.normalize(a, dim=1) @ torch.nn.functional.normalize(b, dim=1).T


@w3.probe("negative-by-rounding")
def negative(a: Any, t: Trial) -> str | None:
    x = t.randn(150, 60, dtype=torch.float32) * 30 + 50
    found = a.squared_distances(x, x)
    if bool((found < 0).any()):
        return (
            f"the smallest entry for equal rows is {float(found.min()):.3g}: rounding made a square "
            "negative, and its root would be nan. `clamp(min=0)`"
        )
    return None


@w3.property("all squared distances")
def distances_right(a: Any, t: Trial) -> None:
    for n, m, width in ((1, 1, 1), (2, 3, 2), (5, 5, 4), (0, 3, 2), (3, 0, 2), (4, 2, 7)):
        for dtype, size in ((torch.float32, 1.0), (F64, 1.0), (F64, 0.03), (F64, 500.0)):
            x, y = t.randn(n, width, dtype=dtype) * size, t.randn(m, width, dtype=dtype) * size
            right = torch.stack([(x[i] - y).square().sum(1) for i in range(n)]) if n else torch.zeros(0, m)
            expect(
                t,
                lambda x=x, y=y: a.squared_distances(x, y),
                right.to(dtype),
                f"squared_distances of [{n}, {width}] and [{m}, {width}], coordinates around {size:g}",
                diagnosis="distances-value",
                dtype=True,
                atol=(1e-4 if dtype == torch.float32 else 1e-5) * size**2,
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
                "that is precision: divided by how many were *predicted* as the class. Recall divides by how "
                "many *are* of the class"
            )
    if close(found, torch.tensor([2 / 5, 1 / 5])):
        return "the hits were divided by all rows; divide by the rows whose target is the class"
    if found.dim() == 0:
        return f"the result is the single number {float(found):.4g}, expected one recall for each class"
    return None


@w4.probe("another-score")
def another_score(a: Any, t: Trial) -> str | None:
    found = a.recall_per_class(GUESS, TRUE, 2)
    for wrong, words in (
        ([1 / 3, 1 / 2], "the share that was *missed*: it is the share that was found"),
        ([2 / 4, 1 / 3], "hits over all rows that are or are predicted as the class (Jaccard)"),
        ([200 / 3, 50.0], "percent: a share lies between 0 and 1"),
        ([0.0, 0.0], "whole numbers were divided with //, or rounded down"),
    ):
        if close(found, torch.tensor(wrong)):
            return f"predicted {GUESS.tolist()}, target {TRUE.tolist()} gives {numbers(found)}: {words}"
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
            "their recall is nan, not 0 and not 1"
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
