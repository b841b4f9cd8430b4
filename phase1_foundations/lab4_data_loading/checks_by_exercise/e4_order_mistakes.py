"""The known mistakes of E4 in the order of rows, and in how much is in memory."""

import itertools
from typing import Any

import numpy as np
import torch

from courseware.check import Probes, Trial
from courseware.check.hashing import STRING_HASHES, hashes_strings
from phase1_foundations.lab4_data_loading.checks_by_exercise.e4_world import (
    as_worker,
    consume,
    every_row,
    make,
    only_new_objects,
    rows_in_tensors,
    shards,
    take,
    watched_loading,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import global_draws

probe = Probes()
SIZES = (3, 2, 4, 3, 2, 3, 4)  # seven shards, 21 rows
WIDE = 11  # columns of the shards whose rows are counted in memory


# ---- order and shuffling --------------------------------------------------------------------------------


@probe("shards-by-name")
def by_name(a: Any, t: Trial) -> str | None:
    if [shard for shard, _ in take(make(a, (1, 1, 1)), 100)] == [2, 1, 0]:
        return "the shards come in the order of their names: they come in the order of the list that you get"
    return None


@probe("order-not-kept")
def order_kept(a: Any, t: Trial) -> str | None:
    for buffer in (0, 1):
        found = take(make(a, SIZES, shuffle_buffer=buffer, seed=3), 100)
        if sorted(found) == every_row(SIZES) and found != every_row(SIZES):
            return (
                f"with shuffle_buffer={buffer} the rows come in another order, {found[:4]} …: nothing is "
                "shuffled then; shards and rows come as they are"
            )
    return None


@probe("shards-shuffled")
def shards_shuffled(a: Any, t: Trial) -> str | None:
    for epoch in range(3):
        stream = make(a, (3,) * 8, shuffle_buffer=2)
        stream.set_epoch(epoch)
        met = list(dict.fromkeys(shard for shard, _ in take(stream, 100)))
        if sorted(met) == list(range(8)) and met != sorted(met):
            return (
                f"with shuffle_buffer=2 the shards are read in the order {met}: their order stays that of "
                "the list, only the buffer shuffles"
            )
    return None


@probe("rows-share-their-memory")
def share_memory(a: Any, t: Trial) -> str | None:
    first, second = itertools.islice(iter(make(a, (4,))), 2)
    if first.data_ptr() == second.data_ptr():
        return (
            "the second row that you hand out lies in the memory of the first one, which has been written "
            "over: each row needs a tensor of its own"
        )
    return None


@probe("waiting-rows-lost")
def waiting_lost(a: Any, t: Trial) -> str | None:
    for buffer in (5, 100):
        found = take(make(a, SIZES, shuffle_buffer=buffer), 100)
        missing = set(every_row(SIZES)) - set(found)
        if missing and len(set(found)) == len(found):
            return (
                f"with shuffle_buffer={buffer}, {len(missing)} of 21 rows never come: when the shards are "
                "read to their end, rows still wait in the buffer. Hand them out too"
            )
        if len(set(found)) < len(found):
            return (
                f"with shuffle_buffer={buffer} rows come twice: a row that was handed out leaves the buffer"
            )
    return None


@probe("fails-at-an-edge")
def edges(a: Any, t: Trial) -> str | None:
    for what, sizes in (
        ("an empty shard", (2, 0, 3)),
        ("a shard of one row", (2, 1, 3)),
        ("only empty shards", (0, 0)),
        ("no shards", ()),
    ):
        for buffer in (0, 4):
            attempt = t.tried(lambda x=sizes, b=buffer: take(make(a, x, shuffle_buffer=b), 50))
            if attempt.error is not None:
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


@probe("rest-not-shuffled")
def rest_in_order(a: Any, t: Trial) -> str | None:
    rests = []
    for epoch in range(3):
        stream = make(a, (40,), shuffle_buffer=10)
        stream.set_epoch(epoch)
        rests.append(take(stream, 100)[-9:])
    if all(rest == sorted(rest) for rest in rests):
        return (
            "when the shards are read to their end, the rows that still wait are handed out in their old "
            f"order: {[row for _, row in rests[0]]} at the end of 40 rows. They come in random order too"
        )
    return None


@probe("buffer-emptied-at-each-shard")
def emptied(a: Any, t: Trial) -> str | None:
    in_turn = 0
    for epoch in range(4):
        stream = make(a, (3,) * 10, shuffle_buffer=10)
        stream.set_epoch(epoch)
        order = [shard for shard, _ in take(stream, 100)]
        in_turn += order == sorted(order)
    if in_turn == 4:
        return (
            "with shards of 3 rows and shuffle_buffer=10 the shards still come one after the other: your "
            "buffer is emptied at the end of each shard. It goes on into the next one"
        )
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
            "with shuffle_buffer=5 the first row handed out was sometimes row 5: six rows waited. Hand one "
            "out as soon as 5 wait"
        )
    if ahead > 5:
        return (
            f"with shuffle_buffer=5 a row came {ahead} places early, so more than 5 rows waited: shuffling "
            "a whole shard, or everything, needs all of it in memory"
        )
    return None


