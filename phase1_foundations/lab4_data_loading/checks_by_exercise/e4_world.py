"""Shards on disk, consumers without processes, and a count of what is held in memory."""

import functools
import gc
import itertools
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data._utils import worker as torch_worker

Row = tuple[int, ...]


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Lives as long as this process: shards are written once for each list of sizes."""
    return tempfile.TemporaryDirectory(prefix="shards-")


@functools.cache
def shards(sizes: tuple[int, ...], width: int = 2, dtype: str = "int64") -> tuple[Path, ...]:
    """Files of [n, width]: row r of shard s is (s, r, …). Sorted by name, the last comes first."""
    place = Path(_folder().name) / f"{dtype}-{width}-{'-'.join(map(str, sizes))}"
    place.mkdir(exist_ok=True)
    paths = tuple(place / f"shard-{999 - number}.npy" for number in range(len(sizes)))
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        rows = np.zeros((size, width), dtype=dtype)
        rows[:, 0], rows[:, 1] = number, np.arange(size)
        np.save(path, rows)
    return paths


def every_row(sizes: Sequence[int]) -> list[Row]:
    return [(number, row) for number, size in enumerate(sizes) for row in range(size)]


def make(a: Any, sizes: Sequence[int], **how: Any) -> Any:
    return a.ShardedStream(list(shards(tuple(sizes))), **how)


def plain(row: Any) -> Row:
    return tuple(int(number) for number in row)


def take(stream: Any, count: int = 100_000) -> list[Row]:
    """Up to so many rows of a new iteration."""
    return [plain(row) for row in itertools.islice(iter(stream), count)]


@contextmanager
def as_worker(number: int, workers: int, stream: Any) -> Iterator[None]:
    """Make `get_worker_info()` answer as in a worker process of a DataLoader; none with workers = 0."""
    before = torch_worker._worker_info
    if workers:
        torch_worker._worker_info = torch_worker.WorkerInfo(
            id=number, num_workers=workers, seed=next(_SEEDS), dataset=stream
        )
    try:
        yield
    finally:
        torch_worker._worker_info = before


_SEEDS = itertools.count(71_993, 17)  # a loader draws another one for each epoch


@dataclass
class Consumed:
    """What each consumer yielded, in the order of (rank, worker)."""

    by_consumer: list[list[Row]]

    @property
    def rows(self) -> list[Row]:
        return [row for each in self.by_consumer for row in each]

    def counts(self, sizes: Sequence[int]) -> set[int]:
        """How often rows came: {1} is exactly once."""
        seen = self.rows
        return {seen.count(row) for row in every_row(sizes)}


def consume(
    a: Any, sizes: Sequence[int], world: int = 1, workers: int = 0, epoch: int = 0, **how: Any
) -> Consumed:
    """All consumers one after the other: each has a stream of its own, as a worker process has."""
    found = []
    limit = 3 * sum(sizes) + 20
    for rank in range(world):
        for number in range(max(workers, 1)):
            stream = make(a, sizes, rank=rank, world=world, **how)
            if epoch:
                stream.set_epoch(epoch)
            with as_worker(number, workers, stream):
                found.append(take(stream, limit))
    return Consumed(found)


@dataclass
class Held:
    """Arrays that `np.load` returned, those still alive, and rows in living tensors."""

    loaded: list[weakref.ref[Any]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Names of the files that were loaded."""

    @property
    def loads(self) -> int:
        return len(self.loaded)

    @property
    def arrays(self) -> int:
        return sum(reference() is not None for reference in self.loaded)


@contextmanager
def watched_loading() -> Iterator[Held]:
    """Count what `np.load` brings into memory; memory-mapped files bring nothing."""
    held, original = Held(), np.load

    @functools.wraps(original)
    def load(*args: Any, **kwargs: Any) -> Any:
        array = original(*args, **kwargs)
        if isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
            held.loaded.append(weakref.ref(owner(array)))
            held.names.add(Path(str(args[0] if args else kwargs.get("file"))).name)
        return array

    np.load = load
    try:
        yield held
    finally:
        np.load = original


def owner(array: np.ndarray) -> np.ndarray:
    """Whose memory it is: views keep the owner alive, not each other."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


@contextmanager
def only_new_objects() -> Iterator[None]:
    """Inside, `gc.get_objects` knows only what was made inside: looking through it costs nothing then."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def rows_in_tensors(width: int) -> int:
    """Rows of that width in all living tensors; two views of one storage count once."""
    storages = {}
    for thing in gc.get_objects():
        if type(thing) is Tensor and thing.dim() in (1, 2) and thing.shape[-1:] == torch.Size([width]):
            storages[thing.untyped_storage()._cdata] = thing.untyped_storage().nbytes() // (8 * width)
    return sum(storages.values())
