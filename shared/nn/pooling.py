"""From one vector a position to one vector a sequence, over the real positions only.

The padding is left out, not multiplied by zero: 0 · NaN is NaN, and a maximum over zeros hides a negative
feature.
"""

from collections.abc import Callable
from typing import Final, Literal

from jaxtyping import Float
from torch import Tensor

from shared.shapes import Real, Sequence, expect

Pooling = Literal["mean", "max", "first"]


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


def first_position(x: Sequence, real: Real) -> Float[Tensor, "B D"]:
    """The vector at the first position; zero for a sequence that has no real one."""
    return x[:, 0].masked_fill(~real[:, :1], 0.0)


_BY_NAME: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "mean": masked_mean,
    "max": masked_max,
    "first": first_position,
}


def pool(x: Sequence, real: Real, pooling: Pooling) -> Float[Tensor, "B D"]:
    """One vector a sequence, by the pooling of that name."""
    if pooling not in _BY_NAME:
        raise ValueError(f"no pooling is called {pooling!r}; there are {', '.join(_BY_NAME)}")
    return _BY_NAME[pooling](x, real)
