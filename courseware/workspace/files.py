"""Writing so that a crash, a kill or a full disk leaves the old file or the new one, never half of one."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

# What a killed process may leave behind; the next command that writes the same file takes it away.
TEMPORARY = ".course-tmp"


class WorkspaceError(Exception):
    """One line: what went wrong with the learner's files, that nothing is lost, and what to do."""


class ChangedMeanwhile(Exception):
    """The file was saved by somebody else since it was read."""


def read_with_stamp(path: Path) -> tuple[bytes, tuple[int, ...] | None]:
    """The file's bytes, and a stamp that changes when anybody saves it; no stamp if there is no file."""
    try:
        with path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            return file.read(), stamp
    except FileNotFoundError:
        return b"", None


def write_atomic(path: Path, content: bytes, *, expect: tuple[int, ...] | None) -> None:
    """Replace the file in one step, if it still is as it was when `expect` was taken (None: there was none).

    Raises ChangedMeanwhile if not: JupyterLab may save while we work, and that save must not be lost.
    """
    target = path.resolve()  # a link stays a link; the file that it names is replaced
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}{TEMPORARY}")
    try:
        _fill(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _mode(target)), content)
        if _stamp_of(target) != expect:
            raise ChangedMeanwhile(str(path))
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def back_up(content: bytes, folder: Path, name: str, suffix: str) -> Path:
    """Keep `content` in a new file named with the local time; no earlier backup is ever overwritten.

    If the newest backup of this name already holds the same bytes, it is that one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = sorted(folder.glob(f"{name}.????-??-??_*{suffix}"))
    if earlier and earlier[-1].read_bytes() == content:
        return earlier[-1]
    moment = datetime.fromtimestamp(time.time()).strftime("%Y-%m-%d_%H-%M-%S")
    number = 1
    while True:
        path = folder / f"{name}.{moment}{'' if number == 1 else f'_{number:02d}'}{suffix}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            number += 1
            continue
        try:
            _fill(descriptor, content)
        except BaseException:  # from here on the file is ours: half a backup helps nobody
            with suppress(OSError):
                path.unlink()
            raise
        _sync_folder(folder)
        return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one command at a time changes the workspace; the lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _wait_for_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, patience: float = 20.0) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: the checks against a change in between still hold
        return
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise WorkspaceError(
                    "another `course` command is changing the workspace; wait for it to end, then try again"
                ) from None
            time.sleep(0.05)
        except OSError:  # a network file system without locks
            return


def _fill(descriptor: int, content: bytes) -> None:
    """Write all of it, wait until it is on the disk, close."""
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return 0o644


def _stamp_of(path: Path) -> tuple[int, ...] | None:
    try:
        return _stamp(path.stat())
    except FileNotFoundError:
        return None


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot; the content itself is already on the disk
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
