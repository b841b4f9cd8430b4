"""Runs an exercise's check on an answer: probes first, then every property, then the verdict."""

from __future__ import annotations

import contextlib
import io
import random
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from courseware.check.answers import Answers
from courseware.check.budget import budget
from courseware.check.describe import describe
from courseware.check.exercise import Exercise
from courseware.check.origin import LearnerLine, origin, raised_by_stub, short
from courseware.check.outcomes import CheckError, Diagnosed, OutOfTime, PropertyMissed, PropertySkipped
from courseware.check.report import Measure, PropertyResult, Report, Status
from courseware.check.trial import Trial

DEFAULT_SEED = 1
_PRINTED_LINES = 20
_DEEPEST = 3_000  # frames: three times Python's own limit, and far from the end of the stack


@dataclass
class _Findings:
    """What the probes and properties of one run have said so far."""

    named: Diagnosed | None = None
    named_call: str | None = None
    missed: list[_Miss] = field(default_factory=list)
    properties: list[PropertyResult] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    out_of_time: str | None = None


@dataclass(frozen=True)
class _Miss:
    name: str
    error: BaseException
    call: str | None
    stub: bool


def run_exercise(
    exercise: Exercise,
    objects: Mapping[str, Any],
    *,
    seed: int = DEFAULT_SEED,
    check_file: str,
    lab: str = "",
    title: str = "",
) -> Report:
    """The verdict on `objects` (by the names that the exercise declares)."""
    for problem in exercise.problems():
        raise CheckError(problem)
    if missing := [name for name in exercise.takes if name not in objects]:
        raise CheckError(f"{exercise.key} takes {list(exercise.takes)}: {missing} missing")
    answers = Answers({name: objects[name] for name in exercise.takes}, exercise.returns, exercise.forbids)
    findings, started = _Findings(), time.perf_counter()
    with _quiet() as printed, _own_world():
        _examine(exercise, answers, seed, check_file, findings)
    report = _verdict(exercise, findings, answers, check_file)
    report.lab, report.title = lab, title
    report.seconds = time.perf_counter() - started
    report.printed = _clip(printed.getvalue())
    return report


def _examine(exercise: Exercise, answers: Answers, seed: int, check_file: str, findings: _Findings) -> None:
    """Fill `findings`. The budget covers probes and properties together."""
    stage = ""
    try:
        with budget(exercise.seconds):
            for probe in exercise.probes:
                stage = probe.diagnosis
                findings.named = _probe(exercise, probe.diagnosis, probe.run, answers, seed, check_file)
                if findings.named:
                    findings.named_call = _call_text(answers)
                    break
            for prop in exercise.properties:
                stage = prop.name
                _hold(exercise, prop, answers, seed, check_file, findings)
    except OutOfTime:
        findings.out_of_time = stage


def _probe(
    exercise: Exercise, name: str, run: Any, answers: Answers, seed: int, check_file: str
) -> Diagnosed | None:
    trial = Trial(seed, name)
    answers.forget_calls()
    try:
        with _seeded(seed), _rules(exercise, answers):
            words = run(answers, trial)
    except Diagnosed as found:
        return found
    except (Exception, SystemExit) as error:
        if not origin(error, check_file).lines and not isinstance(error, PropertyMissed):
            _note_author_error(exercise, name, error)
        return None
    return Diagnosed(name, words, **({"tried": trial.note} if trial.note else {})) if words else None


def _note_author_error(exercise: Exercise, name: str, error: BaseException) -> None:
    """A probe that fails in its own lines usually met a strange answer: the properties will say so."""
    if author_errors is not None:
        author_errors.append(f"{exercise.key}, {name}: {short(error)}")


author_errors: list[str] | None = None
"""Set to a list (by tests) to collect probes that failed in their own lines."""


def _hold(
    exercise: Exercise, prop: Any, answers: Answers, seed: int, check_file: str, findings: _Findings
) -> None:
    trial = Trial(seed, prop.name)
    answers.forget_calls()
    try:
        with _seeded(seed), _rules(exercise, answers):
            prop.run(answers, trial)
    except PropertySkipped as why:
        if prop.points:
            raise CheckError(
                f"{exercise.key}: “{prop.name}” is worth {prop.points} points and cannot be skipped"
            ) from why
        findings.properties.append(PropertyResult(prop.name, False, 0, str(why), skipped=True))
    except (Exception, SystemExit) as error:
        stub = raised_by_stub(error, check_file)
        words = str(error) if isinstance(error, Diagnosed | PropertyMissed) else short(error)
        findings.properties.append(PropertyResult(prop.name, False, prop.points, words))
        findings.missed.append(_Miss(prop.name, error, trial.note or _call_text(answers), stub))
        if isinstance(error, Diagnosed) and findings.named is None:
            findings.named, findings.named_call = error, trial.note or _call_text(answers)
    else:
        findings.properties.append(PropertyResult(prop.name, True, prop.points))
    finally:
        findings.measures += trial.measures


