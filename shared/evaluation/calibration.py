"""Does a confidence of 80 % mean right in 80 of 100 cases?"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def reliability(
    probabilities: Float[Tensor, "n c"], target: Int[Tensor, " n"], *, bins: int = 10
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"], Int[Tensor, " b"]]:
    """(mean confidence, accuracy, count) for bins (0, 1/b], (1/b, 2/b] … of the highest probability.

    Empty bins have confidence and accuracy 0 and count 0.
    """
    confidence, predicted = probabilities.double().max(dim=1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    place = torch.bucketize(confidence, edges)
    count = torch.bincount(place, minlength=bins)
    right = (predicted == target).double()
    filled = count.clamp(min=1).double()
    mean_confidence = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, confidence) / filled
    share_right = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, right) / filled
    return mean_confidence, share_right, count


def expected_calibration_error(
    probabilities: Float[Tensor, "n c"], target: Int[Tensor, " n"], *, bins: int = 10
) -> float:
    """Σ over bins of (share of examples) · |accuracy − confidence|; 0 is calibrated, NaN without examples."""
    confidence, share_right, count = reliability(probabilities, target, bins=bins)
    weight = count.double() / count.sum()
    return float((weight * (share_right - confidence).abs()).sum())
