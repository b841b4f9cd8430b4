"""Watching a launch: is it done, did a rank fail, do all ranks wait for each other?"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle

IDLE_SECONDS = 4.0
"""Ranks that use no processor time for so long are asked where they are."""

_LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Read error",
    "Broken pipe",
    "timed out waiting",
)


class RankFailed(RuntimeError):
    """The function raised on a rank; the message is that rank's own traceback."""

    def __init__(self, rank: int, message: str) -> None:
        super().__init__(message)
        self.rank = rank

    def _render_traceback_(self) -> list[str]:
        """In a notebook: the rank's traceback alone, not ours around it."""
        return [str(self)]


class LaunchTimeout(RankFailed):
    """The ranks did not finish; the message says where each one was."""


class Watch:
    """One launch, seen through the files that its ranks write into `folder`."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, ranks: int, restarts: int) -> None:
        self._process, self._folder = process, folder
        self._ranks, self._restarts = range(ranks), restarts
        self._used, self._since = -1.0, time.monotonic()

    def wait(self, timeout: float) -> None:
        """Until the launcher ends or a rank has failed for good; raises when no end is in sight."""
        deadline = time.monotonic() + timeout
        while self._process.poll() is None:
            if self._restarts == 0 and self._errors():
                return self._let_others_report()
            if time.monotonic() > deadline:
                raise self._stuck(f"the ranks did not finish within {timeout:g} seconds and were ended")
            if self._idle() and self._all_wait():
                raise self._stuck("the ranks waited for each other, with nothing left that could end it")
            time.sleep(0.02)

    def finished(self) -> bool:
        return all(self._result(rank).exists() for rank in self._ranks)

    def results(self) -> list[object]:
        return [cloudpickle.loads(self._result(rank).read_bytes()) for rank in self._ranks]

    def failure(self) -> RankFailed:
        """Why there are no results: the cause, not what followed from it on other ranks."""
        errors = sorted(self._errors())
        causes = [error for error in errors if not any(sign in error[2] for sign in _LOST)]
        for _, rank, text in causes[:1]:
            return RankFailed(rank, f"rank {rank} of {len(self._ranks)} failed:\n\n{text}")
        log = (self._folder / "launcher.log").read_text()
        for rank, code in _exit_codes(log):
            if code < 0 and -code != signal.SIGTERM:
                how = signal.Signals(-code).name
                return RankFailed(rank, f"rank {rank} of {len(self._ranks)} was killed by {how}")
            if code > 0 and rank not in [reported for _, reported, _ in errors]:
                left = (
                    f"rank {rank} of {len(self._ranks)} left with exit code {code} and without an exception"
                )
                return RankFailed(
                    rank, f"{left}: look for sys.exit, os._exit or a library that ends the process"
                )
        for _, rank, text in errors[:1]:
            return RankFailed(rank, f"rank {rank} of {len(self._ranks)} failed:\n\n{text}")
        return RankFailed(0, f"the launcher ended with exit code {self._process.returncode}:\n{log[-2000:]}")

    # ---- inside ---------------------------------------------------------------------------------------

    def _result(self, rank: int) -> Path:
        return self._folder / f"result-{rank}"

    def _errors(self) -> list[tuple[float, int, str]]:
        return [cloudpickle.loads(path.read_bytes()) for path in self._folder.glob("error-*")]

    def _let_others_report(self) -> None:
        """A lost connection is what a rank sees when another one fails: give the cause a moment to arrive."""
        deadline = time.monotonic() + 3.0
        while self._process.poll() is None and time.monotonic() < deadline:
            if any(not any(sign in text for sign in _LOST) for _, _, text in self._errors()):
                return
            time.sleep(0.02)

    def _waiting(self) -> list[int]:
        return [rank for rank in self._ranks if not self._result(rank).exists()]

    def _idle(self) -> bool:
        """Have the unfinished ranks used no processor time for a while? Unknown, so no, without /proc."""
        if sys.platform != "linux" or time.monotonic() - self._since < IDLE_SECONDS:
            return False
        used = sum(_cpu_seconds(self._pid(rank)) for rank in self._waiting())
        idle = self._used >= 0 and used - self._used < 0.05 * IDLE_SECONDS
        self._used, self._since = used, time.monotonic()
        return idle

    def _pid(self, rank: int) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self._folder / f"pid-{rank}").read_text())
        return None

    def _all_wait(self) -> bool:
        """Is every unfinished rank inside one of torch's collectives?"""
        self._ask_for_stacks()
        stacks = [_frames(self._folder / f"stack-{rank}") for rank in self._waiting()]
        return bool(stacks) and all(any(_is_collective(f) for f in frames) for frames in stacks)

    def _ask_for_stacks(self) -> None:
        for rank in self._waiting():
            with contextlib.suppress(OSError):
                os.truncate(self._folder / f"stack-{rank}", 0)
            pid = self._pid(rank)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGUSR1)
        time.sleep(0.3)

    def _stuck(self, reason: str) -> LaunchTimeout:
        self._ask_for_stacks()
        waiting = self._waiting()
        lines = [f"{reason}:"]
        for rank in self._ranks:
            if rank not in waiting:
                lines.append(f"  rank {rank} had finished")
            elif self._pid(rank) is None:
                lines.append(f"  rank {rank} had not started yet")
            else:
                lines.append(f"  rank {rank} was in {_place(_frames(self._folder / f'stack-{rank}'))}")
        lines.append(
            "A collective returns only when every rank calls it, in the same order, with the same shapes."
        )
        return LaunchTimeout(waiting[0] if waiting else 0, "\n".join(lines))


_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>\S+)')
_DECORATORS = {"wrapper", "inner", "_fn"}


def _frames(stack: Path) -> list[dict[str, str]]:
    """A rank's stack, innermost first."""
    text = stack.read_text(errors="replace").replace("\0", "") if stack.exists() else ""
    return [found.groupdict() for found in map(_FRAME.search, text.splitlines()) if found]


def _is_collective(frame: dict[str, str]) -> bool:
    return "torch/distributed/" in frame["file"]


def _place(frames: list[dict[str, str]]) -> str:
    """`all_reduce, called at line 4 of work`: torch's function, and the user's line that called it."""
    own = next((i for i, frame in enumerate(frames) if not _is_library(frame["file"])), None)
    if own is None:
        return "code that could not be interrupted"
    place = f"line {frames[own]['line']} of {frames[own]['function']}"
    called = [f["function"] for f in frames[:own] if f["function"] not in _DECORATORS]
    return f"{called[-1]}, called at {place}" if called else place


def _is_library(file: str) -> bool:
    path = Path(file)
    library = Path(os.__file__).parent
    return (
        "site-packages" in path.parts
        or file.startswith("<frozen")
        or path.parent == Path(__file__).parent
        or library in path.parents
    )


def _cpu_seconds(pid: int | None) -> float:
    """Processor time of a process with all its threads."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _exit_codes(log: str) -> list[tuple[int, int]]:
    """(rank, exit code) of every failure in the launcher's summary."""
    found = re.findall(r"rank\s*:\s*(\d+) \(local_rank.*?exitcode\s*:\s*(-?\d+)", log, re.DOTALL)
    return [(int(rank), int(code)) for rank, code in found]
