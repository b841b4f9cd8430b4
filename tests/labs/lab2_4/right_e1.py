"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

right = Answers()


def finish(losses, reduction):
    if reduction == "mean":
        return losses.sum() / max(1, losses.numel())
    return losses.sum() if reduction == "sum" else losses


@right("E1")
def clamped_distance_from_one():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        x = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
        if target.is_floating_point():
            target = target.to(x.dtype)
            log_pt = target * F.logsigmoid(x) + (1 - target) * F.logsigmoid(-x)
            at = 1.0 if alpha is None else alpha * target + (1 - alpha) * (1 - target)
        else:
            log_pt = F.log_softmax(x, dim=-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
            at = 1.0 if alpha is None else alpha.to(x.dtype)[target]
        rest = (1 - log_pt.exp()).clamp(min=1e-12)
        return finish(-at * rest.pow(gamma) * log_pt, reduction)

    return {"focal_loss": focal_loss}


@right("E1")
def expm1():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        x = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if target.dtype.is_floating_point:
            s = torch.where(target == 1, x, -x)
            nll = torch.logaddexp(-s, torch.zeros_like(s))
            losses = torch.sigmoid(-s).clamp(min=1e-30).pow(gamma) * nll
            if alpha is not None:
                losses = torch.where(target == 1, alpha * losses, (1 - alpha) * losses)
        else:
            nll = F.nll_loss(torch.log_softmax(x, 1), target, reduction="none")
            losses = (-torch.expm1(-nll)).clamp(min=1e-30).pow(gamma) * nll
            if alpha is not None:
                losses = losses * alpha[target].to(losses)
        return finish(losses, reduction)

    return {"focal_loss": focal_loss}


@right("E1")
def float64_inside():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        out = torch.float32 if logits.dtype == torch.bfloat16 else logits.dtype
        x = logits.double()
        if target.is_floating_point():
            sign = 2 * target.double() - 1
            log_p, log_q = F.logsigmoid(sign * x), F.logsigmoid(-sign * x)
            w = 1.0 if alpha is None else alpha * target.double() + (1 - alpha) * (1 - target.double())
        else:
            onehot = F.one_hot(target, x.shape[1]).bool()
            log_p = x.log_softmax(1).masked_fill(~onehot, 0).sum(1)
            log_q = x.log_softmax(1).masked_fill(onehot, -1e9).logsumexp(1).clamp(max=0)
            w = 1.0 if alpha is None else alpha.double()[target]
        return finish(-w * (gamma * log_q).exp() * log_p, reduction).to(out)

    return {"focal_loss": focal_loss}


@right("E1")
def row_by_row_smoothing():
    def smooth_ce(logits, target, eps=0.1, ignore_index=-100):
        losses = []
        for z, y in zip(
            logits.float() if logits.dtype == torch.bfloat16 else logits, target.tolist(), strict=True
        ):
            if y == ignore_index:
                continue
            log_p = z - z.logsumexp(0)
            losses.append(-((1 - eps) * log_p[y] + eps * log_p.mean()))
        if not losses:
            return logits.sum() * 0
        return torch.stack(losses).mean()

    return {"smooth_ce": smooth_ce}


@right("E1")
def soft_targets():
    def smooth_ce(logits, target, eps=0.1, ignore_index=-100):
        keep = target.ne(ignore_index)
        x = logits.float() if logits.dtype == torch.bfloat16 else logits
        n, c = x.shape
        q = torch.full((n, c), eps / c, dtype=x.dtype)
        q.scatter_add_(1, torch.where(keep, target, 0)[:, None], torch.full((n, 1), 1 - eps, dtype=x.dtype))
        losses = -(q * torch.log_softmax(x, -1)).sum(-1)
        return torch.where(keep, losses, 0.0).sum() / keep.sum().clamp(min=1)

    return {"smooth_ce": smooth_ce}


@right("E1")
def nll_with_its_own_ignore_index():
    def smooth_ce(logits, target, eps=0.1, ignore_index=-100):
        log_p = F.log_softmax(logits if logits.dtype != torch.bfloat16 else logits.float(), dim=1)
        kept = (target != ignore_index).sum().clamp(min=1)
        nll = F.nll_loss(log_p, target, ignore_index=ignore_index, reduction="sum")
        uniform = -log_p.mean(1)[target != ignore_index].sum()
        return ((1 - eps) * nll + eps * uniform) / kept

    return {"smooth_ce": smooth_ce}


@right("E1")
def huber_by_where():
    def huber(pred, target, delta=1.0, reduction="mean"):
        if pred.dtype == torch.bfloat16:
            pred, target = pred.float(), target.float()
        e = pred - target
        losses = torch.where(e.abs() < delta, 0.5 * e * e, delta * (e.abs() - 0.5 * delta))
        return finish(losses, reduction)

    return {"huber": huber}


@right("E1")
def huber_by_clamping():
    def huber(pred, target, delta=1.0, reduction="mean"):
        e = pred.float() - target.float() if pred.dtype == torch.bfloat16 else pred - target
        g = e.clamp(-delta, delta)
        return finish(g * e - 0.5 * g * g, reduction)

    return {"huber": huber}


@right("E1")
def huber_with_masks():
    def huber(pred, target, delta=1.0, reduction="mean"):
        kind = torch.promote_types(pred.dtype, torch.float32)
        diff = torch.abs(pred.to(kind) - target.to(kind))
        inside = (diff <= delta).to(kind)
        losses = inside * 0.5 * diff**2 + (1 - inside) * (delta * diff - 0.5 * delta**2)
        return finish(losses, reduction)

    return {"huber": huber}


@right("E1")
def minus_infinity_for_the_truth():
    def focal_loss(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
        x = logits.float() if logits.dtype == torch.bfloat16 else logits
        if target.is_floating_point():
            side = x * (2 * target - 1)
            log_p, log_q = F.logsigmoid(side), F.logsigmoid(-side)
            w = 1.0 if alpha is None else torch.where(target > 0.5, alpha, 1 - alpha)
        else:
            table, index = x.log_softmax(1), target[:, None]
            log_p = table.gather(1, index)[:, 0]
            log_q = table.scatter(1, index, -torch.inf).logsumexp(1).clamp(min=-1e30)
            w = 1.0 if alpha is None else alpha.to(x.dtype)[target]
        return finish(-w * torch.exp(gamma * log_q) * log_p, reduction)

    return {"focal_loss": focal_loss}
