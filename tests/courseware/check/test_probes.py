"""What checks are written with: probes in a file of their own, calls tried, numbers named and shown."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from courseware.check import Exercise, Probes, forbid
from courseware.check.compare import same
from courseware.check.describe import numbers

THREE = torch.tensor([3.0])


def doubling(probes: Probes, **more) -> Exercise:
    exercise = Exercise("W1", takes={"double": Tensor}, hints=("a", "b", "c"), **more)
    probes.add_to(exercise)

    @exercise.property("twice")
    def twice(a, t):
        t.equal(a.double(THREE), 2 * THREE)

    return exercise


def test_probes_are_asked_in_the_order_in_which_they_stand(check):
    probe = Probes()

    @probe("first")
    def first(a, t):
        return "the first speaks"

    @probe("second")
    def second(a, t):
        return "the second is silent"

    assert check(lambda x: x, exercise=doubling(probe)).diagnosis == "first"


def test_a_wrong_value_names_its_mistake_and_shows_itself(check):
    probe = Probes()
    probe.value("squares", lambda a: a.double(THREE), [THREE**3, THREE**2], "3 became {found}: a power")
    report = check(lambda x: x * x, exercise=doubling(probe))
    assert (report.diagnosis, report.message) == ("squares", "3 became [9]: a power")
    assert check(lambda x: x + 1, exercise=doubling(probe)).diagnosis is None
    assert check(lambda x: x + x, exercise=doubling(probe)).passed


@pytest.mark.parametrize(
    ("answer", "diagnosis"),
    [(lambda x: x.nonsense, "raises"), (lambda x: x.repeat(2), "forbidden")],
    ids=["an exception is the probe's to name", "a refusal goes on its way"],
)
def test_a_call_is_tried(check, answer, diagnosis):
    probe = Probes()

    @probe("raises")
    def raises(a, t):
        error = t.tried(lambda: a.double(THREE)).error
        return error and f"it raised {type(error).__name__}"

    exercise = doubling(probe, forbids=forbid("repeat", why="no"))
    assert check(answer, exercise=exercise).diagnosis == diagnosis


def test_a_call_is_tried_for_some_seconds_at_most(check):
    probe = Probes()

    @probe("endless")
    def endless(a, t):
        return "it does not end" if t.tried(lambda: a.double(THREE), seconds=0.1).timed_out else None

    def goes_on(x):
        while True:
            x = x + 1

    assert check(goes_on, exercise=doubling(probe)).diagnosis == "endless"
    assert check(lambda x: x * 2, exercise=doubling(probe)).passed


def test_a_number_that_falls_short_can_have_a_name(check):
    exercise = Exercise("W1", takes={"double": Tensor}, hints=("a", "b", "c"))

    @exercise.property("reaches three")
    def reaches(a, t):
        t.reaches(float(a.double(THREE)), 6.0, "in sum", diagnosis="too-small")

    assert check(lambda x: x, exercise=exercise).diagnosis == "too-small"
    assert check(lambda x: x * 2, exercise=exercise).passed


def test_the_same_means_shapes_and_not_dtypes():
    assert same(torch.tensor([1.0]), torch.tensor([1.0]).double())
    assert not same(torch.tensor([1.0]), torch.tensor([1.0]).double(), dtype=True)
    assert not same(torch.tensor([1.0]), torch.tensor([[1.0]]))
    assert same(torch.tensor([1.0]), torch.tensor([1.001]), atol=0.01)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (torch.tensor([[1.0, 2.5], [0.0, -1 / 3]]), "[[1, 2.5], [0, -0.3333]]"),
        (torch.tensor([True]), "[True]"),
        ((1.0, [2]), "[1, [2]]"),
        (2.0, "2"),
        (None, "None"),
    ],
)
def test_numbers_are_written_as_a_learner_would(values, text):
    assert numbers(values) == text
