"""E5's loop in its plainest form, right and with known mistakes: what a run without noise must give."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import BATCH, World

RATE = 0.3


@dataclass
class Plain:
    """A run of plain descent: its weights, history, and gradient norms."""

    weights: list[Tensor]
    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    steps: int = 0


def scores(weights: list[Tensor], x: Tensor) -> Tensor:
    first, shift, last, end = weights
    return (x[:, 1:] @ first.T + shift).tanh() @ last.T + end


def plain_run(
    world: World,
    epochs: int,
    *,
    accum: int = 1,
    max_norm: float | None = None,
    scheduled: bool = False,
    wrong: str = "",
) -> Plain:
    """Descent on the world's data by formulas of our own; `wrong` names a mistake to make."""
    run = Plain([w.double().clone() for w in world.weights])
    gradient = [torch.zeros_like(w) for w in run.weights]
    for epoch in range(epochs):
        batches = list(world.train.epoch(0 if wrong == "same order" else epoch))
        total, windows = 0.0, [batches[i : i + accum] for i in range(0, len(batches), accum)]
        if wrong == "drops leftover":
            windows = [window for window in windows if len(window) == accum]
        for window in windows:
            if wrong != "never cleared":
                gradient = [torch.zeros_like(w) for w in run.weights]
            count = sum(len(y) for _, y in window)
            for x, y in window:
                leaves = [w.clone().requires_grad_() for w in run.weights]
                loss = F.cross_entropy(scores(leaves, x), y)
                share = {
                    "mean of means": 1 / len(window),
                    "divided by accum": 1 / accum,
                    "not divided": 1.0,
                    "full batches": len(y) / (accum * BATCH),
                }.get(wrong, len(y) / count)
                part = [g * share for g in torch.autograd.grad(loss, leaves)]
                if wrong == "clips each" and max_norm is not None:
                    part = clipped(part, max_norm)
                gradient = [g + p for g, p in zip(gradient, part, strict=True)]
                total += loss.item() * len(y)
            step = gradient if max_norm is None or wrong == "unclipped" else clipped(gradient, max_norm)
            rate = RATE * 0.9**run.steps if scheduled else RATE
            run.weights = [w - rate * g for w, g in zip(run.weights, step, strict=True)]
            run.steps += 1
        run.train_loss.append(total / len(world.train.y))
        output = scores(run.weights, world.valid.x)
        run.val_loss.append(F.cross_entropy(output, world.valid.y).item())
        run.val_accuracy.append((output.argmax(1) == world.valid.y).double().mean().item())
    return run


def clipped(gradient: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.cat([g.flatten() for g in gradient]).norm().item()
    return [g * min(1.0, max_norm / norm) for g in gradient]
