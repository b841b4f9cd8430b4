"""Whole process trees: find them, measure them, end them.

A notebook may start children, and these may leave their process group, their session and their parent. On
Linux the supervisor of a run adopts such orphans (it is a "child subreaper"), so everything that a notebook
started stays below it. Elsewhere orphans are found again by a mark in their environment.
"""

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Iterable

import psutil

MARK = "COURSEWARE_RUN_ID"  # every process of one run carries the same value

_PR_SET_CHILD_SUBREAPER = 36
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def adopt_orphans() -> bool:
    """Make this process the new parent of its orphaned descendants; False where the system cannot do that."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below `pid`, without `pid` itself."""
    with contextlib.suppress(*_GONE):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def marked(run_id: str) -> list[psutil.Process]:
    """Processes that were started with the mark of this run, wherever they are in the tree."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(*_GONE, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == run_id:
                found.append(process)
    return found


def end_tree(run_id: str | None = None, *, patience: float = 5.0) -> None:
    """Kill everything below this process, and with `run_id` everything that carries its mark.

    Repeats until nothing is left, because a process may fork between the listing and the kill.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        living = [p for p in descendants(os.getpid()) + (marked(run_id) if run_id else []) if _alive(p)]
        _kill(living)
        reap()
        if not living:
            return
        time.sleep(0.005)


def reap() -> None:
    """Collect every child that has ended, adopted ones too, so that its CPU time is counted."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except _GONE:
        return False


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(*_GONE):
            process.kill()


class PeakMemory:
    """The largest memory that the processes below one process held together, from repeated samples.

    A process counts with its high-water mark where the system tells it (Linux), so a short peak of one
    process between two samples is seen; pages that two processes share count twice.
    """

    def __init__(self, pid: int, *, without: int | None = None) -> None:
        self.pid = pid
        self.without = without  # the process that only drives the kernel
        self.bytes = 0

    def sample(self) -> None:
        total = sum(_resident(p) for p in descendants(self.pid) if p.pid != self.without)
        self.bytes = max(self.bytes, total)


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{process.pid}/status") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0
    with contextlib.suppress(*_GONE):
        return int(process.memory_info().rss)
    return 0
