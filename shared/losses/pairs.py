"""Losses on pairs: embeddings of the same thing belong together, those of different things apart."""

from jaxtyping import Bool, Float
from torch import Tensor

from shared.losses.distances import direction, distance
from shared.losses.reduction import Reduction, at_least_float32, reduce
from shared.shapes import ShapeError


def contrastive_loss(
    first: Float[Tensor, "N D"],
    second: Float[Tensor, "N D"],
    same: Bool[Tensor, "N"],
    *,
    margin: float = 1.0,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """d² for a pair of the same thing, max(0, margin − d)² for a pair of different ones, with d = ‖a − b‖.

    Gradients are finite where the two coincide (0 there); finite at embeddings of ±10⁴; 0 for no pairs.
    """
    _check_pairs("contrastive_loss", first, second, same)
    d = distance(at_least_float32(first), at_least_float32(second))
    return reduce(d.square().where(same, (margin - d).clamp(min=0).square()), None, reduction)


def cosine_embedding_loss(
    first: Float[Tensor, "N D"],
    second: Float[Tensor, "N D"],
    same: Bool[Tensor, "N"],
    *,
    margin: float = 0.0,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """1 − cos for a pair of the same thing, max(0, cos − margin) for a pair of different ones.

    (torch's own takes +1 and −1 where this takes True and False.) A zero vector has cosine 0 with
    everything and a finite gradient; finite at embeddings of ±10⁴; 0 for no pairs.
    """
    _check_pairs("cosine_embedding_loss", first, second, same)
    cosine = (direction(at_least_float32(first)) * direction(at_least_float32(second))).sum(-1)
    return reduce((1 - cosine).where(same, (cosine - margin).clamp(min=0)), None, reduction)


def _check_pairs(loss: str, first: Tensor, second: Tensor, same: Tensor) -> None:
    if first.ndim != 2 or first.shape != second.shape or same.shape != first.shape[:1]:
        raise ShapeError(
            f"{loss} takes two batches of embeddings [N, D] and one answer a pair [N], but it got "
            f"{tuple(first.shape)}, {tuple(second.shape)} and {tuple(same.shape)}"
        )
