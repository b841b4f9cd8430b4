"""Whose code raised: the learner's, or ours?  Decided by the files that a traceback passes through."""

from __future__ import annotations

import linecache
import site
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeGuard

_COURSEWARE = str(Path(__file__).resolve().parents[1])


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    folders |= set(site.getsitepackages()) if hasattr(site, "getsitepackages") else set()
    return tuple(str(Path(folder).resolve()) for folder in folders if folder)


@dataclass(frozen=True)
class LearnerLine:
    """One line of the learner's own code that an exception passed through."""

    function: str
    number: int
    text: str


@dataclass(frozen=True)
class Origin:
    """The learner's lines that an exception passed through, outermost first; was the last frame one?"""

    lines: tuple[LearnerLine, ...]
    raised_by_learner: bool


def is_learners(filename: str, check_file: str) -> bool:
    """Notebook cells, modules and misconceptions are; libraries, courseware and the checks are not."""
    if filename.startswith("<frozen") or filename in {"<string>", "<__array_function__ internals>"}:
        return False
    if not filename.startswith("<"):
        filename = str(Path(filename).resolve())
    ours = (_COURSEWARE, check_file, *_library_folders())
    return not filename.startswith(ours)


def origin(error: BaseException, check_file: str) -> Origin:
    frames = list(traceback.walk_tb(error.__traceback__))
    lines = []
    for frame, number in frames:
        filename = frame.f_code.co_filename
        if is_learners(filename, check_file):
            text = linecache.getline(filename, number, frame.f_globals).strip()
            lines.append(LearnerLine(frame.f_code.co_name, number, text))
    last = frames[-1][0].f_code.co_filename if frames else ""
    return Origin(tuple(lines), bool(frames) and is_learners(last, check_file))


def raised_by_stub(error: BaseException, check_file: str) -> bool:
    """Is this the `raise NotImplementedError` that an unanswered exercise contains?"""
    return is_stub(error) and origin(error, check_file).raised_by_learner


def is_stub(error: BaseException | None) -> TypeGuard[NotImplementedError]:
    """A bare NotImplementedError. One with words is torch's own, which has no frame of its own either."""
    return isinstance(error, NotImplementedError) and not error.args


def short(error: BaseException, limit: int = 400) -> str:
    """`TypeError: …` on as few lines as the message has, never flooding."""
    text = (
        "".join(traceback.format_exception_only(error)).strip()
        if not isinstance(error, SyntaxError)
        else str(error)
    )
    if isinstance(error, RecursionError):
        text = f"RecursionError: the call depth passed Python's limit of {sys.getrecursionlimit()}"
    return text if len(text) <= limit else text[: limit - 1] + "…"
