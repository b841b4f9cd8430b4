"""Dice: how much two masks overlap, as a share of both."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from shared.losses.classification import IGNORE
from shared.losses.reduction import at_least_float32
from shared.shapes import ShapeError


def dice_loss(
    logits: Float[Tensor, "B K *window"],
    target: Int[Tensor, "B *window"],
    *,
    smooth: float = 1.0,
    over_batch: bool = False,
    ignore: int = IGNORE,
) -> Float[Tensor, ""]:
    """1 − (2 Σ p g + s) / (Σ p + Σ g + s) with p = softmax(z), g the one-hot target, sums over the window.

    The mean is over classes and examples; with ``over_batch`` the sums run over the batch too, which is
    steadier when objects are small. Pixels with the target ``ignore`` are in no sum. A class that is
    neither predicted nor there has loss 0 thanks to s > 0, and so has a fully ignored image; an empty batch
    gives 0. Finite at logits of ±10⁴.

    The classes are the *second* dimension here, as image models give them.
    """
    if logits.ndim < 2 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ShapeError(
            f"dice_loss: logits [B, K, *] of shape {tuple(logits.shape)} do not go with targets [B, *] "
            f"of shape {tuple(target.shape)}"
        )
    if smooth <= 0:
        raise ValueError(f"smooth decides the loss of an absent class, so it is > 0, not {smooth}")
    classes = logits.shape[1]
    counts = target != ignore
    hot = F.one_hot(target.long().where(counts, 0), classes).movedim(-1, 1)  # B K *window
    p = at_least_float32(logits).softmax(1).masked_fill(~counts[:, None], 0.0).flatten(2)
    g = hot.to(p.dtype).flatten(2) * counts[:, None].flatten(2)
    axes = (0, 2) if over_batch else (2,)
    overlap, size = (p * g).sum(axes), (p + g).sum(axes)
    loss = 1 - (2 * overlap + smooth) / (size + smooth)
    return loss.sum() / max(loss.numel(), 1)
