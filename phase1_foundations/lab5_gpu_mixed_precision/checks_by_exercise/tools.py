"""Small things that several checks of this lab need."""

from collections.abc import Callable
from typing import Any

from courseware.check import Trial


def failure(t: Trial, call: Callable[[], Any]) -> str | None:
    """The error that the learner's call ends in, as `TypeError: …`; None if it returns."""
    error = t.tried(call).error
    return None if error is None else f"{type(error).__name__}: {error}"
