"""Small things that several checks of this lab need."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from courseware.check import Trial
from courseware.check.origin import origin, short
from courseware.check.outcomes import Diagnosed

CHECKS = str(Path(__file__).resolve().parents[1] / "checks")  # and all that begins so is not a learner's


def must_run(t: Trial, what: str, call: Callable[[], Any]) -> None:
    """Name an exception on a plain input, and show the learner's own lines that it passed through."""
    error = t.tried(call).error
    if error is None:
        return
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
