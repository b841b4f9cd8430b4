"""What is learned: the loss and the metrics of a batch, as sums over its valid targets.

Sums, because means do not add up. The mean of two batches' means is the mean of all their targets only
where both have equally many, and with padding or a short last batch they have not. A sum and a count can be
carried over micro-batches, ranks and whole data sets, and divided once, at the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batch = Any
"""What a loader yields; only the task looks inside."""


@runtime_checkable
class Task(Protocol):
    """How to train and judge a model on a batch. Write your own for anything that ``Supervised`` does not
    cover."""

    def count(self, batch: Batch) -> int | Tensor:
        """How many targets are valid. Asked before the forward pass: the gradient is divided by the count
        of the whole window. A tensor, on the batch's device, saves waiting for the device."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The sum of the losses of the valid targets, a scalar."""

    def measure(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The sums of "loss" and of every metric over the valid targets, scalars."""


Summed = Callable[[Tensor, Tensor], Tensor]
"""From outputs and targets to a sum over the valid targets."""


@dataclass(frozen=True)
class Supervised:
    """A batch is ``(*inputs, targets)``, the model is called with the inputs.

    Each element of ``targets`` is one target; those equal to ``ignore`` are not valid, and ``loss_sum`` and
    the metrics must leave them out.
    """

    loss_sum: Summed
    metrics: Mapping[str, Summed] = field(default_factory=dict)
    ignore: int | None = None

    def count(self, batch: Batch) -> int | Tensor:
        targets: Tensor = batch[-1]
        return targets.numel() if self.ignore is None else (targets != self.ignore).sum()

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        *inputs, targets = batch
        return self.loss_sum(model(*inputs), targets)

    def measure(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        *inputs, targets = batch
        outputs = model(*inputs)
        sums = {name: metric(outputs, targets) for name, metric in self.metrics.items()}
        return {"loss": self.loss_sum(outputs, targets), **sums}


def classification(*, ignore: int | None = None, smoothing: float = 0.0) -> Supervised:
    """Cross-entropy and accuracy. Logits have their classes last: [B, K] with targets [B], or [B, T, V]
    with [B, T]."""
    loss = partial(_cross_entropy_sum, ignore=-100 if ignore is None else ignore, smoothing=smoothing)
    return Supervised(loss, {"accuracy": partial(_correct, ignore=ignore)}, ignore)


def regression() -> Supervised:
    """Squared error, and absolute error as a metric, for each element of the targets."""
    return Supervised(
        partial(F.mse_loss, reduction="sum"), {"absolute_error": partial(F.l1_loss, reduction="sum")}
    )


def _cross_entropy_sum(logits: Tensor, targets: Tensor, *, ignore: int, smoothing: float) -> Tensor:
    if targets.ndim > 1:
        logits, targets = logits.flatten(0, -2), targets.flatten()  # [B T, V] and [B T]
    return F.cross_entropy(logits, targets, ignore_index=ignore, label_smoothing=smoothing, reduction="sum")


def _correct(logits: Tensor, targets: Tensor, *, ignore: int | None) -> Tensor:
    right = logits.argmax(dim=-1) == targets
    return torch.sum(right if ignore is None else right & (targets != ignore))
