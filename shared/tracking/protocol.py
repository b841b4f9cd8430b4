"""What every tracker can do. Three verbs are enough for a training run."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, SupportsFloat

Scalar = float | int | bool | str


class TrackingError(Exception):
    """A tracker cannot be opened or written; the message says what to do."""


class Tracker(ABC):
    """Keeps a run's configuration, its metrics by step, and its summary."""

    @abstractmethod
    def log(self, step: int, **metrics: SupportsFloat) -> None:
        """Metrics of one step. Steps may repeat (train and validation) but not go back."""

    @abstractmethod
    def summary(self, **values: Scalar) -> None:
        """Final values of the run; a later value replaces an earlier one."""

    @abstractmethod
    def close(self) -> None:
        """Everything is on disk afterwards. Closing twice is fine."""

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Plain floats; a value that is no number is refused by name, before anything is written."""
    plain = {}
    for name, value in metrics.items():
        try:
            plain[name] = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise TrackingError(f"metric {name!r} is {value!r}, expected one number: log a float") from None
    return plain


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Nested configuration as dotted names, the form that trackers take."""
    found: dict[str, Scalar] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = value if isinstance(value, bool | int | float | str) else str(value)
    return found


def json_number(value: float) -> float | str:
    """JSON has no NaN and no infinity: those become words that `float()` reads back."""
    return value if math.isfinite(value) else str(value)
