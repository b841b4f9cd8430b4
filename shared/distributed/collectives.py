"""The collectives that a training loop needs, each of which does the obvious thing in a single process.

Two of torch's names changed in 2.13: `all_gather_single` and `reduce_scatter_single` are the new ones, and
this is the one place that knows.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from shared.distributed.environment import world_size

T = TypeVar("T")


def sum_over_ranks(value: Tensor) -> Tensor:
    """Σ over ranks, the same on each; the argument stays as it is."""
    total = value.detach().clone()
    if world_size() > 1:
        dist.all_reduce(total)
    return total


def mean_over_ranks(value: Tensor) -> Tensor:
    """Mean over ranks of a floating-point tensor; whole numbers have no exact mean and are refused."""
    if not value.is_floating_point():
        raise TypeError(
            f"mean of {value.dtype}: convert to a floating-point dtype first, or use sum_over_ranks"
        )
    return sum_over_ranks(value) / world_size()


def all_gather_single(value: Tensor) -> Tensor:
    """Equal-shaped [n, …] of every rank, concatenated: [world·n, …], the same on each."""
    if world_size() == 1:
        return value.detach().clone()
    gathered = value.new_empty((world_size() * value.shape[0], *value.shape[1:]))
    dist.all_gather_single(gathered, value.detach().contiguous())
    return gathered


def reduce_scatter_single(value: Tensor) -> Tensor:
    """[world·n, …] of every rank, summed; rank r keeps rows r·n … (r+1)·n."""
    n, rest = divmod(value.shape[0], world_size())
    if rest:
        raise ValueError(
            f"{value.shape[0]} rows cannot be scattered over {world_size()} ranks: pad them first"
        )
    if world_size() == 1:
        return value.detach().clone()
    own = value.new_empty((n, *value.shape[1:]))
    dist.reduce_scatter_single(own, value.detach().contiguous())
    return own


def gather_objects(value: T) -> list[T]:
    """One Python object of each rank, in the order of ranks, on every rank."""
    if world_size() == 1:
        return [value]
    gathered: list[Any] = [None] * world_size()
    dist.all_gather_object(gathered, value)
    return gathered


def broadcast_object(value: T, *, source: int = 0) -> T:
    """The source rank's object, on every rank."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=source, device=torch.device("cpu"))
    return box[0]
