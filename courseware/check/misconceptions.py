"""Wrong answers that real beginners write, kept as complete, runnable code: the test of a check."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Misconception:
    """A wrong answer to one exercise, and the diagnosis that it must get."""

    exercise: str
    diagnosis: str
    name: str
    build: Callable[[], dict[str, Any]]

    def objects(self, solution: ModuleType, takes: tuple[str, ...]) -> dict[str, Any]:
        """The wrong objects; those that the misconception leaves out are the solution's."""
        wrong = self.build()
        unknown = set(wrong) - set(takes)
        if unknown:
            raise ValueError(
                f"{self.name} defines {sorted(unknown)}, but {self.exercise} takes {list(takes)}"
            )
        return {name: wrong[name] if name in wrong else getattr(solution, name) for name in takes}


def misconception(
    exercise: str, *, diagnosis: str
) -> Callable[[Callable[[], dict[str, Any]]], Misconception]:
    """Mark a function that defines the wrong objects and returns them as {name: object}."""

    def register(build: Callable[[], dict[str, Any]]) -> Misconception:
        return Misconception(exercise, diagnosis, build.__name__, build)

    return register


def misconceptions_in(module: ModuleType) -> list[Misconception]:
    """All that the module defines, or imports from others by name or by ``*``.

    Two files may use one name, and an import then hides one of them: so each file is asked itself.
    """
    named = _defined(module)
    files = dict.fromkeys(wrong.build.__module__ for wrong in named)
    hidden = [wrong for name in files if name in sys.modules for wrong in _defined(sys.modules[name])]
    return list({id(wrong): wrong for wrong in [*named, *hidden]}.values())


def _defined(module: ModuleType) -> list[Misconception]:
    return [value for value in vars(module).values() if isinstance(value, Misconception)]
