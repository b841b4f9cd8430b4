"""A property that cannot be tried on this machine: said in a line, never counted as held."""

from __future__ import annotations

import pytest

from courseware.check import CheckError, Exercise, Status
from courseware.check.runner import run_exercise


def exercise(points: int) -> Exercise:
    one = Exercise("W1" if not points else "E1", takes={"f": None}, hints=("a", "b", "c"))

    @one.property("doubles", points=15 if points else 0)
    def doubles(a, t):
        t.equal(a.f(2), 4)

    @one.property("in another runtime", points=0)
    def elsewhere(a, t):
        t.skip("the runtime is not installed: pip install runtime")

    return one


def run(one, f):
    return run_exercise(one, {"f": f}, check_file=__file__)


def test_a_skipped_property_leaves_a_pass_a_pass_and_is_named_in_the_report():
    report = run(exercise(0), lambda x: 2 * x)
    assert report.status is Status.PASSED
    assert "in another runtime: the runtime is not installed: pip install runtime" in report.text()
    assert "Every property holds." not in report.text()
    assert "not tried" in report._repr_html_()


def test_it_is_neither_held_nor_missed():
    report = run(exercise(15), lambda x: 3 * x)
    assert [(p.held, p.skipped) for p in report.properties] == [(False, False), (False, True)]
    assert report.points == 0
    assert "– not tried" in report.text()


def test_a_property_that_pays_cannot_be_skipped():
    one = Exercise("E1", takes={"f": None}, hints=("a", "b", "c"))

    @one.property("all of it", points=15)
    def everything(a, t):
        t.skip("not today")

    with pytest.raises(CheckError, match="cannot be skipped"):
        run(one, lambda x: x)
