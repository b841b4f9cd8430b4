"""The known mistakes of E1 in the parity report."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from courseware.check.naming import family

NAN, INF = math.nan, math.inf
FIELDS = {
    "passed": bool,
    "max_abs": float,
    "max_rel": float,
    "cosine": float,
    "argmax_agreement": float,
    "worst_input_index": int,
    "nonfinite_mismatch": int,
}
probe = Probes()
Rows = list[list[float]]


def scripted(rows: list[Rows], dtype: torch.dtype = torch.float64) -> Any:
    """A function that answers its i-th batch (a tensor that holds i) with the i-th rows."""
    values = [torch.tensor(each, dtype=dtype).reshape(len(each), -1) for each in rows]
    return lambda x: values[int(x.flatten()[0])].clone()


def report(a: Any, left: list[Rows], right: list[Rows], **how: Any) -> Any:
    batches = [torch.full((1,), float(i)) for i in range(len(left))]
    return a.parity(scripted(left), scripted(right), batches, **how)


def one(a: Any, left: Rows, right: Rows, **how: Any) -> Any:
    return report(a, [left], [right], **how)


def number(diagnosis: str, field: str, left: Any, right: Any, wrong: Any, words: str, **how: Any) -> None:
    """A mistake that shows as one value of one field."""
    probe.value(
        diagnosis,
        lambda a: getattr(report(a, left, right, **how), field),
        wrong,
        words,
        rtol=1e-6,
        atol=1e-12,
    )


@probe("not-a-report")
def fields(a: Any, t: Trial) -> str | None:
    found = one(a, [[1.0, 2.0]], [[1.0, 2.5]])
    for name, kind in FIELDS.items():
        if not hasattr(found, name):
            return f"the result has no `{name}`: give a `ParityReport`"
        value = getattr(found, name)
        if type(value) is not kind:
            return f"`{name}` is a {type(value).__name__} ({value!r}), expected a Python {kind.__name__}"
    return None


@probe("empty-is-fine")
def empty(a: Any, t: Trial) -> str | None:
    for left, words in (([], "an empty iterable"), ([[]], "one empty batch")):
        rows = [torch.zeros(0, 2) for _ in left]
        attempt = t.tried(lambda rows=rows: a.parity(lambda x: x, lambda x: x, rows))
        if not isinstance(attempt.error, ValueError) or isinstance(attempt.error, UnicodeError):
            how = f"raised {type(attempt.error).__name__}" if attempt.error else "gave a report"
            return f"{words} {how}: nothing was compared, so a ValueError is asked for, not a pass"
    return None


@probe("shapes-are-broadcast")
def shapes(a: Any, t: Trial) -> str | None:
    for left, right in (((2, 3), (2, 1)), ((2, 3), (1, 3)), ((2, 3), (3, 3)), ((2, 3), (2, 4))):
        attempt = t.tried(
            lambda left=left, right=right: a.parity(
                lambda x: torch.ones(left), lambda x: torch.ones(right), [torch.ones(1)]
            )
        )
        if not isinstance(attempt.error, ValueError):
            how = f"raised {type(attempt.error).__name__}" if attempt.error else "gave a report"
            return f"results of shapes {left} and {right} {how}: shapes that differ are a ValueError"
    return None


@probe("mean-instead-of-the-largest")
def largest(a: Any, t: Trial) -> str | None:
    found = one(a, [[1.0, 2.0, 4.0, 8.0]], [[1.0, 2.5, 5.0, 8.0]])
    for field, right, mean in (("max_abs", 1.0, 0.375), ("max_rel", 0.25, 0.125)):
        value = getattr(found, field)
        if not math.isclose(value, right, rel_tol=1e-6) and any(
            math.isclose(value, wrong, rel_tol=1e-6)
            for wrong in (mean, 0.75, 0.3125**0.5, 1.25**0.5, 1.25, 0.3125)
        ):
            return (
                f"[1, 2, 4, 8] against [1, 2.5, 5, 8]: {field} is {right}, the largest; you give {value:.4g}"
            )
    return None


@probe("not-all-batches")
def all_batches(a: Any, t: Trial) -> str | None:
    for rows in ([0.5, 0.1], [0.1, 0.5]):
        found = report(a, [[[0.0]], [[0.0]]], [[[x]] for x in rows]).max_abs
        if not math.isclose(found, 0.5):
            return f"two batches, off by {rows[0]} and {rows[1]}: max_abs is 0.5, you give {numbers(found)}"
    if one(a, [[1.0, 5.0]], [[0.0, 5.0]]).max_abs != 1.0:
        return "1 became 0: max_abs is 1, the *absolute* difference counts"
    with family("not-all-batches", "batches that come from a generator, with an empty one among them"):
        stream = (torch.full((rows, 1), 1.0) for rows in (2, 0, 1))
        found = a.parity(lambda x: x, lambda x: 2 * x, stream)
        t.that(found.max_abs == 1.0, f"max_abs is {found.max_abs}, expected 1")
    return None


number(
    "relative-to-the-candidate",
    "max_rel",
    [[[1.0, 5.0]]],
    [[[2.0, 5.0]]],
    [0.5, 2 / 3],
    "1 became 2: relative to the *reference* that is 1.0, you give {found}. Divide by |ref|",
)
number(
    "relative-to-the-largest",
    "max_rel",
    [[[1.0, 10.0]]],
    [[[2.0, 10.0]]],
    [0.1, 1 / 11, 1 / math.sqrt(101)],
    "1 became 2 beside a 10: element by element the relative difference is 1.0, you give {found}",
)


@probe("nan-in-one-is-missed")
def nan_in_one(a: Any, t: Trial) -> str | None:
    for left, right, where in (
        ([[1.0, 2.0]], [[NAN, 2.0]], "candidate"),
        ([[NAN, 2.0]], [[1.0, 2.0]], "reference"),
    ):
        found = one(a, left, right)
        if found.passed or found.nonfinite_mismatch == 0:
            return (
                f"NaN appeared only in the {where}: nonfinite_mismatch is {found.nonfinite_mismatch} and "
                f"passed is "
                f"{found.passed}, expected 1 and False. Comparisons with NaN are all False"
            )
    return None


@probe("argmax-decides")
def argmax_decides(a: Any, t: Trial) -> str | None:
    if one(a, [[1.0, 2.0]], [[10.0, 20.0]]).passed:
        return "[1, 2] against [10, 20] passes: the same argmax is not enough, the numbers must be close"
    if not one(a, [[1.0, 1.0 + 1e-6]], [[1.0 + 1e-6, 1.0]]).passed:
        return (
            "a difference of 1e-6 is within the tolerances, though the argmax differs: `passed` asks for "
            "numbers"
        )
    return None


@probe("tolerances")
def tolerances(a: Any, t: Trial) -> str | None:
    cases = (
        (100.0, 100.5, {"rtol": 1e-2, "atol": 0.0}, True, "rtol"),
        (100.0, 100.5, {"rtol": 1e-3, "atol": 0.0}, False, "rtol"),
        (0.0, 0.5, {"rtol": 0.0, "atol": 1.0}, True, "atol"),
        (0.0, 0.5, {"rtol": 0.0, "atol": 0.1}, False, "atol"),
        (10.0, 11.9, {"rtol": 0.1, "atol": 1.0}, True, "their sum"),
        (1.0, 2.5, {"rtol": 0.7, "atol": 0.0}, False, "rtol times the reference, not the candidate"),
        (1.0, 1.00009, {}, True, "the default rtol of 1e-4"),
        (1.0, 1.0002, {}, False, "the default rtol of 1e-4"),
        (0.0, 9e-6, {}, True, "the default atol of 1e-5"),
        (0.0, 2e-5, {}, False, "element by element, the default atol is 1e-5"),
    )
    for left, right, how, passed, words in cases:
        if one(a, [[left, 1.0]], [[right, 1.0]], **how).passed is not passed:
            return (
                f"{left:g} against {right:g} with {how or 'the defaults'} gives passed = {not passed}: "
                f"|r − c| ≤ atol + rtol·|r| ({words})"
            )
    return None


@probe("cosine")
def cosine(a: Any, t: Trial) -> str | None:
    left, right = [[[3.0, 0.0]], [[0.0, 4.0]]], [[[3.0, 0.0]], [[4.0, 0.0]]]
    found, whole = report(a, left, right).cosine, 9 / 25
    if not math.isclose(found, whole, rel_tol=1e-6):
        more = " That is a mean of rows or batches." if math.isclose(found, 0.5, rel_tol=1e-6) else ""
        return f"the cosine of all elements as two long vectors is {whole}, you give {found:.4g}.{more}"
    for left_row, right_row, expected in (([0.0], [0.0], 1.0), ([0.0], [1.0], 0.0), ([1.0], [0.0], 0.0)):
        found = one(a, [left_row], [right_row]).cosine
        if found != expected:
            return f"the cosine of {left_row} and {right_row} is to be {expected}, you give {found}"
    if not math.isclose(one(a, [[1.0, 2.0]], [[-1.0, -2.0]]).cosine, -1.0, rel_tol=1e-6):
        return "[1, 2] and [−1, −2] point in opposite directions: cosine −1"
    return None


@probe("agreement-of-batches")
def agreement(a: Any, t: Trial) -> str | None:
    left = [[[1.0, 2.0]], [[1.0, 2.0], [3.0, 1.0], [3.0, 1.0]]]
    right = [[[2.0, 1.0]], [[1.0, 2.0], [3.0, 1.0], [3.0, 1.0]]]
    found = report(a, left, right).argmax_agreement
    if not math.isclose(found, 0.75):
        more = " A mean over batches is 0.5: it weighs the rows of small ones more." if found == 0.5 else ""
        return f"3 of 4 rows (in batches of 1 and 3) have the same argmax, you give {found:.4g}.{more}"
    return None


@probe("zero-reference")
def zero_reference(a: Any, t: Trial) -> str | None:
    found = one(a, [[0.0, 1.0]], [[1e-7, 1.0]], atol=1e-5).max_rel
    if not math.isclose(found, 1e-2, rel_tol=1e-6):
        return (
            f"reference 0, candidate 1e-7, atol 1e-5: max_rel is {found:g}, expected 0.01. The denominator "
            f"is at least "
            "atol: max(abs(r), atol, 1e-12)"
        )
    found = one(a, [[0.0, 1.0]], [[1e-7, 1.0]], atol=0.0).max_rel
    if not math.isclose(found, 1e5, rel_tol=1e-6):
        return f"with atol=0 the denominator is at least 1e-12: max_rel is {found:g}, expected 1e5"
    return None


@probe("nan-in-both-is-a-mismatch")
def nan_in_both(a: Any, t: Trial) -> str | None:
    for value in (NAN, INF, -INF):
        found = one(a, [[value, 2.0]], [[value, 2.0]])
        if found.nonfinite_mismatch or not found.passed:
            return (
                f"{value} in both at the same place is no mismatch; nonfinite_mismatch is "
                f"{found.nonfinite_mismatch} "
                f"and passed is {found.passed}"
            )
    return None


@probe("infinities-are-equal")
def infinities(a: Any, t: Trial) -> str | None:
    for left, right in ((INF, -INF), (INF, 1.0), (1.0, -INF), (NAN, INF)):
        found = one(a, [[left, 2.0]], [[right, 2.0]])
        if found.nonfinite_mismatch != 1 or found.passed:
            return (
                f"{left} against {right} is one mismatch; nonfinite_mismatch is {found.nonfinite_mismatch} "
                f"and passed "
                f"is {found.passed}"
            )
    return None


@probe("flag-instead-of-count")
def count(a: Any, t: Trial) -> str | None:
    found = one(a, [[1.0, NAN], [1.0, 2.0]], [[NAN, 1.0], [INF, 2.0]]).nonfinite_mismatch
    if found != 3:
        return (
            f"three elements are not finite in one only; nonfinite_mismatch is {found}, a count of elements"
        )
    return None


@probe("nonfinite-poisons-the-numbers")
def poisoned(a: Any, t: Trial) -> str | None:
    for value in (NAN, INF):
        found = one(a, [[value, 2.0, 1.0]], [[1.0, 2.5, 1.0]])
        for field, right in (("max_abs", 0.5), ("max_rel", 0.25), ("cosine", 6 / math.sqrt(5 * 7.25))):
            if not math.isclose(getattr(found, field), right, rel_tol=1e-6):
                return (
                    f"with one {value} in the reference, {field} is {getattr(found, field):g}, expected "
                    f"{right:.4g}: "
                    "only elements that are finite in both count there"
                )
    with family("nonfinite-poisons-the-numbers", "no element is finite in both"):
        found = one(a, [[NAN]], [[NAN]])
        words = f"max_abs is {found.max_abs} and cosine {found.cosine}, expected 0.0 and 1.0 (both are empty)"
        t.that(found.max_abs == 0 and found.cosine == 1, words)
    return None


@probe("worst-index")
def worst(a: Any, t: Trial) -> str | None:
    left = [[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]
    right = [[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 1.5]]]
    found = report(a, left, right).worst_input_index
    if found != 4:
        why = {
            1: "that is the number of the batch",
            2: "that is its place within its batch",
            9: "that is the place among all elements",
            5: "counting begins at 0",
            0: "rows are counted through all batches, and a row's largest element decides, not its sum",
        }.get(found, "")
        return f"batches of 2 and 3 rows, the last row is the worst: its index is 4, you give {found}. {why}"
    tie = one(a, [[0.0], [0.0], [0.0]], [[1.0], [2.0], [-2.0]]).worst_input_index
    if tie != 1:
        return f"rows off by 1, 2 and −2: the first of the worst is row 1, you give {tie}"
    found = one(a, [[0.0], [1.0], [2.0]], [[9.0], [NAN], [NAN]]).worst_input_index
    if found != 1:
        return f"a row with a mismatch is worse than any distance; the first one is row 1, you give {found}"
    return None


@probe("compared-in-low-precision")
def precision(a: Any, t: Trial) -> str | None:
    found = one(a, [[1.0, 2.0]], [[1.0 + 1e-9, 2.0]]).max_abs
    if not math.isclose(found, 1e-9, rel_tol=1e-5):
        return f"1 and 1 + 1e-9 in float64 are 1e-9 apart, you give {found:g}: compare in float64"
    half = torch.tensor([[0.1, 0.2]], dtype=torch.float16)
    attempt = t.tried(lambda: a.parity(lambda x: half.float() + 1e-4, lambda x: half, [torch.ones(1)]))
    if attempt.error is not None or not math.isclose(attempt.value.max_abs, 1e-4, rel_tol=1e-2):
        return "a reference in float32 and a candidate in float16: bring both to float64 before comparing"
    return None


@probe("with-gradients")
def gradients(a: Any, t: Trial) -> str | None:
    weight, modes = torch.ones(2, requires_grad=True), []

    def run(x: Tensor) -> Tensor:
        modes.append(torch.is_grad_enabled())
        return x * weight

    attempt = t.tried(lambda: a.parity(run, run, [torch.ones(1, 2)]))
    if attempt.error is not None or any(modes):
        return "the functions run with gradients switched on: `with torch.no_grad():`"
    if len(modes) != 2:
        return f"one batch, two functions: they ran {len(modes)} times together, expected once each"
    return None
