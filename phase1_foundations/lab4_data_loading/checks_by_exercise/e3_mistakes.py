"""The known mistakes of E3, each by its signature on a few lengths."""

from typing import Any

import torch

from courseware.check import Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise.e3_data import (
    cost,
    cut,
    different_lengths,
    epoch,
    in_order,
    make,
    some_lengths,
    take,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.probes import Probes
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import global_draws

probe = Probes()

EXAMPLE = [5, 1, 3, 3]


@probe("batches-are-no-lists")
def no_lists(a: Any, t: Trial) -> str | None:
    for batch in make(a, EXAMPLE, 6, shuffle=False).sampler:
        if isinstance(batch, int) or (isinstance(batch, torch.Tensor) and batch.dim() == 0):
            return "the sampler yields single indices: asked for are batches, lists of indices"
        if not isinstance(batch, list):
            return f"a batch is a {type(batch).__name__}, asked for is a list of Python ints"
        if any(type(index) is not int for index in batch):
            kind = type(next(index for index in batch if type(index) is not int)).__name__
            return f"the indices are of type {kind}, asked for are Python ints: `.tolist()` makes them"
    return None


@probe("yields-lengths")
def yields_lengths(a: Any, t: Trial) -> str | None:
    lengths = [50, 10, 30, 30]
    found = sorted(index for batch in epoch(a, lengths, 60, shuffle=False) for index in batch)
    if found == sorted(lengths):
        return "the sampler yields the lengths themselves; asked for are *indices* into `lengths`"
    return None


@probe("empty-batches")
def empty_batches(a: Any, t: Trial) -> str | None:
    for lengths, budget in ((EXAMPLE, 6), ([9, 1, 9, 2], 5), ([], 4)):
        found = epoch(a, lengths, budget, shuffle=False)
        if any(len(batch) == 0 for batch in found):
            return f"lengths {lengths} with max_tokens={budget} give an empty batch: {found!r:.90}"
    return None


@probe("fails-at-an-edge")
def fails(a: Any, t: Trial) -> str | None:
    cases = {
        "no items at all": [],
        "one item": [3],
        "items of length 0": [0, 2, 0],
        "nothing but items of length 0": [0, 0, 0],
        "equal lengths": [2] * 7,
    }
    for what, lengths in cases.items():
        for shuffle in (False, True):
            attempt = t.attempt(lambda x=lengths, s=shuffle: epoch(a, x, 6, shuffle=s), seconds=1)
            if attempt.timed_out:
                return f"{what}: the sampler does not come to an end"
            if attempt.error is not None and not attempt.raised(NotImplementedError):
                return f"{what} (lengths {lengths}) raises {type(attempt.error).__name__}: {str(attempt.error)[:90]}"
    return None


@probe("tail-lost")
def tail_lost(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 130)
    for how in ({"shuffle": False}, {}, {"bucket_size": 50}):
        seen = [i for batch in epoch(a, lengths, 100, **how) for i in batch]
        missing = sorted(set(range(130)) - set(seen))
        if missing and len(set(seen)) == len(seen):
            return (
                f"{len(missing)} of 130 items never come ({missing[:5]} …): the last batch of a bucket, and the "
                "last bucket, must be handed out too. drop_last is False"
            )
    return None


@probe("over-long-item-lost")
def over_long(a: Any, t: Trial) -> str | None:
    lengths = [2, 9, 1, 3]
    for shuffle in (False, True):
        attempt = t.attempt(lambda s=shuffle: epoch(a, lengths, 6, shuffle=s), seconds=1)
        if attempt.timed_out:
            return "an item longer than max_tokens sends the sampler into a loop without end: it gets a batch of its own"
        if attempt.error is not None and not attempt.raised(NotImplementedError):
            return (
                f"lengths {lengths} with max_tokens=6: {type(attempt.error).__name__}, {str(attempt.error)[:80]}. "
                "An item that is longer gets a batch of its own, and a warning, no error"
            )
        found = attempt.value
        if not any(1 in batch for batch in found):
            return "an item longer than max_tokens never comes: it gets a batch of its own, with a warning"
        if [1] not in found:
            return (
                f"lengths {lengths}, max_tokens=6: item 1 of length 9 is alone too long, it gets a batch of its "
                f"own; yours: {found}"
            )
    return None


@probe("single-items")
def single_items(a: Any, t: Trial) -> str | None:
    found = epoch(a, [1] * 40, 10)
    if all(len(batch) == 1 for batch in found) and len(found) == 40:
        return (
            "every batch holds a single item: within the budget of course, but 10 items of length 1 fit into "
            "max_tokens=10. Fill the batches"
        )
    return None


@probe("budget-counts-real-tokens")
def sum_of_lengths(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 200)
    found = epoch(a, lengths, 128)
    over = [batch for batch in found if cost(lengths, batch) > 128]
    if over and all(sum(lengths[i] for i in batch) <= 128 for batch in found):
        worst = max(over, key=lambda batch: cost(lengths, batch))
        longest = max(lengths[i] for i in worst)
        return (
            f"a batch of {len(worst)} × {longest} = {cost(lengths, worst)} > 128 after padding: you add up the "
            "*real* lengths; what is computed is items × longest"
        )
    return None


@probe("one-item-too-many")
def too_many(a: Any, t: Trial) -> str | None:
    lengths = [2] * 12
    found = epoch(a, lengths, 10, shuffle=False)
    if found and len(found[0]) == 6:
        return (
            "six items of length 2 in a budget of 10: you ask whether the budget is spent *before* adding an "
            "item. Ask what the batch would cost with it"
        )
    if found and len(found[0]) == 4:
        return "five items of length 2 cost exactly max_tokens = 10, and that is allowed: ≤, not <"
    return None


@probe("budget-counts-items")
def counts_items(a: Any, t: Trial) -> str | None:
    lengths = [3] * 30
    found = epoch(a, lengths, 9, shuffle=False)
    if found and len(found[0]) == 9:
        return "9 items of length 3 are 27 tokens, max_tokens is 9: the budget is in tokens, not in items"
    return None


@probe("budget-broken")
def budget_broken(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 300)
    for how in ({"shuffle": False}, {"shuffle": True}, {"bucket_size": 32}):
        for batch in epoch(a, lengths, 100, **how):
            if cost(lengths, batch) > 100 and len(batch) > 1:
                longest = max(lengths[i] for i in batch)
                return (
                    f"a batch of {len(batch)} × {longest} = {cost(lengths, batch)} tokens, max_tokens is 100: "
                    "count items × *longest*, with the item that is to be added"
                )
    return None


@probe("items-twice")
def items_twice(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 130)
    for how in ({"shuffle": False}, {}, {"bucket_size": 50}):
        seen = [i for batch in epoch(a, lengths, 100, **how) for i in batch]
        if len(set(seen)) < len(seen):
            twice = next(i for i in seen if seen.count(i) > 1)
            return f"item {twice} comes {seen.count(twice)} times in one epoch: every index once"
        if any(not 0 <= i < 130 for i in seen):
            return "an index lies outside of 0 … N−1: are these places within a bucket, not in `lengths`?"
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
    if found == in_order(lengths, 90, 64):
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
        return f"the batch {spanning[0]} holds items of two buckets of 16: a bucket's end closes its last batch"
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
            f"{len(found)} batches where {len(expected)} are enough: a batch is closed only when the next item "
            "would break the budget. (Sizes fixed by the longest item of all leave the short batches half empty.)"
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
        return f"{drawn} global random state moved: shuffle with a generator of your own, made from (seed, epoch)"
    return None


@probe("empty-the-second-time")
def used_up(a: Any, t: Trial) -> str | None:
    sampler = make(a, some_lengths(t.random, 60), 80).sampler
    first = take(sampler, 60)
    if first and not take(sampler, 60):
        return "the second pass over the sampler yields nothing: `__iter__` must make a new iterator each time"
    return None


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
        return "two samplers with the same seed differ: draw everything from a generator made of (seed, epoch)"
    return None


@probe("short-to-long-epochs")
def sorted_epochs(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 600)
    for how in ({}, {"bucket_size": 100}):
        rises = 0.0
        for number in range(3):
            means = [sum(lengths[i] for i in b) / len(b) for b in epoch(a, lengths, 60, number, **how)]
            pairs = list(zip(means, means[1:], strict=False))
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
            f"{len(first & second)} of {len(first)} batches of epoch 1 hold exactly the items that they held in "
            "epoch 0: only their order changes. Shuffle the *indices* before the buckets are cut"
        )
    return None


# ---- len, drop_last, warning ----------------------------------------------------------------------------


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
                    f"len(sampler) is {said}, but {yielded} batches came in epoch {number}: a schedule made for "
                    f"{said} steps would end too early or never. Count the batches of this very epoch"
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
            "drop_last=True kept a bucket's last batch because it happened to be full: here it is always left "
            "out, since nothing but the bucket's end closed it"
        )
    return None


@probe("warning-wrong")
def warning(a: Any, t: Trial) -> str | None:
    with_long, without = make(a, [3, 9, 2], 6), make(a, [3, 6, 2], 6)
    if without.warned:
        return "a warning came although no item is longer than max_tokens (one is just as long, and fits)"
    if with_long.warned == 0:
        return "an item is longer than max_tokens, and no UserWarning came when the sampler was made: `warnings.warn(...)`"
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
