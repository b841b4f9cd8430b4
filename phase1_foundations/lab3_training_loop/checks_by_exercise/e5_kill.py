"""A run in a process of its own, which ends itself by `kill -9` in the middle of an epoch."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import World

START = (
    "import cloudpickle, pathlib, sys; folder = pathlib.Path(sys.argv[1]); "
    "call, args = cloudpickle.loads((folder / 'task').read_bytes()); (folder / 'begun').touch(); "
    "call(*args)"
)


def kill_self() -> None:
    """What `kill -9` does: no exception, no `finally`, nothing is written any more."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)  # Windows has no such signal


def train_and_die(cls: type, seed: int, folder: Path, save_at: int) -> None:
    """Train in a noisy world, save after one step, and be killed after the next."""

    def watch(trainer: Any) -> None:
        if trainer.step == save_at:
            trainer.save("here")
        elif trainer.step > save_at:
            kill_self()

    world = World(seed, noise="all", scheduled=True)
    world.factory(cls, folder, callbacks=(watch,))().fit(world.train, world.valid, 3)


def in_new_process(work: Path, call: Callable[..., None], *args: Any) -> str | None:
    """Run `call` in a fresh interpreter until it dies. The last line of its error if it was its own fault.

    Raises OSError where the process cannot be started or the learner's class cannot travel: no fault of
    the learner's.
    """
    try:
        (work / "task").write_bytes(cloudpickle.dumps((call, args)))
    except Exception as error:
        raise OSError(f"the class cannot be sent to another process: {error}") from error
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", START, str(work)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if not (work / "begun").exists():
        raise OSError(f"the process did not begin: {done.stderr[-200:]}")
    if done.returncode in (-9, 137):
        return None
    return done.stderr.strip().rpartition("\n")[2] or "it ended by itself"
