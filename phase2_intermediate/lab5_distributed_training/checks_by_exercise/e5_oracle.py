"""What one process ends with, without torch's optimizers: the right training, and known wrong ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.data import digits

MOMENTUM = 0.9


@dataclass(frozen=True)
class Training:
    """A run of the exercise's program; the fields after `seed` are mistakes."""

    epochs: int
    batch: int = 64
    lr: float = 0.1
    seed: int = 0
    factor: float = 1.0  # of the gradient
    momentum: float = MOMENTUM
    shuffle: bool = True
    same_order: bool = False
    drop_last: bool = False
    shard: tuple[int, int] | None = None  # (rank, world): this rank's rows alone
    mean_of_means: int = 1  # over so many shards
    one_generator: bool = False
    order_from: int = 0  # added to each epoch's number
    divide_by_batch: bool = False  # also where the last one is shorter
    kept: float = 0.0  # share of the last gradient that is left in this one
    kept_by_row: float = 0.0
    nesterov: bool = False
    forget_momentum_at: int = -1  # epoch
    restart_order_at: int = -1


@cache
def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = digits(flat=True)
    return found.train.inputs, found.train.targets, found.test.inputs, found.test.targets


def initial(seed: int) -> list[Tensor]:
    """The weights of `build_model()` after `torch.manual_seed(seed)`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [torch.nn.Linear(64, 128), torch.nn.Linear(128, 10)]
    return [p.detach().clone() for layer in layers for p in layer.parameters()]


def scores(weights: list[Tensor], x: Tensor) -> Tensor:
    return F.linear(F.relu(F.linear(x, *weights[:2])), *weights[2:])


@cache
def train(run: Training) -> tuple[Tensor, tuple[float, ...]]:
    """(all weights in one vector, mean loss of each epoch)."""
    x, y, _, _ = data()
    weights = [w.requires_grad_() for w in initial(run.seed)]
    velocity = [torch.zeros_like(w) for w in weights]
    last = velocity
    losses = []
    for epoch in range(run.epochs):
        if epoch == run.forget_momentum_at:
            velocity = [torch.zeros_like(w) for w in weights]
        total = 0.0
        for rows in _batches(run, epoch, len(x)):
            loss = _loss(run, scores(weights, x[rows]), y[rows])
            gradients = torch.autograd.grad(loss, weights)
            factor = run.factor * (len(rows) / run.batch if run.divide_by_batch else 1)
            kept = run.kept + run.kept_by_row / len(rows)
            last = [g * factor + kept * old for g, old in zip(gradients, last, strict=True)]
            total += loss.item() * len(rows)
            with torch.no_grad():
                for w, v, g in zip(weights, velocity, last, strict=True):
                    v.mul_(run.momentum).add_(g)
                    w.sub_(g + run.momentum * v if run.nesterov else v, alpha=run.lr)
        losses.append(total / len(x))
    return torch.cat([w.detach().flatten() for w in weights]), tuple(losses)


def _batches(run: Training, epoch: int, n: int) -> list[Tensor]:
    numbered = epoch - run.restart_order_at if 0 <= run.restart_order_at <= epoch else epoch
    generator = torch.Generator().manual_seed(
        run.seed + (0 if run.same_order or run.one_generator else numbered + run.order_from)
    )
    for _ in range(epoch if run.one_generator else 0):
        torch.randperm(n, generator=generator)
    order = torch.randperm(n, generator=generator) if run.shuffle else torch.arange(n)
    batches = [batch for batch in order.split(run.batch) if not run.drop_last or len(batch) == run.batch]
    return [batch[run.shard[0] :: run.shard[1]] for batch in batches] if run.shard else batches


def _loss(run: Training, logits: Tensor, y: Tensor) -> Tensor:
    if run.mean_of_means == 1:
        return F.cross_entropy(logits, y)
    parts = [(logits[r :: run.mean_of_means], y[r :: run.mean_of_means]) for r in range(run.mean_of_means)]
    means = [F.cross_entropy(one, target) if len(target) else logits.sum() * 0 for one, target in parts]
    return torch.stack(means).mean()


def accuracy(weights: Tensor, rows: slice = slice(None)) -> float:
    """Share of the test digits that these weights get right."""
    _, _, x, y = data()
    shaped, at = [], 0
    for template in initial(0):
        shaped.append(weights[at : at + template.numel()].view(template.shape))
        at += template.numel()
    return (scores(shaped, x[rows]).argmax(dim=1) == y[rows]).double().mean().item()


def apart(found: Tensor, expected: Tensor) -> float:
    """Relative difference of two weight vectors."""
    if found.shape != expected.shape:
        return float("inf")
    distance = (found.double() - expected.double()).norm() / expected.double().norm()
    return float(torch.nan_to_num(distance, nan=float("inf")))


def wrong_trainings(run: Training, world: int) -> dict[str, tuple[Training, str]]:
    """Known mistakes: (what would come out, words)."""
    return {
        "gradients-are-added": (
            replace(run, factor=float(world)),
            "as if the gradients of the ranks were added and not averaged: the learning rate "
            "is in effect larger",
        ),
        "gradients-divided-twice": (
            replace(run, factor=1 / world),
            "as if the gradient was divided by the number of ranks once too often",
        ),
        "each-rank-its-own-batch": (
            replace(run, batch=run.batch * world),
            "as if each rank took `--batch` rows: the global batch has grown with the ranks, "
            "and there are fewer steps",
        ),
        "batch-divided-by-ranks": (
            replace(run, batch=run.batch // world),
            "as if the global batch was smaller than `--batch`",
        ),
        "batch-cut-to-ranks": (
            replace(run, batch=run.batch // world * world),
            f"as if a batch had {run.batch // world * world} rows: `--batch` need not be a multiple of the "
            "number of ranks. Cut the order into global batches first, and deal each out to the ranks",
        ),
        "last-batch-divided-by-batch": (
            replace(run, divide_by_batch=True),
            "as if the gradients of the last, shorter batch were divided by `--batch`, and not by the rows "
            "that it has",
        ),
        "sums-not-cleared": (
            replace(run, kept_by_row=float(world)),
            "as if the gradient of the batch before was still in `p.grad` when backward added the next: "
            "zero_grad before each backward",
        ),
        "gradients-not-cleared": (
            replace(run, kept=1.0),
            "as if gradients were added up over the batches: zero_grad before each backward",
        ),
        "same-order-every-epoch": (
            replace(run, same_order=True),
            "as if every epoch had the same order: the seed of epoch e is seed + e",
        ),
        "one-generator": (
            replace(run, one_generator=True),
            "as if one generator, seeded once, gave the order of all epochs: make a new one for epoch e, "
            "with seed + e",
        ),
        "order-of-the-next-epoch": (
            replace(run, order_from=1),
            "as if the epochs were counted from 1: the order of the first one comes from the seed alone",
        ),
        "no-shuffle": (replace(run, shuffle=False), "as if the rows came in the order of the data set"),
        "last-batch-dropped": (
            replace(run, drop_last=True),
            "as if the last, shorter batch was left out",
        ),
        "no-momentum": (replace(run, momentum=0.0), "as if the momentum was 0, and not 0.9"),
        "nesterov": (replace(run, nesterov=True), "as if SGD had nesterov=True"),
        "seed-ignored": (replace(run, seed=0), "as if `--seed` was ignored"),
        "lr-ignored": (replace(run, lr=0.1), "as if `--lr` was ignored"),
        "batch-ignored": (replace(run, batch=64), "as if `--batch` was ignored"),
    }
