"""Banks of answers that strangers might give: tests/labs/labP_N/right_*.py and wrong_*.py."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from courseware.source import LabFolder

Build = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """One answer: `build` makes the objects that are its own; the solution gives the others."""

    exercise: str
    name: str
    build: Build
    slow: bool
    named: bool


class Answers:
    """`@right("E1")` or `@wrong("E1")` registers the function below it; `all` lists them.

    A `slow` answer is tried in the long run alone. A wrong answer that is not `named` is refused by what it
    does, without the check knowing the mistake.
    """

    def __init__(self) -> None:
        self.all: list[Answer] = []

    def __call__(self, exercise: str, *, slow: bool = False, named: bool = True) -> Callable[[Build], Build]:
        def register(build: Build) -> Build:
            self.all.append(Answer(exercise, build.__name__, build, slow, named))
            return build

        return register


def bank(lab: LabFolder, kind: str) -> list[Answer]:
    """All answers of a kind, "right" or "wrong", that stand in the lab's bank."""
    folder = Path(__file__).parent / f"lab{lab.number.replace('.', '_')}"
    modules = [f"tests.labs.{folder.name}.{path.stem}" for path in sorted(folder.glob(f"{kind}_*.py"))]
    return [answer for name in modules for answer in getattr(importlib.import_module(name), kind).all]
