"""An exponential moving average of the weights: a calmer model than the one that is being trained.

    average ← d · average + (1 − d) · weights,    d = min(decay, (1 + n) / (10 + n)) at the n-th update

It averages over about 1 / (1 − decay) steps, which does for a constant learning rate what a decaying one
would do. Buffers are averaged too: with averaged weights but the running statistics of the live ones, a
batch norm would be wrong.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


class EMA:
    """Keeps ``average``, a copy of the model in evaluation mode; call ``update`` after each optimizer step.

    Floating parameters and buffers are averaged, others (counters) are copied.

    Args:
        decay: d, in the long run.
        ramp: start with a smaller d, so that the random weights of the beginning are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999, *, ramp: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is the share of the past in the average, in [0, 1), but it is {decay}")
        self.decay, self.ramp = decay, ramp
        self.updates = 0
        self.average = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.ramp else self.decay
        for average, live in zip(_tensors(self.average), _tensors(model), strict=True):
            if average.is_floating_point():
                average.lerp_(live.to(average.dtype), 1 - decay)
            else:
                average.copy_(live)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[nn.Module]:
        """Lend the averaged weights to the model, for an evaluation; it has its own back afterwards."""
        self._swap(model)
        try:
            yield model
        finally:
            self._swap(model)

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates."""
        return {"updates": self.updates, "average": self.average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.updates = state["updates"]
        self.average.load_state_dict(state["average"])

    @torch.no_grad()
    def _swap(self, model: nn.Module) -> None:
        for average, live in zip(_tensors(self.average), _tensors(model), strict=True):
            kept = live.clone()
            live.copy_(average)
            average.copy_(kept)


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    """Each parameter and each buffer once, tied ones too."""
    return chain(model.parameters(), model.buffers())
