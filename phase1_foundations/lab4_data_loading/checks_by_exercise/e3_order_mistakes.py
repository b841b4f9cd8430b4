"""The known mistakes of E3 in the order of an epoch, and in what is counted."""

import itertools
from typing import Any

from courseware.check import Probes, Trial
from courseware.check.hashing import STRING_HASHES, hashes_strings
from phase1_foundations.lab4_data_loading.checks_by_exercise.e3_data import (
    cut,
    different_lengths,
    epoch,
    in_order,
    make,
    some_lengths,
    take,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import global_draws

probe = Probes()
EXAMPLE = [5, 1, 3, 3]


@probe("empty-the-second-time")
def used_up(a: Any, t: Trial) -> str | None:
    sampler = make(a, some_lengths(t.random, 60), 80).sampler
    first = take(sampler, 60)
    if first and not take(sampler, 60):
        return (
            "the second pass over the sampler yields nothing: `__iter__` must make a new iterator each time"
        )
    return None


# ---- shuffle=False is exact -----------------------------------------------------------------------------


@probe("shuffle-false-shuffles")
def still_shuffles(a: Any, t: Trial) -> str | None:
    lengths = different_lengths(t.random, 60)
    first, other = (epoch(a, lengths, 80, shuffle=False, seed=seed) for seed in (0, 1))
    if first != other:
        return "with shuffle=False, seeds 0 and 1 give different batches: nothing may be random there"
    sampler = make(a, lengths, 80, shuffle=False).sampler
    again = take(sampler, 60)
    sampler.set_epoch(3)
    if take(sampler, 60) != again:
        return "with shuffle=False, epochs 0 and 3 differ: every epoch is the same there"
    return None


@probe("long-to-short")
def long_to_short(a: Any, t: Trial) -> str | None:
    lengths = different_lengths(t.random, 40)
    found = epoch(a, lengths, 60, shuffle=False)
    means = [sum(lengths[i] for i in batch) / len(batch) for batch in found]
    if len(means) > 5 and means == sorted(means, reverse=True):
        return "your batches run from long to short: each bucket is sorted from short to long"
    return None


@probe("not-sorted")
def not_sorted(a: Any, t: Trial) -> str | None:
    lengths = different_lengths(t.random, 60)
    found = epoch(a, lengths, 90, shuffle=False)
    if found == cut(lengths, range(60), 90):
        return "the items come in their original order: within a bucket, sort them by length first"
    return None


@probe("bucket-size-ignored")
def bucket_ignored(a: Any, t: Trial) -> str | None:
    lengths = different_lengths(t.random, 64)
    found = epoch(a, lengths, 90, shuffle=False, bucket_size=16)
    in_turn = [lengths[i] for batch in found for i in batch]
    if found == in_order(lengths, 90, 64) or (len(in_turn) == 64 and in_turn == sorted(in_turn)):
        return (
            "bucket_size=16 changes nothing: all items are sorted together. Then the same neighbours meet in "
            "every epoch. Cut the order into buckets first, sort each by itself"
        )
    return None


@probe("batches-span-buckets")
def span_buckets(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 64)
    found = epoch(a, lengths, 60, shuffle=False, bucket_size=16)
    spanning = [batch for batch in found if len({i // 16 for i in batch}) > 1]
    if spanning and sorted(i for batch in found for i in batch) == list(range(64)):
        return (
            f"the batch {spanning[0]} holds items of two buckets of 16: a bucket's end closes its last batch"
        )
    return None


@probe("ties-in-another-order")
def ties(a: Any, t: Trial) -> str | None:
    found = [i for batch in epoch(a, [2] * 12, 8, shuffle=False) for i in batch]
    if sorted(found) == list(range(12)) and found != list(range(12)):
        return f"twelve equal lengths come in the order {found}: equal ones keep their order (a stable sort)"
    return None


@probe("batches-cut-otherwise")
def fixed_size(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 120, longest=30)
    found = epoch(a, lengths, 100, shuffle=False)
    expected = in_order(lengths, 100, 512)
    if found != expected and len(found) > len(expected) * 1.2 + 1:
        return (
            f"{len(found)} batches where {len(expected)} are enough: a batch is closed only when the next "
            "item would break the budget. (Sizes fixed by the longest item of all leave the short batches "
            "half empty.)"
        )
    return None


# ---- epochs, seeds, mixing ------------------------------------------------------------------------------


@probe("draws-from-the-global-state")
def draws_global(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 60)
    with global_draws() as drawn:
        sampler = make(a, lengths, 80).sampler
        take(sampler, 60), len(sampler)
    if drawn:
        return (
            f"{drawn} global random state moved: shuffle with a generator of your own, made from (seed, "
            "epoch)"
        )
    return None


@probe("another-order-in-another-process")
def hashed_strings(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 60)
    return STRING_HASHES if hashes_strings(lambda: epoch(a, lengths, 80, 2, seed=3)) else None


@probe("another-order-without-set-epoch")
def moves_on(a: Any, t: Trial) -> str | None:
    sampler = make(a, some_lengths(t.random, 100), 80).sampler
    first, again = take(sampler, 100), take(sampler, 100)
    if first != again:
        return (
            "two passes without set_epoch differ: the order is a function of (seed, epoch), so make the "
            "generator anew in each pass"
        )
    sampler = make(a, some_lengths(t.random, 100), 80).sampler
    len(sampler)
    before = take(sampler, 100)
    len(sampler)
    if take(sampler, 100) != before:
        return "asking for len() changes the order: it must not draw from a generator that goes on"
    return None


@probe("set-epoch-has-no-effect")
def epoch_ignored(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 100)
    if epoch(a, lengths, 80, 0) == epoch(a, lengths, 80, shuffle=False):
        return "with shuffle=True nothing is shuffled: epoch 0 is the same as with shuffle=False"
    if epoch(a, lengths, 80, 0) == epoch(a, lengths, 80, 1):
        return "set_epoch has no effect: epochs 0 and 1 bring the same batches in the same order"
    sampler = make(a, lengths, 80).sampler
    take(sampler, 100)
    sampler.set_epoch(1)
    if take(sampler, 100) != epoch(a, lengths, 80, 1):
        return (
            "epoch 1 after epoch 0 is not the epoch 1 of a new sampler: something of the first pass is left "
            "over. A resumed run could not find its order again"
        )
    sampler.set_epoch(0)
    if take(sampler, 100) != epoch(a, lengths, 80, 0):
        return "going back to epoch 0 gives another order than before: it must be a function of (seed, epoch)"
    return None


@probe("seed-ignored")
def seed_ignored(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 100)
    if epoch(a, lengths, 80, seed=0) == epoch(a, lengths, 80, seed=1):
        return "seeds 0 and 1 give the same batches in the same order: the seed must go into the generator"
    if epoch(a, lengths, 80, seed=5) != epoch(a, lengths, 80, seed=5):
        return (
            "two samplers with the same seed differ: draw everything from a generator made of (seed, epoch)"
        )
    return None


@probe("short-to-long-epochs")
def sorted_epochs(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 600)
    for how in ({}, {"bucket_size": 100}):
        rises = 0.0
        for number in range(3):
            means = [sum(lengths[i] for i in b) / len(b) for b in epoch(a, lengths, 60, number, **how)]
            pairs = list(itertools.pairwise(means))
            rises += sum(x <= y for x, y in pairs) / max(len(pairs), 1) / 3
        if rises > 0.75 or rises < 0.25:
            return (
                f"{max(rises, 1 - rises):.0%} of the steps go one way: the batches of a bucket come "
                "sorted by length. Gradients are then biased in time; shuffle *all* batches of the epoch"
            )
    return None


@probe("same-batches-every-epoch")
def same_batches(a: Any, t: Trial) -> str | None:
    lengths = different_lengths(t.random, 240)
    first, second = (
        {frozenset(batch) for batch in epoch(a, lengths, 720, number, bucket_size=40)} for number in (0, 1)
    )
    if len(first & second) > 0.6 * len(first):
        return (
            f"{len(first & second)} of {len(first)} batches of epoch 1 hold exactly the items that they "
            "held in epoch 0: only their order changes. Shuffle the *indices* before the buckets are cut"
        )
    return None


# ---- len, drop_last, warning ----------------------------------------------------------------------------


@probe("len-calls-itself")
def recursion(a: Any, t: Trial) -> str | None:
    if t.attempt(lambda: len(make(a, [1, 2, 3], 6).sampler)).raised(RecursionError):
        return (
            "len(sampler) calls itself without end: `list(self)` and `[*self]` ask for len(self) first, to "
            "know how much room they need. Keep the planned batches in a list and count that"
        )
    return None


@probe("length-is-wrong")
def wrong_length(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 300)
    for how in ({}, {"bucket_size": 50}, {"shuffle": False}):
        sampler = make(a, lengths, 90, **how).sampler
        for number in range(4):
            sampler.set_epoch(number)
            said, yielded = len(sampler), len(take(sampler, 300))
            if said != yielded:
                return (
                    f"len(sampler) is {said}, but {yielded} batches came in epoch {number}: a schedule made "
                    f"for {said} steps would end too early or never. Count the batches of this very epoch"
                )
    return None


@probe("drop-last-ignored")
def drop_ignored(a: Any, t: Trial) -> str | None:
    lengths = [2] * 12
    kept, dropped = (epoch(a, lengths, 10, shuffle=False, drop_last=drop) for drop in (False, True))
    if kept == dropped:
        return "drop_last=True changes nothing: it leaves out the last batch of each bucket"
    if len(dropped) == len(kept) - 1 and dropped != kept[:-1]:
        return f"drop_last=True of {kept} should leave out the last, {kept[-1]}; yours: {dropped}"
    return None


@probe("drop-last-once-for-all")
def drop_once(a: Any, t: Trial) -> str | None:
    lengths = [2] * 24
    kept, dropped = (
        epoch(a, lengths, 10, shuffle=False, drop_last=drop, bucket_size=8) for drop in (False, True)
    )
    if len(kept) == 6 and len(dropped) == 5:
        return (
            "three buckets, and drop_last=True leaves out one batch of the epoch: each *bucket* has a last "
            "batch, which its end closed and not the budget"
        )
    return None


@probe("drop-last-spares-full-batches")
def drop_spares(a: Any, t: Trial) -> str | None:
    lengths = [2] * 10
    if epoch(a, lengths, 10, shuffle=False, drop_last=True) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]:
        return (
            "drop_last=True kept a bucket's last batch because it happened to be full: here it is always "
            "left out, since nothing but the bucket's end closed it"
        )
    return None


@probe("drop-last-drops-something-else")
def drops_else(a: Any, t: Trial) -> str | None:
    lengths = [1, 2, 3, 4, 5, 6, 7, 8]
    found = epoch(a, lengths, 12, shuffle=False, drop_last=True)
    kept, expected = in_order(lengths, 12, 512), in_order(lengths, 12, 512, drop_last=True)
    if epoch(a, lengths, 12, shuffle=False) == kept and found != expected:
        return (
            f"drop_last=True of {kept} leaves out its last batch, {kept[-1]}, and nothing else; yours: "
            f"{found}"
        )
    return None


@probe("warning-wrong")
def warning(a: Any, t: Trial) -> str | None:
    with_long, without = make(a, [3, 9, 2], 6), make(a, [3, 6, 2], 6)
    if without.warned:
        return "a warning came although no item is longer than max_tokens (one is just as long, and fits)"
    if with_long.warned == 0:
        return (
            "an item is longer than max_tokens, and no UserWarning came when the sampler was made: "
            "`warnings.warn(...)`"
        )
    if make(a, [9, 9, 9], 6).warned > 1:
        return "three over-long items gave more than one warning: one for the sampler is enough"
    return None


@probe("lengths-changed")
def lengths_changed(a: Any, t: Trial) -> str | None:
    lengths = [5, 1, 3, 3]
    sampler = a.BucketBatchSampler(lengths, 6)
    list(sampler)
    if lengths != [5, 1, 3, 3]:
        return f"the caller's list of lengths was changed to {lengths}: sort a copy (`sorted`, not `.sort()`)"
    return None


@probe("exact-batches-differ")
def exact(a: Any, t: Trial) -> str | None:
    for lengths, budget in ((EXAMPLE, 6), ([1, 2, 3, 4, 5, 6, 7, 8], 12), ([4, 4, 4, 1, 1], 8)):
        found = epoch(a, lengths, budget, shuffle=False)
        if found != in_order(lengths, budget, 512):
            return (
                f"lengths {lengths}, max_tokens={budget}, shuffle=False: expected "
                f"{in_order(lengths, budget, 512)}, yours {found}"
            )
    return None
