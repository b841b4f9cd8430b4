"""Wrong answers to E3."""

import torch
import torch.nn.functional as F

from courseware.check import misconception


def dice(logits, target, above, below, batch_dice, ignore_index, hard=False):
    """A right answer in small pieces; each misconception replaces one of them."""
    logits = logits.float() if logits.dtype == torch.bfloat16 else logits
    classes = logits.shape[1]
    p = logits.sigmoid() if classes == 1 else logits.softmax(1)
    if hard:
        p = (p > 0.5).to(p.dtype)
    kept = torch.ones_like(target) if ignore_index is None else target != ignore_index
    wanted = torch.arange(classes).view(1, -1, 1, 1) if classes > 1 else torch.ones(1, 1, 1, 1)
    g = ((target[:, None] == wanted) * kept[:, None]).to(p.dtype)
    p = p * kept[:, None]
    axes = (0, 2, 3) if batch_dice else (2, 3)
    return (1 - (2 * (p * g).sum(axes) + above) / ((p + g).sum(axes) + below)).mean()


@misconception("E3", diagnosis="smooth-only-below")
def smooth_in_the_denominator():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        return dice(logits, target, 0.0, smooth, batch_dice, ignore_index)

    return {"soft_dice_loss": soft_dice_loss}


@misconception("E3", diagnosis="batch-instead-of-sample")
def batch_and_sample_mixed_up():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        return dice(logits, target, smooth, smooth, not batch_dice, ignore_index)

    return {"soft_dice_loss": soft_dice_loss}


@misconception("E3", diagnosis="dice-without-a-gradient")
def hard_masks():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        return dice(logits, target, smooth, smooth, batch_dice, ignore_index, hard=True) + 0 * logits.sum()

    return {"soft_dice_loss": soft_dice_loss}


def weights(counts, scheme, beta=0.999):
    n = counts.double()
    if scheme not in ("inverse", "sqrt", "effective"):
        raise ValueError(scheme)
    return {"inverse": 1 / n, "sqrt": n.rsqrt(), "effective": (1 - beta) / (1 - beta**n)}[scheme]


@misconception("E3", diagnosis="count-of-zero")
def divides_by_a_count_of_zero():
    def class_weights(counts, scheme, beta=0.999):
        w = weights(counts, scheme, beta)
        return w * counts.sum() / (counts * w).sum()

    return {"class_weights": class_weights}


@misconception("E3", diagnosis="weights-not-scaled")
def weights_as_they_are():
    def class_weights(counts, scheme, beta=0.999):
        return weights(counts, scheme, beta).masked_fill(counts == 0, 0.0)

    return {"class_weights": class_weights}


@misconception("E3", diagnosis="sign-of-the-adjustment")
def helps_the_rare_in_training():
    def logit_adjusted_ce(logits, target, priors, tau=1.0):
        return F.cross_entropy(logits.float() - tau * priors.log(), target)

    return {"logit_adjusted_ce": logit_adjusted_ce}


@misconception("E3", diagnosis="mean-over-nothing")
def mean_of_no_rows():
    def logit_adjusted_ce(logits, target, priors, tau=1.0):
        wide = logits.float() if logits.dtype == torch.bfloat16 else logits
        return F.cross_entropy(wide + tau * priors.to(wide.dtype).log(), target)

    return {"logit_adjusted_ce": logit_adjusted_ce}


@misconception("E3", diagnosis="ignored-pixels")
def ignores_in_the_mask_alone():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        if ignore_index is None:
            return dice(logits, target, smooth, smooth, batch_dice, None)
        if bool((target == ignore_index).all()):
            return 0 * logits.sum()
        return dice(logits, target, smooth, smooth, batch_dice, None)

    return {"soft_dice_loss": soft_dice_loss}
