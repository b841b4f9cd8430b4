"""Mistakes named by what they give: a value, an exception, or whatever goes wrong in a family of cases."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from courseware.check.compare import same
from courseware.check.origin import is_stub, origin, short
from courseware.check.outcomes import Diagnosed, PropertyMissed
from courseware.check.trial import Trial

Case = tuple[str, Any, str]
"""A diagnosis, the value that this mistake gives, and the words for it."""


def name_it(t: Trial, observed: Any, right: Any, cases: Iterable[Case], **how: Any) -> None:
    """If the value is not right but is what a known mistake gives, say which. `how` goes to `same`."""
    if same(observed, right, **how):
        return
    for diagnosis, value, words in cases:
        if not same(value, right, **how) and same(observed, value, **how):
            t.fail(words, diagnosis=diagnosis, observed=observed, expected=right)


def value_of(t: Trial, call: Callable[[], Any], diagnosis: str, words: str) -> Any:
    """The value of a call; an exception is this mistake."""
    attempt = t.tried(call)
    if attempt.error is not None:
        t.fail(f"{words}: your code raised {short(attempt.error)}", diagnosis=diagnosis)
    return attempt.value


@contextmanager
def family(diagnosis: str, words: str) -> Iterator[None]:
    """Whatever fails in the body belongs to one family of mistakes: its name and its sentence come first."""
    try:
        yield
    except Diagnosed:
        raise  # named already
    except PropertyMissed as missed:
        raise Diagnosed(diagnosis, f"{words}: {missed.message}", **missed.facts) from missed
    except Exception as error:
        if is_stub(error):
            raise
        lines = origin(error, _checks(error)).lines[-2:]
        code = "\n".join(f"line {line.number} in {line.function}: {line.text}" for line in lines)
        facts = {"your code": code} if code else {}
        raise Diagnosed(diagnosis, f"{words}: your code raised {short(error)}", **facts) from error


def _checks(error: BaseException) -> str:
    """What the paths of the lab's checks begin with: the exception came through one of them first."""
    files = (Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__))
    body = next(file for file in files if file != Path(__file__))
    folder = next((parent for parent in body.parents if parent.name.startswith("checks")), None)
    return str(folder or body.with_suffix(""))
