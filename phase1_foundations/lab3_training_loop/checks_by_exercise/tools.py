"""Small things that several checks of this lab need."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from courseware.check import Attempt, Exercise, Trial
from courseware.check.compare import difference

Probe = Callable[[Any, Trial], "str | None"]

OPTIM = (  # all of torch.optim: its classes begin with the first, its functions are the others
    "torch.optim.Optimizer.__init__",
    "torch.optim.sgd.sgd",
    "torch.optim.sgd._single_tensor_sgd",
    "torch.optim.adam._single_tensor_adam",
    "torch.optim.adam._multi_tensor_adam",
    "torch.optim.rmsprop._single_tensor_rmsprop",
    "torch.optim.rmsprop._multi_tensor_rmsprop",
    "torch.optim.adagrad.adagrad",
    "torch.optim.adagrad._single_tensor_adagrad",
)


class Probes:
    """The probes of one exercise, collected in a module of their own, in the order in which they stand."""

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


def unwritten(attempt: Attempt) -> None:
    """A stub is no mistake: let its NotImplementedError through, which says that nobody has begun."""
    if isinstance(attempt.error, NotImplementedError):
        raise attempt.error


def same(observed: Any, expected: Any, **how: Any) -> bool:
    """Equal to the tolerance of the dtype; shapes count, dtypes do not unless `dtype=True`."""
    return difference(observed, expected, **{"dtype": False, **how}) is None


def close(observed: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-12) -> bool:
    """Two numbers, or two lists of numbers of one length."""
    if isinstance(expected, list | tuple):
        return (
            isinstance(observed, list | tuple)
            and len(observed) == len(expected)
            and all(close(left, right, rtol, atol) for left, right in zip(observed, expected, strict=True))
        )
    try:
        return abs(float(observed) - float(expected)) <= atol + rtol * abs(float(expected))
    except (TypeError, ValueError):
        return False


def apart(observed: Any, expected: Any) -> tuple[str, str]:
    """Both in as many digits as it takes to see the difference."""
    for digits in (4, 6, 9, 12):
        texts = numbers(observed, digits), numbers(expected, digits)
        if texts[0] != texts[1]:
            break
    return texts


def numbers(values: Any, digits: int = 4) -> str:
    """Numbers as a learner would write them: [1, 2.5]."""
    if isinstance(values, Tensor):
        values = values.detach().tolist()
    if isinstance(values, list | tuple):
        return "[" + ", ".join(numbers(item, digits) for item in values) + "]"
    return f"{values:.{digits}g}" if isinstance(values, int | float) else str(values)
