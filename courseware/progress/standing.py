"""What the record says about each exercise: the best result stays, a pass once stays."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from courseware.progress.log import Event

# A pause longer than this is a break, not work.
BREAK_SECONDS = 30 * 60


@dataclass(frozen=True)
class Standing:
    """Where a learner stands in one exercise.

    `points` is the best result so far. `attempts` counts checks of an answer, not of an unanswered stub.
    `seconds` is the time worked, estimated from the times between records without pauses over half an hour.
    """

    passed: bool = False
    points: float = 0.0
    attempts: int = 0
    hints: int = 0
    solution_shown: bool = False
    seconds: float = 0.0


def fold(events: Iterable[Event]) -> dict[str, dict[str, Standing]]:
    """Standings by lab key and exercise key. Of an event of unknown kind only the time counts."""
    standings: dict[str, dict[str, Standing]] = {}
    previous: float | None = None
    for event in events:
        lab = standings.setdefault(event.lab, {})
        standing = _add(lab.get(event.exercise, Standing()), event)
        if event.at is not None:
            gap = 0.0 if previous is None else event.at - previous
            if 0 < gap <= BREAK_SECONDS:
                standing = replace(standing, seconds=standing.seconds + gap)
            previous = event.at
        lab[event.exercise] = standing
    return standings


def _add(standing: Standing, event: Event) -> Standing:
    if event.event == "attempt" and event.status != "not attempted":
        return replace(
            standing,
            attempts=standing.attempts + 1,
            passed=standing.passed or event.status == "passed",
            points=max(standing.points, event.points),
        )
    if event.event == "hint":
        return replace(standing, hints=standing.hints + 1)
    if event.event == "solution":
        return replace(standing, solution_shown=True)
    return standing
