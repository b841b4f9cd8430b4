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
