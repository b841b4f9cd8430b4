"""Banks of answers that strangers might give: tests/labs/labP_N/right_*.py and wrong_*.py."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from courseware.source import LabFolder

Build = Callable[[], dict[str, Any]]
T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Answer:
    """One answer: `build` makes the objects that are its own; the solution gives the others."""

    exercise: str
    name: str
    build: Build
    slow: bool
    named: bool


class Answers:
    """`@right("E1")` or `@wrong("E1")` registers what is defined below, which makes the objects of an answer.

    `all` lists the answers. A `slow` one is tried in the long run alone. A wrong one that is not `named` is
    refused by what it does, without the check knowing the mistake.
    """

    def __init__(self) -> None:
        self.all: list[Answer] = []

    def add(self, exercise: str, name: str, build: Build, *, slow: bool = False, named: bool = True) -> None:
        self.all.append(Answer(exercise, name, build, slow, named))

    def __call__(self, exercise: str, **how: bool) -> Callable[[Build], Build]:
        def register(build: Build) -> Build:
            self.add(exercise, build.__name__, build, **how)
            return build

        return register

    def stands_for(self, exercise: str, key: str, **how: bool) -> Callable[[T], T]:
        """`@wrong.stands_for("E1", "degrees")`: what is defined below is itself the answer to `degrees`."""

        def register(answer: T) -> T:
            self.add(exercise, answer.__name__, lambda: {key: answer}, **how)
            return answer

        return register


def bank(lab: LabFolder, kind: str) -> list[Answer]:
    """All answers of a kind, "right" or "wrong", that stand in the lab's bank."""
    folder = Path(__file__).parent / f"lab{lab.number.replace('.', '_')}"
    modules = [f"tests.labs.{folder.name}.{path.stem}" for path in sorted(folder.glob(f"{kind}_*.py"))]
    return [answer for name in modules for answer in getattr(importlib.import_module(name), kind).all]
