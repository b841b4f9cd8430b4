"""E5's real task: digits, with fixed settings."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.data import Examples, Loader, digits

EPOCHS, LEARN, BATCH = 12, 1200, 32


def network(seed: int) -> nn.Sequential:
    """64-128-128-10 with dropout 0.1; the same weights for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1)),
            *(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.1)),
            nn.Linear(128, 10),
        )


def loaders(seed: int, shuffled: torch.Generator | None = None) -> tuple[Loader, Loader]:
    """1,200 digits to learn from, 237 held out; `shuffled` puts all labels in random order."""
    data = digits(flat=True).train
    targets = data.targets
    if shuffled is not None:
        targets = targets[torch.randperm(len(targets), generator=shuffled)]
    learn = Examples(data.inputs[:LEARN], targets[:LEARN])
    held = Examples(data.inputs[LEARN:], targets[LEARN:])
    return Loader(learn, BATCH, shuffle=True, seed=seed), Loader(held, 64)


def trainer_for_digits(
    cls: type,
    folder: Path,
    seed: int,
    *,
    epochs: int = EPOCHS,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    callbacks: tuple[Callable[[Any], None], ...] = (),
) -> Any:
    """The learner's trainer with the settings that the exercise names."""
    total = epochs * math.ceil(LEARN / BATCH)
    model = network(seed)
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=total)
    options = {"scheduler": scheduler, "max_norm": 1.0, "seed": seed, "callbacks": callbacks}
    return cls(model, optimizer, loss_fn, ckpt_dir=folder, **options)


def test_accuracy(trainer: Any) -> float:
    test = digits(flat=True).test
    trainer.model.eval()
    with torch.no_grad():
        return float((trainer.model(test.inputs).argmax(1) == test.targets).double().mean())
