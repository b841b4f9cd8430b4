"""Runs notebooks: in real kernels for validation, in warm forks for fast loops.

Both lanes give the same verdicts.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from courseware.run.result import CellError as CellError
    from courseware.run.result import Lane as Lane
    from courseware.run.result import RunnerError as RunnerError
    from courseware.run.result import RunResult as RunResult
    from courseware.run.result import Verdict as Verdict
    from courseware.run.runner import execute as execute
    from courseware.run.runner import execute_many as execute_many

_WHERE = {
    "execute": "runner",
    "execute_many": "runner",
    **dict.fromkeys(("CellError", "Lane", "RunResult", "RunnerError", "Verdict"), "result"),
}

__all__ = ["CellError", "Lane", "RunResult", "RunnerError", "Verdict", "execute", "execute_many"]


def __getattr__(name: str) -> Any:
    # The supervisor of every run passes through here, and needs none of this: it would cost it a second.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"courseware.run.{_WHERE[name]}"), name)
