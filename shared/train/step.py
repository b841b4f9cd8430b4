"""One optimizer step. All that it reads and changes is in its arguments."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from shared.train.clip import clip_global_norm
from shared.train.precision import Precision
from shared.train.task import Batch, Task

ALONE = nullcontext()
"""Where there is nobody to exchange gradients with."""


class StepResult(NamedTuple):
    """What a step has measured, still on the device."""

    loss_sum: Tensor
    """Over this process's valid targets."""
    targets: int | Tensor
    """Valid targets of the whole window, on all ranks."""
    grad_norm: float | Tensor | None
    """Before clipping; None where nothing is clipped."""


@runtime_checkable
class Ranks(Protocol):
    """The processes that train together; a run of one process needs none."""

    rank: int
    size: int

    def sum(self, value: Tensor) -> Tensor:
        """The sum of every rank's ``value``."""

    def synchronise(self, model: nn.Module, last: bool) -> AbstractContextManager[None]:
        """Around a forward and backward pass: exchange gradients only if it is the window's ``last``."""


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    window: Sequence[Batch],
    *,
    parameters: Sequence[nn.Parameter],
    precision: Precision,
    clip_norm: float | None = None,
    ranks: Ranks | None = None,
) -> StepResult:
    """Minimise the mean loss over all valid targets of the window's batches, be there one or several.

    The gradient equals that of one batch that holds them all: each loss is a sum, divided by the count of
    the whole window (not by the batch's own, which would give short batches too much weight). A window
    without any valid target has gradient zero.
    """
    count: int | Tensor = sum(map(task.count, window))
    if ranks is not None:
        count = ranks.sum(torch.as_tensor(count, device=precision.device))
    size = 1 if ranks is None else ranks.size  # the ranks' gradients will be averaged, but should be added

    for parameter in parameters:
        parameter.grad = None
    loss_sum: Tensor | None = None
    for number, batch in enumerate(window, start=1):
        last = number == len(window)
        with ALONE if ranks is None else ranks.synchronise(model, last=last):
            with precision.forward():
                loss = task.loss(model, batch)
            if loss.ndim:
                raise ValueError(
                    f"task.loss should give one number, the sum, but it has shape {tuple(loss.shape)}"
                )
            # The chain rule starts at 1/count instead of at 1: no division in the graph.
            loss.backward(precision.scale(_share(size, count, loss)))
        loss_sum = loss.detach() if loss_sum is None else loss_sum + loss.detach()
    assert loss_sum is not None, "a window has at least one batch"

    precision.unscale(optimizer)
    grad_norm = None if clip_norm is None else clip_global_norm(parameters, clip_norm)
    precision.step(optimizer)
    return StepResult(loss_sum, count, grad_norm)


def _share(size: int, count: int | Tensor, loss: Tensor) -> Tensor:
    """size / count as a tensor like the loss: scaling what goes backward costs no operation of its own."""
    if isinstance(count, Tensor):
        return size / count.to(loss).clamp(min=1)
    return torch.full_like(loss, size / max(count, 1))
