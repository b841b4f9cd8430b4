"""A small run to interrupt, repeat and spoil."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

from shared.train import (
    CheckpointConfig,
    Hook,
    TrainConfig,
    Trainer,
    TrainState,
    classification,
)


def problem() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(105, 6, generator=generator)
    return inputs, (inputs[:, 0] * inputs[:, 1] > 0).long()


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.BatchNorm1d(24), nn.Dropout(0.2), nn.Linear(24, 2))


def train_loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(*problem()), batch_size=10, shuffle=True)  # 11 batches, the last of 5


def valid_loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(*problem()), batch_size=64)


class Stop(Exception):
    """Ends a run from within."""


class StopAt(Hook):
    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, state: TrainState) -> None:
        if state.step == self.step:
            raise Stop


class Average(Hook):
    def __init__(self, model: nn.Module) -> None:
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))

    def stepped(self, state: TrainState) -> None:
        self.averaged.update_parameters(state.model)


def make(config: TrainConfig, hooks: Sequence[Hook] = ()) -> tuple[Trainer, Average]:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2)
    average = Average(model)
    scheduler = CosineAnnealingLR(optimizer, 60)
    trainer = Trainer(
        model,
        optimizer,
        classification(),
        config,
        scheduler=scheduler,
        hooks=[average, *hooks],
        also={"average": average.averaged},
    )
    return trainer, average


def config_in(folder: Path | None, **more: Any) -> TrainConfig:
    checkpoint = CheckpointConfig(
        folder=folder, every=3 if folder else None, keep=2, resume=folder is not None
    )
    defaults = {"epochs": 4, "accumulate": 3, "log_every": 5, "checkpoint": checkpoint}
    return TrainConfig(**{**defaults, **more})


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return copy.deepcopy(trainer.state.model.state_dict())


def equal(one: Any, other: Any) -> bool:
    """Equality to the bit of nested states."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def without_settings(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "config"}
