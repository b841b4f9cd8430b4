"""Metrics over all ranks, exact however unevenly the examples are spread."""

from __future__ import annotations

import torch
from torch import Tensor

from shared.distributed.collectives import sum_over_ranks


class Mean:
    """A weighted mean, kept as two sums: the mean of the ranks' means would weigh a short batch too much."""

    def __init__(self) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64)

    def add(self, total: float | Tensor, count: int | Tensor) -> None:
        """Add a sum over `count` examples. Stays on the device: no synchronisation."""
        pair = [torch.as_tensor(part, dtype=torch.float64).detach() for part in (total, count)]
        self._sums = self._sums.to(pair[0].device) + torch.stack([part.to(pair[0].device) for part in pair])

    def value(self) -> float:
        """The mean over every example of every rank; NaN if there was none. All ranks must call it."""
        total, count = sum_over_ranks(self._sums).tolist()
        return total / count if count else float("nan")
