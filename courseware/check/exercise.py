"""An exercise's check as its author writes it: probes, properties, hints, a reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from courseware.check.outcomes import CheckError
from courseware.check.rules import Rules
from courseware.check.trial import Trial
from courseware.source import POINTS

Probe = Callable[[Any, Trial], "str | None"]
Property = Callable[[Any, Trial], None]
Reward = Callable[[Any], Any]

SECONDS = 5.0
"""CPU budget of a warm-up and of E1 to E4."""
SECONDS_END_TO_END = 60.0
"""CPU budget of E5."""


@dataclass(frozen=True)
class NamedProbe:
    diagnosis: str
    run: Probe


@dataclass(frozen=True)
class NamedProperty:
    name: str
    points: int
    run: Property


class Exercise:
    """The check of one exercise.

    `takes` names the learner's objects in the order in which `lab.check` gets them; as a dict it also says
    what each function returns: a type, a tuple of types, or None where nothing is to be checked (classes).
    """

    def __init__(
        self,
        key: str,
        *,
        takes: Mapping[str, Any] | Sequence[str],
        hints: Sequence[str] = (),
        forbids: Rules | None = None,
        seconds: float | None = None,
    ) -> None:
        if isinstance(takes, str) or not takes:
            raise CheckError(f"{key}: takes= names the learner's objects, as a tuple or a dict")
        self.key = key
        self.returns: dict[str, Any] = dict(takes) if isinstance(takes, Mapping) else dict.fromkeys(takes)
        self.hints = tuple(hints)
        self.forbids = forbids
        self.seconds = seconds or (SECONDS_END_TO_END if key == "E5" else SECONDS)
        self.probes: list[NamedProbe] = []
        self.properties: list[NamedProperty] = []
        self.draw: Reward | None = None

    def __repr__(self) -> str:
        return f"Exercise({self.key!r})"

    @property
    def takes(self) -> tuple[str, ...]:
        return tuple(self.returns)

    @property
    def max_points(self) -> int:
        return POINTS.get(self.key, 0)

    def probe(self, diagnosis: str) -> Callable[[Probe], Probe]:
        """Register a probe: `(answers, trial) -> None`, or the words that name the mistake if it is there.

        Probes run in the order of registration and the first that matches speaks. An exception in the
        learner's code means "not this mistake"; use `trial.attempt` where the exception is the signature.
        """
        if any(p.diagnosis == diagnosis for p in self.probes):
            raise CheckError(f"{self.key}: two probes are called {diagnosis!r}")

        def register(run: Probe) -> Probe:
            self.probes.append(NamedProbe(diagnosis, run))
            return run

        return register

    def property(self, name: str, *, points: int = 0) -> Callable[[Property], Property]:
        """Register a property: `(answers, trial) -> None`, failing through `trial`. All run, each pays."""
        if any(p.name == name for p in self.properties):
            raise CheckError(f"{self.key}: two properties are called {name!r}")

        def register(run: Property) -> Property:
            self.properties.append(NamedProperty(name, points, run))
            return run

        return register

    def reward(self, draw: Reward) -> Reward:
        """Register the picture or measurement made with the learner's own objects once they pass."""
        self.draw = draw
        return draw

    def problems(self) -> list[str]:
        """What an author still has to do before this check can be used."""
        found = []
        if not self.properties:
            found.append(f"{self.key} has no property: nothing would be checked")
        total = sum(p.points for p in self.properties)
        if total != self.max_points:
            found.append(f"{self.key}: the properties' points add up to {total}, expected {self.max_points}")
        if len(self.hints) != 3:
            found.append(f"{self.key} has {len(self.hints)} hints, expected 3 (concept, formula, near-code)")
        return found
