"""How good a model is on a data set, with an interval around every number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.evaluation import Interval, bootstrap, confusion_matrix, f1_per_class
from shared.seeding import preserved_rng
from shared.train import Precision, to_device
from shared.train.task import Batch


@dataclass(frozen=True)
class Judged:
    """What a model makes of N examples: sums over each example's valid targets, so that examples can be drawn
    again."""

    loss: Tensor  # N, summed cross-entropy
    right: Tensor  # N, how many targets were the likeliest class
    count: Tensor  # N, how many targets there are
    predicted: Tensor | None  # N, where each example has one target
    target: Tensor | None


def judge(model: nn.Module, batches: Iterable[Batch], precision: Precision, ignore: int | None) -> Judged:
    """Run the model over all batches ``(*inputs, targets)``; neither it nor a random generator notices."""
    found: list[tuple[Tensor, ...]] = []
    training = model.training
    model.eval()
    with torch.no_grad(), preserved_rng():
        for batch in batches:
            *inputs, targets = to_device(batch, precision.device)
            with precision.forward():
                logits = model(*inputs)
            found.append(tuple(part.cpu() for part in _by_example(logits.float(), targets, ignore)))
    model.train(training)
    loss, right, count, predicted, target = (torch.cat(parts) for parts in zip(*found, strict=True))
    single = targets.ndim == 1
    return Judged(loss, right, count, predicted if single else None, target if single else None)


def _by_example(logits: Tensor, targets: Tensor, ignore: int | None) -> tuple[Tensor, ...]:
    """Of logits [B, …, K] and targets [B, …]: losses, hits and counts [B], and both kinds of class [B, …]."""
    ignored = -100 if ignore is None else ignore
    losses = F.cross_entropy(
        logits.flatten(0, -2), targets.flatten(), ignore_index=ignored, reduction="none"
    ).view(len(targets), -1)
    predicted, valid = logits.argmax(-1), targets != ignored
    right = (predicted == targets) & valid
    per_example = (part.reshape(len(targets), -1).sum(1).double() for part in (losses, right, valid))
    if targets.ndim > 1:  # sequences of several lengths cannot be stacked
        predicted = targets = torch.zeros(len(targets), dtype=torch.long)
    return *per_example, predicted, targets


def metrics(judged: Judged, *, draws: int = 2000) -> dict[str, Interval]:
    """Loss and accuracy over all targets, and macro F1 or, for sequences, the share that is right throughout.

    The intervals say how the numbers would move with other examples of the same kind, for this very model.
    """

    def mean_of(sums: Tensor) -> Interval:
        return bootstrap(lambda i: sums[i].sum() / judged.count[i].sum(), n=len(sums), draws=draws)

    found = {"loss": mean_of(judged.loss), "accuracy": mean_of(judged.right)}
    predicted, target = judged.predicted, judged.target
    if predicted is not None and target is not None:
        classes = 1 + max(int(predicted.max()), int(target.max()))
        found["macro_f1"] = bootstrap(
            lambda i: _macro_f1(confusion_matrix(predicted[i], target[i], classes=classes)),
            n=len(target),
            draws=draws,
        )
    else:
        exact = (judged.right == judged.count).double()
        found["exact_match"] = bootstrap(lambda i: exact[i].mean(), n=len(exact), draws=draws)
    return found


def _macro_f1(confusion: Tensor) -> float:
    """The mean F1 of the classes that are there: not all are in every draw from a small data set."""
    there = confusion.sum(0) + confusion.sum(1) > 0
    return float(f1_per_class(confusion)[there].mean())
