"""Wrong answers to E2, as strangers would make them."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab3_full_transformer.solution import seq_loss as solved
from tests.labs.answers import Answers

wrong = Answers()


def loss(make):
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return make(wide[real].log_softmax(-1), target[real], smoothing, int(real.sum()), logits)

    return {"seq_loss": seq_loss}


def hit(lp, y):
    return -lp.gather(1, y[:, None]).sum()


def both(lp, y, eps):
    return (1 - eps) * hit(lp, y) - (eps * lp.mean(-1).sum() if eps else 0)


@wrong("E2")
def a_python_float():
    return loss(lambda lp, y, eps, n, logits: (both(lp, y, eps).item(), n))


@wrong("E2")
def detached():
    return loss(lambda lp, y, eps, n, logits: (both(lp, y, eps).detach(), n))


@wrong("E2")
def count_first():
    return loss(lambda lp, y, eps, n, logits: (n, both(lp, y, eps)))


@wrong("E2")
def only_the_total():
    return loss(lambda lp, y, eps, n, logits: both(lp, y, eps))


@wrong("E2")
def per_token_losses():
    return loss(lambda lp, y, eps, n, logits: (-lp.gather(1, y[:, None])[:, 0], n))


@wrong("E2")
def smoothing_ignored():
    return loss(lambda lp, y, eps, n, logits: (hit(lp, y), n))


@wrong("E2")
def target_gets_one_minus_eps_alone():
    def make(lp, y, eps, n, logits):
        if not eps:
            return hit(lp, y), n
        classes = lp.shape[1]
        return (1 - eps) * hit(lp, y) + eps / classes * (-lp.sum() - hit(lp, y)), n

    return loss(make)


@wrong("E2")
def eps_not_divided():
    return loss(lambda lp, y, eps, n, logits: ((1 - eps) * hit(lp, y) - (eps * lp.sum() if eps else 0), n))


@wrong("E2")
def added_without_taking_away():
    return loss(lambda lp, y, eps, n, logits: (hit(lp, y) - (eps * lp.mean(-1).sum() if eps else 0), n))


@wrong("E2")
def gives_up_half_precision():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        lp = logits[real].log_softmax(-1)
        return both(lp, target[real], smoothing), int(real.sum())

    return {"seq_loss": seq_loss}


@wrong("E2")
def always_float32():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        lp = logits[real].float().log_softmax(-1)
        return both(lp, target[real], smoothing), int(real.sum())

    return {"seq_loss": seq_loss}


@wrong("E2")
def pad_is_zero():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target > 0
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return both(wide[real].log_softmax(-1), target[real], smoothing), int(real.sum())

    return {"seq_loss": seq_loss}


@wrong("E2")
def skips_the_whole_position_of_padding():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = (target != pad).all(0, keepdim=True).expand_as(target)
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return both(wide[real].log_softmax(-1), target[real], smoothing), int(real.sum())

    return {"seq_loss": seq_loss}


@wrong("E2")
def clamped_log():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        lp = wide[real].softmax(-1).clamp(min=1e-9).log()
        return both(lp, target[real], smoothing), int(real.sum())

    return {"seq_loss": seq_loss}


@wrong("E2")
def torch_by_another_name():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        fn = torch.nn.CrossEntropyLoss(ignore_index=pad, label_smoothing=smoothing, reduction="sum")
        return fn(logits.flatten(0, 1), target.flatten()), int((target != pad).sum())

    return {"seq_loss": seq_loss}


@wrong("E2")
def shift_left():
    return {"shift_right": lambda y, bos: F.pad(y, (0, 1), value=bos)[:, 1:]}


@wrong("E2")
def overwrites_the_first_token():
    def shift_right(y, bos):
        out = y.clone()
        out[:, :1] = bos
        return out

    return {"shift_right": shift_right}


@wrong("E2")
def changes_the_target():
    def shift_right(y, bos):
        y[:, 1:] = y[:, :-1].clone()
        y[:, :1] = bos
        return y

    return {"shift_right": shift_right}


@wrong("E2")
def bos_is_one():
    return {"shift_right": lambda y, bos: F.pad(y, (1, 0), value=1)[:, : y.shape[1]]}


@wrong("E2")
def crashes_on_nothing():
    def shift_right(y, bos):
        out = y.roll(1, 1)
        out[:, 0] = bos
        return out

    return {"shift_right": shift_right}


@wrong("E2")
def noam_without_width():
    return {
        "noam": lambda step, d, warmup, factor=1.0: (
            factor * min(max(step, 1) ** -0.5, max(step, 1) * warmup**-1.5)
        )
    }


@wrong("E2")
def noam_step_plus_one():
    def noam(step, d, warmup, factor=1.0):
        s = step + 1
        return factor * d**-0.5 * min(s**-0.5, s * warmup**-1.5)

    return {"noam": noam}


@wrong("E2")
def noam_zero_at_zero():
    def noam(step, d, warmup, factor=1.0):
        return 0.0 if step == 0 else factor * d**-0.5 * min(step**-0.5, step * warmup**-1.5)

    return {"noam": noam}


@wrong("E2")
def noam_factor_forgotten():
    def noam(step, d, warmup, factor=1.0):
        s = max(step, 1)
        return d**-0.5 * min(s**-0.5, s * warmup**-1.5)

    return {"noam": noam}


@wrong("E2")
def noam_linear_decay():
    def noam(step, d, warmup, factor=1.0):
        s = max(step, 1)
        return factor * d**-0.5 * min(1 / s, s * warmup**-1.5)

    return {"noam": noam}


@wrong("E2")
def accuracy_of_everything():
    return {
        "token_accuracy": lambda logits, target, pad: (logits.argmax(-1) == target).double().mean().item()
    }


@wrong("E2")
def accuracy_as_a_tensor():
    def token_accuracy(logits, target, pad):
        real = target != pad
        return ((logits.argmax(-1) == target) & real).sum() / real.sum().clamp(min=1)

    return {"token_accuracy": token_accuracy}


@wrong("E2")
def accuracy_of_nothing_is_nan():
    def token_accuracy(logits, target, pad):
        real = target != pad
        return (logits.argmax(-1) == target)[real].float().mean().item()

    return {"token_accuracy": token_accuracy}


@wrong("E2")
def accuracy_over_the_wrong_axis():
    def token_accuracy(logits, target, pad):
        real = target != pad
        said = logits.argmax(1)
        return float((said[:, : target.shape[1]] == target[:, : said.shape[1]])[:, :1].float().mean()) * bool(
            real.any()
        )

    return {"token_accuracy": token_accuracy}


@wrong("E2")
def smooths_by_default():
    def seq_loss(logits, target, *, pad, smoothing=0.1):
        return loss(lambda lp, y, eps, n, logits: (both(lp, y, eps), n))["seq_loss"](
            logits, target, pad=pad, smoothing=smoothing
        )

    return {"seq_loss": seq_loss}


@wrong("E2")
def nothing_left_is_a_new_tensor():
    def make(lp, y, eps, n, logits):
        return (both(lp, y, eps), n) if n else (torch.zeros((), dtype=lp.dtype, requires_grad=True), 0)

    return loss(make)


@wrong("E2")
def a_small_number_inside_the_logarithm():
    return loss(lambda lp, y, eps, n, logits: (both((lp.exp() + 1e-9).log(), y, eps), n))


@wrong("E2")
def twice_the_rate_by_default():
    def noam(step, d, warmup, factor=2.0):
        s = max(step, 1)
        return factor * d**-0.5 * min(s**-0.5, s * warmup**-1.5)

    return {"noam": noam}


@wrong("E2")
def all_smoothed_is_nan():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        wide = torch.promote_types(logits.dtype, torch.float32)
        lp = logits[real].to(wide).log_softmax(-1)
        total = -(1 - smoothing) * lp.gather(1, target[real][:, None]).sum()
        if smoothing > 0:
            total = total - smoothing * lp.mean(-1).sum()
        return total, int(real.sum())

    return {"seq_loss": seq_loss}


@wrong("E2")
def views_of_the_memory():
    def change(logits, target, pad, smoothing):
        flat = logits.view(-1, logits.shape[-1]), target.view(-1)
        return solved(flat[0], flat[1], pad=pad, smoothing=smoothing)

    return {"seq_loss": lambda logits, target, *, pad, smoothing=0.0: change(logits, target, pad, smoothing)}


@wrong("E2")
def factor_of_the_decay_only():
    def noam(step, d, warmup, factor=1.0):
        step = max(step, 1)
        return d**-0.5 * min(factor * step**-0.5, step * warmup**-1.5)

    return {"noam": noam}
