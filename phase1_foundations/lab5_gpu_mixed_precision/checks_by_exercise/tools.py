"""Small things that several checks of this lab need."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.compare import difference
from courseware.check.outcomes import Diagnosed, OutOfTime

Probes = list[tuple[str, Callable[[Any, Trial], str | None]]]


def same(observed: Any, expected: Any, **how: Any) -> bool:
    """Equal to the tolerance of the dtype; shapes count, dtypes do not unless `dtype=True`."""
    return difference(observed, expected, **{"dtype": False, **how}) is None


def numbers(values: Tensor) -> str:
    """A small tensor as a learner would write it: [1, 2.5]."""

    def text(item: Any) -> str:
        return "[" + ", ".join(map(text, item)) + "]" if isinstance(item, list) else f"{item:.8g}"

    return text(values.detach().tolist())


def collector(probes: Probes) -> Callable[[str], Callable[[Any], Any]]:
    """A decorator that appends (diagnosis, probe) to the list, in the order in which they stand."""

    def probe(diagnosis: str) -> Callable[[Any], Any]:
        def register(run: Any) -> Any:
            probes.append((diagnosis, run))
            return run

        return register

    return probe


def add(exercise: Exercise, probes: Probes) -> None:
    for diagnosis, run in probes:
        exercise.probe(diagnosis)(run)


def is_stub(error: BaseException) -> bool:
    """A bare `raise NotImplementedError`; torch's own errors of that type have words."""
    return isinstance(error, NotImplementedError) and not str(error)


def failure(t: Trial, call: Callable[[], Any]) -> str | None:
    """The error that the learner's call ends in, as `TypeError: …`; None if it returns. A stub's is
    raised."""
    error = t.attempt(call).error
    if error is None:
        return None
    if isinstance(error, Diagnosed | OutOfTime) or is_stub(error):
        raise error
    return f"{type(error).__name__}: {error}"
