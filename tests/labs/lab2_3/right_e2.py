"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

right = Answers()


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@right("E2")
def one_token_after_another():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        logits = wide(logits)
        total, count = logits[..., :0].sum(), 0
        for b in range(target.shape[0]):
            for t in range(target.shape[1]):
                y = int(target[b, t])
                if y == pad:
                    continue
                row = logits[b, t]
                cost = row.logsumexp(0) - row
                total = total + (1 - smoothing) * cost[y] if smoothing < 1 else total
                if smoothing:
                    total = total + smoothing * cost.mean()
                count += 1
        return total, count

    return {"seq_loss": seq_loss}


@right("E2")
def distributions_and_where():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        keep = target.ne(pad)
        rows, labels = wide(logits)[keep], target[keep]
        classes = logits.size(-1)
        q = torch.full_like(rows, smoothing / classes)
        q[torch.arange(len(labels)), labels] += 1 - smoothing
        log_p = F.log_softmax(rows, dim=1)
        parts = torch.where(q > 0, -q * log_p.masked_fill(q == 0, 0), torch.zeros_like(q))
        return parts.sum(), keep.sum().item()

    return {"seq_loss": seq_loss}


@right("E2")
def flat_and_nonzero():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        flat, y = logits.reshape(-1, logits.shape[-1]), target.reshape(-1)
        index = torch.nonzero(y != pad).squeeze(1)
        z = wide(flat.index_select(0, index))
        y = y.index_select(0, index)
        top = z.detach().max(dim=1, keepdim=True).values if len(index) else z.new_zeros(0, 1)
        log_z = (z - top).exp().sum(1, keepdim=True).log() + top
        nll = (log_z - z).gather(1, y.unsqueeze(1)).sum()
        if smoothing == 0:
            return nll, len(index)
        even = (log_z - z).mean(1).sum()
        return (even if smoothing == 1 else nll * (1 - smoothing) + even * smoothing), len(index)

    return {"seq_loss": seq_loss}


@right("E2")
def nll_loss():
    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        lp = wide(logits)[real].log_softmax(-1)
        total = lp.sum() * 0 if not real.any() else F.nll_loss(lp, target[real], reduction="sum")
        if smoothing > 0:
            total = (total * (1 - smoothing) if smoothing < 1 else 0) - smoothing * lp.mean(-1).sum()
        return total, int(real.sum())

    return {"seq_loss": seq_loss}


@right("E2")
def shifting_with_pad():
    return {"shift_right": lambda y, bos: F.pad(y, (1, 0), value=bos)[:, : y.shape[1]]}


@right("E2")
def shifting_with_roll():
    def shift_right(y, bos):
        out = torch.roll(y, shifts=1, dims=1).clone()
        out[:, :1] = bos
        return out

    return {"shift_right": shift_right}


@right("E2")
def shifting_into_an_empty_one():
    def shift_right(y, bos):
        out = torch.empty_like(y)
        if y.shape[1]:
            out[:, 0] = bos
            out[:, 1:] = y[:, :-1]
        return out

    return {"shift_right": shift_right}


@right("E2")
def noam_by_cases():
    def noam(step, d, warmup, factor=1.0):
        step = 1 if step < 1 else step
        rate = step / (warmup * math.sqrt(warmup)) if step < warmup else 1 / math.sqrt(step)
        return factor * rate / math.sqrt(d)

    return {"noam": noam}


@right("E2")
def noam_in_numpy():
    def noam(step, d, warmup, factor=1.0):
        s = np.maximum(step, 1).astype(float)
        return float(factor * np.power(float(d), -0.5) * np.minimum(s**-0.5, s * float(warmup) ** -1.5))

    return {"noam": noam}


@right("E2")
def accuracy_with_lists():
    def token_accuracy(logits, target, pad):
        said = logits.argmax(-1).flatten().tolist()
        pairs = [(x, y) for x, y in zip(said, target.flatten().tolist(), strict=True) if y != pad]
        return sum(x == y for x, y in pairs) / len(pairs) if pairs else 0.0

    return {"token_accuracy": token_accuracy}


@right("E2")
def accuracy_as_a_float_mean():
    def token_accuracy(logits, target, pad):
        keep = target != pad
        if not keep.any():
            return 0.0
        return (logits[keep].argmax(-1) == target[keep]).float().mean().item()

    return {"token_accuracy": token_accuracy}


@right("E2")
def a_distribution_in_float32():
    """one_hot times a Python float is float32, also where the logits are float64."""

    def seq_loss(logits, target, *, pad, smoothing=0.0):
        real = target != pad
        lp = logits[real].to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        classes = logits.shape[-1]
        q = (1 - smoothing) * F.one_hot(target[real], classes) + smoothing / classes
        return -torch.where(q > 0, q * lp, 0.0).sum(), int(real.sum())

    return {"seq_loss": seq_loss}
