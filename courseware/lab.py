"""The `lab` object of every notebook: check, hint, solution, reward."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from courseware.check import CheckError, CheckFailed, Exercise, Report, Status, run_exercise
from courseware.check.answers import Answers, usage_problem
from courseware.check.runner import DEFAULT_SEED
from courseware.display import show_pair, show_report, show_text
from courseware.progress import Progress, ProgressError, Standing
from courseware.source import Course, ExerciseInfo, LabFolder

VALIDATE = "COURSEWARE_VALIDATE"
"""Set to 1 where a report that is not a pass must stop the run, and nothing is recorded."""


class UnknownExercise(LookupError):
    """A typo in a key: a notebook shows it as one line, not as a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Lab:
    """One lab in the hands of a learner."""

    def __init__(self, folder: LabFolder, exercises: dict[str, Exercise], progress: Progress | None) -> None:
        self.key, self.number = folder.key, folder.number
        self._folder, self._exercises, self._progress = folder, exercises, progress
        self._passed: dict[str, tuple[Any, ...]] = {}
        self._tried: dict[str, tuple[Any, ...]] = {}
        self._hints_given: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Lab {self.number} {self._folder.title}>"

    # ---- what a learner calls -----------------------------------------------------------------------

    def check(self, key: str, *objects: Any) -> Report:
        """Check your objects for one exercise, show the report, and remember it."""
        exercise = self._exercise(key)
        problem = usage_problem(exercise.takes, objects)
        if problem:
            report = self._blank(exercise, Status.NOT_ATTEMPTED, problem)
        else:
            report = self.run(key, dict(zip(exercise.takes, objects, strict=True)))
            self._remember(exercise, report, objects)
        report.footer = self._footer(report)
        show_report(report)
        if validating() and not report.passed:
            raise CheckFailed(report.text())
        return report

    def run(self, key: str, objects: dict[str, Any], *, seed: int = DEFAULT_SEED) -> Report:
        """The same check without a notebook: objects by name in, the report as data out."""
        exercise = self._exercise(key)
        return run_exercise(
            exercise,
            objects,
            seed=seed,
            check_file=str(self._folder.path / "checks"),  # and its helpers: checks_…
            lab=self.key,
            title=self._info(key).title,
        )

    def hint(self, key: str) -> None:
        """Show the next of three hints: the idea, the formula, nearly the code. A hint costs nothing."""
        exercise = self._exercise(key)
        given = self._hints_used(key)
        number = min(given + 1, len(exercise.hints))
        self._hints_given[key] = number
        if given < len(exercise.hints):
            self._record(key, "hint")
        more = (
            f"(hint {number} of {len(exercise.hints)}; the next one waits)"
            if number < len(exercise.hints)
            else f"(hint {number} of {len(exercise.hints)}; `lab.solution({key!r})` shows an answer)"
        )
        show_text(f"Hint for {key}: {exercise.hints[number - 1]}", more)

    def solution(self, key: str) -> None:
        """Show the reference answer beside your own, once you have tried."""
        self._exercise(key)
        if not self.tried(key):
            show_text(
                f"Try {key} first: run its check once with your own answer, then the reference appears."
            )
            return
        self._record(key, "solution")
        show_pair("Your answer", self._own_source(key), "One good answer", self._reference(key))

    def reward(self, key: str) -> None:
        """Draw or measure something with your own objects, once they pass."""
        exercise = self._exercise(key)
        if not self.passed(key):
            return
        if exercise.draw is None:
            raise CheckError(f"{key} has no reward")
        answers = dict(zip(exercise.takes, self._passed[key], strict=True))
        try:
            exercise.draw(Answers(answers, {}))
        except Exception as error:
            if validating():
                raise
            show_text(f"The picture for {key} could not be drawn ({type(error).__name__}: {error}).")

    def passed(self, key: str) -> bool:
        """Has the check of this exercise passed since the notebook was started? If not, says what to do."""
        self._exercise(key)
        if key not in self._passed:
            show_text(f"What comes here is made with your own code, once the check of {key} passes.")
        return key in self._passed

    # ---- what the course's other tools call -----------------------------------------------------------

    @property
    def exercises(self) -> dict[str, Exercise]:
        return dict(self._exercises)

    def take_as_passed(self, key: str, *objects: Any) -> None:
        """For a run of answers that another run has checked: what hangs on the check, without its cost."""
        self._exercise(key)
        self._passed[key] = objects

    def tried(self, key: str) -> bool:
        """Was there an attempt, in this session or an earlier one?"""
        standing = self._standing(key)
        return key in self._tried or (standing is not None and standing.attempts > 0)

    # ---- inside ---------------------------------------------------------------------------------------

    def _exercise(self, key: str) -> Exercise:
        if key not in self._exercises:
            raise UnknownExercise(
                f"lab {self.number} has no exercise {key!r}; it has {', '.join(self._exercises)}"
            )
        return self._exercises[key]

    def _info(self, key: str) -> ExerciseInfo:
        return next(info for info in self._folder.exercises if info.key == key)

    def _blank(self, exercise: Exercise, status: Status, message: str) -> Report:
        title = self._info(exercise.key).title
        return Report(self.key, exercise.key, title, status, message, max_points=exercise.max_points)

    def _remember(self, exercise: Exercise, report: Report, objects: tuple[Any, ...]) -> None:
        if report.status is Status.NOT_ATTEMPTED:
            return
        self._tried[exercise.key] = objects
        if report.passed:
            self._passed[exercise.key] = objects
        else:
            self._passed.pop(exercise.key, None)
        self._record(
            exercise.key, "attempt", status=str(report.status), points=report.points, seconds=report.seconds
        )

    def _record(self, key: str, event: Literal["attempt", "hint", "solution"], **what: Any) -> None:
        if self._progress is None:
            return
        try:
            self._progress.record(lab=self.key, exercise=key, event=event, **what)
        except ProgressError as error:  # a full disk must not hide the verdict
            show_text(f"Your progress could not be saved: {error}")

    def _standing(self, key: str) -> Standing | None:
        return self._progress.standing(self.key).get(key) if self._progress else None

    def _hints_used(self, key: str) -> int:
        standing = self._standing(key)
        return max(self._hints_given.get(key, 0), standing.hints if standing else 0)

    def _footer(self, report: Report) -> list[str]:
        if validating():
            return []
        key, lines = report.exercise, []
        exercise = self._exercises[key]
        used = self._hints_used(key)
        if not report.passed and used < len(exercise.hints):
            lines.append(f"Stuck? Hint {used + 1} of {len(exercise.hints)}: `lab.hint({key!r})`")
        elif not report.passed:
            lines.append(f"All hints used. An answer to compare with: `lab.solution({key!r})`")
        if report.passed and exercise.draw is not None:
            lines.append("Run the next cell: it uses what you just wrote.")
        lines.append(self._points_line())
        if report.passed:
            lines.append(self._next_line(key))
        return lines

    def _points_line(self) -> str:
        best: dict[str, float] = dict.fromkeys(self._exercises, 0)
        if self._progress:
            best |= {k: s.points for k, s in self._progress.standing(self.key).items()}
        else:
            best |= {key: self._exercises[key].max_points for key in self._passed}
        earned = sum(int(points) for points in best.values())
        return f"Lab {self.number} so far: {earned} of {self._folder.points} points."

    def _next_line(self, key: str) -> str:
        """The first open exercise after this one, or else the first of all."""
        done = set(self._passed)
        if self._progress:
            done |= {key for key, standing in self._progress.standing(self.key).items() if standing.passed}
        keys = [info.key for info in self._folder.exercises]
        place = keys.index(key)
        waiting = [self._info(k) for k in (*keys[place + 1 :], *keys[:place]) if k not in done]
        return (
            f"Next: {waiting[0].key} · {waiting[0].title}."
            if waiting
            else "Every exercise of this lab is done."
        )

    def _own_source(self, key: str) -> str:
        sources = []
        for value in self._tried.get(key, ()):
            try:
                sources.append(textwrap.dedent(inspect.getsource(value)))
            except (OSError, TypeError):
                sources.append(f"# the source of {getattr(value, '__name__', value)!s} is not at hand")
        return "\n\n".join(sources) or "# run the check of this exercise again to see your answer here"

    def _reference(self, key: str) -> str:
        cells = [c for c in self._folder.solution().cells if c.exercise == key and c.role == "answer"]
        markers = ("# BEGIN SOLUTION", "# END SOLUTION")
        lines = [line for cell in cells for line in cell.text.splitlines() if line.strip() not in markers]
        return "\n".join(lines)


