"""What can go wrong while a learner's code is being checked, as exceptions that only the runner catches."""

from __future__ import annotations

from typing import Any


class CheckError(Exception):
    """An author's mistake in a check: it is never shown to a learner as theirs."""


class CheckFailed(Exception):
    """Raised in validation runs by a report that is not a pass."""


class Diagnosed(Exception):
    """A named mistake was recognised: the learner gets these words, whatever else fails."""

    def __init__(self, diagnosis: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.diagnosis, self.message, self.facts = diagnosis, message, facts


class PropertyMissed(Exception):
    """A property does not hold, and no named mistake explains it (yet)."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message, self.facts = message, facts


class PropertySkipped(Exception):
    """A property cannot be tried on this machine; the message says what is missing and how to get it."""


class OutOfTime(BaseException):
    """The budget is spent. A BaseException, so that a learner's `except Exception` does not swallow it."""
