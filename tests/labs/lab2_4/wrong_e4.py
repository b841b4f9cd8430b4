"""Wrong answers to E4 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab4_custom_losses import solution
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e4_infonce import (
    Chunked,
    both,
    one_way,
    right_loss,
    unit,
    with_loss,
)
from tests.labs.answers import Answers

wrong = Answers()


def loss(make):
    wrong.add("E4", make.__name__, lambda: with_loss(make))
    return make


def function(make):
    wrong.add("E4", make.__name__, lambda: {"ChunkedInfoNCE": make()})
    return make


step = wrong.stands_for("E4", "grad_cache_step")


@loss
def only_one_direction(a, b, tau, symmetric):
    return one_way(a @ b.T / tau)


@loss
def always_both(a, b, tau, symmetric):
    return both(a @ b.T / tau)


@loss
def sum_of_both(a, b, tau, symmetric):
    return 2 * both(a @ b.T / tau) if symmetric else one_way(a @ b.T / tau)


@loss
def rows_added(a, b, tau, symmetric):
    s = a @ b.T / tau
    return both(s) * len(s) if symmetric else one_way(s) * len(s)


@loss
def wrong_sign(a, b, tau, symmetric):
    s = a @ b.T / tau
    return -both(s) if symmetric else -one_way(s)


@loss
def temperature_forgotten(a, b, tau, symmetric):
    return both(a @ b.T) if symmetric else one_way(a @ b.T)


@loss
def other_direction(a, b, tau, symmetric):
    return both(a @ b.T / tau) if symmetric else one_way(b @ a.T / tau)


@loss
def exponentials_by_hand(a, b, tau, symmetric):
    e = torch.exp(a @ b.T / tau)
    forth = -torch.log(e.diagonal() / e.sum(1)).mean()
    return (forth - torch.log(e.diagonal() / e.sum(0)).mean()) / 2 if symmetric else forth


@loss
def negative_distances(a, b, tau, symmetric):
    s = -torch.cdist(a, b) / tau
    return both(s) if symmetric else one_way(s)


@loss
def nt_xent(a, b, tau, symmetric):
    if not symmetric:
        return one_way(a @ b.T / tau)
    z = torch.cat([a, b])
    s = (z @ z.T / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    n = len(a)
    return F.cross_entropy(s, torch.cat([torch.arange(n, 2 * n), torch.arange(n)]))


@loss
def squared_cosines(a, b, tau, symmetric):
    s = (a @ b.T) ** 2 / tau
    return both(s) if symmetric else one_way(s)


@wrong("E4")
def normalises_the_columns():
    return with_loss(
        lambda a, b, tau, symmetric: both(a @ b.T / tau) if symmetric else one_way(a @ b.T / tau),
        lambda z: F.normalize(z.float() if z.dtype == torch.bfloat16 else z, dim=0),
    )


@wrong("E4")
def normalises_one_view():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        s = unit(z1) @ (z2.float() if z2.dtype == torch.bfloat16 else z2).T / temperature
        return both(s) if symmetric else one_way(s)

    return {"info_nce": info_nce}


@wrong("E4")
def divides_by_a_zero_length():
    def loss(a, b, tau, symmetric):
        return both(a @ b.T / tau) if symmetric else one_way(a @ b.T / tau)

    return with_loss(
        loss, lambda z: (z.float() if z.dtype == torch.bfloat16 else z) / z.norm(dim=1, keepdim=True)
    )


@wrong("E4")
def ignores_chunk():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        s = unit(z1) @ unit(z2).T / temperature
        return both(s) if symmetric else one_way(s)

    return {"info_nce": info_nce}


@wrong("E4")
def blocks_on_the_diagonal():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = unit(z1), unit(z2)
        size = chunk or len(a)
        parts = [
            (both if symmetric else one_way)(p @ q.T / temperature)
            for p, q in zip(a.split(size), b.split(size), strict=True)
        ]
        return sum(parts) / len(parts)

    return {"info_nce": info_nce}


@wrong("E4")
def chunk_must_divide():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        a, b = unit(z1), unit(z2)
        size = chunk or len(a)

        def way(a, b):
            parts = b.reshape(-1, size, b.shape[1])
            total = torch.stack([torch.logsumexp(a @ part.T / temperature, 1) for part in parts]).logsumexp(0)
            return (total - (a * b).sum(1) / temperature).mean()

        return (way(a, b) + way(b, a)) / 2 if symmetric else way(a, b)

    return {"info_nce": info_nce}


@function
def no_gradient_for_b():
    class ChunkedInfoNCE(Chunked):
        @staticmethod
        def backward(ctx, grad_out):
            return Chunked.backward(ctx, grad_out)[0], None, None, None

    return ChunkedInfoNCE


@function
def two_gradients_only():
    class ChunkedInfoNCE(Chunked):
        @staticmethod
        def backward(ctx, grad_out):
            return Chunked.backward(ctx, grad_out)[:2]

    return ChunkedInfoNCE


@function
def grad_out_forgotten():
    class ChunkedInfoNCE(Chunked):
        @staticmethod
        def backward(ctx, grad_out):
            return Chunked.backward(ctx, torch.ones_like(grad_out))

    return ChunkedInfoNCE


@function
def temperature_missing_in_backward():
    class ChunkedInfoNCE(Chunked):
        @staticmethod
        def backward(ctx, grad_out):
            return Chunked.backward(ctx, grad_out * ctx.temperature)

    return ChunkedInfoNCE


@function
def sum_in_backward():
    class ChunkedInfoNCE(Chunked):
        @staticmethod
        def backward(ctx, grad_out):
            return Chunked.backward(ctx, grad_out * len(ctx.saved_tensors[0]))

    return ChunkedInfoNCE


@function
def positive_missing_in_backward():
    class ChunkedInfoNCE(Chunked):
        @staticmethod
        def backward(ctx, grad_out):
            a, b, _ = ctx.saved_tensors
            ga, gb, *_ = Chunked.backward(ctx, grad_out)
            scale = grad_out / (len(a) * ctx.temperature)
            return ga + b * scale, gb + a * scale, None, None

    return ChunkedInfoNCE


@function
def saves_the_softmax():
    class ChunkedInfoNCE(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, temperature, chunk):
            parts = [a @ part.T / temperature for part in b.split(chunk)]
            total = torch.stack([part.logsumexp(1) for part in parts]).logsumexp(0)
            ctx.save_for_backward(a, b, *[(part - total[:, None]).exp() for part in parts])
            ctx.how = temperature, chunk
            return (total - (a * b).sum(1) / temperature).mean()

        @staticmethod
        def backward(ctx, grad_out):
            a, b, *parts = ctx.saved_tensors
            temperature, chunk = ctx.how
            scale = grad_out / (len(a) * temperature)
            grad_a = sum(p @ rows for p, rows in zip(parts, b.split(chunk), strict=True)) - b
            grad_b = torch.cat([p.T @ a for p in parts]) - a
            return grad_a * scale, grad_b * scale, None, None

    return ChunkedInfoNCE


@function
def normalises_inside():
    class ChunkedInfoNCE:
        @staticmethod
        def apply(a, b, temperature, chunk):
            return Chunked.apply(unit(a), unit(b), temperature, chunk)

    return ChunkedInfoNCE


def cached(encoder, x1, x2, micro, temperature, scale=1.0, second=True):
    parts = [*x1.split(micro), *x2.split(micro)]
    states, found = [], []
    with torch.no_grad():
        for part in parts:
            states.append(torch.get_rng_state())
            found.append(encoder(part))
    z = torch.cat(found).requires_grad_()
    value = right_loss(z[: len(x1)], z[len(x1) :], temperature)
    (grad,) = torch.autograd.grad(value, z)
    pieces = grad.split([len(f) for f in found])
    for i, (part, state, piece) in enumerate(zip(parts, states, pieces, strict=True)):
        if second or i < len(x1.split(micro)):
            torch.set_rng_state(state)
            encoder(part).backward(piece * scale)
    return value


@step
def everything_at_once(encoder, x1, x2, *, micro, temperature):
    value = right_loss(encoder(x1), encoder(x2), temperature)
    value.backward()
    return value.detach()


@step
def mean_of_micro_losses(encoder, x1, x2, *, micro, temperature):
    pairs = list(zip(x1.split(micro), x2.split(micro), strict=True))
    values = []
    for p, q in pairs:
        value = right_loss(encoder(p), encoder(q), temperature) / len(pairs)
        value.backward()
        values.append(value.detach())
    return sum(values)


@step
def divided_by_the_micro_batches(encoder, x1, x2, *, micro, temperature):
    return cached(encoder, x1, x2, micro, temperature, scale=1 / len(x1.split(micro))).detach()


@step
def first_view_only(encoder, x1, x2, *, micro, temperature):
    return cached(encoder, x1, x2, micro, temperature, second=False).detach()


@step
def clears_gradients_first(encoder, x1, x2, *, micro, temperature):
    encoder.zero_grad()
    return cached(encoder, x1, x2, micro, temperature).detach()


@step
def returns_the_graph(encoder, x1, x2, *, micro, temperature):
    return cached(encoder, x1, x2, micro, temperature)


@step
def returns_a_float(encoder, x1, x2, *, micro, temperature):
    return cached(encoder, x1, x2, micro, temperature).item()


@step
def micro_counts_chunks(encoder, x1, x2, *, micro, temperature):
    return cached(encoder, x1, x2, -(-len(x1) // micro), temperature).detach()


@step
def no_second_pass(encoder, x1, x2, *, micro, temperature):
    with torch.no_grad():
        z1 = torch.cat([encoder(p) for p in x1.split(micro)])
        z2 = torch.cat([encoder(p) for p in x2.split(micro)])
    return right_loss(z1, z2, temperature)


@step
def fixed_temperature(encoder, x1, x2, *, micro, temperature):
    return cached(encoder, x1, x2, micro, 0.1).detach()


@step
def drops_the_rest(encoder, x1, x2, *, micro, temperature):
    rows = max(len(x1) // micro * micro, min(micro, len(x1)))
    return cached(encoder, x1[:rows], x2[:rows], micro, temperature).detach()


@wrong("E4")
def the_library():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        from shared.losses import info_nce as finished

        return finished(z1, z2, temperature=temperature, symmetric=symmetric)

    return {"info_nce": info_nce}


@step
def dropout_switched_off(encoder, x1, x2, *, micro, temperature):
    encoder.eval()
    value = cached(encoder, x1, x2, micro, temperature)
    encoder.train()
    return value.detach()


@step
def one_seed_for_every_part(encoder, x1, x2, *, micro, temperature):
    parts = [*x1.split(micro), *x2.split(micro)]
    torch.manual_seed(0)
    with torch.no_grad():
        found = [encoder(part) for part in parts]
    z = torch.cat(found).requires_grad_()
    value = right_loss(z[: len(x1)], z[len(x1) :], temperature)
    (grad,) = torch.autograd.grad(value, z)
    for part, piece in zip(parts, grad.split([len(f) for f in found]), strict=True):
        torch.manual_seed(0)
        encoder(part).backward(piece)
    return value.detach()


@wrong("E4")
def similarities_in_half_precision():
    def info_nce(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
        if z1.dtype != torch.bfloat16:
            return solution.info_nce(z1, z2, temperature, symmetric=symmetric, chunk=chunk)
        a, b = (F.normalize(z.float(), dim=1).to(z.dtype) for z in (z1, z2))
        s = (a @ b.T).float() / temperature
        return both(s) if symmetric else one_way(s)

    return {"info_nce": info_nce}
