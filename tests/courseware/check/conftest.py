"""A small exercise to put answers to: double a vector, without `repeat`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from courseware.check import Exercise, Report, forbid, run_exercise

CHECK_FILE = __file__


def doubling_exercise() -> Exercise:
    exercise = Exercise(
        "E1",
        takes={"double": Tensor},
        hints=("the idea", "the formula", "the code"),
        forbids=forbid("repeat", why="build it by arithmetic"),
        seconds=1.0,
    )

    @exercise.probe("squares")
    def squares(a: Any, t: Any) -> str | None:
        if torch.equal(a.double(torch.tensor([3.0])), torch.tensor([9.0])):
            return "you squared: 3 became 9"
        return None

    @exercise.property("values", points=10)
    def values(a: Any, t: Any) -> None:
        for n in range(4):
            x = t.randn(n)
            t.equal(a.double(x), 2 * x)

    @exercise.property("whole numbers", points=5)
    def whole(a: Any, t: Any) -> None:
        t.equal(a.double(torch.tensor([1, 2])), torch.tensor([2, 4]))

    return exercise


@pytest.fixture
def check() -> Callable[..., Report]:
    def run(answer: Any, *, seed: int = 1, exercise: Exercise | None = None, **more: Any) -> Report:
        exercise = exercise or doubling_exercise()
        objects = {exercise.takes[0]: answer, **more}
        return run_exercise(exercise, objects, seed=seed, check_file=CHECK_FILE)

    return run


@pytest.fixture
def shape_exercise() -> Exercise:
    """Its property uses what the answer returned without looking first."""
    exercise = Exercise("W1", takes=("make",), hints=("a", "b", "c"))

    @exercise.property("has a shape")
    def shaped(a: Any, t: Any) -> None:
        t.equal(a.make().shape[0], 3)

    return exercise
