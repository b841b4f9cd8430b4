"""What the checks say to answers that strangers might give, from the banks beside this file."""

from __future__ import annotations

from typing import Any

from courseware.contract import Bench
from tests.labs.answers import Answer

MOST_UNNAMED = 0.1


def test_a_right_answer_passes_however_it_is_written(bench: Bench, right: Answer, bank_seeds: range) -> None:
    for seed in bank_seeds:
        report = bench.run(right.exercise, objects(bench, right), seed)
        assert report.passed, f"seed {seed}: {report.text()}"


def test_a_wrong_answer_is_refused_with_words(bench: Bench, wrong: Answer, bank_seeds: range) -> None:
    for seed in bank_seeds:
        report = bench.diagnose(wrong.exercise, objects(bench, wrong), seed)
        assert not report.passed, f"seed {seed}: this wrong answer passes"
        assert bool(report.diagnosis) is wrong.named, f"seed {seed}: {report.text()}"


def test_most_mistakes_are_named(wrong_answers: list[Answer]) -> None:
    unnamed = [f"{answer.exercise} {answer.name}" for answer in wrong_answers if not answer.named]
    assert len(unnamed) <= MOST_UNNAMED * len(wrong_answers), unnamed


def objects(bench: Bench, answer: Answer) -> dict[str, Any]:
    return {**bench.answers(answer.exercise), **answer.build()}
