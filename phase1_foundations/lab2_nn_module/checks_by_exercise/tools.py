"""Small things that several checks of this lab need."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.compare import difference

Probe = Callable[[Any, Trial], str | None]


class Probes:
    """The known mistakes of one exercise, in the order in which they stand in their file."""

    def __init__(self) -> None:
        self._all: list[tuple[str, Probe]] = []

    def __call__(self, diagnosis: str) -> Callable[[Probe], Probe]:
        def register(run: Probe) -> Probe:
            self._all.append((diagnosis, run))
            return run

        return register

    def add_to(self, exercise: Exercise) -> None:
        for diagnosis, run in self._all:
            exercise.probe(diagnosis)(run)


def nothing_returned(module: Any, *inputs: Any) -> str | None:
    """The words for a `forward` without `return`."""
    if module(*inputs) is None:
        return f"`{type(module).__name__}` gives None: did the `return` in `forward` go missing?"
    return None


def same(observed: Any, expected: Any, **how: Any) -> bool:
    """Equal to the tolerance of the dtype; shapes count, dtypes do not unless `dtype=True`."""
    return difference(observed, expected, **{"dtype": False, **how}) is None


def numbers(values: Tensor) -> str:
    """A small tensor as a learner would write it: [1, 2.5]."""

    def text(item: Any) -> str:
        return "[" + ", ".join(map(text, item)) + "]" if isinstance(item, list) else f"{item:.4g}"

    return text(values.detach().tolist())
