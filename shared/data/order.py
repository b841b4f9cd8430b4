"""Which examples go into which batch: a pure function of the epoch.

Nothing is remembered between epochs, so any of them can be entered anywhere: epoch 7 from its 30th batch on
is ``order.batches(7)[30:]``, in a process that never saw the first six.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from shared.seeding import derive_seed


@runtime_checkable
class Order(Protocol):
    """The batches of an epoch, each a tensor of indices."""

    def batches(self, epoch: int) -> Sequence[Tensor]: ...


@dataclass(frozen=True)
class InOrder:
    """0, 1, 2, … in every epoch; the last batch may be short."""

    size: int
    batch_size: int

    def __post_init__(self) -> None:
        _check(self.batch_size)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        return torch.arange(self.size).split(self.batch_size) if self.size else ()


@dataclass(frozen=True)
class Shuffled:
    """Another permutation in every epoch. ``drop_last`` leaves out a short last batch, not always the same
    examples."""

    size: int
    batch_size: int
    seed: int = 0
    drop_last: bool = False

    def __post_init__(self) -> None:
        _check(self.batch_size)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        order = torch.randperm(self.size, generator=_generator(self.seed, epoch))
        kept = self.size - self.size % self.batch_size if self.drop_last else self.size
        return order[:kept].split(self.batch_size) if kept else ()


@dataclass(frozen=True)
class TokenBudget:
    """Batches of examples of similar length, each at most ``max_tokens`` when padded: count × longest.

    An epoch is shuffled, cut into pools, each pool sorted by length and cut into batches, and the batches
    shuffled: sorting everything would save a little more padding, but give every epoch the same batches in
    the same order. Each example comes exactly once; one that is longer than the budget gets a batch of its
    own, with a warning.

    Args:
        lengths: of each example, at least 0.
        pool: examples that are sorted together; more save padding, fewer mix better.
    """

    lengths: Int[Tensor, "N"]
    max_tokens: int
    seed: int = 0
    pool: int = 1024

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.pool < 1:
            raise ValueError(f"max_tokens and pool should be positive: {self.max_tokens}, {self.pool}")
        if len(self.lengths) and (longest := int(self.lengths.max())) > self.max_tokens:
            warnings.warn(
                f"the longest example has {longest} tokens, more than a batch may have ({self.max_tokens}): "
                "such examples get a batch of their own",
                stacklevel=3,
            )

    def batches(self, epoch: int) -> Sequence[Tensor]:
        generator = _generator(self.seed, epoch)
        shuffled = torch.randperm(len(self.lengths), generator=generator)
        batches = (
            [batch for pool in shuffled.split(self.pool) for batch in self._cut(pool)]
            if len(shuffled)
            else []
        )
        return [batches[number] for number in torch.randperm(len(batches), generator=generator).tolist()]

    def _cut(self, pool: Tensor) -> list[Tensor]:
        """Fill batches with the pool's examples from the shortest to the longest."""
        lengths, order = self.lengths[pool].sort(stable=True)
        ends, start = [], 0
        for place, length in enumerate(lengths.tolist()):
            if place > start and (place + 1 - start) * length > self.max_tokens:
                ends.append(place)
                start = place
        return list(pool[order].tensor_split(ends))


def padding_share(lengths: Int[Tensor, "N"], batches: Sequence[Tensor]) -> float:
    """How much of the padded batches is padding: 1 − Σ lengths / Σ (count × longest)."""
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1 - sum(int(lengths[batch].sum()) for batch in batches) / padded if padded else 0.0


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, epoch))


def _check(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"a batch should have at least 1 example, but batch_size is {batch_size}")
