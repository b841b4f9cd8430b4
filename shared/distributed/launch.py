"""`launch(fn, ranks=2)`: run a notebook's function on several ranks; results, prints and errors come back.

Functions of a notebook live in no module, and a notebook's process has threads that a fork would deadlock on.
So the function travels by value (cloudpickle) to fresh interpreters that torch's own launcher starts.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import re
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

from shared.distributed.processes import MARK, end_all
from shared.distributed.watch import LaunchTimeout, RankFailed, Watch

__all__ = ["LaunchTimeout", "RankFailed", "launch"]


def launch(
    fn: Callable[..., Any],
    *args: Any,
    ranks: int = 2,
    timeout: float = 120.0,
    restarts: int = 0,
    env: dict[str, str] | None = None,
) -> list[Any]:
    """Run `fn(*args)` on every rank of a process group and return the results in the order of ranks.

    The function imports what it needs, or uses what its notebook or module has imported. What it prints
    appears here, each line with its rank. The first rank that raises ends all: its traceback is raised as
    `RankFailed`. Ranks that wait for each other, or do not finish within `timeout` seconds, are ended too,
    and `LaunchTimeout` says where each one was. No process outlives the call. `restarts` lets torch's
    launcher start all ranks again after one has died; the function finds the attempt's number in the
    environment as TORCHELASTIC_RESTART_COUNT.
    """
    if ranks < 1:
        raise ValueError(f"ranks={ranks}: expected at least one")
    mark = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix="launch-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "task.pkl").write_bytes(by_value(fn, args))
        process = _start(folder, ranks, restarts, mark, env or {})
        printing = _forward_output(process)
        watch = Watch(Torchrun(process, folder / "launcher.log"), folder, ranks, restarts=restarts)
        try:
            watch.wait(timeout)
            if watch.finished():
                return watch.results()
            raise watch.failure()
        finally:
            end_all(mark)
            process.wait()
            printing.join(timeout=5)


@dataclass(frozen=True)
class Torchrun:
    """Torch's launcher as a `Launcher`: how the ranks left stands in its log."""

    process: subprocess.Popen[str]
    log: Path

    def ended(self) -> bool:
        return self.process.poll() is not None

    def exit_codes(self) -> list[tuple[int, int]]:
        pattern = r"rank\s*:\s*(\d+) \(local_rank.*?exitcode\s*:\s*(-?\d+)"
        return [(int(rank), int(code)) for rank, code in re.findall(pattern, self.log.read_text(), re.DOTALL)]

    def last_words(self) -> str:
        return f"the launcher ended with exit code {self.process.returncode}:\n{self.log.read_text()[-2000:]}"


def _start(folder: Path, ranks: int, restarts: int, mark: str, env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(ranks), "--max-restarts", str(restarts), "--monitor-interval", "0.05"]
    command += ["-m", "shared.distributed.worker", str(folder)]
    environment = os.environ | {
        MARK: mark,
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        # a restarted group must not look for the dead one's store
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)  # a launch inside a launched rank starts a group of its own
    with (folder / "launcher.log").open("w") as log:
        return subprocess.Popen(
            command,
            env=environment | env,
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )


def _forward_output(process: subprocess.Popen[str]) -> threading.Thread:
    """Print the ranks' lines here as they come: in a thread, so that waiting can end at the limit."""

    def forward() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="")

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True)
class Task:
    """What travels to the ranks."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]


def by_value(fn: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    """Pickle by value what ranks could not import: functions of a notebook, or of files loaded by path."""
    with _unimportable_by_value():
        try:
            return bytes(cloudpickle.dumps(Task(fn, args)))
        except Exception as error:
            name = getattr(fn, "__name__", str(fn))
            raise TypeError(
                f"{name} cannot be sent to other processes ({type(error).__name__}: {error}): it, or what it "
                "refers to, holds something that belongs to this process, such as an open file or a lock"
            ) from error


@contextlib.contextmanager
def _unimportable_by_value() -> Iterator[None]:
    """Modules that are in memory but that no import could find again are pickled by value meanwhile."""
    registered = []
    for name, module in list(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None) or ""
        own_name = getattr(module, "__name__", None) == name and "." not in name
        if own_name and origin.endswith(".py") and not _importable(name):
            cloudpickle.register_pickle_by_value(module)
            registered.append(module)
    try:
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)


def _importable(name: str) -> bool:
    if name in sys.builtin_module_names or name in sys.stdlib_module_names:
        return True
    with contextlib.suppress(Exception):
        return importlib.machinery.PathFinder.find_spec(name) is not None
    return False
