"""The known mistakes of E4 in the gradient by micro-batches."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Trial
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e4_mistakes import TAU, cross, probe
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e4_watch import (
    Watched,
    full_batch_gradient,
    rows_alive,
)
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import close

# ---- micro-batches ------------------------------------------------------------------------------------


def step(
    a: Any, t: Trial, dropout: float = 0.0, micro: int = 2, rows: int = 6
) -> tuple[Watched, Tensor, Any]:
    """One grad_cache_step with an encoder that takes notes: (encoder, loss, exact loss and gradient)."""
    encoder = Watched(t.generator, dropout)
    x1, x2 = t.randn(rows, 5), t.randn(rows, 5)
    exact = full_batch_gradient(encoder, whole, x1, x2) if not dropout else None
    loss = a.grad_cache_step(encoder, x1, x2, micro=micro, temperature=TAU)
    return encoder, loss, (*exact, x1, x2) if exact else None


def whole(z1: Tensor, z2: Tensor) -> Tensor:
    s = F.normalize(z1, dim=1) @ F.normalize(z2, dim=1).T
    return (cross(s) + cross(s.T)) / 2


@probe("too-many-rows-at-once")
def too_many_rows(a: Any, t: Trial) -> str | None:
    encoder, _, _ = step(a, t, micro=2, rows=6)
    if encoder.most_rows > 2:
        return (
            f"with B = 6 and micro=2 the encoder got {encoder.most_rows} rows in one call. `micro` is the "
            "number of rows of a micro-batch, and never more go through the encoder at once"
        )
    return None


@probe("micro-batches-alone")
def micro_alone(a: Any, t: Trial) -> str | None:
    encoder, _, (_, exact, x1, x2) = step(a, t)
    found = encoder.gradient()
    if all(close(f, e) for f, e in zip(found, exact, strict=True)):
        return None
    if not any(bool(f.any()) for f in found):
        return (
            "after grad_cache_step every parameter's gradient is empty: it must stand in `.grad`, as "
            "after backward()"
        )
    encoder.zero_grad()
    parts = [whole(encoder(p), encoder(q)) for p, q in zip(x1.split(2), x2.split(2), strict=True)]
    alone = torch.autograd.grad(sum(parts), list(encoder.parameters()))
    for scale, what in ((1.0, "sum"), (1 / 3, "mean")):
        if all(close(f, scale * g) for f, g in zip(found, alone, strict=True)):
            return (
                f"the gradient is the {what} of the micro-batches' own losses: there each positive competes "
                "with 1 negative instead of 5. B = 3×2 is not 6. Collect all embeddings first, take the "
                "loss's gradient with respect to them, then pass each micro-batch again"
            )
    biggest = max(range(len(exact)), key=lambda i: float(exact[i].abs().max()))
    ratio = float((found[biggest] * exact[biggest]).sum() / exact[biggest].square().sum())
    if all(close(f, ratio * e, rtol=1e-4) for f, e in zip(found, exact, strict=True)):
        return (
            f"the gradient is {ratio:.4g} times that of the whole batch: the gradient of the embeddings "
            "already holds every 1/B, so it goes into `backward` as it is, once for each micro-batch"
        )
    for mine in (x1, x2):
        encoder.zero_grad()
        z1, z2 = encoder(x1), encoder(x2)
        one = whole(z1, z2.detach()) if mine is x1 else whole(z1.detach(), z2)
        half = torch.autograd.grad(one, list(encoder.parameters()))
        if all(close(f, h) for f, h in zip(found, half, strict=True)):
            return "only one of the two views sends its gradient back into the encoder: both x1 and x2 do"
    return None


@probe("gradient-replaced")
def replaced(a: Any, t: Trial) -> str | None:
    encoder = Watched(t.generator)
    x1, x2 = t.randn(4, 5), t.randn(4, 5)
    _, exact = full_batch_gradient(encoder, whole, x1, x2)
    for p in encoder.parameters():
        p.grad = torch.ones_like(p)
    a.grad_cache_step(encoder, x1, x2, micro=2, temperature=TAU)
    if all(close(f, e) for f, e in zip(encoder.gradient(), exact, strict=True)):
        return (
            "`.grad` held ones before the step and holds the step's gradient alone afterwards: it is added, "
            "as backward() does (no zero_grad inside, no assignment)"
        )
    return None


@probe("loss-with-a-graph")
def loss_with_graph(a: Any, t: Trial) -> str | None:
    _, loss, (exact, *_) = step(a, t)
    if not isinstance(loss, Tensor):
        return f"grad_cache_step returned a {type(loss).__name__}, expected the loss as a 0-d tensor"
    if loss.requires_grad:
        return (
            "the loss that is returned still has its graph: `.detach()` it, the gradient has been taken "
            "already"
        )
    if not close(loss, exact):
        return f"the returned loss is {float(loss):.6g}, that of the whole batch is {float(exact):.6g}"
    return None


@probe("another-dropout-mask")
def another_mask(a: Any, t: Trial) -> str | None:
    encoder, _, _ = step(a, t, dropout=0.5)
    if encoder.rows_differ():
        return (
            "the encoder has dropout, and the second pass of a micro-batch drew another mask than the first: "
            "the gradient belongs to embeddings that never were in the loss. Keep `torch.get_rng_state()` "
            "before each first call, and set it before the second"
        )
    return None


@probe("dropout-switched-off")
def switched_off(a: Any, t: Trial) -> str | None:
    encoder, _, _ = step(a, t, dropout=0.5)
    seen = list(encoder.calls)
    encoder.eval()
    if seen and all(close(encoder(x), z) for x, z in seen):
        return (
            "the encoder's dropout did nothing: it was switched off (`eval()`). Leave the encoder in its mode"
        )
    return None


@probe("the-encoder-s-mode")
def mode_changed(a: Any, t: Trial) -> str | None:
    encoder = Watched(t.generator, 0.5).eval()
    a.grad_cache_step(encoder, t.randn(4, 5), t.randn(4, 5), micro=2, temperature=TAU)
    if encoder.training or encoder.dropout.training:
        return "an encoder in `eval()` mode came back in `train()` mode: leave the encoder in its mode"
    return None


@probe("the-same-dropout-at-every-step")
def same_dropout(a: Any, t: Trial) -> str | None:
    encoder, x1, x2 = Watched(t.generator, 0.5), t.randn(6, 5), t.randn(6, 5)
    losses = [a.grad_cache_step(encoder, x1, x2, micro=2, temperature=TAU) for _ in range(2)]
    if not encoder.rows_differ() and close(*losses):
        return (
            "two steps in a row drew the very same dropout: torch's random stream was turned back to where "
            "the step began, or seeded. Each first pass goes on in the stream, only the second pass of a "
            "micro-batch repeats; at the end the stream stands after the draws of the step"
        )
    return None


@probe("keeps-every-graph")
def keeps_every_graph(a: Any, t: Trial) -> str | None:
    encoder, x1, x2 = Watched(t.generator), t.randn(16, 5), t.randn(16, 5)
    with rows_alive() as most:
        a.grad_cache_step(encoder, x1, x2, micro=2, temperature=TAU)
    if most() > 4:
        return (
            f"with B = 16 and micro=2 the graphs of {most()} rows were alive at one time; at most two "
            "micro-batches, 4 rows, are allowed. The first pass needs no graph (`torch.no_grad()`), and the "
            "second calls backward before the next micro-batch"
        )
    return None
