"""From one vector a position to one vector a sequence, over the real positions only.

The padding is left out, not multiplied by zero: 0 · NaN is NaN, and a maximum over zeros hides a negative
feature.
"""

from jaxtyping import Float
from torch import Tensor

from shared.shapes import Real, Sequence, expect


def masked_mean(x: Sequence, real: Real) -> Float[Tensor, "B D"]:
    """Mean over real positions; zero for a sequence that has none."""
    expect(real, "B T", "the padding mask", "True at real tokens")
    total = x.masked_fill(~real[:, :, None], 0.0).sum(1)
    return total / real.sum(1, keepdim=True).clamp(min=1)


def masked_max(x: Sequence, real: Real) -> Float[Tensor, "B D"]:
    """Maximum over real positions; zero for a sequence that has none."""
    expect(real, "B T", "the padding mask", "True at real tokens")
    largest = x.masked_fill(~real[:, :, None], float("-inf")).amax(1)
    return largest.masked_fill(~real.any(1, keepdim=True), 0.0)
