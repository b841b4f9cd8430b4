"""A folder that is there completely or not at all, whatever happens while it is written.

The files are written in a hidden folder beside it and forced to the disk; only then is that folder renamed,
which a file system does in one step. A crash leaves either a hidden folder, which nobody reads, or the
finished one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"
REPLACED = ".replaced"


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a hidden folder to write into, and make it ``target`` when the block ends without an exception.

    An existing ``target`` makes way under the name ``target.replaced`` and is deleted last: at every moment
    one of the two is complete. One process at a time may write into the parent folder.
    """
    parent = target.parent
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(leftover)
    hidden = parent / f"{UNFINISHED}{target.name}"
    hidden.mkdir()
    try:
        yield hidden
        for path in hidden.iterdir():
            force_to_disk(path)
        force_to_disk(hidden)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    replaced = target.with_name(target.name + REPLACED)
    if target.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        target.rename(replaced)
    hidden.rename(target)
    force_to_disk(parent)
    shutil.rmtree(replaced, ignore_errors=True)


def force_to_disk(path: Path) -> None:
    """Wait until the file, or the folder's list of names, has left the caches."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
