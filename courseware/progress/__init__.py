"""Progress: an append-only record of attempts, hints and passes, and what it adds up to. Needs no torch."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from courseware.progress.log import Event, ProgressError, append, read
from courseware.progress.standing import Standing, fold

if TYPE_CHECKING:
    from courseware.progress.page import dashboard

__all__ = ["Event", "Progress", "ProgressError", "Standing", "dashboard"]


def __getattr__(name: str) -> Any:
    """`dashboard`, loaded when asked for: it needs the course, the record does not."""
    if name != "dashboard":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module("courseware.progress.page").dashboard


class Progress:
    """The record of one learner, kept in `<home>/.course/progress.jsonl`."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = Path(home) / ".course" / "progress.jsonl"
        self._clock = clock

    def record(
        self,
        *,
        lab: str,
        exercise: str,
        event: Literal["attempt", "hint", "solution"],
        status: str | None = None,
        points: float = 0.0,
        seconds: float = 0.0,
    ) -> None:
        """Append one event; `seconds` is what a check took. Raises ProgressError if it cannot be saved."""
        append(self.path, Event(self._clock(), lab, exercise, event, status, points, seconds))

    def events(self) -> Iterator[Event]:
        """Every readable event, oldest first."""
        return read(self.path)

    def standings(self) -> dict[str, dict[str, Standing]]:
        """Standings of every lab that has an event, by lab key and exercise key."""
        return fold(self.events())

    def standing(self, lab_key: str) -> dict[str, Standing]:
        """Standings of one lab by exercise key; an exercise without an event is absent."""
        return self.standings().get(lab_key, {})
