"""Do processes provably do nothing?  Seen from what the kernel counts for each of their threads."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKING = "gloo_tcp_loop"
"""Gloo's own thread looks for messages every 10 ms. When it has found one, another thread wakes up."""
_TICK_NANOSECONDS = 250_000
"""A look that finds nothing takes far less; one that moves a part of a large message takes more."""
_TICKS = 5


@dataclass(frozen=True)
class _Thread:
    name: str
    sleeps: bool
    nanoseconds: int  # of processor time
    turns: int  # how often it was given a processor


class Stillness:
    """Watches threads until none of them has moved for `seconds`.

    A thread has moved when it was given a processor, or is ready for one and waits for it. So a busy
    machine is not taken for a deadlock. A process that merely sleeps is still: whether it sleeps for
    others only its stack tells.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first: dict[int, _Thread] = {}
        self._since = time.monotonic()
        self.beginnings = 0
        """How often watching has begun anew, at first or because something had moved."""

    def restart(self) -> None:
        """Forget what was seen: the next look is the first."""
        self._first = {}

    def holds(self, processes: Iterable[int], *, aside: Iterable[int] = ()) -> bool:
        """Has nothing moved for long enough, up to now? To be asked often. Threads in `aside` may move."""
        ignored = set(aside)
        now = {tid: t for tid, t in _threads(processes).items() if tid not in ignored}
        asleep = all(thread.sleeps or thread.name == _TICKING for thread in now.values())
        if not now or not asleep or self._first.keys() != now.keys() or self._others_moved(now):
            self._first, self._since, self.beginnings = now, time.monotonic(), self.beginnings + 1
            return False
        return time.monotonic() - self._since >= self._seconds and self._ticks_found_nothing(now)

    def _others_moved(self, now: dict[int, _Thread]) -> bool:
        return any(t.turns != self._first[tid].turns for tid, t in now.items() if t.name != _TICKING)

    def _ticks_found_nothing(self, now: dict[int, _Thread]) -> bool:
        for tid, thread in now.items():
            if thread.name == _TICKING:
                turns = thread.turns - self._first[tid].turns
                used = thread.nanoseconds - self._first[tid].nanoseconds
                if turns < _TICKS or used > turns * _TICK_NANOSECONDS:
                    return False
        return True


def _threads(processes: Iterable[int]) -> dict[int, _Thread]:
    """Every thread of these processes; nothing where the kernel does not say, so nothing can be proved.

    Processes and threads may end while they are looked at: their files are gone between two reads.
    """
    found = {}
    for pid in processes if sys.platform == "linux" else ():
        for folder in _folders(Path(f"/proc/{pid}/task")):
            with contextlib.suppress(OSError, ValueError, IndexError):
                name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
                nanoseconds, _, turns = (folder / "schedstat").read_text().split()
                found[int(folder.name)] = _Thread(name, rest.split()[0] == "S", int(nanoseconds), int(turns))
    return found


def _folders(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:
        return []
