"""From one loss an example to one number, with the same rules everywhere.

``mean`` divides by what counts, not by what is there: ignored examples are in neither sum. Nothing to count
gives 0 (with a gradient of zeros), never 0/0, so that an empty batch of one rank or a fully padded
micro-batch is harmless. ``sum`` is for callers who divide by a larger total themselves, such as gradient
accumulation. ``none`` keeps one loss an example, 0 where it does not count.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Reduction = Literal["mean", "sum", "none"]


def reduce(
    losses: Float[Tensor, "*N"], counts: Bool[Tensor, "*N"] | None, reduction: Reduction
) -> Float[Tensor, "..."]:
    """Reduce ``losses`` over the examples where ``counts`` is True; ``None`` counts all."""
    check_reduction(reduction)
    if counts is not None:
        losses = losses.masked_fill(~counts, 0.0)
    if reduction == "none":
        return losses
    total = losses.sum()
    if reduction == "sum":
        return total
    count = losses.numel() if counts is None else counts.sum()
    return divide_or_zero(total, count)


def divide_or_zero(total: Float[Tensor, ""], count: Tensor | int) -> Float[Tensor, ""]:
    """total / count, and 0 for a count of 0, without asking the device what the count is."""
    if isinstance(count, int):
        return total / max(count, 1)
    return total / torch.where(count > 0, count, torch.ones_like(count))


def check_reduction(reduction: str) -> None:
    """Refuse a reduction that does not exist."""
    if reduction not in get_args(Reduction):
        raise ValueError(f"no reduction is called {reduction!r}; there are {', '.join(get_args(Reduction))}")


def at_least_float32(x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
    """Losses are computed in float32 at least: a sum of thousands of bfloat16 terms stops growing."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
