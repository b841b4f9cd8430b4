"""A list of probes that a file of mistakes collects and an exercise takes over."""

from collections.abc import Callable
from typing import Any

from courseware.check import Exercise, Trial

Run = Callable[[Any, Trial], "str | None"]


class Probes:
    """`@probe("diagnosis")` collects; `probe.add_to(exercise)` registers all, in the order of the file."""

    def __init__(self) -> None:
        self._all: list[tuple[str, Run]] = []

    def __call__(self, diagnosis: str) -> Callable[[Run], Run]:
        def register(run: Run) -> Run:
            self._all.append((diagnosis, run))
            return run

        return register

    def add_to(self, exercise: Exercise) -> None:
        for diagnosis, run in self._all:
            exercise.probe(diagnosis)(run)
