"""Intervals by resampling: how far a number would have moved with other test examples, or other seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Interval:
    """A value and the interval around it at the given confidence."""

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def excludes(self, value: float) -> bool:
        return not self.low <= value <= self.high


def bootstrap(
    statistic: Callable[[Tensor], Tensor | float],
    *,
    n: int,
    draws: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of `statistic(indices)`, where indices pick n examples with replacement.

    The value itself is that of all examples once. With few examples (n < 20, say) the interval is too narrow.
    """
    if n < 2 or draws < 100:
        raise ValueError(f"n={n} examples and {draws} draws: expected at least 2 examples and 100 draws")
    generator = torch.Generator().manual_seed(seed)
    values = [float(statistic(torch.randint(n, (n,), generator=generator))) for _ in range(draws)]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Interval(float(statistic(torch.arange(n))), float(low), float(high), confidence)


def paired_difference(
    first: Tensor, second: Tensor, *, draws: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Mean of first − second over the same examples. Paired, so that hard examples cancel out."""
    if first.shape != second.shape or first.dim() != 1:
        raise ValueError(
            f"paired scores have shapes {tuple(first.shape)} and {tuple(second.shape)}: "
            "expected one score an example, for the same examples in the same order"
        )
    difference = first.double() - second.double()
    return bootstrap(
        lambda i: difference[i].mean(), n=len(difference), draws=draws, confidence=confidence, seed=seed
    )


def mean_over_seeds(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Mean over independent runs with Student's t interval: right for the few seeds people can afford."""
    if len(values) < 2:
        raise ValueError(f"{len(values)} run: an interval over seeds needs at least two")
    from scipy import stats  # half a second, for this one line: not before it is needed

    mean, spread = statistics.fmean(values), statistics.stdev(values)
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * spread / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half, confidence)
