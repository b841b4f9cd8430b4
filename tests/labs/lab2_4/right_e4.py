"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from tests.labs.answers import Answers

right = Answers()


def unit(z):
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    return z / z.norm(dim=1, keepdim=True).clamp(min=1e-12)


def both(s):
    return (F.cross_entropy(s, torch.arange(len(s))) + F.cross_entropy(s.T, torch.arange(len(s)))) / 2


class RowsAtATime(torch.autograd.Function):
    """Chunks of rows of a instead of b: every row sees all of b at once."""

    @staticmethod
    def forward(ctx, a, b, temperature, chunk):
        ctx.save_for_backward(a, b)
        ctx.how = temperature, chunk
        losses = []
        for start in range(0, len(a), chunk):
            s = a[start : start + chunk] @ b.T / temperature
            here = torch.arange(len(s))
            losses.append(s.logsumexp(1) - s[here, here + start])
        return torch.cat(losses).mean()

    @staticmethod
    def backward(ctx, grad_out):
        a, b = ctx.saved_tensors
        temperature, chunk = ctx.how
        grad_a, grad_b = torch.zeros_like(a), torch.zeros_like(b)
        for start in range(0, len(a), chunk):
            rows = slice(start, start + chunk)
            p = (a[rows] @ b.T / temperature).softmax(1)
            here = torch.arange(len(p))
            p[here, here + start] -= 1
            p *= grad_out / (len(a) * temperature)
            grad_a[rows] = p @ b
            grad_b += p.T @ a[rows]
        return grad_a, grad_b, None, None


@right("E4")
def chunks_of_rows():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = unit(z1), unit(z2)
        step = chunk or len(a)
        loss = RowsAtATime.apply(a, b, temperature, step)
        return (loss + RowsAtATime.apply(b, a, temperature, step)) / 2 if symmetric else loss

    return {"info_nce": info_nce, "ChunkedInfoNCE": RowsAtATime}


class RunningMaximum(torch.autograd.Function):
    """The maximum and the sum kept apart, as in the online softmax."""

    @staticmethod
    def forward(ctx, a, b, temperature, chunk):
        top = torch.full((len(a), 1), -torch.inf, dtype=a.dtype)
        total = torch.zeros(len(a), 1, dtype=a.dtype)
        for part in torch.split(b, chunk):
            s = torch.mm(a, part.t()).div_(temperature)
            new = torch.maximum(top, s.amax(1, keepdim=True))
            total = total * (top - new).exp() + (s - new).exp_().sum(1, keepdim=True)
            top = new
        lse = top + total.log()
        ctx.save_for_backward(a, b, lse)
        ctx.temperature, ctx.chunk = temperature, chunk
        return (lse.squeeze(1) - torch.einsum("bd,bd->b", a, b) / temperature).mean()

    @staticmethod
    def backward(ctx, grad):
        a, b, lse = ctx.saved_tensors
        n, t = len(a), ctx.temperature
        da, db = torch.empty_like(a), []
        da.zero_()
        for part in b.split(ctx.chunk):
            p = (a @ part.T / t - lse).exp()
            da += p @ part
            db.append(p.T @ a)
        k = grad / (n * t)
        return (da - b) * k, (torch.cat(db) - a) * k, None, None


@right("E4")
def online_softmax():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = F.normalize(z1.float() if z1.dtype == torch.bfloat16 else z1), unit(z2)
        if chunk is None:
            s = torch.einsum("id,jd->ij", a, b) / temperature
            return both(s) if symmetric else F.cross_entropy(s, torch.arange(len(s)))
        forth = RunningMaximum.apply(a, b, temperature, chunk)
        return 0.5 * (forth + RunningMaximum.apply(b, a, temperature, chunk)) if symmetric else forth

    return {"info_nce": info_nce, "ChunkedInfoNCE": RunningMaximum}


@right("E4")
def checkpointed_chunks():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = unit(z1), unit(z2)

        def rows(p, q, start):
            s = p @ q.T / temperature
            here = torch.arange(len(s))
            return (s.logsumexp(1) - s[here, here + start]).sum()

        def way(a, b):
            if chunk is None:
                return rows(a, b, 0) / len(a)
            parts = [
                checkpoint(rows, a[i : i + chunk], b, i, use_reentrant=False) for i in range(0, len(a), chunk)
            ]
            return sum(parts) / len(a)

        return (way(a, b) + way(b, a)) / 2 if symmetric else way(a, b)

    return {"info_nce": info_nce}


