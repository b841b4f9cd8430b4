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
from collections.abc import Callable

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


def end_below() -> None:
    """Kill everything below this process."""
    _end(lambda: descendants(os.getpid()))


def end_marked(run_id: str) -> None:
    """Kill everything that was started with the mark of this run."""
    _end(lambda: marked(run_id))


def _end(find: Callable[[], list[psutil.Process]], patience: float = 5.0) -> None:
    """Repeats until nothing is found, because a process may fork between the listing and the kill."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and (living := [process for process in find() if _alive(process)]):
        for process in living:
            with contextlib.suppress(*_GONE):
                process.kill()
        time.sleep(0.005)


def reap(patience: float = 5.0) -> None:
    """Collect all children, which have been killed, adopted ones too, so that their CPU time is counted."""
    deadline = time.monotonic() + patience
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.002)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except _GONE:
        return False


class PeakMemory:
    """The largest memory that the processes below one process held together, from repeated samples.

    One process counts with its high-water mark where the system tells it (Linux), so a short peak between two
    samples is seen. Of several, a page that they share counts once, as after a fork.
    """

    def __init__(self, pid: int, *, without: int | None = None) -> None:
        self.pid = pid
        self.without = without  # the process that only drives the kernel
        self.bytes = 0

    def sample(self) -> None:
        below = [process for process in descendants(self.pid) if process.pid != self.without]
        largest = max(map(_high_water_mark, below), default=0)
        together = sum(map(_share, below)) if len(below) > 1 else 0
        self.bytes = max(self.bytes, largest, together)


def _high_water_mark(process: psutil.Process) -> int:
    return _proc_bytes(process, "status", "VmHWM:") or _resident(process)


def _share(process: psutil.Process) -> int:
    """Its memory, with every shared page divided by the number of those who share it, where that is known."""
    return _proc_bytes(process, "smaps_rollup", "Pss:") or _resident(process)


def _proc_bytes(process: psutil.Process, file: str, field: str) -> int:
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{process.pid}/{file}") as lines:  # noqa: PTH123
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(*_GONE):
        return int(process.memory_info().rss)
    return 0
