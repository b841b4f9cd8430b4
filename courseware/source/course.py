"""Finds the course and its labs on disk."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import courseware
from courseware.source.markdown import read_theory
from courseware.source.model import ExerciseInfo, LabSource
from courseware.source.percent import read_outline, read_solution

_PHASE = re.compile(r"phase(\d+)_(\w+)$")
_LAB = re.compile(r"(?:lab|project)(\d+)_\w+$")


class UnknownLab(Exception):
    """No lab goes by this name; the message says which are close."""


@dataclass(frozen=True)
class LabFolder:
    """A lab on disk. Its sources are read when asked for."""

    path: Path
    key: str  # phase1_foundations/lab1_tensors
    number: str  # 1.1
    phase: str  # phase1_foundations

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def root(self) -> Path:
        """The course that this lab belongs to."""
        return self.path.parent.parent

    @property
    def solution_path(self) -> Path:
        return self.path / "solution.py"

    @property
    def theory_path(self) -> Path:
        return self.path / "theory.md"

    @property
    def title(self) -> str:
        """The lab's own name: `Tensors and Autograd` of `Lab 1.1 · Tensors and Autograd`."""
        return self._outline[0].split(" · ", 1)[-1]

    @property
    def exercises(self) -> tuple[ExerciseInfo, ...]:
        return self._outline[1]

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    @cached_property
    def _outline(self) -> tuple[str, tuple[ExerciseInfo, ...]]:
        return read_outline(self.solution_path)

    def solution(self) -> LabSource:
        """`solution.py`, read anew and checked."""
        return read_solution(self.solution_path)

    def theory(self) -> LabSource:
        """`theory.md`, read anew and checked."""
        return read_theory(self.theory_path)


class Course:
    """A course root and the labs under it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @classmethod
    def find(cls, start: Path | None = None) -> Course:
        """COURSE_ROOT, or the nearest marked folder at or above `start` (default: here), or our own."""
        if os.environ.get("COURSE_ROOT"):
            return cls(Path(os.environ["COURSE_ROOT"]))
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if _is_root(folder):
                return cls(folder)
        return cls(Path(courseware.__file__).parent.parent)

    @property
    def labs(self) -> list[LabFolder]:
        """All labs in the order of their numbers."""
        return [lab for _, lab in sorted(self._found(), key=lambda item: item[0])]

    def lab(self, name: str) -> LabFolder:
        """A lab by its number, its key or its folder's name; slashes and the root's path are forgiven."""
        wanted = str(name).strip().rstrip("/").removeprefix(f"{self.root}/").removeprefix("./")
        labs = self.labs
        matches = [lab for lab in labs if wanted in (lab.number, lab.key, lab.name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UnknownLab(
                f"{name!r} could be {' or '.join(lab.key for lab in matches)}; give the phase too"
            )
        known = [spelling for lab in labs for spelling in (lab.number, lab.key, lab.name)]
        close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
        advice = (
            f"did you mean {close[0]}?"
            if close
            else f"known: {', '.join(lab.number for lab in labs) or 'none'}"
        )
        raise UnknownLab(f"no lab {name!r} in this course; {advice}")

    def _found(self) -> Iterator[tuple[tuple[int, int], LabFolder]]:
        for phase in self.root.glob("phase*_*"):
            phase_match = _PHASE.match(phase.name)
            for folder in phase.iterdir() if phase_match and phase.is_dir() else ():
                lab_match = _LAB.match(folder.name)
                if lab_match and (folder / "solution.py").is_file():
                    assert phase_match is not None
                    place = int(phase_match[1]), int(lab_match[1])
                    key = f"{phase.name}/{folder.name}"
                    yield place, LabFolder(folder, key, f"{place[0]}.{place[1]}", phase.name)


def _is_root(folder: Path) -> bool:
    project = folder / "pyproject.toml"
    if not project.is_file():
        return False
    try:
        return "courseware" in tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    except tomllib.TOMLDecodeError:
        return False
