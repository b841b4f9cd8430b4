"""Wrong answers to E1."""

import torch
import torch.nn.functional as F

from courseware.check import misconception


def reduced(losses, reduction):
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / max(losses.numel(), 1)


def log_probabilities(logits, target):
    """log p_t and log(1 − p_t), both ways of giving targets."""
    logits = logits.float() if logits.dtype == torch.bfloat16 else logits
    if target.is_floating_point():
        side = logits * (2 * target - 1)
        return F.logsigmoid(side), F.logsigmoid(-side)
    log_p = logits.log_softmax(1)
    index = target[:, None]
    return log_p.gather(1, index)[:, 0], log_p.scatter(1, index, -1e30).logsumexp(1).clamp(max=0)


def weights(target, alpha):
    if alpha is None:
        return 1.0
    return torch.where(target > 0.5, alpha, 1 - alpha) if target.is_floating_point() else alpha[target]


@misconception("E1", diagnosis="log-of-a-rounded-probability")
def logarithm_of_a_sigmoid():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        if target.is_floating_point():
            p = torch.sigmoid(logits)
            p = torch.where(target > 0.5, p, 1 - p)
        else:
            p = logits.softmax(1).gather(1, target[:, None])[:, 0]
        return reduced(-weights(target, alpha) * (1 - p) ** gamma * torch.log(p), reduction)

    return {"focal_loss": focal_loss}


@misconception("E1", diagnosis="modulates-with-p")
def forgets_to_turn_p():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        log_p, log_rest = log_probabilities(logits, target)
        if target.is_floating_point():
            log_rest = F.logsigmoid(-logits)
        return reduced(-weights(target, alpha) * torch.exp(gamma * log_rest) * log_p, reduction)

    return {"focal_loss": focal_loss}


@misconception("E1", diagnosis="alpha-on-both-classes")
def one_alpha_for_all():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        log_p, log_rest = log_probabilities(logits, target)
        weight = alpha if target.is_floating_point() and alpha is not None else weights(target, alpha)
        return reduced(-weight * torch.exp(gamma * log_rest) * log_p, reduction)

    return {"focal_loss": focal_loss}


@misconception("E1", diagnosis="nan-gradient-where-all-is-right")
def power_of_a_zero():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        log_p, _ = log_probabilities(logits, target)
        return reduced(-weights(target, alpha) * (1 - log_p.exp()) ** gamma * log_p, reduction)

    return {"focal_loss": focal_loss}


@misconception("E1", diagnosis="divides-by-alpha")
def weighted_mean():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        log_p, log_rest = log_probabilities(logits, target)
        weight = weights(target, alpha) * torch.ones_like(log_p)
        losses = -weight * torch.exp(gamma * log_rest) * log_p
        return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)

    return {"focal_loss": focal_loss}


@misconception("E1", diagnosis="smooth-l1")
def huber_is_smooth_l1():
    def huber(pred, target, delta=1.0, reduction="mean"):
        size = (pred - target).abs()
        return reduced(torch.where(size < delta, 0.5 * size**2 / delta, size - 0.5 * delta), reduction)

    return {"huber": huber}


@misconception("E1", diagnosis="smooths-only-the-others")
def share_for_the_others_alone():
    def smooth_ce(logits, target, eps=0.1, ignore_index=-100):
        kept = target != ignore_index
        log_p, target = logits[kept].log_softmax(1), target[kept]
        classes = logits.shape[1]
        q = torch.full_like(log_p, eps / max(classes - 1, 1)).scatter(1, target[:, None], 1 - eps)
        return -(q * log_p).sum() / max(len(target), 1)

    return {"smooth_ce": smooth_ce}


@misconception("E1", diagnosis="mean-over-nothing")
def mean_of_an_empty_tensor():
    def huber(pred, target, delta=1.0, reduction="mean"):
        size = (pred - target).abs()
        losses = torch.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))
        return losses.mean() if reduction == "mean" else reduced(losses, reduction)

    return {"huber": huber}


@misconception("E1", diagnosis="ignored-rows-count")
def divides_by_every_row():
    def smooth_ce(logits, target, eps=0.1, ignore_index=-100):
        log_p = logits.log_softmax(1)
        kept = target != ignore_index
        at_target = log_p.gather(1, target.where(kept, 0)[:, None])[:, 0]
        losses = -(1 - eps) * at_target - eps * log_p.mean(1)
        return (losses * kept).sum() / max(len(target), 1)

    return {"smooth_ce": smooth_ce}
