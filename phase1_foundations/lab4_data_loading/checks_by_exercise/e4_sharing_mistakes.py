"""The known mistakes of E4 in who reads what."""

from typing import Any

import numpy as np
import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise.e4_world import (
    Consumed,
    consume,
    every_row,
    make,
    shards,
    take,
    watched_loading,
)

probe = Probes()
SIZES = (3, 2, 4, 3, 2, 3, 4)  # seven shards, 21 rows


@probe("reads-in-init")
def reads_in_init(a: Any, t: Trial) -> str | None:
    with watched_loading() as held:
        make(a, SIZES)
    if held.loads:
        return (
            f"{held.loads} of 7 shards were read while the stream was *made*: a terabyte would be loaded "
            "before the first row, and copied to every worker. Read in `__iter__`, one shard at a time"
        )
    return None


@probe("not-one-row-at-a-time")
def not_rows(a: Any, t: Trial) -> str | None:
    row = next(iter(make(a, SIZES)))
    if isinstance(row, np.ndarray | np.generic) or (
        isinstance(row, list) and row and isinstance(row[0], np.generic)
    ):
        return "the rows are NumPy arrays, asked for are torch tensors: `torch.tensor(row)` copies one"
    if not isinstance(row, torch.Tensor):
        return f"the stream yields a {type(row).__name__}, expected one row, a tensor"
    if row.shape != (2,):
        return (
            f"the stream yields tensors of shape {tuple(row.shape)} from shards [n, 2]: one row [2] at a "
            "time is asked for"
        )
    for dtype in ("int64", "float32", "float64"):
        row = next(iter(a.ShardedStream(list(shards((3,), 2, dtype)))))
        if str(row.dtype) != f"torch.{dtype}":
            return (
                f"the shards hold {dtype}, your rows are {row.dtype}: keep the dtype, `torch.tensor(row)` "
                "does (`torch.Tensor(...)` makes floats)"
            )
    return None


@probe("not-everything-alone")
def alone(a: Any, t: Trial) -> str | None:
    found = take(make(a, SIZES), 100)
    missing = sorted(set(every_row(SIZES)) - set(found))
    if missing:
        return (
            f"one machine without workers should read everything, but {len(missing)} of 21 rows never came, "
            f"the first is row {missing[0][1]} of shard {missing[0][0]}. (Outside of workers "
            "get_worker_info() is None: worker 0 of 1.)"
        )
    if len(found) > 21:
        return f"one machine without workers yields {len(found)} rows, there are 21: some come twice"
    return None


@probe("workers-ignored")
def workers_ignored(a: Any, t: Trial) -> str | None:
    if consume(a, SIZES, workers=2).counts(SIZES) == {2}:
        return (
            "every sample came 2 times with num_workers=2: each worker process has its own copy of the "
            "stream. Ask get_worker_info() in `__iter__` (in `__init__` there is no worker yet) and read "
            "only your share"
        )
    return None


@probe("ranks-ignored")
def ranks_ignored(a: Any, t: Trial) -> str | None:
    for workers in (0, 2):
        if consume(a, SIZES, world=2, workers=workers).counts(SIZES) == {2}:
            return (
                "every sample came 2 times with world=2: both machines read the same. The share depends on "
                "`rank` and `world` as well: consumer rank · workers + id of world · workers"
            )
    return None


@probe("numbers-collide")
def collide(a: Any, t: Trial) -> str | None:
    for world, workers in ((2, 2), (3, 2)):
        both = consume(a, SIZES, world=world, workers=workers)
        if both.counts(SIZES) == {1}:
            continue
        one = [consume(a, SIZES, world=w, workers=n).counts(SIZES) for w, n in ((1, 2), (2, 0))]
        if one == [{1}, {1}]:
            missing = sorted(set(every_row(SIZES)) - set(both.rows))
            twice = [row for row in every_row(SIZES) if both.rows.count(row) > 1]
            return (
                f"workers alone and machines alone share well, but {world} machines with {workers} workers "
                f"lose {len(missing)} rows and repeat {len(twice)}: each needs a number of its own, rank · "
                "workers + id, of world · workers"
            )
    return None


