"""Wrong answers to E4."""

import torch
import torch.nn.functional as F

from courseware.check import misconception


def one_way(s):
    return F.cross_entropy(s, torch.arange(len(s)))


def both(s):
    return (one_way(s) + one_way(s.T)) / 2


def unit(z):
    return F.normalize(z.float() if z.dtype == torch.bfloat16 else z, dim=1)


class Chunked(torch.autograd.Function):
    """A right answer in small pieces; misconceptions replace one of them."""

    @staticmethod
    def forward(ctx, a, b, temperature, chunk):
        total = torch.cat([torch.logsumexp(rows @ b.T / temperature, 1) for rows in a.split(chunk)])
        ctx.save_for_backward(a, b, total)
        ctx.temperature, ctx.chunk = temperature, chunk
        return (total - (a * b).sum(1) / temperature).mean()

    @staticmethod
    def backward(ctx, grad_out):
        a, b, total = ctx.saved_tensors
        scale = grad_out / (len(a) * ctx.temperature)
        grad_a, grad_b = -b * scale, -a * scale
        for rows in torch.arange(len(a)).split(ctx.chunk):
            p = torch.exp(a[rows] @ b.T / ctx.temperature - total[rows, None]) * scale
            grad_a[rows] += p @ b
            grad_b += p.T @ a[rows]
        return grad_a, grad_b, None, None


def with_loss(of_similarities, normalise=unit):
    """info_nce by the whole matrix; with chunk, by what is right."""

    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = normalise(z1), normalise(z2)
        if chunk is None:
            return of_similarities(a, b, temperature, symmetric)
        forth = Chunked.apply(a, b, temperature, chunk)
        return (forth + Chunked.apply(b, a, temperature, chunk)) / 2 if symmetric else forth

    return {"info_nce": info_nce}


@misconception("E4", diagnosis="not-normalised")
def forgets_to_normalise():
    def loss(a, b, tau, symmetric):
        return both(a @ b.T / tau) if symmetric else one_way(a @ b.T / tau)

    return with_loss(loss, lambda z: z.float() if z.dtype == torch.bfloat16 else z)


@misconception("E4", diagnosis="positive-missing-from-the-sum")
def only_negatives_below():
    def loss(a, b, tau, symmetric):
        s = a @ b.T / tau
        hidden = s.masked_fill(torch.eye(len(s), dtype=torch.bool), -torch.inf)
        forth = (hidden.logsumexp(1) - s.diagonal()).mean()
        return (forth + (hidden.logsumexp(0) - s.diagonal()).mean()) / 2 if symmetric else forth

    return with_loss(loss)


@misconception("E4", diagnosis="temperature-multiplied")
def multiplies_by_tau():
    def loss(a, b, tau, symmetric):
        return both(a @ b.T * tau) if symmetric else one_way(a @ b.T * tau)

    return with_loss(loss)


@misconception("E4", diagnosis="both-views-in-one-batch")
def simclr_without_a_mask():
    def loss(a, b, tau, symmetric):
        if not symmetric:
            return one_way(a @ b.T / tau)
        z = torch.cat([a, b])
        rows = torch.arange(len(a))
        return F.cross_entropy(z @ z.T / tau, torch.cat([rows + len(a), rows]))

    return with_loss(loss)


@misconception("E4", diagnosis="chunks-see-only-themselves")
def averages_the_chunks():
    class ChunkedInfoNCE(Chunked):
        @staticmethod
        def forward(ctx, a, b, temperature, chunk):
            loss = Chunked.forward(ctx, a, b, temperature, chunk)
            total = torch.stack(
                [torch.logsumexp(a @ part.T / temperature, 1) for part in b.split(chunk)]
            ).mean(0)
            return loss * 0 + (total - (a * b).sum(1) / temperature).mean()

    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = unit(z1), unit(z2)
        forth = ChunkedInfoNCE.apply(a, b, temperature, chunk or len(a))
        back = ChunkedInfoNCE.apply(b, a, temperature, chunk or len(a))
        return (forth + back) / 2 if symmetric else forth

    return {"info_nce": info_nce, "ChunkedInfoNCE": ChunkedInfoNCE}


@misconception("E4", diagnosis="the-whole-matrix")
def autograd_keeps_every_chunk():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = unit(z1), unit(z2)

        def way(a, b):
            parts = [torch.logsumexp(a @ part.T / temperature, 1) for part in b.split(chunk or len(b))]
            return (torch.stack(parts).logsumexp(0) - (a * b).sum(1) / temperature).mean()

        return (way(a, b) + way(b, a)) / 2 if symmetric else way(a, b)

    return {"info_nce": info_nce}


def right_loss(z1, z2, temperature):
    return both(unit(z1) @ unit(z2).T / temperature)


@misconception("E4", diagnosis="micro-batches-alone")
def adds_the_micro_batches():
    def grad_cache_step(encoder, x1, x2, *, micro, temperature):
        total, count = 0.0, 0
        for p, q in zip(x1.split(micro), x2.split(micro), strict=True):
            loss = right_loss(encoder(p), encoder(q), temperature)
            loss.backward()
            total, count = total + loss.detach(), count + 1
        return total / count

    return {"grad_cache_step": grad_cache_step}


@misconception("E4", diagnosis="another-dropout-mask")
def draws_new_masks():
    def grad_cache_step(encoder, x1, x2, *, micro, temperature):
        parts = [*x1.split(micro), *x2.split(micro)]
        with torch.no_grad():
            found = [encoder(part) for part in parts]
        z = torch.cat(found).requires_grad_()
        loss = right_loss(z[: len(x1)], z[len(x1) :], temperature)
        (grad,) = torch.autograd.grad(loss, z)
        for part, piece in zip(parts, grad.split([len(f) for f in found]), strict=True):
            encoder(part).backward(piece)
        return loss.detach()

    return {"grad_cache_step": grad_cache_step}


@misconception("E4", diagnosis="keeps-every-graph")
def one_backward_at_the_end():
    def grad_cache_step(encoder, x1, x2, *, micro, temperature):
        z1 = torch.cat([encoder(part) for part in x1.split(micro)])
        z2 = torch.cat([encoder(part) for part in x2.split(micro)])
        loss = right_loss(z1, z2, temperature)
        loss.backward()
        return loss.detach()

    return {"grad_cache_step": grad_cache_step}
