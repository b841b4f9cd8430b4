"""Probes that stand in a file of their own, away from the exercise that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.exercise import Exercise, Probe
from courseware.check.trial import Trial


class Probes:
    """`probe = Probes()`, `@probe("diagnosis")` above each, and where the exercise is: `probe.add_to(e1)`.

    They are registered in the order in which they stand.
    """

    def __init__(self) -> None:
        self._all: list[tuple[str, Probe]] = []

    def __call__(self, diagnosis: str) -> Callable[[Probe], Probe]:
        def register(run: Probe) -> Probe:
            self._all.append((diagnosis, run))
            return run

        return register

    def value(self, diagnosis: str, call: Callable[[Any], Any], wrong: Any, words: str, **how: Any) -> None:
        """A mistake that shows as a value of `call(answers)`: `wrong`, or one of a list of such values.

        `{found}` in the words is the value; `how` goes to `same`.
        """
        values = wrong if isinstance(wrong, list) else [wrong]

        def run(a: Any, t: Trial) -> str | None:
            found = call(a)
            if any(same(found, value, **how) for value in values):
                return words.replace("{found}", numbers(found))
            return None

        self._all.append((diagnosis, run))

    def add_to(self, exercise: Exercise) -> None:
        for diagnosis, run in self._all:
            exercise.probe(diagnosis)(run)
