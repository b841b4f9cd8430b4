"""The owner's side of the warm lane: keeps one zygote a process, and hands requests to it."""

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid

from courseware.run.environment import run_environment
from courseware.run.request import Request, scratch_folder
from courseware.run.result import RunnerError
from courseware.run.zygote import READY, SOCKET

START_PATIENCE = 120.0


class Zygote:
    """A running zygote. Ends with its owner, or by `close`."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._running = 0
        self._retired = False
        self.folder = scratch_folder()
        self.log = self.folder / "zygote.log"
        environment = run_environment(self.folder, uuid.uuid4().hex, network=True, changes={})
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "courseware.run.zygote", str(self.folder)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._files = self._wait_until_ready()

    def _wait_until_ready(self) -> dict[str, int]:
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                files: dict[str, int] = json.loads((self.folder / READY).read_text())
                return files
            time.sleep(0.02)
        said = self.log.read_text(errors="replace").strip().splitlines()
        self.close()
        raise RunnerError(f"the warm lane did not start: {said[-1] if said else 'no reason given'}")

    def usable(self) -> bool:
        """Whether it lives, belongs to this process, and has the course's files as they are now."""
        return self.owner == os.getpid() and self._process.poll() is None and not self._stale()

    def _stale(self) -> bool:
        for file, changed in self._files.items():
            try:
                if os.stat(file).st_mtime_ns != changed:  # noqa: PTH116 - many files, before every run
                    return True
            except OSError:
                return True
        return False

    def reserve(self) -> None:
        """Hold it open for one run."""
        with self._lock:
            self._running += 1

    def run(self, request: Request, stop: threading.Event) -> None:
        """Run a request for which `reserve` was called; returns when its supervisor has ended."""
        try:
            self._ask(request, stop)
        finally:
            with self._lock:
                self._running -= 1
                last = self._retired and not self._running
            if last:
                self.close()

    def retire(self) -> None:
        """Take no more runs, and end when those that are under way have ended."""
        with self._lock:
            self._retired = True
            idle = not self._running
        if idle:
            self.close()

    def _ask(self, request: Request, stop: threading.Event) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(str(self.folder / SOCKET))
                connection.sendall(f"{request.folder}\n".encode())
                connection.settimeout(1)
                while not (stop.is_set() or _ended(connection)):
                    pass
            except OSError as problem:
                raise RunnerError(f"the warm lane does not answer ({problem}); run it again") from None
            finally:
                with contextlib.suppress(OSError):  # the supervisor ends the run, if it has not ended
                    connection.shutdown(socket.SHUT_WR)
                    while not _ended(connection):
                        pass

    def close(self) -> None:
        """End the zygote and everything it runs."""
        if self.owner != os.getpid():
            return
        if self._process.stdin:
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _ended(connection: socket.socket) -> bool:
    """Whether the supervisor has gone, after at most the connection's time-out."""
    with contextlib.suppress(TimeoutError):
        return not connection.recv(64)
    return False


_lock = threading.Lock()
_current: Zygote | None = None


def run(request: Request, stop: threading.Event) -> None:
    """Run a request; the zygote is started on first use, and anew when the course's files have changed."""
    global _current
    with _lock:
        if _current is None or not _current.usable():
            if _current is not None:
                _current.retire()
            _current = Zygote()
            atexit.register(_current.close)
        zygote = _current
        zygote.reserve()
    zygote.run(request, stop)


def close() -> None:
    """End this process's zygote, if there is one."""
    global _current
    with _lock:
        if _current is not None:
            _current.close()
            _current = None
