"""The data of a run in the form that one kind of model reads, and their batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.data.examples import Examples
from shared.data.loader import Loader
from shared.data.order import TokenBudget
from shared.experiment.digest import digest

Example = tuple[Tensor, ...]
Part = Examples | Sequence[Example]

JUDGED_AT_ONCE = 256
"""Examples in a batch that is only looked at."""


@dataclass(frozen=True)
class ExperimentData:
    """Parts to learn from ("train"), to stop by ("valid") and to be judged by in the end ("test").

    Args:
        settings: options of a model that the data decide, such as how many classes there are.
        collate: makes a batch ``(*inputs, targets)`` of a list of examples; ``Examples`` need none.
        ignore: the target that does not count.
    """

    name: str
    parts: dict[str, Part]
    settings: dict[str, Any]
    collate: Callable[[Sequence[Any]], Any] | None = None
    ignore: int | None = None

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(part) for name, part in self.parts.items()}

    def training(self, batch_size: int, seed: int) -> Loader:
        """Batches of ``batch_size`` examples, shuffled by (seed, epoch).

        Those of sequences hold examples of similar length, as many as have together the tokens of
        ``batch_size`` examples of mean length: short ones more, long ones fewer.
        """
        part = self.parts["train"]
        if isinstance(part, Examples):
            return Loader(part, batch_size, shuffle=True, seed=seed)
        lengths = torch.tensor([len(example[0]) for example in part])
        budget = max(round(batch_size * float(lengths.double().mean())), int(lengths.max()))
        return Loader(part, order=TokenBudget(lengths, budget, seed), seed=seed, collate=self.collate)

    def in_order(self, part: str) -> Loader:
        """All examples of a part, as they come."""
        return Loader(self.parts[part], JUDGED_AT_ONCE, collate=self.collate)

    def fingerprint(self) -> str:
        """SHA-256 of every example, in order."""
        return digest(
            (name, tensor)
            for name, part in self.parts.items()
            for example in ([(part.inputs, part.targets)] if isinstance(part, Examples) else part)
            for tensor in example
        )


def count_windows(loader: Loader, epochs: int, accumulate: int) -> int:
    """Optimizer steps of a whole run: exact, also where epochs differ in their number of batches."""
    return sum(-(-len(loader.order.batches(epoch)) // accumulate) for epoch in range(epochs))
