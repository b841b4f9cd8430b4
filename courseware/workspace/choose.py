"""Exercises by the names that people type."""

from collections.abc import Sequence
from difflib import get_close_matches

from courseware.workspace.files import WorkspaceError


def known_exercise(typed: str, keys: Sequence[str], number: str) -> str:
    """The key that was meant, whatever its case; else WorkspaceError with the closest one."""
    wanted = typed.strip().upper()
    if wanted in keys:
        return wanted
    close = get_close_matches(wanted, keys, n=1, cutoff=0.5)
    advice = f"did you mean {close[0]}?" if close else f"it has {', '.join(keys) or 'none yet'}"
    raise WorkspaceError(f"lab {number} has no exercise {typed!r}; {advice}")
