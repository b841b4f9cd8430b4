"""A small network that has learned the digits, made once for all checks that need one."""

from __future__ import annotations

import copy
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.data import digits


@lru_cache(maxsize=1)
def all_digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = digits()
    return found.train.inputs, found.train.targets, found.test.inputs, found.test.targets


def architecture(channels: int = 16) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * channels, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


@lru_cache(maxsize=4)
def _trained(seed: int) -> nn.Sequential:
    X, y, _, _ = all_digits()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = architecture()
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(5):
            for rows in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                F.cross_entropy(model(X[rows]), y[rows]).backward()
                optimizer.step()
    return model.eval()


def trained(seed: int = 0) -> nn.Sequential:
    """A copy of the trained network, in evaluation mode."""
    return copy.deepcopy(_trained(seed))


@torch.no_grad()
def accuracy(model: nn.Module, X: Tensor, y: Tensor) -> float:
    return (model(X).argmax(dim=1) == y).double().mean().item()
