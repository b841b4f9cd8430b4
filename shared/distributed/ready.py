"""`ready_ranks().run(fn, ranks=2)`: the contract of `launch` in a tenth of a second, for many small jobs.

`launch` starts an interpreter a rank, which loads torch for seconds. Here one helper has loaded it already
and forks the ranks. The helper starts with the first job, and ends with this process or when nothing has
been asked of it for a while. Use `launch` where the real launcher matters: restarts, environment, NCCL.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shared.distributed.launch import by_value
from shared.distributed.nursery import STARTED
from shared.distributed.processes import MARK, end_all
from shared.distributed.watch import RankFailed, Watch

START_SECONDS = 120.0
END_SECONDS = 10.0
IDLE_SECONDS = 0.3
"""Ranks that provably do nothing for so long are asked where they are."""


class ReadyRanks:
    """A helper process that forks ranks. It ends after `idle_seconds` without a job."""

    def __init__(self, *, idle_seconds: float = 300.0) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.RLock()
        self._helper: _Helper | None = None

    def __enter__(self) -> ReadyRanks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        fn: Callable[..., Any],
        *args: Any,
        ranks: int = 2,
        timeout: float = 120.0,
        cpu_seconds: float = float("inf"),
        modules: Sequence[str] = (),
    ) -> list[Any]:
        """Run `fn(*args)` on every rank of a gloo group and return the results in the order of ranks.

        As `launch` does: prints appear here with their rank, the first rank that raises ends all with
        `RankFailed`, ranks that wait for each other or need longer than `timeout` seconds (`cpu_seconds`
        of processor time) end with `LaunchTimeout`, and nothing that they started outlives the call.
        `modules` are loaded into the helper once, so that not every rank of every job has to; a change of
        their source is not seen afterwards.
        """
        if ranks < 1:
            raise ValueError(f"ranks={ranks}: expected at least one")
        task = by_value(fn, args)
        with self._lock:
            helper = self._living_helper()
            folder = Path(tempfile.mkdtemp(prefix="job-", dir=helper.home))
            try:
                (folder / "task.pkl").write_bytes(task)
                (folder / "surroundings.json").write_text(json.dumps(_surroundings()))
                with Job(helper, folder, ranks, modules) as job:
                    job.wait_until_started()
                    watch = Watch(
                        job,
                        folder,
                        ranks,
                        idle_seconds=IDLE_SECONDS,
                        cpu_seconds=cpu_seconds,
                        interval=0.004,
                    )
                    watch.wait(timeout)
                    if watch.finished():
                        return watch.results()
                    raise watch.failure()
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the helper and everything below it. The next `run` starts another one."""
        with self._lock:
            if self._helper is not None:
                self._helper.end()
            self._helper = None

    def _living_helper(self) -> _Helper:
        if self._helper is None or not self._helper.usable():
            if self._helper is not None:
                self._helper.end()
            self._helper = _Helper(self._idle_seconds)
        return self._helper


def _surroundings() -> dict[str, Any]:
    return {
        "folder": str(Path.cwd()),
        "path": [path or str(Path.cwd()) for path in sys.path],
        "environment": {name: value for name, value in os.environ.items() if name != MARK},
    }


class _Helper:
    """The helper process, seen from its owner."""

    def __init__(self, idle_seconds: float) -> None:
        self.owner, self._mark = os.getpid(), uuid.uuid4().hex
        self.home = Path(tempfile.mkdtemp(prefix="ranks-"))
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.register_at_fork(after_in_child=self.control.close)  # a fork must not keep the helper alive
        command = [sys.executable, "-m", "shared.distributed.nursery", str(theirs.fileno())]
        command += [str(self.owner), str(self.home), str(idle_seconds)]
        with theirs, (self.home / "helper.log").open("w") as log:
            self.process = subprocess.Popen(
                command,
                env=_environment(self._mark),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def usable(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None

    def end(self) -> None:
        """Ask it to end, and see to it. A copy of it in a forked process leaves it alone."""
        self.control.close()
        if self.owner != os.getpid():
            return
        try:
            self.process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.returncode != 0:  # it could not tidy up itself
            end_all(self._mark)
        shutil.rmtree(self.home, ignore_errors=True)

    def last_words(self) -> str:
        with contextlib.suppress(OSError):
            return (self.home / "helper.log").read_text(errors="replace").strip()[-2000:]
        return ""


def _environment(mark: str) -> dict[str, str]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = os.environ | one | {MARK: mark}
    environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # no name of this machine is looked up
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    return environment


class Job:
    """One job of the helper as a `Launcher`. Leaving the block ends it, with everything it has started."""

    def __init__(self, helper: _Helper, folder: Path, ranks: int, modules: Sequence[str]) -> None:
        self._helper, self._folder = helper, folder
        self._exits: list[tuple[int, int]] = []
        self._ended, self._read = False, 0
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"folder": str(folder), "ranks": ranks, "modules": list(modules)}).encode()
        with theirs:
            socket.send_fds(helper.control, [request], [theirs.fileno()])

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        """Returns when nothing of the job is left."""
        with self._socket:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            while not self._ended and self._receive(END_SECONDS) is not None:
                pass
        if not self._ended or self._helper.process.poll() is not None:
            self._helper.process.kill()
            self._helper.end()
        self._pass_on_output()

    def wait_until_started(self) -> None:
        if self._receive(START_SECONDS) != STARTED:
            words = self._helper.last_words()
            raise RankFailed(0, f"the process that starts the ranks has failed{words and ':'}\n{words}")

    # ---- a Launcher -----------------------------------------------------------------------------------

    def ended(self) -> bool:
        """Has every rank left, or one of them without a result? Also shows what was printed meanwhile."""
        while not self._ended and self._receive(0.0) is not None:
            pass
        self._pass_on_output()
        return self._ended

    def exit_codes(self) -> list[tuple[int, int]]:
        return self._exits

    def last_words(self) -> str:
        code = self._helper.process.poll()
        how = f" by {signal.Signals(-code).name}" if code and code < 0 else ""
        return f"the process that starts the ranks was ended{how} while they ran"

    # ---- inside ---------------------------------------------------------------------------------------

    def _receive(self, seconds: float) -> bytes | None:
        """One message; None when there was none in time, or when there will be no more."""
        self._socket.settimeout(seconds)
        try:
            message = self._socket.recv(4096)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError:
            message = b""
        if not message:
            self._ended = True
            return None
        if message != STARTED:
            rank, code = message.split()
            self._exits.append((int(rank), int(code)))
        return message

    def _pass_on_output(self) -> None:
        with contextlib.suppress(OSError), (self._folder / "output").open("rb") as output:
            output.seek(self._read)
            text = output.read()
            self._read += len(text)
            if text:
                print(text.decode(errors="replace"), end="")


_ours = ReadyRanks()


def ready_ranks() -> ReadyRanks:
    """The ready ranks of this process: all its parts share one helper."""
    return _ours
