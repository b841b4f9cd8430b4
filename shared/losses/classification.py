"""Cross-entropy, and the focal loss that turns down what is already right.

The classes are the *last* dimension: logits [*, K] go with targets [*], be it [B, K] or [B, T, V].
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from shared.losses.reduction import Reduction, at_least_float32, check_reduction, divide_or_zero, reduce
from shared.shapes import ShapeError

IGNORE = -100
"""A target that does not count, as in torch."""


def check_targets(loss: str, logits: Tensor, target: Tensor) -> None:
    """Refuse targets that do not go with the logits."""
    if logits.ndim < 1 or target.shape != logits.shape[:-1]:
        raise ShapeError(
            f"{loss}: logits {tuple(logits.shape)} have their classes last, so targets should have shape "
            f"{tuple(logits.shape[:-1])}, but they have {tuple(target.shape)}: move the classes to the end"
        )


def cross_entropy(
    logits: Float[Tensor, "*N K"],
    target: Int[Tensor, "*N"],
    *,
    weight: Float[Tensor, "K"] | None = None,
    smoothing: float = 0.0,
    ignore: int = IGNORE,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """−Σ_k q_k log softmax(z)_k, with q = (1 − ε) · one-hot + ε / K.

    Args:
        weight: w_k, on each term of the sum; the mean then divides by the sum of the targets' weights.
        smoothing: ε, spread over all classes including the right one.
        ignore: targets of this value do not count.

    Finite at logits of ±10⁴, computed in float32 at least. 0 where nothing counts. A logit of −inf is a
    class ruled out: the loss is infinite if it is the target, or if ``smoothing`` gives it a share.
    """
    check_targets("cross_entropy", logits, target)
    check_reduction(reduction)
    flat = at_least_float32(logits).reshape(target.numel(), logits.shape[-1])  # N K
    weight = None if weight is None else weight.to(flat)
    losses = F.cross_entropy(
        flat,
        target.flatten().long(),
        weight,
        ignore_index=ignore,
        reduction="none" if reduction == "none" else "sum",
        label_smoothing=smoothing,
    )
    if reduction == "none":
        return losses.view(target.shape)
    if reduction == "sum":
        return losses
    counts = target != ignore
    if weight is None:
        return divide_or_zero(losses, counts.sum())
    weights = weight[target.where(counts, torch.zeros_like(target)).long()].masked_fill(~counts, 0.0)
    return divide_or_zero(losses, weights.sum())


def focal_loss(
    logits: Float[Tensor, "*N K"],
    target: Int[Tensor, "*N"],
    *,
    gamma: float = 2.0,
    weight: Float[Tensor, "K"] | None = None,
    ignore: int = IGNORE,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """−w_t (1 − p_t)^γ log p_t with p = softmax(z) and t the target: cross-entropy at γ = 0.

    The mean is over examples that count, whatever their weights. Loss and gradient are finite at logits of
    ±10⁴ and for any γ ≥ 0, because log(1 − p_t) is taken from the logits of the other classes, not from 1 −
    p_t. 0 where nothing counts.
    """
    check_targets("focal_loss", logits, target)
    if gamma < 0:
        raise ValueError(f"gamma turns easy examples down, so it is >= 0, not {gamma}")
    counts = target != ignore
    index = target.where(counts, torch.zeros_like(target)).long()[..., None]  # *N 1
    logits = at_least_float32(logits)
    log_total = logits.logsumexp(-1)
    log_p = logits.gather(-1, index).squeeze(-1) - log_total
    # With one class only there are no others: exp(-1e30) stands for a probability of zero.
    log_others = logits.scatter(-1, index, -1e30).logsumexp(-1)
    losses = -torch.exp(gamma * (log_others - log_total).clamp(max=0.0)) * log_p
    if weight is not None:
        losses = losses * weight.to(losses)[index.squeeze(-1)]
    return reduce(losses, counts, reduction)


def binary_focal_loss(
    logits: Float[Tensor, "*N"],
    positive: Float[Tensor, "*N"],
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """−α_t (1 − p_t)^γ log p_t with p_t = σ(z) for a positive example (1) and σ(−z) for a negative one (0).

    ``alpha`` weighs positives with α and negatives with 1 − α. The mean is over examples. Loss and gradient
    are finite at logits of ±10⁴; 0 for an empty batch.
    """
    if logits.shape != positive.shape:
        raise ShapeError(
            f"binary_focal_loss: one logit an example, but logits have shape {tuple(logits.shape)} "
            f"and labels {tuple(positive.shape)}"
        )
    if gamma < 0:
        raise ValueError(f"gamma turns easy examples down, so it is >= 0, not {gamma}")
    side = at_least_float32(logits) * (2 * positive - 1)  # log p_t = log σ(side)
    losses = torch.exp(gamma * F.logsigmoid(-side)) * F.softplus(-side)
    if alpha is not None:
        losses = losses * (alpha * positive + (1 - alpha) * (1 - positive))
    return reduce(losses, None, reduction)
