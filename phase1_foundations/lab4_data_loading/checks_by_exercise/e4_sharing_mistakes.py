"""The known mistakes of E4 in who reads what, in which order, and how much at a time."""

from typing import Any

import numpy as np
import torch

from courseware.check import Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise.e4_world import (
    Consumed,
    as_worker,
    consume,
    every_row,
    make,
    rows_in_tensors,
    shards,
    take,
    watched_loading,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.probes import Probes
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import global_draws

probe = Probes()
SIZES = (3, 2, 4, 3, 2, 3, 4)  # seven shards, 21 rows
WIDE = 11  # columns of the shards whose rows are counted in memory


@probe("reads-in-init")
def reads_in_init(a: Any, t: Trial) -> str | None:
    with watched_loading() as held:
        make(a, SIZES)
    if held.loads:
        return (
            f"{held.loads} of 7 shards were read while the stream was *made*: a terabyte would be loaded before "
            "the first row, and copied to every worker. Read in `__iter__`, one shard at a time"
        )
    return None


@probe("not-one-row-at-a-time")
def not_rows(a: Any, t: Trial) -> str | None:
    row = next(iter(make(a, SIZES)))
    if isinstance(row, np.ndarray | np.generic) or (isinstance(row, list) and row and isinstance(row[0], np.generic)):
        return "the rows are NumPy arrays, asked for are torch tensors: `torch.tensor(row)` copies one"
    if not isinstance(row, torch.Tensor):
        return f"the stream yields a {type(row).__name__}, expected one row, a tensor"
    if row.shape != (2,):
        return (
            f"the stream yields tensors of shape {tuple(row.shape)} from shards [n, 2]: one row [2] at a time is "
            "asked for"
        )
    if row.dtype != torch.int64:
        return f"the shards hold int64, your rows are {row.dtype}: keep the dtype (`torch.Tensor(...)` makes floats)"
    return None


@probe("not-everything-alone")
def alone(a: Any, t: Trial) -> str | None:
    found = take(make(a, SIZES), 100)
    missing = sorted(set(every_row(SIZES)) - set(found))
    if missing:
        return (
            f"one machine without workers should read everything, but {len(missing)} of 21 rows never came, the "
            f"first is row {missing[0][1]} of shard {missing[0][0]}. (Outside of workers get_worker_info() is "
            "None: worker 0 of 1.)"
        )
    if len(found) > 21:
        return f"one machine without workers yields {len(found)} rows, there are 21: some come twice"
    return None


@probe("workers-ignored")
def workers_ignored(a: Any, t: Trial) -> str | None:
    if consume(a, SIZES, workers=2).counts(SIZES) == {2}:
        return (
            "every sample came 2 times with num_workers=2: each worker process has its own copy of the stream. "
            "Ask get_worker_info() in `__iter__` (in `__init__` there is no worker yet) and read only your share"
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
                f"workers alone and machines alone share well, but {world} machines with {workers} workers lose "
                f"{len(missing)} rows and repeat {len(twice)}: each needs a number of its own, rank · workers + "
                "id, of world · workers"
            )
    return None


@probe("remainder-lost")
def remainder(a: Any, t: Trial) -> str | None:
    for world, workers in ((2, 0), (1, 3), (1, 2), (3, 0)):
        found = consume(a, SIZES, world=world, workers=workers)
        missing = sorted(set(every_row(SIZES)) - set(found.rows))
        if missing and len(found.rows) == len(set(found.rows)):
            last = missing[0]
            return (
                f"7 shards among {max(world, 1) * max(workers, 1)} consumers: row {last[1]} of shard {last[0]} was "
                f"never seen, nor were {len(missing) - 1} others. The remainder of a division has to go somewhere: "
                "`shards[number::C]`"
            )
    return None


@probe("idle-consumers")
def idle(a: Any, t: Trial) -> str | None:
    sizes = (8, 8)
    found = consume(a, sizes, world=2, workers=2)
    lengths = [len(each) for each in found.by_consumer]
    if found.counts(sizes) == {1} and 0 in lengths:
        return (
            f"two shards, four consumers, and they get {lengths} rows: some stand idle. With fewer shards than "
            "consumers deal out the *rows* of each shard"
        )
    if found.counts(sizes) == {4}:
        return "two shards and four consumers: every row came four times. With fewer shards deal out the rows"
    missing = set(every_row(sizes)) - set(found.rows)
    if missing:
        return (
            f"two shards, four consumers: {len(missing)} of 16 rows never came. With fewer shards than consumers "
            "deal out the rows of each shard: rows[number::C]"
        )
    return None


@probe("rows-dealt-out-too-early")
def dealt_early(a: Any, t: Trial) -> str | None:
    found = consume(a, SIZES, world=2, workers=2)
    readers = max_readers(found)
    if found.counts(SIZES) == {1} and readers > 1:
        return (
            f"seven shards and four consumers: there are enough shards, but one was read by {readers} consumers. "
            "Then each consumer reads *whole* shards; files that are opened by everybody cost everybody"
        )
    return None


def max_readers(found: Consumed) -> int:
    readers: dict[int, set[int]] = {}
    for consumer, rows in enumerate(found.by_consumer):
        for shard, _ in rows:
            readers.setdefault(shard, set()).add(consumer)
    return max(map(len, readers.values()), default=0)


@probe("unfair-shares")
def unfair(a: Any, t: Trial) -> str | None:
    sizes = (3,) * 5
    for world, workers in ((2, 2), (1, 4), (3, 0)):
        found = consume(a, sizes, world=world, workers=workers)
        counts = [len({shard for shard, _ in each}) for each in found.by_consumer]
        if found.counts(sizes) == {1} and max(counts) - min(counts) > 1:
            return (
                f"five shards among {len(counts)} consumers are shared as {counts}: the numbers may differ by one "
                "at most. `shards[number::C]` deals them out evenly"
            )
    found = consume(a, (9, 7), world=3)
    counts = [[sum(row[0] == shard for row in each) for each in found.by_consumer] for shard in (0, 1)]
    if found.counts((9, 7)) == {1} and max(max(each) - min(each) for each in counts) > 1:
        return f"two shards among three consumers are dealt out as {counts} rows: within a shard they may differ by one"
    return None


# ---- order and shuffling --------------------------------------------------------------------------------


@probe("order-not-kept")
def order_kept(a: Any, t: Trial) -> str | None:
    for buffer in (0, 1):
        found = take(make(a, SIZES, shuffle_buffer=buffer, seed=3), 100)
        if sorted(found) == every_row(SIZES) and found != every_row(SIZES):
            return (
                f"with shuffle_buffer={buffer} the rows come in another order, {found[:4]} …: nothing is shuffled "
                "then; shards and rows come as they are"
            )
    return None


@probe("waiting-rows-lost")
def waiting_lost(a: Any, t: Trial) -> str | None:
    for buffer in (5, 100):
        found = take(make(a, SIZES, shuffle_buffer=buffer), 100)
        missing = set(every_row(SIZES)) - set(found)
        if missing and len(set(found)) == len(found):
            return (
                f"with shuffle_buffer={buffer}, {len(missing)} of 21 rows never come: when the shards are read to "
                "their end, rows still wait in the buffer. Hand them out too"
            )
        if len(set(found)) < len(found):
            return f"with shuffle_buffer={buffer} rows come twice: a row that was handed out leaves the buffer"
    return None


@probe("fails-at-an-edge")
def edges(a: Any, t: Trial) -> str | None:
    for what, sizes in (("an empty shard", (2, 0, 3)), ("only empty shards", (0, 0)), ("no shards", ())):
        for buffer in (0, 4):
            attempt = t.attempt(lambda x=sizes, b=buffer: take(make(a, x, shuffle_buffer=b), 50))
            if attempt.error is not None and not attempt.raised(NotImplementedError) and not attempt.timed_out:
                return f"{what} raises {type(attempt.error).__name__}: {str(attempt.error)[:100]}"
            if attempt.error is None and sorted(attempt.value) != every_row(sizes):
                return f"{what} (sizes {sizes}): {len(attempt.value)} rows came, expected {sum(sizes)}"
    return None


@probe("buffer-ignored")
def buffer_ignored(a: Any, t: Trial) -> str | None:
    orders = []
    for epoch in range(3):
        stream = make(a, (40,), shuffle_buffer=10)
        stream.set_epoch(epoch)
        orders.append(take(stream, 100))
    if all(order == every_row((40,)) for order in orders):
        return "with shuffle_buffer=10 the rows still come in their order"
    return None


@probe("more-rows-wait")
def more_wait(a: Any, t: Trial) -> str | None:
    ahead = 0
    for epoch in range(6):
        stream = make(a, (60,), shuffle_buffer=5)
        stream.set_epoch(epoch)
        ahead = max([ahead, *(row[1] - place for place, row in enumerate(take(stream, 100)))])
    if ahead == 5:
        return (
            "with shuffle_buffer=5 the first row handed out was sometimes row 5: six rows waited. Hand one out as "
            "soon as 5 wait"
        )
    if ahead > 5:
        return (
            f"with shuffle_buffer=5 a row came {ahead} places early, so more than 5 rows waited: shuffling a whole "
            "shard, or everything, needs all of it in memory"
        )
    return None


@probe("not-repeatable")
def not_repeatable(a: Any, t: Trial) -> str | None:
    with global_draws() as drawn:
        first = take(make(a, (30,), shuffle_buffer=8), 100)
    if drawn:
        return f"{drawn} global random state moved: draw from a generator of your own, made of (seed, epoch, consumer)"
    torch.rand(3)
    np.random.rand(3)
    if take(make(a, (30,), shuffle_buffer=8), 100) != first:
        return "two streams with the same arguments shuffle differently: make the generator of (seed, epoch, consumer)"
    orders = []
    for _ in range(2):
        stream = make(a, (30, 30), shuffle_buffer=8)
        with as_worker(1, 2, stream):
            orders.append(take(stream, 100))
    if orders[0] != orders[1]:
        return (
            "in a worker, the same seed and epoch shuffle differently each time: `worker_info.seed` and "
            "torch.initial_seed() are drawn anew by every loader. Use (seed, epoch, consumer)"
        )
    return None


@probe("second-pass-differs")
def second_pass(a: Any, t: Trial) -> str | None:
    for buffer in (0, 6):
        stream = make(a, SIZES, shuffle_buffer=buffer)
        first, again = take(stream, 100), take(stream, 100)
        if first and not again:
            return "the second `iter()` yields nothing: each begins the current epoch at its start"
        if first != again:
            return (
                "a second `iter()` without set_epoch brings another order: it begins the same epoch again, so its "
                "generator must begin again too (a generator stored on the stream goes on)"
            )
        list(zip(range(4), stream, strict=False))
        if take(stream, 100) != first:
            return "after an iteration that was left in the middle, the next `iter()` does not begin at the start"
    return None


@probe("epoch-or-seed-ignored")
def epoch_ignored(a: Any, t: Trial) -> str | None:
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            stream = make(a, (40,), shuffle_buffer=12, seed=seed)
            stream.set_epoch(epoch)
            orders[seed, epoch] = take(stream, 100)
    if orders[0, 0] == orders[0, 1]:
        return "epochs 0 and 1 are shuffled alike: the random choices depend on the epoch as well"
    if orders[0, 0] == orders[1, 0]:
        return "seeds 0 and 1 shuffle alike: the random choices depend on `seed` as well"
    return None


@probe("consumers-draw-alike")
def draw_alike(a: Any, t: Trial) -> str | None:
    sizes = (40, 40, 40, 40)
    found = consume(a, sizes, world=2, workers=2, shuffle_buffer=12)
    orders = [[row for _, row in each] for each in found.by_consumer]
    for i, j, what in ((0, 1, "two workers of a machine"), (0, 2, "two machines")):
        if len(orders) == 4 and orders[i] == orders[j] and len(orders[i]) == 40:
            return (
                f"{what} draw the same random numbers (the place of each row is the same for both): a generator "
                "made of the seed alone is copied to all. Make it of (seed, epoch, consumer)"
            )
    return None


# ---- memory ---------------------------------------------------------------------------------------------


@probe("all-shards-in-memory")
def all_in_memory(a: Any, t: Trial) -> str | None:
    paths = list(shards((13,) * 8, WIDE))
    with watched_loading() as held:
        arrays = rows = 0
        for place, _ in enumerate(a.ShardedStream(paths)):
            arrays = max(arrays, held.arrays)
            if place in (2, 60, 103):
                rows = max(rows, rows_in_tensors(WIDE))
    if arrays > 2 or rows > 3 * 13:
        return (
            f"{max(arrays, rows // 13)} of 8 shards were in memory at the same time: read one, hand out its rows, "
            "and read the next one then"
        )
    return None


@probe("rows-keep-their-shards")
def keep_shards(a: Any, t: Trial) -> str | None:
    paths = list(shards((2,) * 12, WIDE))
    with watched_loading() as held:
        arrays = 0
        for _ in a.ShardedStream(paths, shuffle_buffer=10):
            arrays = max(arrays, held.arrays)
    if arrays > 2:
        return (
            f"with ten rows waiting, {arrays} whole shards were in memory: a row that is a *view* of its shard "
            "keeps all of it alive. Copy it (`torch.tensor(row)`, or `.clone()`)"
        )
    return None
