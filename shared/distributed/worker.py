"""What runs on each rank of a launch: `python -m shared.distributed.worker FOLDER`."""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import cloudpickle

from shared.distributed.processes import die_with_parent


class RankLines(io.TextIOBase):
    """A stdout that writes whole lines with the rank in front, each in one call: ranks do not mix."""

    def __init__(self, rank: int) -> None:
        self._prefix, self._rest = f"[rank {rank}] ", ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            os.write(1, f"{self._prefix}{line}\n".encode())
        return len(text)

    def finish(self) -> None:
        if self._rest:
            self.write("\n")


def main(folder: Path) -> None:
    die_with_parent()
    from shared.distributed.environment import process_group

    work(folder, int(os.environ["RANK"]), process_group)


def work(folder: Path, rank: int, group: Callable[[], AbstractContextManager[None]]) -> None:
    """Be a rank: run the task within `group`, and leave behind a result or an error."""
    stack = (folder / f"stack-{rank}").open("w")
    faulthandler.register(signal.SIGUSR1, stack, all_threads=True)
    (folder / f"result-{rank}").unlink(missing_ok=True)  # an earlier attempt's
    _write(folder / f"pid-{rank}", str(os.getpid()).encode())
    sys.stdout = lines = RankLines(rank)
    try:
        _run(folder, rank, lines, group)
    except BaseException as error:  # whatever it was, the caller gets to read it
        _fail(folder, rank, error, lines)


def _run(
    folder: Path, rank: int, lines: RankLines, group: Callable[[], AbstractContextManager[None]]
) -> None:
    task = cloudpickle.loads((folder / "task.pkl").read_bytes())
    from shared.distributed.environment import world_size
    from shared.distributed.waiting import show_waits

    show_waits()
    with group():
        try:
            result = cloudpickle.dumps(task.fn(*task.args))
            lines.finish()
            _write(folder / f"result-{rank}", result)
        except BaseException as error:  # reported before the group is left, which makes the others fail too
            _fail(folder, rank, error, lines)
        while not all((folder / f"result-{other}").exists() for other in range(world_size())):
            time.sleep(
                0.01
            )  # a rank that leaves early would look like a lost connection to one that still works


def _fail(folder: Path, rank: int, error: BaseException, lines: RankLines) -> NoReturn:
    lines.finish()
    _report(folder, rank, error)
    os._exit(1)  # a group with a failed rank may hang in its own clean-up


def _report(folder: Path, rank: int, error: BaseException) -> None:
    text = "".join(traceback.format_exception(type(error), error, _own_frames(error.__traceback__)))
    _write(folder / f"error-{rank}", cloudpickle.dumps((time.monotonic(), rank, text.rstrip())))


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Leave this file's frames out: a traceback begins in the function that was launched."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _write(path: Path, content: bytes) -> None:
    """All or nothing: the launching process may look at any moment."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
