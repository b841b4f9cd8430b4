"""Stands over one run: measures it, keeps its time limit, and leaves no process behind.

`supervise` is shared by both lanes. As a program (`python -m courseware.run.supervisor FOLDER`) this module
runs the real-kernel lane; in the warm lane the zygote forks a supervisor of the same kind.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from courseware.run import namespace
from courseware.run.processes import PeakMemory, adopt_orphans, end_below, end_marked, reap
from courseware.run.request import Request

# Maximum-resident-set size comes in kilobytes on Linux and in bytes on macOS.
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Outcome:
    """What the supervisor saw of a run from outside."""

    timed_out: bool
    exit_code: int | None  # negative: the signal that ended it; None: it had to be killed
    cpu_seconds: float
    peak_bytes: int
    wall_seconds: float
    network: str  # how the outside network was refused
    abandoned: bool  # nobody waited for the result any more

    def save(self, folder: Path) -> None:
        part = folder / "outcome.part"
        part.write_text(json.dumps(asdict(self)))
        part.replace(folder / "outcome.json")

    @classmethod
    def load(cls, folder: Path) -> "Outcome | None":
        """The outcome of the run in this folder; None when its supervisor itself was killed."""
        try:
            return cls(**json.loads((folder / "outcome.json").read_text()))
        except (OSError, ValueError):
            return None


def supervise(
    request: Request, start: Callable[[], int], *, abandoned: Callable[[], bool], separate_driver: bool
) -> Outcome:
    """Start a run with `start` (which returns the process id), stay until it ends or its time is over.

    `abandoned` tells that nobody waits for the result any more; the run is then ended too. With
    `separate_driver` the started process only drives the kernel: its own CPU time and memory do not count.
    """
    adopts = adopt_orphans()
    network = "allowed" if request.network else namespace.leave_network()
    began = time.monotonic()
    pid = start()
    process = psutil.Process(pid)
    peak = PeakMemory(os.getpid(), without=pid if separate_driver else None)
    exit_code, timed_out, driver_cpu, pause = None, False, 0.0, 0.02
    while not (timed_out or (left := abandoned())):
        with contextlib.suppress(psutil.TimeoutExpired):
            exit_code = process.wait(timeout=pause)
            break
        pause = min(pause * 1.5, 0.4)  # short runs are watched closely, long ones cheaply
        timed_out = time.monotonic() - began > request.timeout
        driver_cpu = _own_cpu(process, driver_cpu)
        peak.sample()
    end_below()
    if not adopts:
        end_marked(request.run_id)
    reap()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    driver_cpu = _reported_cpu(request.folder, driver_cpu) if separate_driver else 0.0
    if not separate_driver:  # the largest single process, seen without sampling
        peak.bytes = max(peak.bytes, used.ru_maxrss * _MAXRSS_UNIT)
    return Outcome(
        timed_out=timed_out,
        exit_code=exit_code,
        cpu_seconds=max(0.0, used.ru_utime + used.ru_stime - driver_cpu),
        peak_bytes=peak.bytes,
        wall_seconds=time.monotonic() - began,
        network=network,
        abandoned=left,
    )


def finish(outcome: Outcome, folder: Path) -> None:
    """Leave the outcome for the one who waits; without one, leave nothing."""
    if outcome.abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        outcome.save(folder)


def _own_cpu(process: psutil.Process, before: float) -> float:
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return before


def _reported_cpu(folder: Path, sampled: float) -> float:
    """The driver writes down its own CPU time as its last act; a killed one is known from the last sample."""
    try:
        return float((folder / "driver-cpu").read_text())
    except (OSError, ValueError):
        return sampled


def main(folder: Path) -> None:
    """Run the real-kernel lane for the request in this folder."""
    request = Request.load(folder)
    parent, told_to_stop = os.getppid(), list[int]()
    signal.signal(signal.SIGTERM, lambda number, _: told_to_stop.append(number))

    def start() -> int:
        with request.log.open("wb") as log:
            driver = [sys.executable, "-m", "courseware.run.driver", str(folder)]
            return subprocess.Popen(
                driver, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            ).pid

    def abandoned() -> bool:
        return bool(told_to_stop) or os.getppid() != parent

    finish(supervise(request, start, abandoned=abandoned, separate_driver=True), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
