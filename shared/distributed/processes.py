"""Starting a group of processes so that nothing of it can be left behind.

Torch's launcher puts each worker into a session of its own, out of reach of a kill of the launcher's group.
So every process of a launch carries a mark in its environment, which its children inherit, and ending a
launch means ending whatever carries the mark.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MARK = "SHARED_LAUNCH_MARK"


def marked(mark: str) -> list[int]:
    """Process ids that carry the mark, ourselves left out."""
    found = _from_proc(mark) if sys.platform == "linux" else _from_ps(mark)
    return [pid for pid in found if pid != os.getpid()]


def _from_proc(mark: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0") and not _is_zombie(folder):
                    found.append(int(folder.name))
            except OSError:  # gone meanwhile, or somebody else's
                continue
    return found


def _is_zombie(folder: Path) -> bool:
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _from_ps(mark: str) -> list[int]:
    listing = subprocess.run(
        ["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listing.stdout.splitlines() if f"{MARK}={mark}" in line]


def end_all(mark: str, *, patience: float = 5.0) -> None:
    """Kill everything that carries the mark, and wait until it is gone."""
    deadline = time.monotonic() + patience
    while (alive := marked(mark)) and time.monotonic() < deadline:
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def die_with_parent() -> None:
    """On Linux, let the kernel end this process when its parent dies, however that happens."""
    if sys.platform == "linux":
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """On Linux, let processes below this one come to it when their own parent dies, not to init."""
    if sys.platform == "linux":
        import ctypes

        PR_SET_CHILD_SUBREAPER = 36
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(mark: str) -> None:
    """Kill everything that was started below this process, until nothing is left, and collect it.

    On Linux the process must have called `adopt_orphans`: then nobody can leave the tree, by whatever
    double fork, session or empty environment. Elsewhere what carries the mark is ended.
    """
    if sys.platform != "linux":
        end_all(mark)
    while children := _children():
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def _children() -> list[int]:
    """The living children of this process; dead ones are collected."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if sys.platform != "linux":
        return []
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in listing.read_text().split()]
