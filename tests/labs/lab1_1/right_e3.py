"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from tests.labs.answers import Answers

right = Answers()


@right("E3")
def logits_saved_and_softmax_recomputed():
    class FusedCrossEntropy(Function):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            ctx.save_for_backward(logits, target)
            ctx.ignore_index = ignore_index
            kept = target != ignore_index
            z = logits[kept].to(torch.float32 if logits.element_size() == 2 else logits.dtype)
            y = target[kept].unsqueeze(1)
            return (z.logsumexp(1) - z.gather(1, y).squeeze(1)).mean()

        @staticmethod
        def backward(ctx, grad_out):
            logits, target = ctx.saved_tensors
            kept = (target != ctx.ignore_index).nonzero().squeeze(1)
            result = torch.zeros_like(logits)
            if len(kept):
                p = torch.softmax(logits[kept], dim=1, dtype=torch.promote_types(logits.dtype, torch.float32))
                p.scatter_add_(1, target[kept][:, None], torch.full((len(kept), 1), -1.0, dtype=p.dtype))
                result[kept] = (p * grad_out / len(kept)).to(logits.dtype)
            return result, None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@right("E3")
def setup_context_style():
    class FusedCrossEntropy(Function):
        @staticmethod
        def forward(logits, target, ignore_index=-100):
            log_p = F.log_softmax(logits.float() if logits.dtype.itemsize == 2 else logits, dim=-1)
            kept = target.ne(ignore_index)
            chosen = log_p.gather(1, torch.where(kept, target, 0).unsqueeze(1)).squeeze(1)
            return -torch.where(kept, chosen, 0).sum() / kept.sum()

        @staticmethod
        def setup_context(ctx, inputs, output):
            logits, target = inputs[0], inputs[1]
            ctx.ignore_index = inputs[2] if len(inputs) > 2 else -100
            ctx.inputs = len(inputs)
            ctx.save_for_backward(logits, target)

        @staticmethod
        @once_differentiable
        def backward(ctx, grad_out):
            logits, target = ctx.saved_tensors
            kept = target != ctx.ignore_index
            p = F.softmax(logits.float() if logits.dtype.itemsize == 2 else logits, dim=-1)
            p = p - F.one_hot(torch.where(kept, target, 0), logits.shape[1]).to(p.dtype)
            p = torch.where(kept[:, None], p, 0) * (grad_out / max(int(kept.sum()), 1))
            return (p.to(logits.dtype), None, None)[: ctx.inputs]

    return {"FusedCrossEntropy": FusedCrossEntropy}


@right("E3")
def row_by_row():
    class FusedCrossEntropy(Function):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            z = logits.double()
            rows = [i for i, y in enumerate(target.tolist()) if y != ignore_index]
            ctx.rows, ctx.saved = rows, (logits, target)
            if not rows:
                return torch.tensor(
                    float("nan"), dtype=torch.float32 if logits.element_size() == 2 else logits.dtype
                )
            total = torch.zeros((), dtype=torch.float64)
            for i in rows:
                m = z[i].max()
                total = total + m + (z[i] - m).exp().sum().log() - z[i, target[i]]
            out = torch.float32 if logits.element_size() == 2 else logits.dtype
            return (total / len(rows)).to(out)

        @staticmethod
        def backward(ctx, grad_out):
            logits, target = ctx.saved
            grad = torch.zeros(logits.shape, dtype=torch.float64)
            for i in ctx.rows:
                grad[i] = (logits[i].double() - logits[i].max()).softmax(0)
                grad[i, target[i]] -= 1
            return (grad * grad_out.double() / max(len(ctx.rows), 1)).to(logits.dtype), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@right("E3")
def the_gradient_is_computed_in_forward():
    class FusedCrossEntropy(Function):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            z = logits.float() if logits.dtype in (torch.half, torch.bfloat16) else logits
            z = z - z.amax(dim=1, keepdim=True)
            lse = z.exp().sum(dim=1, keepdim=True).log()
            mask = (target != ignore_index).unsqueeze(1)
            index = target.unsqueeze(1).masked_fill(~mask, 0)
            n = mask.sum()
            losses = (lse - z.gather(1, index)).masked_fill(~mask, 0)
            grad = (z - lse).exp_()
            grad.scatter_(1, index, grad.gather(1, index) - 1)
            grad.masked_fill_(~mask, 0).div_(n.clamp_min(1))
            ctx.save_for_backward(grad)
            ctx.kind = logits.dtype
            return (losses.sum() / n).to(logits.dtype)

        @staticmethod
        def backward(ctx, grad_out):
            (grad,) = ctx.saved_tensors
            return (grad * grad_out).to(ctx.kind), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@right("E3")
