"""Wrong answers to E2."""

import torch
from torch.nn import functional as F

from courseware.check import misconception


def loss(per_token, *, count=lambda real: int(real.sum())):
    """`per_token(log_p, target, smoothing, real)` gives the total."""

    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return per_token(wide[real].log_softmax(-1), target[real], smoothing, pad), count(real)

    return {"seq_loss": seq_loss}


def hits(log_p, target):
    return -log_p.gather(1, target[:, None]).sum()


@misconception("E2", diagnosis="not-shifted")
def gives_y_itself():
    return {"shift_right": lambda y, bos: y}


@misconception("E2", diagnosis="bos-dropped")
def only_cuts_the_end():
    return {"shift_right": lambda y, bos: y[:, :-1]}


@misconception("E2", diagnosis="shifted-cyclically")
def rolls():
    return {"shift_right": lambda y, bos: y.roll(1, dims=1)}


@misconception("E2", diagnosis="last-token-kept")
def one_token_too_long():
    return {"shift_right": lambda y, bos: torch.cat((y.new_full((len(y), 1), bos), y), 1)}


@misconception("E2", diagnosis="pads-counted")
def padding_costs_too():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        label = target.clamp(min=0)
        log_p = logits.log_softmax(-1)
        cost = -(1 - smoothing) * log_p.gather(-1, label[..., None])[..., 0] - smoothing * log_p.mean(-1)
        return cost.sum(), int((target != pad).sum())

    return {"seq_loss": seq_loss}


@misconception("E2", diagnosis="mean-instead-of-sum")
def the_usual_mean():
    return loss(lambda log_p, y, eps, pad: hits(log_p, y) / max(len(y), 1))


@misconception("E2", diagnosis="mass-without-the-target")
def shares_among_the_others():
    def per_token(log_p, y, eps, pad):
        if not eps:
            return hits(log_p, y)
        classes = log_p.shape[1]
        return (1 - eps) * hits(log_p, y) + eps / (classes - 1) * (-log_p.sum() - hits(log_p, y))

    return loss(per_token)


@misconception("E2", diagnosis="pad-class-without-mass")
def the_class_pad_gets_nothing():
    def per_token(log_p, y, eps, pad):
        if not eps:
            return hits(log_p, y)
        classes = log_p.shape[1]
        rest = -log_p.sum() + (log_p[:, pad].sum() if 0 <= pad < classes else 0)
        return (1 - eps) * hits(log_p, y) + eps / classes * rest

    return loss(per_token)


@misconception("E2", diagnosis="infinite-logits")
def zero_times_infinity():
    return loss(lambda log_p, y, eps, pad: (1 - eps) * hits(log_p, y) - eps * log_p.mean(-1).sum())


@misconception("E2", diagnosis="padding-not-silent")
def multiplies_with_the_mask():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        log_p = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        cost = -(1 - smoothing) * log_p.gather(-1, target.clamp(min=0)[..., None])[..., 0]
        if smoothing:
            cost = cost - smoothing * log_p.mean(-1)
        return (cost * real).sum(), int(real.sum())

    return {"seq_loss": seq_loss}


@misconception("E2", diagnosis="overflow")
def exp_by_hand():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        p = logits[real].exp() / logits[real].exp().sum(-1, keepdim=True)
        log_p = p.log()
        total = (1 - smoothing) * hits(log_p, target[real])
        return (total - smoothing * log_p.mean(-1).sum() if smoothing else total), int(real.sum())

    return {"seq_loss": seq_loss}


@misconception("E2", diagnosis="count-is-no-int")
def count_as_a_tensor():
    return loss(lambda log_p, y, eps, pad: hits(log_p, y), count=lambda real: real.sum())


@misconception("E2", diagnosis="noam-at-zero")
def divides_by_step_zero():
    def noam(step, d, warmup, factor=1.0):
        return factor * d**-0.5 * min(step**-0.5, step * warmup**-1.5)

    return {"noam": noam}


@misconception("E2", diagnosis="noam-maximum")
def takes_the_larger():
    def noam(step, d, warmup, factor=1.0):
        step = max(step, 1)
        return factor * d**-0.5 * max(step**-0.5, step * warmup**-1.5)

    return {"noam": noam}


@misconception("E2", diagnosis="accuracy-counts-pads")
def padding_is_easy():
    return {"token_accuracy": lambda logits, target, pad: (logits.argmax(-1) == target).float().mean().item()}


@misconception("E2", diagnosis="forbidden")
def torchs_loss():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        total = F.cross_entropy(
            logits.flatten(0, 1),
            target.flatten(),
            ignore_index=pad,
            label_smoothing=smoothing,
            reduction="sum",
        )
        return total, int((target != pad).sum())

    return {"seq_loss": seq_loss}
