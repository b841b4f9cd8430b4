"""Each rank its own part of the data, together all of it, in an order that the epoch decides."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from shared.distributed.environment import rank, world_size


class RankSampler(Sampler[int]):
    """Indices of this rank: a permutation by (seed, epoch), dealt out in turn, resumable.

    Nothing is padded or dropped: ranks differ by at most one example, and metrics reduced with counts stay
    exact. A loop that needs equally many steps on each rank (DDP does) sets `even=True`: then the shorter
    ranks repeat one example from the beginning of the permutation.
    """

    def __init__(self, size: int, *, seed: int = 0, shuffle: bool = True, even: bool = False) -> None:
        if size < 1:
            raise ValueError(f"{size} examples to sample from: expected at least one")
        self.size, self.seed, self.shuffle, self.even = size, seed, shuffle, even
        self.rank, self.ranks = rank(), world_size()
        self._epoch, self._taken = 0, 0

    def set_epoch(self, epoch: int) -> None:
        """The next iteration runs this epoch from its beginning."""
        self._epoch, self._taken = epoch, 0

    def __len__(self) -> int:
        if self.even:
            return -(-self.size // self.ranks)
        return len(range(self.rank, self.size, self.ranks))

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self._epoch)
        order = torch.randperm(self.size, generator=generator) if self.shuffle else torch.arange(self.size)
        if self.even:
            missing = len(self) * self.ranks - self.size
            order = torch.cat([order, order.repeat(-(-missing // self.size))[:missing]])
        for index in order[self.rank :: self.ranks][self._taken :].tolist():
            self._taken += 1
            yield index
        self._epoch, self._taken = self._epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Where this rank stands. Indices count as taken when they are handed out."""
        return {"epoch": self._epoch, "taken": self._taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._epoch, self._taken = state["epoch"], state["taken"]
