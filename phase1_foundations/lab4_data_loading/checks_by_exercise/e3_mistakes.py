"""The known mistakes of E3 in the batches: their form, their budget, what is lost."""

from collections.abc import Callable
from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise.e3_data import (
    cost,
    epoch,
    in_order,
    make,
    some_lengths,
    take,
)

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
    for lengths, budget in ((EXAMPLE, 6), ([9, 1, 9, 2], 5), ([9, 8], 5), ([], 4)):
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
            attempt = t.tried(lambda x=lengths, s=shuffle: epoch(a, x, 6, shuffle=s), seconds=1)
            if attempt.timed_out:
                return f"{what}: the sampler does not come to an end"
            if attempt.error is not None:
                return (
                    f"{what} (lengths {lengths}) raises {type(attempt.error).__name__}: "
                    f"{str(attempt.error)[:90]}"
                )
    return None


@probe("items-of-length-0-lost")
def zero_lost(a: Any, t: Trial) -> str | None:
    found = sorted(index for batch in epoch(a, [0, 2, 0, 1], 6, shuffle=False) for index in batch)
    if found == [1, 3]:
        return "items of length 0 never come: they cost nothing, and every index comes once"
    return None


@probe("items-of-length-0-cost")
def zero_costs(a: Any, t: Trial) -> str | None:
    found = epoch(a, [0] * 5, 2, shuffle=False)
    if found == [[0, 1], [2, 3], [4]] and epoch(a, [1] * 5, 2, shuffle=False) == found:
        return (
            "five items of length 0 in a budget of 2 became three batches: 5 × 0 = 0 tokens fit into one. "
            "Items × longest, also where the longest is 0"
        )
    return None


@probe("tail-lost")
def tail_lost(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 130)
    for how in ({"shuffle": False}, {}, {"bucket_size": 50}):
        seen = [i for batch in epoch(a, lengths, 100, **how) for i in batch]
        missing = sorted(set(range(130)) - set(seen))
        if missing and len(set(seen)) == len(seen):
            return (
                f"{len(missing)} of 130 items never come ({missing[:5]} …): the last batch of a bucket, and "
                "the last bucket, must be handed out too. drop_last is False"
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


@probe("budget-counts-items")
def counts_items(a: Any, t: Trial) -> str | None:
    lengths = [3] * 30
    found = epoch(a, lengths, 9, shuffle=False)
    if found and len(found[0]) == 9:
        return "9 items of length 3 are 27 tokens, max_tokens is 9: the budget is in tokens, not in items"
    return None


@probe("over-long-item-lost")
def over_long(a: Any, t: Trial) -> str | None:
    lengths = [2, 9, 1, 3]
    for shuffle in (False, True):
        attempt = t.tried(lambda s=shuffle: epoch(a, lengths, 6, shuffle=s), seconds=1)
        if attempt.timed_out:
            return (
                "an item longer than max_tokens sends the sampler into a loop without end: it gets a batch "
                "of its own"
            )
        if attempt.error is not None:
            return (
                f"lengths {lengths} with max_tokens=6: {type(attempt.error).__name__}, "
                f"{str(attempt.error)[:80]}. An item that is longer gets a batch of its own, and a warning, "
                "no error"
            )
        found = attempt.value
        if not any(1 in batch for batch in found):
            return "an item longer than max_tokens never comes: it gets a batch of its own, with a warning"
        if [1] not in found:
            return (
                f"lengths {lengths}, max_tokens=6: item 1 of length 9 is alone too long, it gets a batch of "
                f"its own; yours: {found}"
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
    found = epoch(a, lengths, 128, shuffle=False)
    if found == in_order(lengths, 128, 512) or found != greedy(lengths, 128, real_tokens):
        return None
    worst = max(found, key=lambda batch: cost(lengths, batch))
    longest = max(lengths[i] for i in worst)
    return (
        f"a batch of {len(worst)} × {longest} = {cost(lengths, worst)} > 128 after padding: you add up the "
        "*real* lengths; what is computed is items × longest"
    )


@probe("new-item-not-counted")
def not_counted(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 200)
    found = epoch(a, lengths, 128, shuffle=False)
    for price in (longest_so_far, before_adding):
        if found != in_order(lengths, 128, 512) and found == greedy(lengths, 128, price):
            return (
                "the budget is asked before the new item counts: it makes the batch larger *and* is its "
                "longest, so the cost with it is (items + 1) × its length"
            )
    return None


def greedy(lengths: list[int], budget: int, price: Callable[[list[int], int], int]) -> list[list[int]]:
    """Sorted items, cut where the price of a batch (its lengths, and the next one) exceeds the budget."""
    batches: list[list[int]] = [[]]
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches[-1] and price([lengths[i] for i in batches[-1]], lengths[index]) > budget:
            batches.append([])
        batches[-1].append(index)
    return batches


def real_tokens(batch: list[int], length: int) -> int:
    return sum(batch) + length


def longest_so_far(batch: list[int], length: int) -> int:
    return (len(batch) + 1) * max(batch)


def before_adding(batch: list[int], length: int) -> int:
    return len(batch) * max(batch)


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


@probe("over-long-items-together")
def long_together(a: Any, t: Trial) -> str | None:
    lengths = [2, 9, 1, 8, 7]
    for batch in epoch(a, lengths, 6, shuffle=False):
        if len(batch) > 1 and min(lengths[i] for i in batch) > 6:
            return (
                f"lengths {lengths}, max_tokens=6: the over-long items {batch} share a batch; each gets one "
                "of its own"
            )
    return None


@probe("another-bucket-size-by-default")
def default_bucket(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 700)
    found = epoch(a, lengths, 100, shuffle=False)
    if found == epoch(a, lengths, 100, shuffle=False, bucket_size=512):
        return None
    for size in (8, 16, 32, 50, 64, 100, 128, 256, 700):
        if found == in_order(lengths, 100, size):
            return f"without `bucket_size` your buckets hold {size} indices: the default is 512"
    return None


@probe("budget-broken")
def budget_broken(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 300)
    for how in ({"shuffle": False}, {"shuffle": True}, {"bucket_size": 32}):
        for batch in epoch(a, lengths, 100, **how):
            if cost(lengths, batch) > 100 and len(batch) > 1:
                longest = max(lengths[i] for i in batch)
                return (
                    f"a batch of {len(batch)} × {longest} = {cost(lengths, batch)} tokens, max_tokens is "
                    "100: count items × *longest*, with the item that is to be added"
                )
    return None


# ---- several at once ------------------------------------------------------------------------------------


@probe("samplers-share-their-epoch")
def share_epoch(a: Any, t: Trial) -> str | None:
    lengths = some_lengths(t.random, 60)
    first, other = (make(a, lengths, 80, seed=seed).sampler for seed in (1, 2))
    before = take(first, 60)
    if take(first, 60) != before:
        return None
    other.set_epoch(3)
    if take(first, 60) != before:
        return (
            "set_epoch(3) of one sampler changes the batches of another one: seed, epoch and plan belong to "
            "`self`, not to the class"
        )
    return None


@probe("passes-disturb-each-other")
def passes_disturb(a: Any, t: Trial) -> str | None:
    sampler = make(a, some_lengths(t.random, 60), 80).sampler
    alone = take(sampler, 60)
    if take(sampler, 60) != alone:
        return None
    running = iter(sampler)
    first = next(running)
    take(sampler, 60)
    if [first, *running] != alone:
        return (
            "a pass that begins while another is under way disturbs it: `__iter__` returns the sampler "
            "itself, and the place is kept on it. Return a new iterator (`iter(batches)`, or `yield`)"
        )
    return None
