"""A lab on the bench: its solution, its stubs, its checks and its misconceptions, loaded once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from courseware.check import CheckError, Exercise, Misconception, Report, misconceptions_in
from courseware.check.exercise import NamedProperty
from courseware.lab import Lab, load_exercises, load_module
from courseware.source import LabFolder
from courseware.source.markers import stubbed


@dataclass(frozen=True)
class Bench:
    folder: LabFolder
    lab: Lab
    solution: ModuleType
    stubs: ModuleType
    checks: ModuleType
    all_misconceptions: tuple[Misconception, ...]

    @classmethod
    def of(cls, folder: LabFolder) -> Bench:
        """The lab's bench; loaded again only when one of its files has changed."""
        files = [folder.path / name for name in ("solution.py", "checks.py", "misconceptions.py")]
        stamp = tuple((str(path), path.stat().st_mtime_ns) for path in files)
        if stamp not in _benches:
            _benches[stamp] = cls._load(folder)
        return _benches[stamp]

    @classmethod
    def _load(cls, folder: LabFolder) -> Bench:
        return cls(
            folder,
            Lab(folder, _loaded("checks.py", lambda: load_exercises(folder)), None),
            _loaded("solution.py", lambda: _solution(folder)),
            _loaded("solution.py with stubs", lambda: _stub_module(folder)),
            load_module(folder.path / "checks.py"),
            tuple(
                misconceptions_in(
                    _loaded("misconceptions.py", lambda: load_module(folder.path / "misconceptions.py"))
                )
            ),
        )

    @property
    def exercises(self) -> dict[str, Exercise]:
        return self.lab.exercises

    def unchecked(self) -> list[str]:
        return [info.key for info in self.folder.exercises if info.key not in self.exercises]

    def unknown_checks(self) -> list[str]:
        found = [value.key for value in vars(self.checks).values() if isinstance(value, Exercise)]
        known = {info.key for info in self.folder.exercises}
        return [key for key in found if key not in known]

    def misconceptions(self, key: str) -> list[Misconception]:
        return [wrong for wrong in self.all_misconceptions if wrong.exercise == key]

    def answers(self, key: str) -> dict[str, Any]:
        """The reference objects of an exercise."""
        return {name: getattr(self.solution, name) for name in self.exercises[key].takes}

    def untouched(self, key: str) -> dict[str, Any]:
        """What a learner has before the first line is written."""
        return {name: getattr(self.stubs, name) for name in self.exercises[key].takes}

    def mistaken(self, wrong: Misconception) -> dict[str, Any]:
        takes = self.exercises[wrong.exercise].takes
        return _loaded(f"the wrong answer {wrong.name}", lambda: wrong.objects(self.solution, takes))

    def run(self, key: str, objects: dict[str, Any], seed: int) -> Report:
        return self.lab.run(key, objects, seed=seed)

    def diagnose(self, key: str, objects: dict[str, Any], seed: int) -> Report:
        """The same verdict as `run` with less work: properties are held only if no probe speaks.

        A check runs them all for partial credit; E5 would train a model for each wrong answer.
        """
        alone = Lab(self.folder, {key: _probes_alone(self.exercises[key])}, None)
        report = alone.run(key, objects, seed=seed)
        return self.run(key, objects, seed) if report.passed else report


T = TypeVar("T")


def _loaded(name: str, load: Callable[[], T]) -> T:
    """What an author wrote may fail in any way: say what it was, in one line."""
    try:
        return load()
    except Exception as error:
        raise CheckError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error


def _probes_alone(exercise: Exercise) -> Exercise:
    """The same exercise with nothing but its probes: whatever none of them recognises passes."""
    alone = Exercise(
        exercise.key,
        takes=exercise.returns,
        hints=exercise.hints,
        forbids=exercise.forbids,
        seconds=exercise.seconds,
    )
    alone.probes = exercise.probes
    alone.properties = [NamedProperty("no probe matches", exercise.max_points, lambda answers, trial: None)]
    return alone


_benches: dict[tuple[tuple[str, int], ...], Bench] = {}


def _solution(folder: LabFolder) -> ModuleType:
    """The solution as one module, also for misconceptions that import it by its dotted name.

    Were it loaded twice, their classes would not be the solution's.
    """
    name = f"{folder.key.replace('/', '.')}.solution"
    try:
        module = importlib.import_module(name)
    except ImportError:  # a course that is not on the import path
        module = None
    imported = module is not None and not hasattr(module, "__stamp__")
    if module is not None and imported and folder.solution_path.samefile(str(module.__file__)):
        return module
    sys.modules[name] = load_module(folder.solution_path)
    return sys.modules[name]


def _stub_module(folder: LabFolder) -> ModuleType:
    """The module that a learner starts from: every answer is its stub."""
    source = folder.solution()
    code = [cell for cell in source.cells if cell.kind == "code"]
    text = "\n\n".join(stubbed(cell, source.path) if cell.role == "answer" else cell.text for cell in code)
    module = ModuleType(f"stubs_of_{folder.name}")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    # the name in angle brackets is what a notebook's cells have: the checks take it for a learner's code
    exec(compile(text, f"<stubs of {folder.key}>", "exec"), module.__dict__)
    return module
