"""Wrong answers to E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab4_custom_losses import solution
from tests.labs.answers import Answers

wrong = Answers()


def wide(z):
    return z.float() if z.dtype == torch.bfloat16 else z


def masks(logits, target, ignore_index):
    x = wide(logits)
    c = x.shape[1]
    p = x.sigmoid() if c == 1 else x.softmax(1)
    ids = torch.arange(c).view(1, -1, 1, 1) if c > 1 else torch.ones(1, 1, 1, 1)
    keep = torch.ones_like(target) if ignore_index is None else (target != ignore_index).long()
    return p * keep[:, None], (target[:, None] == ids).to(p.dtype) * keep[:, None]


def dice(make):
    def build():
        def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
            return make(logits, target, smooth, (0, 2, 3) if batch_dice else (2, 3), ignore_index)

        return {"soft_dice_loss": soft_dice_loss}

    wrong.add("E3", make.__name__, build)
    return make


weighing = wrong.stands_for("E3", "class_weights")


adjusting = wrong.stands_for("E3", "logit_adjusted_ce")


@dice
def argmax_masks(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    hard = F.one_hot(p.argmax(1), p.shape[1]).movedim(-1, 1).to(p.dtype)
    return (1 - (2 * (hard * g).sum(axes) + smooth) / ((hard + g).sum(axes) + smooth)).mean()


@dice
def overlap_itself(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return ((2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()


@dice
def without_the_two(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return (1 - ((p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()


@dice
def jaccard(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    inter = (p * g).sum(axes)
    return (1 - (inter + smooth) / ((p + g).sum(axes) - inter + smooth)).mean()


@dice
def vnet_squares(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return (1 - (2 * (p * g).sum(axes) + smooth) / ((p * p + g * g).sum(axes) + smooth)).mean()


@dice
def softmax_for_one(logits, target, smooth, axes, ignore):
    _, g = masks(logits, target, ignore)
    p = wide(logits).softmax(1)
    p = p if ignore is None else p * (target != ignore)[:, None]
    return (1 - (2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()


@dice
def skips_the_background(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    if p.shape[1] > 1:
        p, g = p[:, 1:], g[:, 1:]
    return (1 - (2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()


@dice
def everything_in_one_sum(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return 1 - (2 * (p * g).sum() + smooth) / ((p + g).sum() + smooth)


@dice
def mean_instead_of_sum(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return (1 - (2 * (p * g).mean(axes) + smooth) / ((p + g).mean(axes) + smooth)).mean()


@dice
def smooth_twice_above(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return (1 - (2 * ((p * g).sum(axes) + smooth)) / ((p + g).sum(axes) + smooth)).mean()


@dice
def smooth_is_one(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return (1 - (2 * (p * g).sum(axes) + 1) / ((p + g).sum(axes) + 1)).mean()


@dice
def ignored_only_in_g(logits, target, smooth, axes, ignore):
    p, _ = masks(logits, target, None)
    _, g = masks(logits, target, ignore)
    return (1 - (2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()


@dice
def batch_dice_never(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    return (1 - (2 * (p * g).sum((2, 3)) + smooth) / ((p + g).sum((2, 3)) + smooth)).mean()


@dice
def sums_the_classes(logits, target, smooth, axes, ignore):
    p, g = masks(logits, target, ignore)
    losses = 1 - (2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)
    return losses.sum(-1).mean()


@dice
def one_hot_of_255(logits, target, smooth, axes, ignore):
    c = logits.shape[1]
    p = wide(logits).softmax(1) if c > 1 else wide(logits).sigmoid()
    g = F.one_hot(target, c).movedim(-1, 1).to(p.dtype) if c > 1 else target[:, None].to(p.dtype)
    return (1 - (2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()


@dice
def bfloat16_sums(logits, target, smooth, axes, ignore):
    c = logits.shape[1]
    p = logits.sigmoid() if c == 1 else logits.softmax(1)
    ids = torch.arange(c).view(1, -1, 1, 1) if c > 1 else torch.ones(1, 1, 1, 1)
    g = (target[:, None] == ids).to(p.dtype)
    keep = torch.ones_like(target, dtype=p.dtype) if ignore is None else (target != ignore).to(p.dtype)
    p, g = p * keep[:, None], g * keep[:, None]
    top = p.new_zeros(p.shape[:2])
    total = p.new_zeros(p.shape[:2])
    for row in range(p.shape[2]):
        for column in range(p.shape[3]):
            top = top + p[:, :, row, column] * g[:, :, row, column]
            total = total + p[:, :, row, column] + g[:, :, row, column]
    if axes[0] == 0:
        top, total = top.sum(0), total.sum(0)
    return (1 - (2 * top + smooth) / (total + smooth)).mean()


@weighing
def sums_to_one(counts, scheme, beta=0.999):
    n = counts.double()
    if scheme not in ("inverse", "sqrt", "effective"):
        raise ValueError(scheme)
    w = {"inverse": 1 / n, "sqrt": n**-0.5, "effective": (1 - beta) / (1 - beta**n)}[scheme]
    w = w.masked_fill(n == 0, 0)
    return w / w.sum()


@weighing
def sums_to_the_number_of_classes(counts, scheme, beta=0.999):
    return sums_to_one(counts, scheme, beta) * len(counts)


@weighing
def unknown_means_inverse(counts, scheme, beta=0.999):
    n = counts.double()
    w = n**-0.5 if scheme == "sqrt" else (1 - beta) / (1 - beta**n) if scheme == "effective" else 1 / n
    w = w.masked_fill(n == 0, 0)
    return w * n.sum() / (n * w).sum()


@weighing
def in_float32(counts, scheme, beta=0.999):
    if scheme not in ("inverse", "sqrt", "effective"):
        raise ValueError(scheme)
    n = counts.float()
    b = torch.tensor(beta)
    w = {"inverse": 1 / n, "sqrt": n**-0.5, "effective": (1 - b) / (1 - b**n)}[scheme]
    w = w.masked_fill(n == 0, 0)
    return w * n.sum() / (n * w).sum()


@weighing
def frequent_classes_weigh_more(counts, scheme, beta=0.999):
    if scheme not in ("inverse", "sqrt", "effective"):
        raise ValueError(scheme)
    n = counts.double()
    w = {"inverse": n, "sqrt": n**0.5, "effective": (1 - beta**n) / (1 - beta)}[scheme]
    return w * n.sum() / (n * w).sum()


@weighing
def zero_counts_as_one(counts, scheme, beta=0.999):
    if scheme not in ("inverse", "sqrt", "effective"):
        raise ValueError(scheme)
    n = counts.double().clamp(min=1)
    w = {"inverse": 1 / n, "sqrt": n**-0.5, "effective": (1 - beta) / (1 - beta**n)}[scheme]
    return w * counts.sum() / (counts * w).sum()


@weighing
def effective_number(counts, scheme, beta=0.999):
    if scheme not in ("inverse", "sqrt", "effective"):
        raise ValueError(scheme)
    n = counts.double()
    w = {"inverse": 1 / n, "sqrt": n**-0.5, "effective": (1 - beta**n) / (1 - beta)}[scheme]
    w = w.masked_fill(n == 0, 0)
    return w * n.sum() / (n * w).sum()


@adjusting
def subtracts(logits, target, priors, tau=1.0):
    return F.cross_entropy(wide(logits) - tau * priors.log(), target)


@adjusting
def adds_the_prior(logits, target, priors, tau=1.0):
    return F.cross_entropy(wide(logits) + tau * priors, target)


@adjusting
def multiplies_the_prior(logits, target, priors, tau=1.0):
    return F.cross_entropy(wide(logits) * priors**tau, target)


@adjusting
def divides_by_tau(logits, target, priors, tau=1.0):
    return F.cross_entropy(wide(logits) + priors.log() / tau, target)


@adjusting
def weights_by_the_inverse_prior(logits, target, priors, tau=1.0):
    return F.cross_entropy(wide(logits), target, weight=(1 / priors).to(wide(logits).dtype))


@adjusting
def no_tau(logits, target, priors, tau=1.0):
    return F.cross_entropy(wide(logits) + priors.log(), target)


@adjusting
def adjusts_the_probabilities(logits, target, priors, tau=1.0):
    p = wide(logits).softmax(1) * priors**tau
    return F.nll_loss((p / p.sum(1, keepdim=True)).log(), target)


@adjusting
def summed(logits, target, priors, tau=1.0):
    return F.cross_entropy(wide(logits) + tau * priors.log(), target, reduction="sum")


@adjusting
def the_library(logits, target, priors, tau=1.0):
    from shared.losses import logit_adjusted_loss

    return logit_adjusted_loss(logits, target, priors.log(), tau=tau)


@wrong("E3")
def zero_is_false():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        p, g = masks(logits, target, ignore_index or None)
        axes = (0, 2, 3) if batch_dice else (2, 3)
        return (1 - (2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()

    return {"soft_dice_loss": soft_dice_loss}


@wrong("E3")
def ignores_255_by_itself():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        p, g = masks(logits, target, 255)
        axes = (0, 2, 3) if batch_dice else (2, 3)
        return (1 - (2 * (p * g).sum(axes) + smooth) / ((p + g).sum(axes) + smooth)).mean()

    return {"soft_dice_loss": soft_dice_loss}


@weighing
def another_beta_by_default(counts, scheme, beta=0.99):
    n = counts.double()
    raw = {"inverse": 1 / n, "sqrt": n.rsqrt(), "effective": (1 - beta) / (1 - beta**n)}
    if scheme not in raw:
        raise ValueError(scheme)
    weight = raw[scheme].masked_fill(n == 0, 0)
    return weight * n.sum() / (n * weight).sum()


@weighing
def scaled_to_a_total_of_one(counts, scheme, beta=0.999):
    n = counts.double()
    raw = {"inverse": 1 / n, "sqrt": n.rsqrt(), "effective": (1 - beta) / (1 - beta**n)}
    if scheme not in raw:
        raise ValueError(scheme)
    weight = raw[scheme].masked_fill(n == 0, 0)
    return weight / (n * weight).sum()


@adjusting
def tau_inside_the_logarithm(logits, target, priors, tau=1.0):
    z = wide(logits) + (tau * priors.to(wide(logits).dtype)).log()
    return F.cross_entropy(z, target, reduction="sum") / max(len(target), 1)


@wrong("E3")
def no_smoothing_by_default():
    def soft_dice_loss(logits, target, *, smooth=0.0, batch_dice=False, ignore_index=None):
        return solution.soft_dice_loss(
            logits, target, smooth=smooth, batch_dice=batch_dice, ignore_index=ignore_index
        )

    return {"soft_dice_loss": soft_dice_loss}


@wrong("E3")
def whole_batch_by_default():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=True, ignore_index=None):
        return solution.soft_dice_loss(
            logits, target, smooth=smooth, batch_dice=batch_dice, ignore_index=ignore_index
        )

    return {"soft_dice_loss": soft_dice_loss}


@adjusting
def another_tau_by_default(logits, target, priors, tau=0.5):
    return solution.logit_adjusted_ce(logits, target, priors, tau)
