"""What a lab's source files say, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["code", "markdown"]
Role = Literal["prose", "code", "parameters", "statement", "answer", "check", "reward", "discussion"]

POINTS: dict[str, int] = {"E1": 15, "E2": 20, "E3": 20, "E4": 20, "E5": 25}
MOST_WARM_UPS = 8
EXERCISE_KEYS: tuple[str, ...] = (*(f"W{n}" for n in range(1, MOST_WARM_UPS + 1)), *POINTS)


def points_of(key: str) -> int:
    """Points of an exercise: warm-ups are practice and give none."""
    return POINTS.get(key, 0)


class SourceError(Exception):
    """A lab's source breaks a rule of its format; says where and what to do."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(path, line, message)
        self.path = path
        self.line = line
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Cell:
    """One cell. `line` is where `text` begins in its file; `meta` the options given on its marker."""

    kind: Kind
    text: str
    line: int
    id: str
    role: Role
    exercise: str | None = None
    tags: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExerciseInfo:
    key: str
    title: str
    minutes: int
    points: int
    line: int


@dataclass(frozen=True)
class LabSource:
    """One source file, read: its cells in order, and the exercises that it declares."""

    path: Path
    title: str
    cells: tuple[Cell, ...]
    exercises: tuple[ExerciseInfo, ...] = ()

    def cell(self, role: Role, exercise: str) -> Cell:
        """The first cell with this role in this exercise."""
        for cell in self.cells:
            if cell.role == role and cell.exercise == exercise:
                return cell
        raise KeyError(f"{self.path}: {exercise} has no {role} cell")
