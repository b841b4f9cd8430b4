"""What a learner's function owes its caller: a result, of the right type, and inputs left alone."""

from __future__ import annotations

import pytest
import torch

from courseware.check import Exercise


def test_a_missing_return_is_named(check):
    def forgets(x):
        x + x

    report = check(forgets)
    assert report.diagnosis == "returns-nothing"
    assert "return" in report.message


def test_a_wrong_type_is_named(check):
    report = check(lambda x: (2 * x).tolist())
    assert report.diagnosis == "returns-the-wrong-type"
    assert "list" in report.message


def test_an_input_changed_in_place_is_named(check):
    report = check(lambda x: x.mul_(2))
    assert report.diagnosis == "changes-its-input"


def raises_after_a_change(x):
    x.zero_()
    raise ValueError("too late")


@pytest.mark.parametrize(
    "spoils",
    [lambda x: x.mul_(2), lambda x: x.unsqueeze_(0), lambda x: x.resize_(0), raises_after_a_change],
    ids=["values", "shape", "size", "and raises"],
)
def test_what_one_answer_changed_the_next_finds_as_it_was(check, spoils):
    exercise, kept = Exercise("W1", takes={"double": torch.Tensor}, hints=("a", "b", "c")), torch.ones(2)

    @exercise.property("values")
    def values(a, t):
        t.equal(a.double(kept), torch.tensor([2.0, 2.0]))

    assert not check(spoils, exercise=exercise).passed
    assert check(lambda x: 2 * x, exercise=exercise).passed


def test_a_function_whose_name_ends_in_an_underscore_may_change_its_input(check):
    exercise = Exercise("W1", takes={"double_": torch.Tensor}, hints=("a", "b", "c"))

    @exercise.property("values")
    def values(a, t):
        x = torch.tensor([1.0])
        t.equal(a.double_(x), torch.tensor([2.0]))

    assert check(lambda x: x.mul_(2), exercise=exercise).passed
