"""InfoNCE: find your partner among all of the batch.

Each row of one view must pick its own row of the other view; all other rows are the wrong answers. log N
minus the loss is a lower bound of what the two views have in common, so larger batches can show more.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from shared.losses.classification import cross_entropy
from shared.losses.distances import direction
from shared.losses.reduction import at_least_float32
from shared.shapes import ShapeError


def info_nce(
    first: Float[Tensor, "N D"],
    second: Float[Tensor, "N D"],
    *,
    temperature: float = 0.1,
    symmetric: bool = True,
) -> Float[Tensor, ""]:
    """−log e^{s_ii/τ} / Σ_j e^{s_ij/τ}, the mean over rows i, with s_ij the cosine of first_i and second_j.

    ``symmetric`` also asks each row of ``second`` for its partner and takes the mean of both. Embeddings
    are normalised here, so their length has no influence. 0 for one pair (there is nobody to confuse it
    with) and for none. Finite at embeddings of ±10⁴ and at zero vectors.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise ShapeError(
            f"info_nce takes two views [N, D] of the same things, but it got {tuple(first.shape)} "
            f"and {tuple(second.shape)}"
        )
    if temperature <= 0:
        raise ValueError(f"the temperature divides the similarities, so it is > 0, not {temperature}")
    similarity = direction(at_least_float32(first)) @ direction(at_least_float32(second)).T / temperature
    partner = torch.arange(len(first), device=first.device)
    loss = cross_entropy(similarity, partner)
    return (loss + cross_entropy(similarity.T, partner)) / 2 if symmetric else loss