def probabilities_saved_with_helpers():
    def stable(z):
        e = (z - z.max(dim=1, keepdim=True).values).exp()
        return e / e.sum(dim=1, keepdim=True)

    class FusedCrossEntropy(Function):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            z = logits.to(torch.float64)
            rows = torch.nonzero(target != ignore_index, as_tuple=True)[0]
            classes = target[rows]
            lse = torch.logsumexp(z[rows], dim=1)
            loss = (lse - z[rows, classes]).sum() / rows.numel() if rows.numel() else torch.tensor(torch.nan)
            kind = torch.float32 if logits.element_size() == 2 else logits.dtype
            ctx.p = stable(z).to(kind)
            ctx.rows, ctx.classes, ctx.dtype = rows, classes, logits.dtype
            return loss.to(logits.dtype)

        @staticmethod
        def backward(ctx, grad_out):
            grad = torch.zeros_like(ctx.p)
            if len(ctx.rows):
                grad[ctx.rows] = ctx.p[ctx.rows]
                grad.index_put_(
                    (ctx.rows, ctx.classes), torch.tensor(-1.0, dtype=grad.dtype), accumulate=True
                )
                grad = grad * (grad_out.to(grad.dtype) / len(ctx.rows))
            return grad.to(ctx.dtype), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@right("E3")
def saved_logsumexp_beside_the_logits():
    class FusedCrossEntropy(Function):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
            lse = wide.logsumexp(-1)
            keep = target != ignore_index
            picked = wide.gather(-1, target.clamp(0, wide.shape[1] - 1)[:, None])[:, 0]
            ctx.save_for_backward(logits, lse, target)
            ctx.ignore_index = ignore_index
            return (lse - picked)[keep].mean()

        @staticmethod
        def backward(ctx, grad_out):
            logits, lse, target = ctx.saved_tensors
            keep = target != ctx.ignore_index
            scale = torch.where(keep, grad_out.to(lse.dtype) / keep.sum(), torch.zeros((), dtype=lse.dtype))
            grad = (logits.to(lse.dtype) - lse[:, None]).exp()
            columns = torch.arange(logits.shape[1])
            grad = torch.where(columns == target[:, None], grad - 1, grad)
            return (grad * scale[:, None]).to(logits.dtype), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@right("E3")
def an_inherited_class():
    class Base(Function):
        @classmethod
        def wide(cls, x):
            return x.float() if x.dtype.itemsize < 4 else x

        @staticmethod
        def backward(ctx, g):
            z, y = ctx.saved_tensors
            mask = y.ne(ctx.skip)
            rows = mask.sum().clamp(min=1)
            grad = Base.wide(z).log_softmax(1).exp()
            for row, cls in zip(*(part.tolist() for part in (mask.nonzero()[:, 0], y[mask])), strict=True):
                grad[row, cls] = grad[row, cls] - 1
            grad = grad.mul(mask[:, None]).mul(g).div(rows)
            return grad.type(z.dtype), None, None

    class FusedCrossEntropy(Base):
        @staticmethod
        def forward(ctx, z, y, skip=-100):
            ctx.skip = skip
            ctx.save_for_backward(z, y)
            rows = y.ne(skip)
            log_p = -Base.wide(z)[rows].log_softmax(1)
            return torch.take_along_dim(log_p, y[rows][:, None], 1).mean()

    return {"FusedCrossEntropy": FusedCrossEntropy}


@right("E3")
def target_free_of_masks():
    class FusedCrossEntropy(Function):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            wide = logits.double()
            kept = target != ignore_index
            log_p = torch.log_softmax(wide, 1)
            weight = torch.zeros(len(target), dtype=torch.float64)
            weight[kept] = 1 / kept.sum()
            loss = (
                -(weight[kept] * log_p[kept, target[kept]]).sum() if kept.any() else torch.tensor(torch.nan)
            )
            ctx.save_for_backward(log_p.to(torch.promote_types(logits.dtype, torch.float32)), target)
            ctx.weight, ctx.dtype = weight, logits.dtype
            return loss.to(torch.promote_types(logits.dtype, torch.float32))

        @staticmethod
        def backward(ctx, grad_out):
            log_p, target = ctx.saved_tensors
            p = log_p.exp().double()
            where = ctx.weight > 0
            p[where, target[where]] -= 1
            p[~where] = 0
            return (p * ctx.weight[:, None] * grad_out).to(ctx.dtype), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}