def open_lab(name: str) -> Lab:
    """Open a lab by its folder (`phase1_foundations/lab1_tensors`) or number (`1.1`)."""
    course = Course.find()
    folder = course.lab(name)
    return Lab(folder, load_exercises(folder), _progress_of(course))


def load_exercises(folder: LabFolder) -> dict[str, Exercise]:
    """The exercises that the lab's `checks.py` defines, in the order of the lab's notebook."""
    module = load_module(folder.path / "checks.py")
    found = {value.key: value for value in vars(module).values() if isinstance(value, Exercise)}
    return {info.key: found[info.key] for info in folder.exercises if info.key in found}


def load_module(path: Path) -> ModuleType:
    """A lab's module, loaded from its file once for each version: it need not be on the import path."""
    name = "_".join(("lab", path.parent.parent.name, path.parent.name, path.stem))
    stamp = (str(path.resolve()), path.stat().st_mtime_ns)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__stamp__", None) == stamp:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CheckError(f"{path} cannot be loaded as a module")
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__stamp__"] = stamp
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def validating() -> bool:
    return os.environ.get(VALIDATE) == "1"


def _progress_of(course: Course) -> Progress | None:
    """Progress is kept for work done inside the learner's workspace, and nowhere else."""
    home = Path(os.environ.get("COURSE_HOME") or course.root / "work").expanduser().resolve()
    if validating() or not Path.cwd().resolve().is_relative_to(home):
        return None
    return Progress(home)
