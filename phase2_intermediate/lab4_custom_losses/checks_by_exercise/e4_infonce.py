"""E4: InfoNCE at large batch. What must hold; the known mistakes stand in `e4_mistakes`."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Exercise, Trial
from phase2_intermediate.lab4_custom_losses.checks_by_exercise import pictures
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e4_mistakes import memory_of
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e4_mistakes_micro import probe
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e4_watch import (
    Watched,
    full_batch_gradient,
    rows_alive,
)
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import (
    F64,
    closed,
    double,
    expect,
    expect_gradient,
    gradients,
    right_dtype,
)

e4 = Exercise(
    "E4",
    takes={"info_nce": Tensor, "ChunkedInfoNCE": None, "grad_cache_step": Tensor},
    forbids=closed(
        shared="infonce classification",
        why="`shared.losses` holds the finished version; here you write it",
    ),
    hints=(
        "InfoNCE is a cross-entropy whose classes are the rows of the other view. Large batches need two "
        "tricks: a logsumexp that is built up chunk by chunk, and the insight that the loss knows the "
        "encoder only through the embeddings.",
        "total ← logaddexp(total, logsumexp of the chunk), starting at −∞. Backward: p = exp(s/τ − total), "
        "∂L/∂a = (Σ_j p_ij b_j − b_i)/(B τ), ∂L/∂b_j = (Σ_i p_ij a_i − a_j)/(B τ). Grad cache: embeddings "
        "without graph → gradient of the loss for the embeddings → each micro-batch again with that "
        "gradient.",
        "`grad_a, grad_b = -b * scale, -a * scale`, then for each chunk `p = torch.exp(a @ b[rows].T / τ - "
        "total[:, None]) * scale; grad_a += p @ b[rows]; grad_b[rows] += p.T @ a`, with scale = grad_out/(B "
        "τ). Grad cache: `(grad,) = torch.autograd.grad(loss, z)`, then `encoder(part).backward(piece)` for "
        "each part, after `torch.set_rng_state(state)`.",
    ),
)
probe.add_to(e4)


def nce(z1: Tensor, z2: Tensor, tau: float, symmetric: bool = True) -> Tensor:
    s = (z1 / z1.norm(dim=1, keepdim=True)) @ (z2 / z2.norm(dim=1, keepdim=True)).T / tau
    here = torch.arange(len(s))
    forth = F.cross_entropy(s, here)
    return (forth + F.cross_entropy(s.T, here)) / 2 if symmetric else forth


@e4.property("the loss and its gradient", points=4)
def loss_and_gradient(a: Any, t: Trial) -> None:
    for rows, width in ((1, 3), (2, 1), (3, 2), (7, 5)):
        for symmetric in (True, False):
            for tau in (0.1, 0.7):
                expect_gradient(
                    t,
                    lambda p, q, x=tau, s=symmetric: a.info_nce(p, q, x, symmetric=s),
                    lambda p, q, x=tau, s=symmetric: nce(p, q, x, s),
                    [t.randn(rows, width) * 3, t.randn(rows, width)],
                    f"info_nce of {rows} pairs, τ = {tau}, symmetric={symmetric}",
                    diagnosis="info-nce-value",
                )
    z = t.randn(5, 4)
    expect(
        t,
        lambda: a.info_nce(z, z.flip(0)),
        nce(z, z.flip(0), 0.1),
        "info_nce with its defaults, τ = 0.1 and symmetric",
        diagnosis="info-nce-defaults",
    )


@e4.property("chunks change nothing", points=4)
def chunks(a: Any, t: Trial) -> None:
    for rows, chunk in ((1, 1), (5, 2), (6, 3), (7, 7), (4, 50)):
        for symmetric in (True, False):
            expect_gradient(
                t,
                lambda p, q, c=chunk, s=symmetric: a.info_nce(p, q, 0.3, symmetric=s, chunk=c),
                lambda p, q, s=symmetric: nce(p, q, 0.3, s),
                [t.randn(rows, 3) * 2, t.randn(rows, 3)],
                f"info_nce with B = {rows}, chunk={chunk}, symmetric={symmetric}",
                diagnosis="chunked-value",
            )
        expect_gradient(
            t,
            lambda p, q, c=chunk: 3.0 * a.ChunkedInfoNCE.apply(p, q, 0.3, c),
            lambda p, q: 3.0 * F.cross_entropy(p @ q.T / 0.3, torch.arange(len(p))),
            [t.randn(rows, 3), t.randn(rows, 3)],
            f"3 · ChunkedInfoNCE.apply(a, b, 0.3, {chunk}) with B = {rows}",
            diagnosis="chunked-function",
        )
    expect_gradient(
        t,
        lambda p, q: a.ChunkedInfoNCE.apply(p, q, 0.3, 2) + a.ChunkedInfoNCE.apply(q, p, 0.9, 3),
        lambda p, q: (
            F.cross_entropy(p @ q.T / 0.3, torch.arange(5)) + F.cross_entropy(q @ p.T / 0.9, torch.arange(5))
        ),
        [t.randn(5, 3), t.randn(5, 3)],
        "two calls of ChunkedInfoNCE before one backward, τ = 0.3 and 0.9 (what a call must remember belongs "
        "into its own `ctx`)",
        diagnosis="calls-share-what-they-keep",
    )


@e4.property("memory", points=4)
def memory(a: Any, t: Trial) -> None:
    for which in ("info_nce", "ChunkedInfoNCE"):
        for rows, chunk in ((192, 8), (320, 20)):
            largest, kept = memory_of(a, t, which, rows, chunk)
            t.given(f"{which}, B = {rows}, D = 4, chunk = {chunk}")
            t.that(
                largest <= max(rows * chunk, rows * 4) and kept <= 48 * rows,
                f"the largest tensor has {largest:,} elements (at most {rows * chunk:,}), kept for backward "
                f"are {kept:,.0f} numbers (at most {48 * rows:,})",
                diagnosis="too-much-memory",
            )


@e4.property("the edges of the loss", points=3)
def edges(a: Any, t: Trial) -> None:
    aligned = torch.eye(6, dtype=F64)
    for how in ({}, {"chunk": 2}):
        z = t.randn(6, 8)
        words = f"info_nce({', '.join(f'{k}={v}' for k, v in how.items())})"
        expect(
            t,
            lambda h=how: a.info_nce(aligned, aligned, 0.05, **h),
            double(math.log1p(5 * math.exp(-20.0))),
            f"{words} of orthogonal pairs that agree",
            diagnosis="perfect-alignment",
            atol=1e-7,
        )
        expect(
            t,
            lambda h=how, z=z: a.info_nce(z[:1].expand(6, 8), z[:1].expand(6, 8), 0.1, **h),
            double(math.log(6)),
            f"{words} of six equal rows: nobody can be told apart, log 6",
            diagnosis="equal-rows",
        )
        loss, grads = gradients(lambda p, q, h=how: a.info_nce(p, q, 0.001, **h), z, z.flip(0))
        t.equal(
            loss,
            nce(z, z.flip(0), 0.001),
            f"{words} at τ = 0.001",
            diagnosis="small-temperature",
            dtype=False,
            rtol=1e-5,
        )
        zero = z.clone()
        zero[2] = 0
        loss, grads = gradients(lambda p, q, h=how: a.info_nce(p, q, 0.5, **h), zero, z)
        s = F.normalize(zero, dim=1) @ F.normalize(z, dim=1).T / 0.5
        here = torch.arange(6)
        t.equal(
            loss,
            (F.cross_entropy(s, here) + F.cross_entropy(s.T, here)) / 2,
            f"{words} with a zero vector: its cosine with everything is 0",
            diagnosis="zero-vector",
            dtype=False,
            rtol=1e-5,
        )
        t.that(
            all(g is not None and bool(g.isfinite().all()) for g in grads),
            f"{words} with a zero vector: a gradient is not finite",
            diagnosis="zero-vector",
        )
        right_dtype(t, "info_nce", lambda d, h=how, z=z: a.info_nce(z.to(d), z.flip(0).to(d), **h))
        expect(
            t,
            lambda h=how, z=z: a.info_nce(z.T[:6], z.T[:6].flip(1), 0.2, **h),
            nce(z.T[:6], z.T[:6].flip(1), 0.2),
            f"{words} of transposed embeddings",
            diagnosis="other-layout",
        )
    near = torch.tensor([[1.0, 0.0], [1.0, 0.1]])  # a cosine of 0.995, which bfloat16 rounds to 0.996
    for z1, z2, tau in ((t.randn(64, 8), t.randn(64, 8), 0.1), (near, near, 0.01)):
        half1, half2 = z1.bfloat16(), z2.bfloat16()
        expect(
            t,
            lambda p=half1, q=half2, tau=tau: a.info_nce(p, q, tau),
            nce(half1.double(), half2.double(), tau),
            f"bfloat16 embeddings at τ = {tau}: compute all in float32, 1/τ magnifies every rounding",
            diagnosis="half-precision",
            rtol=2.0**-7,
        )


@e4.property("the exact gradient by micro-batches", points=5)
def micro_batches(a: Any, t: Trial) -> None:
    for rows, micro in ((4, 2), (5, 2), (3, 8), (6, 1)):
        by_micro_batches(a, t, rows, micro)
    encoder = Watched(t.generator, dropout=0.3)
    a.grad_cache_step(encoder, t.randn(5, 5), t.randn(5, 5), micro=2, temperature=0.2)
    t.that(
        not encoder.rows_differ(), "dropout: two passes of one row differ", diagnosis="another-dropout-mask"
    )


def by_micro_batches(a: Any, t: Trial, rows: int, micro: int) -> None:
    encoder = Watched(t.generator)
    x1, x2 = t.randn(rows, 5), t.randn(rows, 5)
    loss, exact = full_batch_gradient(encoder, lambda p, q: nce(p, q, 0.2), x1, x2)
    for p in encoder.parameters():
        p.grad = torch.full_like(p, 0.25)
    words = f"grad_cache_step with B = {rows}, micro={micro}"
    with rows_alive() as most:
        expect(
            t,
            lambda: a.grad_cache_step(encoder, x1, x2, micro=micro, temperature=0.2),
            loss,
            f"{words}: the loss",
            diagnosis="grad-cache-loss",
        )
    for found, right in zip(encoder.gradient(), exact, strict=True):
        t.equal(
            found,
            right + 0.25,
            f"{words}: a parameter's gradient, added to the 0.25 that was there",
            diagnosis="grad-cache-gradient",
            rtol=1e-6,
            atol=1e-9,
        )
    t.that(
        encoder.most_rows <= micro and most() <= 2 * micro,
        f"{words}: {encoder.most_rows} rows in one call, the graphs of {most()} rows alive at one time",
        diagnosis="micro-batch-too-large",
    )


e4.reward(pictures.memory_curve)