@right("E4")
def nested_autograd_in_backward():
    class ChunkedInfoNCE(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, temperature, chunk):
            ctx.save_for_backward(a, b)
            ctx.how = temperature, chunk
            loss = a.new_zeros(())
            for i in range(0, len(a), chunk):
                s = a[i : i + chunk] @ b.T / temperature
                loss = loss + F.cross_entropy(s, torch.arange(i, i + len(s)), reduction="sum")
            return loss / len(a)

        @staticmethod
        def backward(ctx, grad_out):
            a, b = ctx.saved_tensors
            temperature, chunk = ctx.how
            grads_a, grad_b = [], torch.zeros_like(b)
            for i in range(0, len(a), chunk):
                with torch.enable_grad():
                    p, q = a[i : i + chunk].detach().requires_grad_(), b.detach().requires_grad_()
                    s = p @ q.T / temperature
                    loss = F.cross_entropy(s, torch.arange(i, i + len(s)), reduction="sum") / len(a)
                ga, gb = torch.autograd.grad(loss, (p, q))
                grads_a.append(ga * grad_out)
                grad_b += gb * grad_out
            return torch.cat(grads_a), grad_b, None, None

    return {"ChunkedInfoNCE": ChunkedInfoNCE}


@right("E4")
def diagonal_and_logsumexp():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = unit(z1), unit(z2)
        if chunk is not None:
            forth = RowsAtATime.apply(a, b, temperature, chunk)
            return (forth + RowsAtATime.apply(b, a, temperature, chunk)) / 2 if symmetric else forth
        s = a @ b.T / temperature
        rows = (torch.logsumexp(s, 1) - s.diagonal()).mean()
        columns = (torch.logsumexp(s, 0) - s.diagonal()).mean()
        return 0.5 * rows + 0.5 * columns if symmetric else rows

    return {"info_nce": info_nce}


def whole(z1, z2, temperature):
    return both(unit(z1) @ unit(z2).T / temperature)


@right("E4")
def activation_checkpointing():
    def grad_cache_step(encoder, x1, x2, *, micro, temperature):
        def embed(x):
            parts = [checkpoint(encoder, part, use_reentrant=False) for part in x.split(micro)]
            return torch.cat(parts)

        loss = whole(embed(x1), embed(x2), temperature)
        loss.backward()
        return loss.detach()

    return {"grad_cache_step": grad_cache_step}


@right("E4")
def view_after_view_by_inner_products():
    def grad_cache_step(encoder, x1, x2, *, micro, temperature):
        states, zs = [], []
        with torch.no_grad():
            for x in (x1, x2):
                out = []
                for i in range(0, len(x), micro):
                    states.append(torch.random.get_rng_state())
                    out.append(encoder(x[i : i + micro]))
                zs.append(torch.cat(out).detach().requires_grad_(True))
        loss = whole(*zs, temperature)
        loss.backward()
        k = 0
        for x, z in zip((x1, x2), zs, strict=True):
            for i in range(0, len(x), micro):
                with torch.random.fork_rng(devices=[]):
                    torch.random.set_rng_state(states[k])
                    out = encoder(x[i : i + micro])
                (out * z.grad[i : i + micro]).sum().backward()
                k += 1
        return loss.detach().clone()

    return {"grad_cache_step": grad_cache_step}


@right("E4")
def seeds_for_every_part():
    def grad_cache_step(encoder, x1, x2, *, micro, temperature):
        first = int(torch.randint(0, 2**31, ()).item())
        jobs = list(enumerate([*torch.split(x1, micro), *torch.split(x2, micro)]))
        with torch.no_grad():
            found = []
            for i, part in jobs:
                torch.manual_seed(first + i)
                found.append(encoder(part))
        z = torch.cat(found)
        z1, z2 = z[: len(x1)].clone().requires_grad_(), z[len(x1) :].clone().requires_grad_()
        loss = whole(z1, z2, temperature)
        grads = torch.cat(torch.autograd.grad(loss, (z1, z2)))
        start = 0
        for i, part in jobs:
            torch.manual_seed(first + i)
            torch.autograd.backward(encoder(part), grads[start : start + len(part)])
            start += len(part)
        return loss.detach()

    return {"grad_cache_step": grad_cache_step}


@right("E4")
def both_views_of_a_micro_batch_together():
    def grad_cache_step(encoder, x1, x2, *, micro, temperature):
        states, left, right_ = [], [], []
        with torch.no_grad():
            for p, q in zip(x1.split(micro), x2.split(micro), strict=True):
                states.append(torch.get_rng_state())
                left.append(encoder(p))
                right_.append(encoder(q))
        z1, z2 = torch.cat(left).requires_grad_(), torch.cat(right_).requires_grad_()
        loss = whole(z1, z2, temperature)
        g1, g2 = torch.autograd.grad(loss, [z1, z2])
        parts = zip(states, x1.split(micro), x2.split(micro), g1.split(micro), g2.split(micro), strict=True)
        for state, p, q, a, b in parts:
            torch.set_rng_state(state)
            torch.autograd.backward([encoder(p), encoder(q)], [a, b])
        return loss.detach()

    return {"grad_cache_step": grad_cache_step}
