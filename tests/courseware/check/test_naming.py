"""A mistake gets its name from a value, from an exception, or from the family of cases that it spoils."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from courseware.check import Exercise, Probes
from courseware.check.naming import family, name_it, value_of

THREE = torch.tensor([3.0])


def doubling(run) -> Exercise:
    probe = Probes()
    probe("the-probe")(run)
    exercise = Exercise("W1", takes={"double": Tensor}, hints=("a", "b", "c"))
    probe.add_to(exercise)

    @exercise.property("twice")
    def twice(a, t):
        t.equal(a.double(THREE), 2 * THREE)

    return exercise


def by_value(a, t):
    cases = [("squares", THREE**2, "you squared"), ("never", 2 * THREE, "the right value is no mistake")]
    name_it(t, a.double(THREE), 2 * THREE, cases)


def by_call(a, t):
    value_of(t, lambda: a.double(THREE), "fails-on-three", "double of three")


def by_family(a, t):
    with family("wrong-for-three", "three numbers"):
        t.equal(a.double(THREE), 2 * THREE)


def raises(x):
    return x.nonsense


def unwritten(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("run", "answer", "diagnosis", "words"),
    [
        (by_value, lambda x: x * x, "squares", "you squared"),
        (by_value, lambda x: x + x, None, ""),
        (by_value, lambda x: x + 1, None, "expected"),
        (by_call, raises, "fails-on-three", "double of three: your code raised AttributeError"),
        (by_call, lambda x: x + x, None, ""),
        (by_family, lambda x: x + 1, "wrong-for-three", "three numbers: "),
        (by_family, raises, "wrong-for-three", "three numbers: your code raised AttributeError"),
        (by_family, lambda x: x + x, None, ""),
    ],
)
def test_a_mistake_gets_its_name(check, run, answer, diagnosis, words):
    report = check(answer, exercise=doubling(run))
    assert report.diagnosis == diagnosis
    assert words.lower() in report.message.lower()


@pytest.mark.parametrize("run", [by_call, by_family])
def test_an_unwritten_answer_is_no_mistake(check, run):
    assert check(unwritten, exercise=doubling(run)).status == "not attempted"


def test_a_family_shows_the_learners_lines_alone(check):
    code = check(raises, exercise=doubling(by_family)).facts.get("your code", "")
    assert "by_family" not in code
    assert "naming.py" not in code
