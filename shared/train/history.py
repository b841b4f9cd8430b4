"""What a run has measured: kept on the device while it runs, read rarely, and never lost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from shared.train.batches import to_device
from shared.train.step import Ranks, StepResult

Record = dict[str, float]


class TrainingDiverged(RuntimeError):
    """The loss or its gradient is no longer a number."""


@dataclass
class History:
    """The run's records, oldest first."""

    steps: list[Record] = field(default_factory=list)
    """"step", "loss" (over all targets since the record before), the largest "grad_norm" since then, and
    "lr"."""
    evaluations: list[Record] = field(default_factory=list)
    """"epoch" (how many are complete), "step", "loss" and the task's metrics."""

    def column(self, name: str) -> list[float]:
        """One value of every evaluation that has it, else of every step: ``history.column("accuracy")``."""
        for records in (self.evaluations, self.steps):
            if any(name in record for record in records):
                return [record[name] for record in records if name in record]
        known = sorted({key for record in self.steps + self.evaluations for key in record})
        raise KeyError(f'no record has "{name}": there are {", ".join(known) or "no records yet"}')


class Meter:
    """Collects steps' results without looking at them.

    Looking (``.item()``) makes the program wait until the device has caught up. So results stay tensors
    until they are read together; a NaN is then found as surely as at once, and its step is known.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.results: list[StepResult] = []

    def look(self, step: int, *, scaled: bool, ranks: Ranks | None = None) -> Record:
        """Summarise the results, of which the last is that of ``step``; there must be some.

        Raises TrainingDiverged if one of them is not finite. Where the loss is ``scaled``, overflowing
        gradients are part of the procedure: such a step was left out.
        """
        loss_sums, targets, grad_norms = zip(*self.results, strict=True)
        stacked = torch.stack(loss_sums)
        losses = (stacked if ranks is None else ranks.sum(stacked)).tolist()
        norms = _numbers([norm for norm in grad_norms if norm is not None])
        _check("loss", losses, step)
        if not scaled:
            _check("gradient norm", norms, step)
        record = {"step": step, "loss": math.fsum(losses) / max(sum(_numbers(targets)), 1)}
        if norms:
            record["grad_norm"] = max(filter(math.isfinite, norms), default=math.inf)
        return record

    def state_dict(self) -> dict[str, Any]:
        """The results that nobody has read yet."""
        return {"results": [tuple(result) for result in self.results]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.results = [StepResult(*to_device(result, self.device)) for result in state["results"]]


def _numbers(values: Sequence[float | Tensor]) -> Sequence[float]:
    """The values as numbers, all tensors among them read with one transfer."""
    if {*map(type, values)} <= {int, float}:
        return cast(Sequence[float], values)
    tensors = [value for value in values if isinstance(value, Tensor)]
    read = iter(torch.stack(tensors).tolist())
    return [next(read) if isinstance(value, Tensor) else value for value in values]


def _check(name: str, values: Sequence[float], last_step: int) -> None:
    if math.isfinite(sum(values)):
        return  # one look for all: what is not finite stays so in a sum
    for step, value in enumerate(values, start=last_step - len(values) + 1):
        if not math.isfinite(value):
            raise TrainingDiverged(f"the {name} became {value} at step {step}")
