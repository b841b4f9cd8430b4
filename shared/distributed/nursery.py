"""The helper of `ReadyRanks`: an interpreter that has loaded torch, and forks the ranks of each job.

`python -m shared.distributed.nursery CONTROL OWNER HOME IDLE_SECONDS`. It never computes anything itself and
has one thread, so a fork of it is a clean process. A job comes as a message on the socket CONTROL: the
job's folder, number of ranks and modules to have at hand, and a socket for this job alone. When that one is
closed by the owner the job is ended. When the owner has died, or nothing was asked for long, the helper ends
itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from shared.distributed.processes import MARK, adopt_orphans, die_with_parent, end_descendants
from shared.distributed.worker import work

STARTED = b"started"
PATIENCE_WITH_OTHERS = 0.5
"""Seconds that ranks get to say what happened, when one has left without a result."""
_ROUND = 0.003


def main(control: socket.socket, owner: int, home: Path, idle_seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_orphans()
    _load(*_ALWAYS)
    last = time.monotonic()
    try:
        while os.getppid() == owner and time.monotonic() - last < idle_seconds:
            if not select.select([control], [], [], 0.5)[0]:
                continue
            message, sockets, _, _ = socket.recv_fds(control, 65536, 1)
            if not message:
                return
            request = json.loads(message)
            _load(*request["modules"])
            with socket.socket(fileno=sockets[0]) as job:
                Job(job, control, owner, Path(request["folder"]), request["ranks"]).run()
            last = time.monotonic()
    finally:
        end_descendants(os.environ[MARK])
        shutil.rmtree(home, ignore_errors=True)


_ALWAYS = ("torch._dynamo", "torch.nn.parallel", "shared.distributed")
"""What ranks would load each time; the first, two seconds' worth, is loaded by torch's optimizers."""


def _load(*modules: str) -> None:
    """So that not each rank has to. What cannot be loaded is left to the ranks, which can say why."""
    missing = [name for name in modules if name not in sys.modules]
    for name in missing:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if missing:
        gc.collect()
        gc.freeze()  # a collection in a rank would touch, and so copy, every page


class Job:
    """One function on some ranks, from fork to the end of everything that they have started."""

    def __init__(
        self, owner_socket: socket.socket, control: socket.socket, owner: int, folder: Path, ranks: int
    ) -> None:
        self._socket, self._control, self._owner = owner_socket, control, owner
        self._folder, self._ranks = folder, ranks
        self._alive: dict[int, int] = {}  # rank by process id

    def run(self) -> None:
        try:
            for rank in range(self._ranks):
                self._alive[self._fork(rank)] = rank
            self._tell(STARTED)
            self._follow()
        finally:
            end_descendants(os.environ[MARK])

    def _fork(self, rank: int) -> int:
        helper = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._socket.close()  # only the helper may hold these, or nobody would see them closed
                self._control.close()
                become_rank(self._folder, rank, self._ranks, helper)
            finally:
                os._exit(1)
        return pid

    def _follow(self) -> None:
        """Until the owner has what it wants, or all have left, or one has left without a result."""
        give_up = float("inf")
        while self._alive and time.monotonic() < give_up and os.getppid() == self._owner:
            if select.select([self._socket], [], [], _ROUND)[0]:
                return  # the owner's end is closed
            while (ended := _collect()) is not None:
                rank = self._alive.pop(ended[0], None)
                if rank is not None and not (self._folder / f"result-{rank}").exists():
                    self._tell(f"{rank} {ended[1]}".encode())
                    give_up = min(give_up, time.monotonic() + PATIENCE_WITH_OTHERS)

    def _tell(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # the owner has lost interest
            self._socket.send(message)


def _collect() -> tuple[int, int] | None:
    """(process id, exit code) of a child that has ended, an adopted one too."""
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            return pid, os.waitstatus_to_exitcode(status)
    return None


def become_rank(folder: Path, rank: int, ranks: int, helper: int) -> NoReturn:
    """In the forked process: a session, streams, surroundings and random state of its own; then the task."""
    os.setsid()
    die_with_parent()
    if os.getppid() != helper:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDONLY)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for target, source in enumerate(
        (null, os.open(folder / "output", flags, 0o600), os.open(folder / "errors", flags, 0o600))
    ):
        os.dup2(source, target)
        os.close(source)
    surroundings = json.loads((folder / "surroundings.json").read_text())
    os.environ.update(surroundings["environment"])
    world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
    os.environ.update({name: str(value) for name, value in world.items()})
    os.chdir(surroundings["folder"])
    sys.path[:] = surroundings["path"]
    random.seed()  # a fork inherits the state: all would draw the same
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(None)
    work(folder, rank, lambda: _group(folder / "store", rank, ranks))
    os._exit(0)


@contextlib.contextmanager
def _group(store: Path, rank: int, ranks: int) -> Iterator[None]:
    """A gloo group that meets in a file: no port is agreed on. It is never left, its process ends."""
    import torch.distributed as dist

    dist.init_process_group(
        "gloo",
        store=dist.FileStore(str(store), ranks),  # type: ignore[attr-defined]
        rank=rank,
        world_size=ranks,
        timeout=timedelta(minutes=10),
    )
    yield


if __name__ == "__main__":
    main(
        socket.socket(fileno=int(sys.argv[1])),
        int(sys.argv[2]),
        Path(sys.argv[3]),
        float(sys.argv[4]),
    )
