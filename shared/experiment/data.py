"""The data sets of a run: what a model reads, what it is asked, and what it must know about both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shared.config import did_you_mean
from shared.experiment.digest import digest
from shared.experiment.errors import ExperimentError
from shared.models import CATALOGUE, model_info
from shared.train.batches import Batches, as_batches
from shared.train.task import Batch

Example = tuple[Tensor, ...]
"""``(*inputs, target)``."""


@dataclass(frozen=True)
class ExperimentData:
    """A data set in the form that one kind of model reads.

    Args:
        parts: the examples, "train" and "valid".
        settings: options of a model that the data decide, such as the number of classes.
        classes: how many there are to choose from.
        ignore: the target that does not count.
    """

    name: str
    parts: dict[str, Sequence[Example]]
    settings: dict[str, Any]
    ignore: int | None = None

    @property
    def sizes(self) -> dict[str, int]:
        return {part: len(examples) for part, examples in self.parts.items()}

    def fingerprint(self) -> str:
        """SHA-256 of every example in its order."""
        return digest(
            (f"{part}[{index}]", value)
            for part, examples in self.parts.items()
            for index, example in enumerate(examples)
            for value in example
        )

    def shuffled(self, batch_size: int, seed: int) -> Batches:
        return as_batches(DataLoader(cast(Dataset[Example], self.parts["train"]), batch_size, shuffle=True))

    def batch_count(self, batch_size: int) -> int:
        return -(-len(self.parts["train"]) // batch_size)

    def in_order(self, part: str) -> Iterable[Batch]:
        return DataLoader(cast(Dataset[Example], self.parts[part]), 256)


def _digits(kind: str) -> ExperimentData:
    """8×8 pictures of digits, 1,437 to train and 360 to validate, pixels in [0, 1]."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    inputs = torch.tensor(pixels, dtype=torch.float32) / 16
    if kind == "image":
        inputs = inputs.view(-1, 1, 8, 8)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    examples = list(zip(inputs[order], torch.tensor(labels)[order], strict=True))
    parts: dict[str, Sequence[Example]] = {"train": examples[:1437], "valid": examples[1437:]}
    return ExperimentData("digits", parts, {"classes": 10, "inputs": 64, "channels": 1})


DATA: Final[dict[str, tuple[tuple[str, ...], Callable[[str], ExperimentData]]]] = {
    "digits": (("features", "image"), _digits),
}


def open_data(name: str, model: str) -> ExperimentData:
    if name not in DATA:
        raise ExperimentError(f'no data set is called "{name}": {did_you_mean(name, list(DATA))}')
    kinds, load = DATA[name]
    kind = model_info(model).inputs
    if kind not in kinds:
        fitting = [other for other, info in CATALOGUE.items() if info.inputs in kinds]
        raise ExperimentError(
            f"{model} reads {kind}, and {name} is not that: take one of {', '.join(fitting)}"
        )
    return load(kind)
