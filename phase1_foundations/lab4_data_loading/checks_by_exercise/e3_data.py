"""Lengths to try E3's sampler on, and what its batches cost."""

import functools
import random
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

BUDGET = 1000


@functools.cache
def name_lengths() -> tuple[int, ...]:
    """How long 8,400 names of countries, languages and currencies are."""
    from shared.data.names import names

    return tuple(len(name.text) for name in names().train)


def some_lengths(generator: random.Random, count: int, longest: int = 40) -> list[int]:
    """Many short and few long ones, as in language."""
    return [1 + min(longest - 1, int(generator.expovariate(1 / (longest / 4)))) for _ in range(count)]


def different_lengths(generator: random.Random, count: int) -> list[int]:
    """No two are equal, so that sorting leaves no choice."""
    lengths = list(range(1, count + 1))
    generator.shuffle(lengths)
    return lengths


def cost(lengths: Sequence[int], batch: Sequence[int]) -> int:
    return len(batch) * max((lengths[i] for i in batch), default=0)


def waste(lengths: Sequence[int], batches: Iterable[Sequence[int]]) -> float:
    """1 − Σ lengths / Σ (items × longest)."""
    kept = list(batches)
    padded = sum(cost(lengths, batch) for batch in kept)
    return 1 - sum(lengths[i] for batch in kept for i in batch) / padded if padded else 0.0


def random_batches(lengths: Sequence[int], max_tokens: int, generator: random.Random) -> list[list[int]]:
    """The baseline: the same budget, cut from an unsorted random order."""
    order = list(range(len(lengths)))
    generator.shuffle(order)
    return cut(lengths, order, max_tokens)


def cut(lengths: Sequence[int], order: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Item after item; a new batch where the next one would break the budget."""
    batches: list[list[int]] = []
    for index in order:
        if batches and cost(lengths, [*batches[-1], index]) <= max_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def in_order(
    lengths: Sequence[int], max_tokens: int, bucket: int, drop_last: bool = False
) -> list[list[int]]:
    """What the sampler yields with shuffle=False, by the recipe."""
    found = []
    for start in range(0, len(lengths), bucket):
        indices = range(start, min(start + bucket, len(lengths)))
        ordered = sorted(indices, key=lambda i: (lengths[i], i))
        batches = cut(lengths, ordered, max_tokens)
        found += batches[:-1] if drop_last else batches
    return found


@dataclass(frozen=True)
class Made:
    """A sampler and the warnings that came with it."""

    sampler: Any
    warned: int


def make(a: Any, lengths: Sequence[int], max_tokens: int, **how: Any) -> Made:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sampler = a.BucketBatchSampler(list(lengths), max_tokens, **how)
    return Made(sampler, sum(issubclass(each.category, UserWarning) for each in caught))


def epoch(a: Any, lengths: Sequence[int], max_tokens: int, number: int = 0, **how: Any) -> list[list[int]]:
    """The batches of one epoch of a new sampler."""
    sampler = make(a, lengths, max_tokens, **how).sampler
    if number:
        sampler.set_epoch(number)
    return take(sampler, len(lengths))


def take(sampler: Any, count: int) -> list[list[int]]:
    """All batches, as lists; a sampler that does not end is stopped."""
    batches = []
    for batch in sampler:
        batches.append([int(i) for i in batch] if isinstance(batch, list | tuple | torch.Tensor) else batch)
        if len(batches) > 2 * count + 10:
            raise RuntimeError(f"more than {2 * count + 10} batches for {count} items")
    return batches
