"""The machine that builds, checks, runs and tracks the labs of a course."""

from typing import Any

__all__ = ["Lab", "open_lab"]


def __getattr__(name: str) -> Any:
    """`open_lab` and `Lab`, loaded when asked for: the command line must not wait for them."""
    if name in __all__:
        from courseware import lab

        return getattr(lab, name)
    raise AttributeError(f"module 'courseware' has no attribute {name!r}")
