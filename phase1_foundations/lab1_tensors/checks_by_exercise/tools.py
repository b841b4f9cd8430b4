"""Small things that several checks of this lab need."""

from typing import Any

from torch import Tensor

from courseware.check.compare import difference


def same(observed: Any, expected: Any, **how: Any) -> bool:
    """Equal to the tolerance of the dtype; shapes count, dtypes do not unless `dtype=True`."""
    return difference(observed, expected, **{"dtype": False, **how}) is None


def numbers(values: Tensor) -> str:
    """A small tensor as a learner would write it: [1, 2.5]."""

    def text(item: Any) -> str:
        return "[" + ", ".join(map(text, item)) + "]" if isinstance(item, list) else f"{item:.4g}"

    return text(values.detach().tolist())
