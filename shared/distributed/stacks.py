"""Where a rank is, read from the stack that faulthandler wrote for it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_THREAD = re.compile(r"^(?P<current>Current t|T)hread 0x", re.MULTILINE)
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>\S+)')
_DECORATORS = {"wrapper", "inner", "_fn"}

Frames = list[dict[str, str]]
"""One thread's stack, innermost first."""


def threads(stack: Path) -> list[Frames]:
    """The stacks of a rank's Python threads; the main one, which was asked, comes first."""
    text = stack.read_text(errors="replace").replace("\0", "") if stack.exists() else ""
    starts = list(_THREAD.finditer(text))
    if not starts:
        return []
    ends = [start.start() for start in starts[1:]] + [len(text)]
    found = [
        (start["current"] == "T", [f.groupdict() for f in _FRAME.finditer(text[start.start() : end])])
        for start, end in zip(starts, ends, strict=True)
    ]
    return [frames for _, frames in sorted(found, key=lambda thread: thread[0])]


def waits_for_others(frames: Frames) -> bool:
    """Is this thread inside one of torch's collectives, or waiting for a message?"""
    return any(_is_communication(frame["file"]) for frame in frames)


def place(frames: Frames) -> str:
    """`all_reduce, called at line 4 of work`: torch's function, and the user's line that called it."""
    own = next((i for i, frame in enumerate(frames) if not _is_library(frame["file"])), None)
    if own is None:
        return "code that could not be interrupted"
    position = f"line {frames[own]['line']} of {frames[own]['function']}"
    called = [f["function"] for f in frames[:own] if f["function"] not in _DECORATORS]
    return f"{called[-1]}, called at {position}" if called else position


def _is_communication(file: str) -> bool:
    return "torch/distributed/" in file or Path(file) == Path(__file__).with_name("waiting.py")


def _is_library(file: str) -> bool:
    path = Path(file)
    library = Path(os.__file__).parent
    return (
        "site-packages" in path.parts
        or file.startswith("<frozen")
        or path.parent == Path(__file__).parent
        or library in path.parents
    )
