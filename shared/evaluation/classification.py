"""Classification metrics from one table of counts."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def confusion_matrix(
    predicted: Int[Tensor, " n"], target: Int[Tensor, " n"], *, classes: int
) -> Int[Tensor, "c c"]:
    """Counts [true class, predicted class]: a row sums to how often its class occurs."""
    for name, labels in (("predicted", predicted), ("target", target)):
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(
                f"{name} labels span {int(labels.min())}…{int(labels.max())}, expected 0…{classes - 1}"
            )
    return torch.bincount(target * classes + predicted, minlength=classes**2).reshape(classes, classes)


def accuracy(confusion: Int[Tensor, "c c"]) -> float:
    """Share of right predictions; NaN without any example."""
    return float(confusion.diagonal().sum().double() / confusion.sum())


def precision_recall(confusion: Int[Tensor, "c c"]) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Precision and recall by class: 0 where a class is never predicted, or never occurs."""
    right = confusion.diagonal().double()
    predicted, occurring = confusion.sum(0).double(), confusion.sum(1).double()
    return right / predicted.clamp(min=1), right / occurring.clamp(min=1)


def f1_per_class(confusion: Int[Tensor, "c c"]) -> Float[Tensor, " c"]:
    """2·right / (predicted + occurring), 0 for a class that is neither."""
    right = confusion.diagonal().double()
    return 2 * right / (confusion.sum(0) + confusion.sum(1)).double().clamp(min=1)


def macro_f1(confusion: Int[Tensor, "c c"]) -> float:
    """The mean of the classes' F1 scores: a rare class weighs as much as a frequent one."""
    return float(f1_per_class(confusion).mean())


def topk_accuracy(scores: Float[Tensor, "n c"], target: Int[Tensor, " n"], *, k: int) -> float:
    """Share of examples whose class is among the k highest scores; NaN without any example."""
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k={k}, expected 1…{scores.shape[1]}, the number of classes")
    hits = (scores.topk(k, dim=1).indices == target[:, None]).any(1)
    return float(hits.double().mean())
