"""Triplets: an anchor should be nearer to one of its own than to a stranger, by a margin.

Most triplets of a batch are satisfied and teach nothing, so the loss depends on which ones are mined.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from shared.losses.distances import all_distances, distance
from shared.losses.reduction import Reduction, at_least_float32, reduce
from shared.shapes import ShapeError, expect

Mining = Literal["all", "hard", "semi-hard"]
Indices = Int[Tensor, "triplets"]


def triplet_loss(
    anchor: Float[Tensor, "N D"],
    positive: Float[Tensor, "N D"],
    negative: Float[Tensor, "N D"],
    *,
    margin: float = 0.3,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """max(0, ‖a − p‖ − ‖a − n‖ + margin).

    Gradients are finite where embeddings coincide; finite at embeddings of ±10⁴; 0 for no triplets.
    """
    if anchor.ndim != 2 or anchor.shape != positive.shape or anchor.shape != negative.shape:
        shapes = ", ".join(str(tuple(t.shape)) for t in (anchor, positive, negative))
        raise ShapeError(f"triplet_loss takes three batches [N, D] of one shape, but it got {shapes}")
    anchor, positive, negative = (at_least_float32(t) for t in (anchor, positive, negative))
    losses = (distance(anchor, positive) - distance(anchor, negative) + margin).clamp(min=0)
    return reduce(losses, None, reduction)


def mined_triplet_loss(
    embeddings: Float[Tensor, "N D"],
    labels: Int[Tensor, "N"],
    *,
    margin: float = 0.3,
    mining: Mining = "hard",
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """``triplet_loss`` of the triplets that ``mine_triplets`` finds in a batch; 0 where it finds none."""
    a, p, n = mine_triplets(embeddings, labels, mining, margin=margin)
    return triplet_loss(embeddings[a], embeddings[p], embeddings[n], margin=margin, reduction=reduction)


@torch.no_grad()
def mine_triplets(
    embeddings: Float[Tensor, "N D"],
    labels: Int[Tensor, "N"],
    mining: Mining = "hard",
    *,
    margin: float = 0.3,
) -> tuple[Indices, Indices, Indices]:
    """Rows of the batch that make triplets (anchor, positive, negative).

    all        every anchor with every other of its class and every one of another class hard       for each
    anchor its farthest positive and its nearest negative semi-hard  for each anchor and positive the
    nearest negative among those farther than the positive, if that is
               within the margin

    An anchor without a positive (itself does not count) or without a negative is in no triplet.
    """
    expect(embeddings, "N D", "embeddings")
    expect(labels, "N", "labels", "one class an embedding", N=embeddings.shape[0])
    if mining not in get_args(Mining):
        raise ValueError(f"no mining is called {mining!r}; there are {', '.join(get_args(Mining))}")
    d = all_distances(at_least_float32(embeddings))
    same = labels[:, None] == labels[None, :]
    positives = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    if mining == "all":
        a, p, n = (positives[:, :, None] & ~same[:, None, :]).nonzero().unbind(1)
        return a, p, n
    if mining == "hard":
        return _hardest(d, positives, ~same)
    return _semi_hard(d, positives, ~same, margin)


def _hardest(d: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Indices, Indices, Indices]:
    a = (positives.any(1) & negatives.any(1)).nonzero().squeeze(1)
    if not len(a):
        return a, a, a
    farthest = d[a].masked_fill(~positives[a], -torch.inf).argmax(1)
    nearest = d[a].masked_fill(~negatives[a], torch.inf).argmin(1)
    return a, farthest, nearest


def _semi_hard(
    d: Tensor, positives: Tensor, negatives: Tensor, margin: float
) -> tuple[Indices, Indices, Indices]:
    a, p = positives.nonzero().unbind(1)
    if not len(a):
        return a, a, a
    reach = d[a, p][:, None]
    candidates = d[a].masked_fill(~(negatives[a] & (d[a] > reach) & (d[a] < reach + margin)), torch.inf)
    found = candidates.isfinite().any(1)
    return a[found], p[found], candidates[found].argmin(1)
