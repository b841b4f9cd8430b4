"""What E4's checks look through: an encoder that takes notes, and what a graph keeps alive."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check.observe import storage_key
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import F64

HIDDEN = 61  # a width that no other tensor of the step has


class Watched(nn.Module):
    """[B, 5] → [B, 3], each row by itself; remembers every call."""

    def __init__(self, generator: torch.Generator, dropout: float = 0.0) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(5, HIDDEN, dtype=F64), nn.Linear(HIDDEN, 3, dtype=F64)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=generator, dtype=F64) / 3)
        self.calls: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.last(self.dropout(torch.tanh(self.first(x))))
        self.calls.append((x.detach().clone(), z.detach().clone()))
        return z

    @property
    def most_rows(self) -> int:
        return max((len(x) for x, _ in self.calls), default=0)

    def rows_differ(self) -> bool:
        """Did one and the same row come out differently in two passes?"""
        seen: dict[tuple[float, ...], Tensor] = {}
        for x, z in self.calls:
            for row, out in zip(x, z, strict=True):
                known = seen.setdefault(tuple(row.tolist()), out)
                if not torch.allclose(known, out, rtol=1e-6, atol=1e-9):
                    return True
        return False

    def gradient(self) -> list[Tensor]:
        return [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters()]


class _Kept:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


@contextmanager
def rows_alive() -> Iterator[Callable[[], int]]:
    """The most rows of the hidden layer that graphs held at one time."""
    alive: weakref.WeakSet[_Kept] = weakref.WeakSet()
    most = 0

    def pack(tensor: Tensor) -> Any:
        nonlocal most
        kept = _Kept(tensor)
        if tensor.dim() == 2 and tensor.shape[1] == HIDDEN and tensor.shape[0] not in (3, 5):  # no weights
            alive.add(kept)
        most = max(most, sum({storage_key(k.tensor): len(k.tensor) for k in alive}.values()))
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        yield lambda: most


def full_batch_gradient(
    encoder: Watched, loss: Callable[[Tensor, Tensor], Tensor], x1: Tensor, x2: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Loss and gradient of all rows at once: what micro-batches must add up to."""
    value = loss(encoder(x1), encoder(x2))
    found = list(torch.autograd.grad(value, list(encoder.parameters())))
    encoder.calls.clear()
    return value.detach(), found
