"""The record of a run as it happens: one JSON line an event, written by the side that runs the cells.

Both lanes write the same events, so a result is put together in one place, and a run that was killed still
shows what it had done. What a cell may write is bounded here.
"""

import contextlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXT_LIMIT = 1_000_000  # characters of stream text a cell
DISPLAY_LIMIT = 500  # displays a cell
DISPLAY_BYTES = 50_000_000  # bytes of display data a cell, updates included

MESSAGE_LIMIT = 10_000  # characters of an exception's message

CUT = "\n[output cut here: a cell may write {limit}]\n"


@dataclass
class _Allowance:
    """What one cell may still write."""

    text: int = TEXT_LIMIT
    displays: int = DISPLAY_LIMIT
    display_bytes: int = DISPLAY_BYTES
    said: bool = False


class Journal:
    """Writes events. Safe to use from several threads; a forked child that inherits it writes nothing."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._left = _Allowance()
        self._write({"event": "opened"})

    def start(self, cell: int) -> None:
        """A cell begins: its outputs follow."""
        self._left = _Allowance()
        self._write({"event": "start", "cell": cell})

    def message(self, cell: int, kind: str, content: dict[str, Any]) -> None:
        """An output message of the Jupyter protocol."""
        if os.getpid() != self._owner:  # before the lock: a thread may have held it at the fork
            return
        with self._lock:
            if kind == "stream":
                content = self._cut_text(content)
            elif kind in ("display_data", "execute_result", "update_display_data"):
                content = self._cut_display(cell, kind, content)
            elif kind == "error":
                content = _cut_error(content)
            if content:
                self._write({"event": "message", "cell": cell, "kind": kind, "content": content})

    def end(self, cell: int, count: int | None, error: tuple[str, str] | None) -> None:
        """A cell ended, with the name and message of its exception if it raised one."""
        short = error and (error[0][:MESSAGE_LIMIT], error[1][:MESSAGE_LIMIT])
        self._write({"event": "end", "cell": cell, "count": count, "error": short})

    def finished(self) -> None:
        """No cell is left to run."""
        self._write({"event": "finished"})

    def broken(self, problem: str) -> None:
        """The machinery failed, not the notebook."""
        self._write({"event": "broken", "problem": problem})

    def _write(self, event: dict[str, Any]) -> None:
        if os.getpid() != self._owner:
            return
        line = memoryview(_encoded(json.dumps(event, default=str, ensure_ascii=False) + "\n"))
        with self._lock:
            while line:
                line = line[os.write(self._file, line) :]

    def _cut_text(self, content: dict[str, Any]) -> dict[str, Any]:
        text = str(content.get("text", ""))
        kept = text[: max(0, self._left.text)]
        self._left.text -= len(kept)
        if len(kept) < len(text):
            kept += self._notice(f"{TEXT_LIMIT:,} characters")
        return {**content, "text": kept} if kept else {}

    def _cut_display(self, cell: int, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        self._left.displays -= kind != "update_display_data"
        self._left.display_bytes -= sum(len(str(value)) for value in content.get("data", {}).values())
        if self._left.displays >= 0 and self._left.display_bytes >= 0:
            return content
        limit = f"{DISPLAY_LIMIT} displays or {DISPLAY_BYTES // 1_000_000} MB of them"
        if notice := self._notice(limit):
            said = {"name": "stderr", "text": notice}
            self._write({"event": "message", "cell": cell, "kind": "stream", "content": said})
        return {}

    def _notice(self, limit: str) -> str:
        if self._left.said:
            return ""
        self._left.said = True
        return CUT.format(limit=limit)


def _cut_error(content: dict[str, Any]) -> dict[str, Any]:
    frames = [frame[:TEXT_LIMIT] for frame in content["traceback"]]
    while sum(map(len, frames)) > TEXT_LIMIT:
        del frames[len(frames) // 2]  # the first frames and the last ones tell most
    return {**content, "evalue": content["evalue"][:MESSAGE_LIMIT], "traceback": frames}


def _encoded(text: str) -> bytes:
    """Bytes of text that may hold halves of characters, as printed file names do; they are read as U+FFFD."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def events(path: Path) -> list[dict[str, Any]]:
    """The events of a journal; a last line that a kill tore off is left out."""
    found = []
    with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
    return found