def _verdict(exercise: Exercise, findings: _Findings, answers: Answers, check_file: str) -> Report:
    earned = sum(p.points for p in findings.properties if p.held)
    complete = len(findings.properties) == len(exercise.properties) and not findings.missed
    report = Report(
        lab="",
        exercise=exercise.key,
        title="",
        status=Status.NOT_QUITE,
        message="",
        properties=findings.properties,
        measures=findings.measures,
        points=earned,
        max_points=exercise.max_points,
    )
    if findings.missed and all(miss.stub for miss in findings.missed) and findings.named is None:
        _not_attempted(report, findings, check_file)
    elif findings.named is not None:
        report.message, report.diagnosis = findings.named.message, findings.named.diagnosis
        report.facts = _facts(findings.named.facts, findings.named_call)
        if complete:  # a known mistake that no property sees still costs something
            report.points = min(earned, int(exercise.max_points * 0.8))
    elif findings.out_of_time is not None:
        report.status, report.diagnosis = Status.TIMED_OUT, None
        report.message = (
            f"Your code was still running after {exercise.seconds:g} CPU seconds, "
            f"while “{findings.out_of_time}” was checked. "
            "Look for a loop that does not end, or for work that grows too fast with the input."
        )
        call = _call_text(answers)
        report.facts = {"called": call} if call else {}
    elif findings.missed:
        _explain(report, findings.missed[0], answers, check_file)
    else:
        skipped = any(p.skipped for p in findings.properties)
        report.status = Status.PASSED
        report.message = "Every property that could be tried holds." if skipped else "Every property holds."
        report.facts = {"measured": "\n".join(map(str, findings.measures))} if findings.measures else {}
        untried = [f"{p.name}: {p.message}" for p in findings.properties if p.skipped]
        report.facts |= {"not tried": "\n".join(untried)} if untried else {}
    return report


def _not_attempted(report: Report, findings: _Findings, check_file: str) -> None:
    waiting = sorted({_stub_name(miss.error, check_file) for miss in findings.missed})
    names = ", ".join(f"`{name}`" for name in waiting)
    held = [p for p in findings.properties if p.held]
    if held and report.points:
        report.message = f"{names} still to write; what is there holds so far."
    else:
        report.status, report.points = Status.NOT_ATTEMPTED, 0
        report.message = (
            f"Replace `raise NotImplementedError` in {names} with your answer, then run this cell again."
        )


def _stub_name(error: BaseException, check_file: str) -> str:
    lines = origin(error, check_file).lines
    return lines[-1].function if lines else "the answer"


def _explain(report: Report, miss: _Miss, answers: Answers, check_file: str) -> None:
    if isinstance(miss.error, PropertyMissed):
        report.message = miss.error.message
        report.facts = _facts(miss.error.facts, miss.call)
        return
    where = origin(miss.error, check_file)
    if where.lines:
        report.status = Status.RAISED
        report.message = short(miss.error)
        report.facts = _facts({"your code": _code(where.lines)}, miss.call)
        return
    last = answers.last_call
    returned = f": `{last.name}` returned {describe(last.returned)}" if last else ""
    report.message = (
        f"The check of “{miss.name}” could not use what your code gave it{returned} ({short(miss.error)})"
    )
    report.facts = _facts({}, miss.call)


def _code(lines: tuple[LearnerLine, ...]) -> str:
    shown = lines[-3:] if len(lines) <= 3 else (lines[0], *lines[-2:])
    return "\n".join(f"line {line.number} in {line.function}: {line.text}" for line in shown)


def _facts(facts: Mapping[str, Any], call: str | None) -> dict[str, str]:
    shown = {"tried": call} if call and "tried" not in facts else {}
    return {
        **shown,
        **{k: v if isinstance(v, str) else describe(v) for k, v in facts.items() if v is not None},
    }


def _call_text(answers: Answers) -> str | None:
    """The last call in words: taken at once, before the arguments can change."""
    try:
        return str(answers.last_call) if answers.last_call else None
    except Exception:  # describing a broken object must not hide the verdict
        return None


@contextlib.contextmanager
def _rules(exercise: Exercise, answers: Answers) -> Iterator[None]:
    """A watched function carries the rules itself; a class cannot, so they hold for the whole body."""
    with exercise.forbids.hold() if exercise.forbids and answers.has_class else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Answers that draw from the global generators are reproducible too."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    yield


@contextlib.contextmanager
def _own_world() -> Iterator[None]:
    """One thread, and the learner's random state, default dtype, gradient mode as they were before.

    A recursion without end shall end in words: with a limit that somebody has moved far up it would end the
    process.
    """
    recursion = sys.getrecursionlimit()
    sys.setrecursionlimit(min(recursion, _DEEPEST))
    python_state = random.getstate()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    numpy_state = numpy.random.get_state() if numpy else None
    if torch:
        torch_state, threads = torch.get_rng_state(), torch.get_num_threads()
        dtype, gradients = torch.get_default_dtype(), torch.is_grad_enabled()
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
    try:
        yield
    finally:
        sys.setrecursionlimit(recursion)
        random.setstate(python_state)
        if numpy:
            numpy.random.set_state(numpy_state)
        if torch:
            torch.set_rng_state(torch_state)
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(gradients)


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keep what the learner's code prints: it goes into the report, not over the page."""
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield printed


def _clip(text: str) -> str:
    lines = [line if len(line) <= 200 else line[:199] + "…" for line in text.splitlines()]
    if len(lines) > _PRINTED_LINES:
        lines = [*lines[:_PRINTED_LINES], f"… and {len(lines) - _PRINTED_LINES} more lines"]
    return "\n".join(lines)
