"""Small things that several checks of this lab need."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from courseware.check import Attempt, Exercise, Trial
from courseware.check.compare import difference
from courseware.check.outcomes import Diagnosed


def same(observed: Any, expected: Any, **how: Any) -> bool:
    """Equal to the tolerance of the dtype; shapes count, dtypes do not unless `dtype=True`."""
    return difference(observed, expected, **{"dtype": False, **how}) is None


def numbers(values: Tensor) -> str:
    """A small tensor as a learner would write it: [1, 2.5]."""

    def text(item: Any) -> str:
        return "[" + ", ".join(map(text, item)) + "]" if isinstance(item, list) else f"{item:.4g}"

    return text(values.detach().tolist())


def shape(value: Any) -> str:
    return str(tuple(value.shape))


def tried(t: Trial, call: Callable[[], Any]) -> Attempt:
    """Like `t.attempt`, but a refusal by a rule and an answer not yet written go on their way."""
    attempt = t.attempt(call)
    if isinstance(attempt.error, Diagnosed | NotImplementedError):
        raise attempt.error
    return attempt


def error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]


def first_difference(observed: Any, expected: Any, **how: Any) -> str | None:
    """The first thing in which they differ, in words, or None."""
    found = difference(observed, expected, **{"dtype": False, **how})
    return found.words if found else None


class Probes:
    """Probes that stand in another file than their exercise, in the order in which they are written."""

    def __init__(self) -> None:
        self._all: list[tuple[str, Callable[[Any, Trial], str | None]]] = []

    def __call__(self, diagnosis: str) -> Callable[[Any], Any]:
        def register(run: Any) -> Any:
            self._all.append((diagnosis, run))
            return run

        return register

    def add_to(self, exercise: Exercise) -> None:
        for diagnosis, run in self._all:
            exercise.probe(diagnosis)(run)
