"""What a run has measured: kept on the device while it runs, read rarely, and never lost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
        sums = torch.stack([result.loss_sum for result in self.results])
        losses = (sums if ranks is None else ranks.sum(sums)).tolist()
        counts = _numbers([result.targets for result in self.results])
        norms = _numbers([result.grad_norm for result in self.results if result.grad_norm is not None])
        first = step - len(losses) + 1
        for name, values in (("loss", losses), ("gradient norm", [] if scaled else norms)):
            for offset, value in enumerate(values):
                if not math.isfinite(value):
                    raise TrainingDiverged(f"the {name} became {value} at step {first + offset}")
        record = {"step": step, "loss": math.fsum(losses) / max(math.fsum(counts), 1)}
        if norms:
            record["grad_norm"] = max((norm for norm in norms if math.isfinite(norm)), default=math.inf)
        return record

    def state_dict(self) -> dict[str, Any]:
        """The results that nobody has read yet."""
        return {"results": [tuple(result) for result in self.results]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.results = [StepResult(*to_device(result, self.device)) for result in state["results"]]


def _numbers(values: Sequence[float | Tensor]) -> list[float]:
    """Read all tensors with one transfer."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    read = iter(torch.stack(tensors).tolist()) if tensors else iter(())
    return [next(read) if isinstance(value, Tensor) else float(value) for value in values]
