"""Judging a model on a data set."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from shared.seeding import preserved_rng
from shared.train.batches import to_device
from shared.train.precision import Precision
from shared.train.step import Ranks
from shared.train.task import Batch, Task


def evaluate(
    model: nn.Module,
    task: Task,
    batches: Iterable[Batch],
    *,
    precision: Precision | None = None,
    ranks: Ranks | None = None,
) -> dict[str, float]:
    """The mean of the task's "loss" and metrics over all valid targets of all batches.

    Each target weighs the same, however the data are cut into batches. Nobody notices: the model's training
    flags and all random generators are as before. ``precision`` also says on which device the batches are
    wanted.
    """
    if precision is None:
        first = next(model.parameters(), None)
        precision = Precision("fp32", torch.device("cpu") if first is None else first.device)
    exact = torch.float32 if precision.device.type == "mps" else torch.float64  # MPS has no float64
    sums: dict[str, Tensor] = {}
    count: int | Tensor = 0
    flags = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), preserved_rng():
            for batch in batches:
                batch = to_device(batch, precision.device)
                with precision.forward():
                    measured = task.measure(model, batch)
                for name, value in measured.items():
                    sums[name] = sums.get(name, 0) + value.to(exact)
                count = count + task.count(batch)
    finally:
        for module, training in flags.items():
            module.training = training
    if ranks is not None:
        sums = {name: ranks.sum(value) for name, value in sums.items()}
        count = ranks.sum(torch.as_tensor(count, device=precision.device))
    if not sums:
        raise ValueError("the evaluation's loader yielded no batch: check that its data set is not empty")
    if not count:
        raise ValueError("the evaluation's batches have no valid target: check the task's ignored value")
    names = list(sums)
    return dict(zip(names, (torch.stack([sums[name] for name in names]) / count).tolist(), strict=True))
