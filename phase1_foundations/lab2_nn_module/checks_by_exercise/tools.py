"""Small things that several checks of this lab need."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.compare import difference
from courseware.check.origin import origin, short
from courseware.check.outcomes import Diagnosed

Probe = Callable[[Any, Trial], str | None]
CHECKS = str(Path(__file__).resolve().parents[1] / "checks")  # and all that begins so is not a learner's


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


def must_run(t: Trial, what: str, call: Callable[[], Any]) -> None:
    """Name an exception on a plain input, and show the learner's own lines that it passed through."""
    error = t.attempt(call).error
    if error is None or isinstance(error, NotImplementedError):
        return
    if isinstance(error, Diagnosed):
        raise error
    lines = origin(error, CHECKS).lines[-2:]
    code = "\n".join(f"line {line.number} in {line.function}: {line.text}" for line in lines)
    raise Diagnosed(
        "raises-an-error", f"{what} raised {short(error)}", **({"your code": code} if code else {})
    )


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