@probe("remainder-lost")
def remainder(a: Any, t: Trial) -> str | None:
    for world, workers in ((2, 0), (1, 3), (1, 2), (3, 0)):
        consumers, lost = max(world, 1) * max(workers, 1), unread(a, world, workers)
        if lost and lost == list(range(len(SIZES) - len(SIZES) % consumers, len(SIZES))):
            return (
                f"7 shards among {consumers} consumers: samples of shard {lost[0]} were never seen. The "
                "remainder of a division has to go somewhere: `shards[number::C]`"
            )
    return None


@probe("shards-that-nobody-reads")
def nobody_reads(a: Any, t: Trial) -> str | None:
    for world, workers in ((2, 0), (1, 2), (2, 2), (3, 0)):
        lost = unread(a, world, workers)
        if lost:
            return (
                f"world={world}, num_workers={workers}: the shards {lost} were read by nobody. The numbers "
                "rank · workers + id must be just 0 … C−1, with C = world · workers (workers is 1 outside "
                "of a worker)"
            )
    return None


def unread(a: Any, world: int, workers: int) -> list[int]:
    """Shards of which no row came, if nothing came twice."""
    rows = consume(a, SIZES, world=world, workers=workers).rows
    if len(rows) > len(set(rows)):
        return []
    return sorted(set(range(len(SIZES))) - {shard for shard, _ in rows})


@probe("idle-consumers")
def idle(a: Any, t: Trial) -> str | None:
    sizes = (8, 8)
    found = consume(a, sizes, world=2, workers=2)
    lengths = [len(each) for each in found.by_consumer]
    if found.counts(sizes) == {1} and 0 in lengths:
        return (
            f"two shards, four consumers, and they get {lengths} rows: some stand idle. With fewer shards "
            "than consumers deal out the *rows* of each shard"
        )
    if found.counts(sizes) == {4}:
        return "two shards and four consumers: every row came four times. With fewer shards deal out the rows"
    missing = set(every_row(sizes)) - set(found.rows)
    if missing:
        return (
            f"two shards, four consumers: {len(missing)} of 16 rows never came. With fewer shards than "
            "consumers deal out the rows of each shard: rows[number::C]"
        )
    return None


@probe("rows-dealt-out-too-early")
def dealt_early(a: Any, t: Trial) -> str | None:
    found = consume(a, SIZES, world=2, workers=2)
    readers = max_readers(found)
    if found.counts(SIZES) == {1} and readers > 1:
        return (
            f"seven shards and four consumers: there are enough shards, but one was read by {readers} "
            "consumers. Then each consumer reads *whole* shards; files that are opened by everybody cost "
            "everybody"
        )
    return None


def max_readers(found: Consumed) -> int:
    readers: dict[int, set[int]] = {}
    for consumer, rows in enumerate(found.by_consumer):
        for shard, _ in rows:
            readers.setdefault(shard, set()).add(consumer)
    return max(map(len, readers.values()), default=0)


@probe("reads-the-shards-of-others")
def reads_others(a: Any, t: Trial) -> str | None:
    by_consumer = []
    for rank in range(3):
        stream = make(a, SIZES, rank=rank, world=3)
        with watched_loading() as held:
            take(stream, 100)
        by_consumer.append(held.names)
    twice = sum(map(len, by_consumer)) - len(set().union(*by_consumer))
    if twice:
        return (
            f"seven shards and three machines: they loaded {[len(names) for names in by_consumer]} shards. "
            "Rows are handed out rightly, but files of others are read and thrown away: choose the shards "
            "before np.load"
        )
    return None


@probe("unfair-shares")
def unfair(a: Any, t: Trial) -> str | None:
    sizes = (3,) * 5
    for world, workers in ((2, 2), (1, 4), (3, 0)):
        found = consume(a, sizes, world=world, workers=workers)
        counts = [len({shard for shard, _ in each}) for each in found.by_consumer]
        if found.counts(sizes) == {1} and max(counts) - min(counts) > 1:
            return (
                f"five shards among {len(counts)} consumers are shared as {counts}: the numbers may differ "
                "by one at most. `shards[number::C]` deals them out evenly"
            )
    found = consume(a, (9, 7), world=3)
    counts = [[sum(row[0] == shard for row in each) for each in found.by_consumer] for shard in (0, 1)]
    if found.counts((9, 7)) == {1} and max(max(each) - min(each) for each in counts) > 1:
        return (
            f"two shards among three consumers are dealt out as {counts} rows: within a shard they may "
            "differ by one"
        )
    return None
