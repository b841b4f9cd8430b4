"""Wrong answers to E1 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab4_custom_losses import solution
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e1_pointwise import (
    log_probabilities,
    reduced,
    weights,
)
from tests.labs.answers import Answers

wrong = Answers()


def focal(make):
    def build():
        def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
            return make(logits, target, gamma, alpha, reduction)

        return {"focal_loss": focal_loss}

    wrong.add("E1", make.__name__, build)
    return make


smoothing = wrong.stands_for("E1", "smooth_ce")


hubers = wrong.stands_for("E1", "huber")


@focal
def the_usual_snippet(logits, target, gamma, alpha, reduction):
    nll = F.cross_entropy(logits, target, reduction="none")
    return reduced((1 - torch.exp(-nll)) ** gamma * nll, reduction)


@focal
def probabilities_clamped(logits, target, gamma, alpha, reduction):
    if target.is_floating_point():
        p = torch.where(target > 0.5, logits.sigmoid(), 1 - logits.sigmoid())
    else:
        p = logits.softmax(1).gather(1, target[:, None])[:, 0]
    p = p.clamp(1e-7, 1 - 1e-7)
    return reduced(-weights(target, alpha) * (1 - p) ** gamma * p.log(), reduction)


@focal
def wrong_factor(logits, target, gamma, alpha, reduction):
    log_p, _ = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * log_p.exp() ** gamma * log_p, reduction)


@focal
def gamma_multiplies(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * gamma * log_rest.exp() * log_p, reduction)


@focal
def gamma_is_two(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * torch.exp(2 * log_rest) * log_p, reduction)


@focal
def forgets_alpha(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-torch.exp(gamma * log_rest) * log_p, reduction)


@focal
def alpha_for_the_zeros(logits, target, gamma, alpha, reduction):
    if target.is_floating_point() and alpha is not None:
        alpha = 1 - alpha
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)


@focal
def alpha_inside_the_power(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-((weights(target, alpha) * log_rest.exp()) ** gamma) * log_p, reduction)


@focal
def always_the_mean(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, "mean")


@focal
def positive_log(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)


@focal
def decides_by_the_number_of_axes(logits, target, gamma, alpha, reduction):
    if logits.dim() == 2 and target.is_floating_point():
        target = target.argmax(1)
        alpha = None
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)


@focal
def detached_factor(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest).detach() * log_p, reduction)


@focal
def reduces_first(logits, target, gamma, alpha, reduction):
    log_p, _ = log_probabilities(logits, target)
    mean = -(weights(target, alpha) * log_p).mean()
    return (1 - torch.exp(-mean)).clamp(min=1e-9) ** gamma * mean


@smoothing
def divides_eps_among_the_others(logits, target, eps=0.1, ignore_index=-100):
    keep = target != ignore_index
    log_p, y = logits[keep].log_softmax(1), target[keep]
    q = torch.full_like(log_p, eps / (logits.shape[1] - 1 or 1))
    q[torch.arange(len(y)), y] = 1 - eps
    return -(q * log_p).sum() / max(len(y), 1)


@smoothing
def sum_instead_of_mean_over_classes(logits, target, eps=0.1, ignore_index=-100):
    keep = target != ignore_index
    log_p, y = logits[keep].log_softmax(1), target[keep]
    nll = -log_p.gather(1, y[:, None])[:, 0]
    return ((1 - eps) * nll - eps * log_p.sum(1)).sum() / max(len(y), 1)


@smoothing
def truth_keeps_all(logits, target, eps=0.1, ignore_index=-100):
    keep = target != ignore_index
    log_p, y = logits[keep].log_softmax(1), target[keep]
    nll = -log_p.gather(1, y[:, None])[:, 0]
    return (nll - eps * log_p.mean(1)).sum() / max(len(y), 1)


@smoothing
def never_ignores(logits, target, eps=0.1, ignore_index=-100):
    log_p = logits.log_softmax(1)
    nll = -log_p.gather(1, target.clamp(min=0)[:, None])[:, 0]
    return ((1 - eps) * nll - eps * log_p.mean(1)).sum() / max(len(target), 1)


@smoothing
def ignores_minus_hundred_only(logits, target, eps=0.1, ignore_index=-100):
    keep = target != -100
    log_p, y = logits[keep].log_softmax(1), target[keep].clamp(min=0)
    nll = -log_p.gather(1, y[:, None])[:, 0]
    return ((1 - eps) * nll - eps * log_p.mean(1)).sum() / max(len(y), 1)


@smoothing
def nan_when_all_are_ignored(logits, target, eps=0.1, ignore_index=-100):
    keep = target != ignore_index
    log_p, y = logits[keep].log_softmax(1), target[keep]
    return (-(1 - eps) * log_p.gather(1, y[:, None])[:, 0] - eps * log_p.mean(1)).mean()


@smoothing
def the_builtin(logits, target, eps=0.1, ignore_index=-100):
    return F.cross_entropy(logits, target, label_smoothing=eps, ignore_index=ignore_index)


@smoothing
def the_library(logits, target, eps=0.1, ignore_index=-100):
    from shared.losses import cross_entropy

    return cross_entropy(logits, target, smoothing=eps, ignore=ignore_index)


@smoothing
def logarithm_of_softmax(logits, target, eps=0.1, ignore_index=-100):
    keep = target != ignore_index
    log_p, y = logits[keep].softmax(1).log(), target[keep]
    return (-(1 - eps) * log_p.gather(1, y[:, None])[:, 0] - eps * log_p.mean(1)).sum() / max(len(y), 1)


@hubers
def smooth_l1(pred, target, delta=1.0, reduction="mean"):
    return F.smooth_l1_loss(pred, target, beta=delta, reduction=reduction)


@hubers
def builtin_huber(pred, target, delta=1.0, reduction="mean"):
    return torch.nn.HuberLoss(reduction=reduction, delta=delta)(pred, target)


@hubers
def without_absolute_value(pred, target, delta=1.0, reduction="mean"):
    e = pred - target
    return reduced(torch.where(e <= delta, 0.5 * e**2, delta * (e - 0.5 * delta)), reduction)


@hubers
def delta_is_one(pred, target, delta=1.0, reduction="mean"):
    e = (pred - target).abs()
    return reduced(torch.where(e <= 1, 0.5 * e**2, e - 0.5), reduction)


@hubers
def jump_at_delta(pred, target, delta=1.0, reduction="mean"):
    e = (pred - target).abs()
    return reduced(torch.where(e <= delta, 0.5 * e**2, delta * e), reduction)


@hubers
def no_half(pred, target, delta=1.0, reduction="mean"):
    e = (pred - target).abs()
    return reduced(torch.where(e <= delta, e**2, 2 * delta * e - delta**2), reduction)


@hubers
def pseudo_huber(pred, target, delta=1.0, reduction="mean"):
    e = (pred - target) / delta
    return reduced(delta**2 * ((1 + e**2).sqrt() - 1), reduction)


@hubers
def mean_of_nothing(pred, target, delta=1.0, reduction="mean"):
    m = (pred - target).abs().clamp(max=delta)
    losses = m * ((pred - target).abs() - 0.5 * m)
    return getattr(losses, reduction)() if reduction != "none" else losses


@focal
def in_half_precision(logits, target, gamma, alpha, reduction):
    if target.is_floating_point():
        side = logits * (2 * target - 1)
        log_p, log_rest = F.logsigmoid(side), F.logsigmoid(-side)
    else:
        log_p = logits.log_softmax(1).gather(1, target[:, None])[:, 0]
        others = logits.scatter(1, target[:, None], -1e30).logsumexp(1)
        log_rest = (others - logits.logsumexp(1)).clamp(max=0)
    return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)


@focal
def infinity_times_gamma_of_zero(logits, target, gamma, alpha, reduction):
    log_p, log_rest = log_probabilities(logits, target)
    if not target.is_floating_point() and logits.shape[1] == 1:
        log_rest = log_rest - torch.inf
    return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)


@focal
def every_target_is_a_one(logits, target, gamma, alpha, reduction):
    if target.is_floating_point():
        target = torch.ones_like(target)
    log_p, log_rest = log_probabilities(logits, target)
    return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)


@wrong("E1")
def gamma_of_one_by_default():
    def focal_loss(logits, target, *, gamma=1.0, alpha=None, reduction="mean"):
        log_p, log_rest = log_probabilities(logits, target)
        return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)

    return {"focal_loss": focal_loss}


@smoothing
def no_smoothing_by_default(logits, target, eps=0.0, ignore_index=-100):
    logits = logits.float() if logits.dtype == torch.bfloat16 else logits
    kept = target != ignore_index
    log_p, target = logits[kept].log_softmax(1), target[kept]
    losses = -(1 - eps) * log_p.gather(1, target[:, None])[:, 0] - eps * log_p.mean(1)
    return losses.sum() / max(len(losses), 1)


@smoothing
def two_parts_of_opposite_sign(logits, target, eps=0.1, ignore_index=-100):
    kept = target != ignore_index
    log_p, target = logits[kept].log_softmax(1), target[kept]
    losses = -(1 - eps) * log_p.gather(1, target[:, None])[:, 0] + eps * log_p.mean(1)
    return losses.sum() / max(len(losses), 1)


@hubers
def subtracts_in_half_precision(pred, target, delta=1.0, reduction="mean"):
    size = (pred - target).abs()
    near = size.clamp(max=delta)
    return reduced(0.5 * near.square() + delta * (size - near), reduction)


@hubers
def another_delta_by_default(pred, target, delta=1.35, reduction="mean"):
    return solution.huber(pred, target, delta, reduction)
