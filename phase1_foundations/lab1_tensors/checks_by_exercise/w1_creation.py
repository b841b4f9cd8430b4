"""W1: creating a tensor."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w1 = Exercise(
    "W1",
    takes={"number_line": Tensor},
    hints=(
        "You know the first number, the last one and how many there are. Which function of the table asks "
        "for exactly these three?",
        "Five marks have four gaps between them: the distance is `(stop - start) / (count - 1)`, and mark "
        "`i` stands at `start + i * distance`.",
        "`torch.linspace(start, stop, count)` does it in one call. By hand: `start + distance * "
        "torch.arange(count)`.",
    ),
)


@w1.probe("count-ignored")
def count_ignored(a, t):
    three, five = a.number_line(0, 10, 3), a.number_line(0, 10, 5)
    if three.dim() == 1 and len(three) == len(five):
        return f"number_line(0, 10, 3) and number_line(0, 10, 5) both have {len(five)} numbers: use `count`"


@w1.probe("end-left-out")
def end_left_out(a, t):
    marks = a.number_line(0, 10, 5)
    if same(marks, torch.arange(5) * 2.0):
        return (
            "your last number is 8, but `stop` was 10: five marks have only four gaps between them, so "
            "the distance is (stop − start) / (count − 1), here 2.5"
        )


@w1.probe("one-mark-too-many")
def one_too_many(a, t):
    marks = a.number_line(0, 10, 5)
    if marks.shape == (6,):
        return (
            "you return 6 numbers where 5 were asked for: `count` counts the marks, not the gaps between them"
        )


@w1.probe("count-as-step")
def count_as_step(a, t):
    if same(a.number_line(0, 10, 5), torch.arange(0, 10, 5)) or same(
        a.number_line(0, 10, 5), torch.arange(0, 11, 5)
    ):
        return (
            "you used `count` as the distance between two numbers: the third argument of `torch.arange` "
            "is a step, that of `torch.linspace` is a count"
        )


@w1.probe("every-whole-number")
def every_whole_number(a, t):
    marks = a.number_line(0, 10, 5)
    if same(marks, torch.arange(10)) or same(marks, torch.arange(11)):
        return f"you return {len(marks)} whole numbers; asked for are `count` = 5 numbers, evenly spaced"


@w1.probe("begins-at-zero")
def begins_at_zero(a, t):
    marks = a.number_line(2, 10, 5)
    if same(marks, torch.linspace(0, 10, 5)) or same(marks, torch.linspace(0, 8, 5)):
        return (
            f"number_line(2, 10, 5) begins at 0, it should begin at `start` = 2: you return {numbers(marks)}"
        )


@w1.probe("other-dtype")
def other_dtype(a, t):
    marks = a.number_line(0, 4, 5)
    if same(marks, torch.arange(5)) and marks.dtype != torch.float32:
        return (
            f"the numbers are right, but their dtype is {marks.dtype}, asked for is torch.float32: whole "
            "numbers and NumPy arrays bring their own dtype along. Add `dtype=torch.float32`, or convert "
            "with `.float()`"
        )


@w1.probe("distance-rounded")
def distance_rounded(a, t):
    marks = a.number_line(0, 1, 5)
    if same(marks, torch.zeros(5)) or same(marks, torch.arange(5)):
        return (
            "the distance between two marks is 0.25 here and you rounded it to a whole number: "
            "`//`, `int()` and whole-number dtypes lose the fraction; use `/`"
        )


@w1.probe("more-than-one-axis")
def more_axes(a, t):
    marks = a.number_line(0, 10, 5)
    if marks.dim() != 1:
        return (
            f"your result has shape {tuple(marks.shape)}, asked for is a vector of shape (5,): a single axis"
        )


@w1.probe("ends-elsewhere")
def ends_elsewhere(a, t):
    marks = a.number_line(2, 10, 5)
    if marks.shape == (5,) and not (
        same(marks[0], torch.tensor(2.0)) and same(marks[-1], torch.tensor(10.0))
    ):
        return (
            f"number_line(2, 10, 5) goes from {marks[0].item():.4g} to {marks[-1].item():.4g}; the first "
            "number is `start` = 2 and the last is `stop` = 10"
        )


@w1.probe("unequal-gaps")
def unequal_gaps(a, t):
    gaps = a.number_line(2, 10, 5).diff()
    if gaps.shape == (4,) and not same(gaps, torch.full((4,), 2.0), atol=1e-4):
        return f"number_line(2, 10, 5) has the gaps {numbers(gaps)}; evenly spaced means four gaps of 2"


@w1.property("evenly spaced float32 from start to stop")
def evenly_spaced(a, t):
    for count in range(2, 12):
        start = round(t.random.uniform(-5, 5), 2)
        stop = start + t.random.choice([0.5, 3.0, 7.25])
        expected = torch.tensor([start + (stop - start) * i / (count - 1) for i in range(count)])
        t.equal(a.number_line(start, stop, count), expected, atol=2e-5)


w1.reward(pictures.number_line)