@probe("not-repeatable")
def not_repeatable(a: Any, t: Trial) -> str | None:
    with global_draws() as drawn:
        first = take(make(a, (30,), shuffle_buffer=8), 100)
    if drawn:
        return (
            f"{drawn} global random state moved: draw from a generator of your own, made of (seed, epoch, "
            "consumer)"
        )
    torch.rand(3)
    np.random.rand(3)
    if take(make(a, (30,), shuffle_buffer=8), 100) != first:
        return (
            "two streams with the same arguments shuffle differently: make the generator of (seed, epoch, "
            "consumer)"
        )
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


@probe("another-order-in-another-process")
def hashed_strings(a: Any, t: Trial) -> str | None:
    hashed = hashes_strings(lambda: take(make(a, (30,), shuffle_buffer=8, seed=3), 100))
    return STRING_HASHES if hashed else None


@probe("streams-share-their-epoch")
def share_epoch(a: Any, t: Trial) -> str | None:
    for buffer in (0, 6):
        stream = make(a, SIZES, shuffle_buffer=buffer)
        before = take(stream, 100)
        if take(stream, 100) != before:
            return None
        other = make(a, SIZES, shuffle_buffer=buffer, seed=1)
        other.set_epoch(2)
        list(zip(range(4), other, strict=False))
        if take(stream, 100) != before:
            return (
                "another stream went on to epoch 2, and this one yields something else than before: epoch, "
                "place and buffer belong to `self`, not to the class"
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
                "a second `iter()` without set_epoch brings another order: it begins the same epoch again, "
                "so its generator must begin again too (a generator stored on the stream goes on)"
            )
        list(zip(range(4), stream, strict=False))
        if take(stream, 100) != first:
            return (
                "after an iteration that was left in the middle, the next `iter()` does not begin at the "
                "start"
            )
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
                f"{what} draw the same random numbers (the place of each row is the same for both): a "
                "generator made of the seed alone is copied to all. Make it of (seed, epoch, consumer)"
            )
    return None


# ---- memory ---------------------------------------------------------------------------------------------


@probe("all-shards-in-memory")
def all_in_memory(a: Any, t: Trial) -> str | None:
    paths = list(shards((13,) * 8, WIDE))
    with only_new_objects(), watched_loading() as held:
        arrays = rows = 0
        for place, _ in enumerate(a.ShardedStream(paths)):
            arrays = max(arrays, held.arrays)
            if place in (2, 60, 103):
                rows = max(rows, rows_in_tensors(WIDE))
    if arrays > 2 or rows > 3 * 13:
        return (
            f"{max(arrays, rows // 13)} of 8 shards were in memory at the same time: read one, hand out its "
            "rows, and read the next one then"
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
            f"with ten rows waiting, {arrays} whole shards were in memory: a row that is a *view* of its "
            "shard keeps all of it alive. Copy it (`torch.tensor(row)`, or `.clone()`)"
        )
    return None
