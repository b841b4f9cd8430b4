"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

right = Answers()


def wide(z):
    return z.float() if z.dtype in (torch.bfloat16, torch.float16) else z


@right("E3")
def one_hot_and_einsum():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        x = wide(logits)
        c = x.shape[1]
        keep = torch.ones_like(target, dtype=torch.bool) if ignore_index is None else target.ne(ignore_index)
        if c == 1:
            p = torch.sigmoid(x)
            g = (target == 1).unsqueeze(1).to(x.dtype)
        else:
            p = F.softmax(x, dim=1)
            g = F.one_hot(target.where(keep, 0), c).permute(0, 3, 1, 2).to(x.dtype)
        w = keep.unsqueeze(1).to(x.dtype)
        to = "c" if batch_dice else "nc"
        inter = torch.einsum(f"nchw,nchw,nehw->{to}", p, g, w)
        total = torch.einsum(f"nchw,nehw->{to}", p + g, w)
        return torch.mean(1 - (2 * inter + smooth) / (total + smooth))

    return {"soft_dice_loss": soft_dice_loss}


@right("E3")
def class_after_class():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        x, parts = wide(logits), []
        p = x.sigmoid() if x.shape[1] == 1 else x.softmax(1)
        for c in range(x.shape[1]):
            label = 1 if x.shape[1] == 1 else c
            groups = [slice(None)] if batch_dice else [slice(i, i + 1) for i in range(len(x))]
            for rows in groups:
                q, y = p[rows, c], target[rows]
                if ignore_index is not None:
                    q, y = q[y != ignore_index], y[y != ignore_index]
                g = (y == label).to(q.dtype)
                parts.append(1 - (2 * (q * g).sum() + smooth) / (q.sum() + g.sum() + smooth))
        return sum(parts) / len(parts)

    return {"soft_dice_loss": soft_dice_loss}


@right("E3")
def two_channels_for_one():
    def soft_dice_loss(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
        x = wide(logits)
        c = x.shape[1]
        log_p = F.logsigmoid(x) if c == 1 else F.log_softmax(x, 1)
        p = log_p.exp().flatten(2)
        y = target.flatten(1)
        ids = torch.tensor([1]) if c == 1 else torch.arange(c)
        g = y.unsqueeze(1).eq(ids.view(1, -1, 1))
        if ignore_index is not None:
            drop = y.eq(ignore_index).unsqueeze(1)
            p, g = p.masked_fill(drop, 0.0), g & ~drop
        g = g.to(p.dtype)
        if batch_dice:
            p, g = p.transpose(0, 1).flatten(1), g.transpose(0, 1).flatten(1)
        top = 2 * (p * g).sum(-1) + smooth
        return 1 - (top / (p.sum(-1) + g.sum(-1) + smooth)).mean()

    return {"soft_dice_loss": soft_dice_loss}


@right("E3")
def weights_in_numpy():
    def class_weights(counts, scheme, beta=0.999):
        n = counts.numpy().astype(np.float64)
        rules = {
            "inverse": lambda m: 1 / m,
            "sqrt": lambda m: m**-0.5,
            "effective": lambda m: (1 - beta) / (1 - beta**m),
        }
        if scheme not in rules:
            raise ValueError(scheme)
        w = np.zeros_like(n)
        w[n > 0] = rules[scheme](n[n > 0])
        return torch.from_numpy(w * (n.sum() / (w * n).sum()))

    return {"class_weights": class_weights}


@right("E3")
def weights_in_a_list():
    def class_weights(counts, scheme, beta=0.999):
        raw = []
        for n in counts.tolist():
            if scheme == "inverse":
                raw.append(1 / n if n else 0.0)
            elif scheme == "sqrt":
                raw.append(n**-0.5 if n else 0.0)
            elif scheme == "effective":
                raw.append((1 - beta) / (1 - beta**n) if n else 0.0)
            else:
                raise ValueError("unknown scheme")
        scale = sum(counts.tolist()) / sum(n * w for n, w in zip(counts.tolist(), raw, strict=True))
        return torch.tensor([w * scale for w in raw])

    return {"class_weights": class_weights}


@right("E3")
def weights_by_match_and_float32_at_the_end():
    def class_weights(counts, scheme, beta=0.999):
        n = counts.to(torch.float64)
        match scheme:
            case "inverse":
                w = n.clamp(min=1).reciprocal()
            case "sqrt":
                w = n.clamp(min=1).pow(-0.5)
            case "effective":
                log_beta = torch.log(torch.tensor(beta, dtype=torch.float64))
                w = (1 - beta) / -torch.expm1(n.clamp(min=1) * log_beta)
            case _:
                raise ValueError(f"{scheme=}")
        w = torch.where(n > 0, w, torch.zeros_like(w))
        return (w / (w * n).sum() * n.sum()).float()

    return {"class_weights": class_weights}


@right("E3")
def adjusted_by_hand():
    def logit_adjusted_ce(logits, target, priors, tau=1.0):
        x = wide(logits)
        z = x + tau * torch.log(priors).to(x.dtype)
        losses = z.logsumexp(1) - z.gather(1, target.unsqueeze(1)).squeeze(1)
        return losses.sum() / max(1, len(losses))

    return {"logit_adjusted_ce": logit_adjusted_ce}


@right("E3")
def adjusted_with_nll():
    def logit_adjusted_ce(logits, target, priors, tau=1.0):
        if len(target) == 0:
            return logits.sum() * 0
        x = logits.to(torch.promote_types(logits.dtype, torch.float32))
        shifted = x + (priors.log() * tau).to(x.dtype).unsqueeze(0)
        return F.nll_loss(F.log_softmax(shifted, dim=-1), target)

    return {"logit_adjusted_ce": logit_adjusted_ce}
