"""Random numbers that are a function of (seed, epoch, index): a hash instead of a generator.

A generator's numbers depend on everything drawn before, so on the number of workers, on the batch size and
on what was resumed when. A hash of the example's own key has no before: the third number for example 17 in
epoch 2 is the same in whatever process and order it is asked for, and those of a whole batch come from one
vectorised formula.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from shared.seeding import derive_seed

# SplitMix64 (Steele, Lea and Flood 2014), with its constants as the signed integers that torch has.
_STEP = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


class Draws:
    """The random numbers of some examples in one epoch. Each call gives new ones, in a fixed order."""

    def __init__(self, seed: int, epoch: int, indices: Int[Tensor, "B"]) -> None:
        start = derive_seed(seed, epoch)
        self._keys = _mix(_mix(indices.long() + start))  # B
        self._used = 0

    def __len__(self) -> int:
        return len(self._keys)

    def uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "B count"]:
        """``count`` numbers for each example, low ≤ u < high, in float32."""
        numbers = torch.arange(self._used + 1, self._used + count + 1)
        self._used += count
        bits = _mix(self._keys.unsqueeze(1) + numbers * _STEP)  # B count
        fraction: Tensor = _shifted(bits, 40).float() * 2.0**-24  # as many bits as a float32 has
        return fraction * (high - low) + low

    def normal(self, count: int) -> Float[Tensor, "B count"]:
        """``count`` standard normal numbers for each example, by Box and Muller."""
        radius = torch.sqrt(-2 * torch.log1p(-self.uniform(count)))  # 1 − u is never 0
        return radius * torch.cos(2 * math.pi * self.uniform(count))

    def chance(self, probability: float) -> Bool[Tensor, "B"]:
        """Whether something of that probability happens, for each example."""
        happens: Tensor = self.uniform(1).squeeze(1) < probability
        return happens


def _mix(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser: each bit of the result depends on every bit of the argument."""
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, places: int) -> Tensor:
    """Shift right and fill with zeros; torch's own shift repeats the sign."""
    shifted: Tensor = (bits >> places) & (2 ** (64 - places) - 1)
    return shifted
