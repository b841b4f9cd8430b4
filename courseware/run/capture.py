"""Captures what a process writes: through Python's streams, and through file descriptors 1 and 2.

The second way catches C code and child processes. A reader thread takes it in, as in a kernel.
"""

import codecs
import contextlib
import ctypes
import io
import os
import select
import threading
import time
import uuid
from collections.abc import Callable

Emit = Callable[[str, str], None]  # stream name, text

FLUSH_SECONDS = 0.1
FLUSH_CHARACTERS = 8192
_DRAIN_PATIENCE = 1.0


class CapturedStream(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr; hands text on in pieces, not in every small write."""

    def __init__(self, name: str, descriptor: int, emit: Emit) -> None:
        self.name = name
        self._descriptor = descriptor
        self._emit = emit
        self._owner = os.getpid()
        self._pieces: list[str] = []
        self._held = 0
        self._flushed = 0.0
        self._lock = threading.RLock()

    encoding = "utf-8"
    errors = "backslashreplace"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if os.getpid() != self._owner:  # a forked child: its text comes in through the descriptor
            os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))
            return len(text)
        with self._lock:
            self._pieces.append(text)
            self._held += len(text)
            if self._held > FLUSH_CHARACTERS or time.monotonic() - self._flushed > FLUSH_SECONDS:
                self.flush()
        return len(text)

    def flush(self) -> None:
        if os.getpid() != self._owner:
            return
        with self._lock:
            text, self._pieces, self._held = "".join(self._pieces), [], 0
            self._flushed = time.monotonic()
            if text:
                self._emit(self.name, text)


class DescriptorCapture:
    """Replaces file descriptors 1 and 2 by pipes that a thread reads."""

    def __init__(self, emit: Emit, idle: Callable[[], None]) -> None:
        self._emit = emit
        self._idle = idle
        self._names: dict[int, str] = {}
        self._writers: list[int] = []  # our own: descriptor 1 may by now be a file of the notebook's
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        self._marks: dict[bytes, threading.Event] = {}
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            reading, writing = os.pipe()
            os.dup2(writing, descriptor, inheritable=True)
            self._writers.append(writing)
            self._names[reading] = name
            self._decoders[reading] = codecs.getincrementaldecoder("utf-8")("replace")
        threading.Thread(target=self._read, daemon=True, name="output").start()

    def drain(self) -> None:
        """Return when everything written so far has been handed on."""
        ctypes.CDLL(None).fflush(None)  # C code has a buffer of its own
        for writer in self._writers:
            mark = uuid.uuid4().bytes
            seen = self._marks.setdefault(mark, threading.Event())
            os.write(writer, mark)
            seen.wait(_DRAIN_PATIENCE)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select(list(self._names), [], [], FLUSH_SECONDS)
            if not ready:
                self._idle()
            for reading in ready:
                data = os.read(reading, 131072)  # more than a pipe holds: a mark comes whole
                marks = [mark for mark in list(self._marks) if mark in data]
                for mark in marks:
                    data = data.replace(mark, b"")
                if text := self._decoders[reading].decode(data):
                    with contextlib.suppress(Exception):
                        self._emit(self._names[reading], text)
                for mark in marks:
                    self._marks.pop(mark).set()
