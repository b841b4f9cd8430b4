"""What the check of every exercise says about right, missing and wrong answers, under several seeds."""

from __future__ import annotations

from courseware.contract import (
    Bench,
    misconceptions_are_named,
    solution_passes,
    stub_is_not_attempted,
    verdict_follows_objects,
)


def test_the_solution_passes(bench: Bench, exercise: str, seeds: range) -> None:
    assert not list(solution_passes(bench, exercise, seeds))


def test_the_stub_is_not_attempted(bench: Bench, exercise: str) -> None:
    assert not list(stub_is_not_attempted(bench, exercise))


def test_each_misconception_gets_its_own_diagnosis(bench: Bench, exercise: str, seeds: range) -> None:
    assert not list(misconceptions_are_named(bench, exercise, seeds))


def test_the_verdict_follows_the_objects(bench: Bench, exercise: str) -> None:
    assert not list(verdict_follows_objects(bench, exercise))
