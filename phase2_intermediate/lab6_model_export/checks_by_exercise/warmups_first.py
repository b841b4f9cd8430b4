"""W1 and W2: where a captured model lies, and a choice without an `if`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Probes, Trial
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise import pictures_warmups as pictures
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import exported, quiet

NAN, INF = math.nan, math.inf

w1 = Exercise(
    "W1",
    takes={"where_they_differ": list},
    hints=(
        "Go through the inputs one by one, call both functions once, and write down where the results "
        "disagree.",
        "They agree if the shapes are equal and |a − b| ≤ atol for every element, where NaN twice is equal.",
        "`a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=atol, equal_nan=True)`; `torch.allclose` "
        "broadcasts, so the shapes come first.",
    ),
)
probe = Probes()


def table(*rows: tuple[list[float] | float, list[float] | float]) -> tuple[Any, Any, list[Tensor]]:
    """Two functions that answer the i-th input with the i-th pair, and the inputs."""
    left = [torch.tensor(a) for a, _ in rows]
    right = [torch.tensor(b) for _, b in rows]
    return (
        lambda x: left[int(x)].clone(),
        lambda x: right[int(x)].clone(),
        [torch.tensor(float(i)) for i in range(len(rows))],
    )


@probe("answers-yes-or-no")
def booleans(a: Any, t: Trial) -> str | None:
    found = a.where_they_differ(*table(([1.0], [2.0]), ([1.0], [1.0])))
    if any(isinstance(i, bool) for i in found):
        return f"the result is {found}: the *positions* are asked for, [0] here, not a list of True and False"
    if any(isinstance(i, Tensor) and i.numel() != 1 for i in found) or any(
        isinstance(i, float) for i in found
    ):
        return f"the result is {found}: the positions are asked for, as whole numbers"
    return None


@probe("where-they-agree")
def agreeing(a: Any, t: Trial) -> str | None:
    if a.where_they_differ(*table(([1.0], [2.0]), ([1.0], [1.0]), ([5.0], [5.0]))) == [1, 2]:
        return "these are the positions at which the two agree; asked for are those at which they differ"
    return None


@probe("counts-from-one")
def from_one(a: Any, t: Trial) -> str | None:
    if a.where_they_differ(*table(([1.0], [1.0]), ([1.0], [2.0]))) == [2]:
        return "the second input has position 1: Python counts from 0"
    return None


@probe("stops-at-the-first")
def first_only(a: Any, t: Trial) -> str | None:
    if a.where_they_differ(*table(([1.0], [2.0]), ([1.0], [1.0]), ([3.0], [4.0]))) == [0]:
        return "inputs 0 and 2 differ, you report only the first of them: go on to the end"
    return None


@probe("signed-difference")
def signed(a: Any, t: Trial) -> str | None:
    one, other = ([1.0], [2.0]), ([2.0], [1.0])
    if len(a.where_they_differ(*table(one))) + len(a.where_they_differ(*table(other))) == 1:
        return "1 against 2 and 2 against 1 both differ: take the absolute value of the difference"
    if a.where_they_differ(*table(([1.0, 2.0], [2.0, 1.0]))) == []:
        return "[1, 2] and [2, 1] differ, though their sums are equal: compare element by element"
    return None


@probe("relative-tolerance")
def relative(a: Any, t: Trial) -> str | None:
    original, captured, inputs = table(([1000.0], [1000.005]))
    if a.where_they_differ(original, captured, inputs, atol=1e-3) == []:
        return (
            "1000 and 1000.005 are 0.005 apart, and atol is 0.001: they differ. `torch.allclose` adds a "
            "relative "
            "tolerance of 1e-5 by itself: pass rtol=0"
        )
    return None


@probe("tolerance-ignored")
def tolerance(a: Any, t: Trial) -> str | None:
    original, captured, inputs = table(([1.0, 2.0], [1.0, 2.25]))
    if a.where_they_differ(original, captured, inputs, atol=0.5) == [0]:
        return "2 and 2.25 are less than atol = 0.5 apart: that is no difference"
    if a.where_they_differ(original, captured, inputs, atol=0.1) == []:
        return "2 and 2.25 are more than atol = 0.1 apart: that is a difference"
    if a.where_they_differ(original, captured, inputs, atol=0.25) == [0]:
        return "2 and 2.25 are exactly atol = 0.25 apart: a difference is *more* than atol"
    if a.where_they_differ(*table(([1.0], [1.000005]))) == []:
        return "1 and 1.000005 are more than 1e-6 apart, which is the tolerance if none is given"
    return None


@probe("any-and-all")
def one_element(a: Any, t: Trial) -> str | None:
    if a.where_they_differ(*table(([1.0, 2.0, 3.0], [1.0, 9.0, 3.0]))) == []:
        return "[1, 2, 3] and [1, 9, 3] differ in one element: one is enough"
    return None


@probe("nan")
def nan(a: Any, t: Trial) -> str | None:
    if a.where_they_differ(*table(([NAN, 1.0], [NAN, 1.0]))) == [0]:
        return "NaN at the same place in both is equal here, though NaN == NaN is False: `equal_nan=True`"
    for row in (([NAN, 1.0], [2.0, 1.0]), ([2.0, 1.0], [NAN, 1.0]), ([NAN, 1.0], [0.0, 1.0])):
        if a.where_they_differ(*table(row)) == []:
            return (
                f"NaN in one of them only is a difference ({row[0]} against {row[1]}). A comparison with "
                f"NaN is "
                "False, so `abs(a − b) > atol` does not see it"
            )
    return None


@probe("infinity")
def infinity(a: Any, t: Trial) -> str | None:
    if a.where_they_differ(*table(([INF, 1.0], [INF, 1.0]))) == [0]:
        return "the same infinity in both is equal; ∞ − ∞ is NaN"
    if a.where_they_differ(*table(([INF, 1.0], [-INF, 1.0]))) == []:
        return "∞ and −∞ differ"
    if a.where_they_differ(*table(([INF, 1.0], [torch.finfo(torch.float32).max, 1.0]))) == []:
        return "∞ and the largest float32 number differ: `nan_to_num` makes them one and the same"
    return None


@probe("shapes-are-broadcast")
def shapes(a: Any, t: Trial) -> str | None:
    for row in (([1.0], [1.0, 1.0]), (1.0, [1.0]), ([[1.0]], [1.0])):
        with family("shapes-are-broadcast", "results of different shapes differ"):
            if a.where_they_differ(*table(row)) == []:
                return (
                    "results of different shapes differ, also if they can be broadcast: "
                    f"{row[0]} and {row[1]} came out equal"
                )
    return None


@probe("position-by-search")
def same_input_twice(a: Any, t: Trial) -> str | None:
    x = torch.ones(1)
    if a.where_they_differ(lambda x: x, lambda x: x + 1, [x, x, x]) == [0, 0, 0]:
        return "the same tensor three times has the positions 0, 1 and 2, not 0 three times: `enumerate`"
    return None


@probe("calls-twice")
def calls(a: Any, t: Trial) -> str | None:
    counted = [0, 0]

    def original(x: Tensor) -> Tensor:
        counted[0] += 1
        return x

    def captured(x: Tensor) -> Tensor:
        counted[1] += 1
        return x

    a.where_they_differ(original, captured, [torch.ones(1)] * 3)
    if counted != [3, 3]:
        return (
            f"for 3 inputs the functions were called {counted[0]} and {counted[1]} times, expected once for "
            f"each"
        )
    return None


@w1.property("exactly where the results differ", points=0)
def random_pairs(a: Any, t: Trial) -> None:
    t.equal(a.where_they_differ(lambda x: x, lambda x: x, []), [])
    for size in (1, 2, 5, 9):
        wrong = [t.random.random() < 0.5 for _ in range(size)]
        inputs = [t.randn(*[2] * t.random.randrange(3)) + 10 * i for i in range(size)]

        def captured(x: Tensor, inputs=inputs, wrong=wrong) -> Tensor:
            i = next(i for i, y in enumerate(inputs) if y is x or (y.shape == x.shape and torch.equal(y, x)))
            return 2 * x + (1e-3 if wrong[i] else 1e-8)

        expected = [i for i in range(size) if wrong[i]]
        t.equal([int(i) for i in a.where_they_differ(lambda x: 2 * x, captured, inputs)], expected)


probe.add_to(w1)
w1.reward(pictures.traced_branch)

w2 = Exercise(
    "W2",
    takes={"double_or_less": Tensor},
    hints=(
        "Both results can be computed for every x. Which one is taken must be decided by a tensor, not by "
        "Python.",
        "`torch.where(condition, a, b)` takes a 0-d condition, too: one choice for all elements.",
        "`torch.where(x.sum() > 0, 2 * x, x - 1)`.",
    ),
)
second = Probes()


def signs() -> tuple[Tensor, Tensor]:
    """Two inputs with a positive and a negative sum, made anew: an answer may spoil them."""
    return torch.tensor([3.0, -1.0]), torch.tensor([-3.0, 1.0])


def both_signs(a: Any) -> Tensor:
    return torch.cat([a.double_or_less(x) for x in signs()])


second.value(
    "chooses-element-by-element",
    both_signs,
    torch.tensor([6.0, -2.0, -4.0, 2.0]),
    "each element chose for itself: on [3, −1] the *sum* is positive, so both are doubled: [6, −2]. You "
    "gave, with "
    "[−3, 1] after it, {found}",
)
second.value(
    "branches-exchanged",
    both_signs,
    torch.tensor([2.0, -2.0, -6.0, 2.0]),
    "the branches are exchanged: a positive sum doubles",
)
second.value(
    "one-branch-only",
    both_signs,
    [torch.tensor([6.0, -2.0, -6.0, 2.0]), torch.tensor([2.0, -2.0, -4.0, 0.0])],
    "the same branch is taken for [3, −1] and for [−3, 1]: {found}",
)


@second("zero-sum")
def at_zero(a: Any, t: Trial) -> str | None:
    found = a.double_or_less(torch.tensor([1.0, -1.0]))
    if found.tolist() == [2.0, -2.0]:
        return "the sum of [1, −1] is 0, which is not greater than 0: x − 1 is asked for, [0, −2]"
    return None


@second("another-dtype")
def result_dtype(a: Any, t: Trial) -> str | None:
    found = a.double_or_less(torch.tensor([1.0, 2.0]))
    if found.dtype != torch.float32:
        return f"x is float32, and the result is {found.dtype}: it has x's dtype"
    return None


@second("decided-by-the-mean-of-nothing")
def of_nothing(a: Any, t: Trial) -> str | None:
    for shape in ((0,), (2, 0)):
        with family("decided-by-the-mean-of-nothing", f"an empty x of shape {shape}"):
            found = a.double_or_less(torch.empty(shape))
            t.that(tuple(found.shape) == shape, f"the result has shape {tuple(found.shape)}")
    return None


@second("a-row-decides")
def rows(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[3.0, 1.0], [-1.0, -2.0]])  # 1 in all; rows 4 and −3, columns 2 and −1
    found = a.double_or_less(x)
    for axis in (0, 1):
        if not torch.equal(found, torch.where(x.sum(dim=axis, keepdim=True) > 0, 2 * x, x - 1)):
            continue
        return (
            f"the sum of all elements of {x.tolist()} is 1, so all of it is doubled; you gave "
            f"{a.double_or_less(x).tolist()}. One decision for the whole tensor"
        )
    return None


@second("asks-for-a-value")
def asks(a: Any, t: Trial) -> str | None:
    with quiet():
        attempt = t.tried(lambda: exported(a.raw("double_or_less"), torch.ones(3)))
    if attempt.error is not None and "data-dependent" in str(attempt.error).lower():
        return (
            "`torch.export` cannot follow: somewhere Python asks for a value of the tensor (`if`, `and`, "
            "`.item()`, "
            "`float()`, `bool()`). Compute both and choose with a tensor operation"
        )
    if attempt.error is not None:
        return f"`torch.export` ends with {type(attempt.error).__name__}: {str(attempt.error)[:300]}"
    code = getattr(a.raw("double_or_less"), "__code__", None)
    if code is not None and "item" in code.co_names:
        return (
            "`.item()` takes the value out of the tensor, and makes a new one of it. The comparison is a "
            "tensor already, and `torch.where` takes it as it is"
        )
    return None


@second("branch-baked-in")
def baked(a: Any, t: Trial) -> str | None:
    with quiet():
        for example, other in (signs(), signs()[::-1]):
            program = exported(a.raw("double_or_less"), example).module()
            right = 2 * other if other.sum() > 0 else other - 1
            if not torch.equal(program(other), right) and torch.equal(a.double_or_less(other), right):
                return (
                    f"exported with the example {example.tolist()}, the program gives "
                    f"{program(other).tolist()} for "
                    f"{other.tolist()}: the decision was taken in Python, and became a constant"
                )
    return None


@second("infinity-leaks")
def leaks(a: Any, t: Trial) -> str | None:
    for x in (torch.tensor([INF, 1.0]), torch.tensor([-INF, 1.0])):
        found = a.double_or_less(x)
        if found.isnan().any():
            return (
                f"for {x.tolist()} the result is {found.tolist()}: a mask times infinity is NaN. "
                f"`torch.where` "
                "chooses without calculating"
            )
    return None


@w2.property("2x or x − 1, by the sum, also in an exported program", points=0)
def both_branches(a: Any, t: Trial) -> None:
    for shape in ((), (1,), (5,), (2, 3), (2, 0, 3), (4, 1, 2)):
        for shift in (-3.0, 3.0):
            x = t.randn(*shape, dtype=torch.float32) + shift
            t.equal(a.double_or_less(x), 2 * x if sum(x.flatten().tolist()) > 0 else x - 1)
    with quiet():
        program = exported(a.raw("double_or_less"), t.randn(2, 3, dtype=torch.float32)).module()
    for shift in (-4.0, 4.0):
        x = t.randn(2, 3, dtype=torch.float32) + shift
        t.equal(program(x), 2 * x if shift > 0 else x - 1, "the exported program")


second.add_to(w2)
w2.reward(pictures.graph_of_the_choice)
