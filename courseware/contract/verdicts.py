"""What a check must say about right, missing and wrong answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from courseware.check import CheckError, Misconception, Report, Status, runner
from courseware.contract.bench import Bench


def solution_passes(bench: Bench, key: str, seeds: Sequence[int]) -> Iterator[str]:
    """The reference answer passes with full points, and no probe stumbles over it.

    That does not depend on what was checked before: a wrong answer is refused before it and after it.
    """
    wrong = next(iter(bench.misconceptions(key)), None)
    if wrong is not None and _passes(bench, key, wrong):
        yield f"{key}: the wrong answer {wrong.name} passes"
    for seed in seeds:
        runner.author_errors = []
        try:
            report = bench.run(key, bench.answers(key), seed)
            if not report.passed or report.points != report.max_points:
                yield f"{key}, seed {seed}: the solution is refused: {_brief(report)}"
            for error in runner.author_errors:
                yield f"{key}, seed {seed}: a probe fails on the solution: {error}"
        finally:
            runner.author_errors = None
    if wrong is not None and _passes(bench, key, wrong):
        yield f"{key}: after the solution the wrong answer {wrong.name} passes: the verdict is remembered"


def _passes(bench: Bench, key: str, wrong: Misconception) -> bool:
    try:
        return bench.diagnose(key, bench.mistaken(wrong), runner.DEFAULT_SEED).passed
    except CheckError:
        return False  # told where the misconceptions are tried


def stub_is_not_attempted(bench: Bench, key: str) -> Iterator[str]:
    """An answer that nobody has begun is "not attempted", never wrong."""
    report = bench.run(key, bench.untouched(key), runner.DEFAULT_SEED)
    if report.status is not Status.NOT_ATTEMPTED:
        yield f"{key}: the stub is {report.status!s}, expected not attempted: {_brief(report)}"


def misconceptions_are_named(bench: Bench, key: str, seeds: Sequence[int]) -> Iterator[str]:
    """Each wrong answer is rejected, with its own diagnosis and words."""
    for wrong in bench.misconceptions(key):
        for seed in seeds:
            try:
                report = bench.diagnose(key, bench.mistaken(wrong), seed)
            except CheckError as error:
                yield f"{key}: {error}"
                break
            if report.passed:
                yield f"{key}, seed {seed}: the wrong answer {wrong.name} passes"
            elif report.diagnosis != wrong.diagnosis:
                said = report.diagnosis or "nothing in particular"
                yield (
                    f"{key}, seed {seed}: {wrong.name} should be diagnosed as {wrong.diagnosis!r}, "
                    f"the check says {said!r}: {_brief(report)}"
                )
            elif not report.message.strip():
                yield f"{key}: the diagnosis {wrong.diagnosis!r} has no words"


def verdict_follows_objects(bench: Bench, key: str) -> Iterator[str]:
    """The check runs what it is given: with one object exchanged for its stub it does not pass."""
    seed = runner.DEFAULT_SEED
    right = bench.answers(key)
    for name, stub in bench.untouched(key).items():
        if bench.diagnose(key, {**right, name: stub}, seed).passed:
            yield f"{key} passes although {name} is only a stub: the check does not use it"


def _brief(report: Report) -> str:
    return " ".join(report.message.split())[:300]
