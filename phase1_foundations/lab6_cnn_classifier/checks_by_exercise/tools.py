"""Small things that several checks of this lab need."""

from typing import Any

from courseware.check.compare import difference


def shape(value: Any) -> str:
    return str(tuple(value.shape))


def error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]


def first_difference(observed: Any, expected: Any, **how: Any) -> str | None:
    """The first thing in which they differ, in words, or None."""
    found = difference(observed, expected, **{"dtype": False, **how})
    return found.words if found else None
