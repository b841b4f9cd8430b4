"""What a check found, as data and as words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    PASSED = "passed"
    NOT_QUITE = "not quite"
    NOT_ATTEMPTED = "not attempted"
    RAISED = "raised"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class PropertyResult:
    """One property: does it hold, what it is worth, and if it fails, why."""

    name: str
    held: bool
    points: int
    message: str = ""
    skipped: bool = False
    """It could not be tried here: neither held nor missed."""


@dataclass(frozen=True)
class Measure:
    """A number that the answer reached, and the one that was asked for."""

    value: float
    asked: float
    what: str
    """Follows the number in a sentence: "of the test digits are right"."""
    at_most: bool = False

    @property
    def reached(self) -> bool:
        return self.value <= self.asked if self.at_most else self.value >= self.asked

    def __str__(self) -> str:
        bound = "at most" if self.at_most else "at least"
        return f"{self.value:.3g} {self.what} (asked for: {bound} {self.asked:g})"


@dataclass
class Report:
    """The verdict on one answer. It shows itself, as text everywhere and richer in a notebook."""

    lab: str
    exercise: str
    title: str
    status: Status
    message: str
    diagnosis: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    """Shown one a line: called, observed, expected, your line …"""
    properties: list[PropertyResult] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    points: int = 0
    max_points: int = 0
    seconds: float = 0.0
    printed: str = ""
    """What the learner's code printed while it was checked."""
    footer: list[str] = field(default_factory=list)
    """Lines added by the lab: points so far, the next hint, what comes next."""

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED

    def __bool__(self) -> bool:
        return self.passed

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return {**asdict(self), "status": str(self.status)}

    def text(self) -> str:
        from courseware.check.render import as_text

        return as_text(self)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<{self.exercise} {self.status}: {self.points} of {self.max_points} points>"

    def _repr_html_(self) -> str:
        from courseware.check.render import as_html

        return as_html(self)

    def _ipython_display_(self) -> None:
        """`lab.check` has shown the report already: as a cell's last value it is not shown twice."""
