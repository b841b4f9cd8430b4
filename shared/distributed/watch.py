"""Watching a launch: is it done, did a rank fail, do all ranks wait for each other?"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

import cloudpickle

from shared.distributed.stacks import Frames, place, threads, waits_for_others
from shared.distributed.stillness import Stillness

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


@runtime_checkable
class Launcher(Protocol):
    """What has started the ranks, and knows how they left."""

    def ended(self) -> bool:
        """Is there nothing more to wait for?"""

    def exit_codes(self) -> list[tuple[int, int]]:
        """(rank, exit code) of ranks that left by themselves without a result, first ones first."""

    def last_words(self) -> str:
        """What the launcher itself has to say, when no rank explains the end."""


class Watch:
    """One launch, seen through the files that its ranks write into `folder`.

    Ranks that do nothing for `idle_seconds` are asked where they are. `cpu_seconds` limits what all ranks
    together may compute.
    """

    def __init__(
        self,
        launcher: Launcher,
        folder: Path,
        ranks: int,
        *,
        restarts: int = 0,
        idle_seconds: float = 1.5,
        cpu_seconds: float = float("inf"),
        interval: float = 0.02,
    ) -> None:
        self._launcher, self._folder = launcher, folder
        self._ranks, self._restarts = range(ranks), restarts
        self._cpu_seconds, self._interval = cpu_seconds, interval
        self._stillness, self._asked_before = Stillness(idle_seconds), -1

    def wait(self, timeout: float) -> None:
        """Until the launcher ends or a rank has failed for good; raises when no end is in sight."""
        deadline, next_look = time.monotonic() + timeout, 0.0
        while not self.finished() and not self._launcher.ended():
            if self._restarts == 0 and self._errors():
                return self._let_others_report()
            if time.monotonic() > deadline:
                raise self._stuck(f"the ranks did not finish within {timeout:g} seconds and were ended")
            if time.monotonic() > next_look:
                self._look()
                next_look = time.monotonic() + 0.05
            time.sleep(self._interval)

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
        for rank, code in self._launcher.exit_codes():
            if code < 0 and -code != signal.SIGTERM:
                how = signal.Signals(-code).name
                return RankFailed(rank, f"rank {rank} of {len(self._ranks)} was killed by {how}")
            if code >= 0 and rank not in [reported for _, reported, _ in errors]:
                left = (
                    f"rank {rank} of {len(self._ranks)} left with exit code {code} and without an exception"
                )
                return RankFailed(
                    rank, f"{left}: look for sys.exit, os._exit or a library that ends the process"
                )
        for _, rank, text in errors[:1]:
            return RankFailed(rank, f"rank {rank} of {len(self._ranks)} failed:\n\n{text}")
        return RankFailed(0, self._launcher.last_words())

    # ---- inside ---------------------------------------------------------------------------------------

    def _result(self, rank: int) -> Path:
        return self._folder / f"result-{rank}"

    def _errors(self) -> list[tuple[float, int, str]]:
        return [cloudpickle.loads(path.read_bytes()) for path in self._folder.glob("error-*")]

    def _let_others_report(self) -> None:
        """A lost connection is what a rank sees when another one fails: give the cause a moment to arrive."""
        deadline = time.monotonic() + 3.0
        while not self._launcher.ended() and time.monotonic() < deadline:
            if any(not any(sign in text for sign in _LOST) for _, _, text in self._errors()):
                return
            time.sleep(self._interval)

    def _look(self) -> None:
        """Raise when the ranks compute too long, or wait for each other."""
        started = [pid for pid in map(self._pid, self._ranks) if pid is not None]
        if sum(map(_cpu_seconds, started)) > self._cpu_seconds:
            raise self._stuck(
                f"the ranks did not finish within {self._cpu_seconds:g} seconds of computing and were ended"
            )
        done = [self._pid(rank) for rank in self._ranks if rank not in self._waiting()]
        if not self._stillness.holds(started, aside=[pid for pid in done if pid is not None]):
            return
        if self._stillness.beginnings == self._asked_before:
            raise self._stuck("the ranks waited for each other, with nothing left that could end it")
        if self._all_wait():  # asking wakes them: it is proved only if then nothing moves for as long again
            self._asked_before = self._stillness.beginnings + 1
        self._stillness.restart()

    def _waiting(self) -> list[int]:
        return [rank for rank in self._ranks if not self._result(rank).exists()]

    def _pid(self, rank: int) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self._folder / f"pid-{rank}").read_text())
        return None

    def _all_wait(self) -> bool:
        """Is every unfinished rank, with all its threads, inside one of torch's collectives?"""
        stacks = [self._stack(rank) for rank in self._ask(self._waiting())]
        return bool(stacks) and all(found and all(map(waits_for_others, found)) for found in stacks)

    def _stack(self, rank: int) -> list[Frames]:
        return threads(self._folder / f"stack-{rank}")

    def _ask(self, ranks: Iterable[int]) -> list[int]:
        """Let these ranks write their stacks."""
        asked = list(ranks)
        for rank in asked:
            with contextlib.suppress(OSError):
                os.truncate(self._folder / f"stack-{rank}", 0)
            pid = self._pid(rank)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGUSR1)
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline and not all(map(self._stack, asked)):
            time.sleep(0.01)
        time.sleep(0.02)  # for the last lines of the last one
        return asked

    def _stuck(self, reason: str) -> LaunchTimeout:
        waiting = self._ask(self._waiting())
        lines, in_collectives = [f"{reason}:"], False
        for rank in self._ranks:
            if rank not in waiting:
                lines.append(f"  rank {rank} had finished")
            elif self._pid(rank) is None:
                lines.append(f"  rank {rank} had not started yet")
            else:
                found = self._stack(rank)
                lines.append(f"  rank {rank} was in {place(found[0] if found else [])}")
                in_collectives |= any(map(waits_for_others, found))
        if in_collectives:
            lines.append(
                "A collective returns only when every rank calls it, in the same order, with the same shapes."
            )
        return LaunchTimeout(waiting[0] if waiting else 0, "\n".join(lines))


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process with all its threads."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
