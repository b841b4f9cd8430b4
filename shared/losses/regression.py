"""Huber's loss: squared near zero, absolute far away, so that an outlier pulls with a bounded force."""

from jaxtyping import Bool, Float
from torch import Tensor

from shared.losses.reduction import Reduction, at_least_float32, reduce
from shared.shapes import ShapeError


def huber_loss(
    prediction: Float[Tensor, "*N"],
    target: Float[Tensor, "*N"],
    *,
    delta: float = 1.0,
    counts: Bool[Tensor, "*N"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """½ e² for |e| ≤ δ, else δ (|e| − ½ δ), with e = prediction − target.

    The slope is e, limited to ±δ. Only elements where ``counts`` is True count. Finite at errors of ±10⁴; 0
    where nothing counts.
    """
    if prediction.shape != target.shape:
        raise ShapeError(
            f"huber_loss: predictions {tuple(prediction.shape)} and targets {tuple(target.shape)} should be "
            "of one shape: broadcasting would compare every pair"
        )
    if delta <= 0:
        raise ValueError(f"delta is where the loss turns from squared to absolute, so it is > 0, not {delta}")
    size = (at_least_float32(prediction) - at_least_float32(target)).abs()
    near = size.clamp(max=delta)
    return reduce(0.5 * near.square() + delta * (size - near), counts, reduction)
