"""A collection of answers: functions that build the objects of one exercise, by the names it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Build = Callable[[], dict[str, Any]]


class Answers:
    """`@answers("E1")` registers; `answers.all` lists (exercise, name, build)."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, Build]] = []

    def __call__(self, exercise: str) -> Callable[[Build], Build]:
        def register(build: Build) -> Build:
            self.all.append((exercise, build.__name__, build))
            return build

        return register
