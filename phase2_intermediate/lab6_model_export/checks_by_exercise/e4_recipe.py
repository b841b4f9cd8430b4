"""Known mistakes of E4 in the recipe of the training: optimizer, loss, defaults. 8-bit weights show them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Probes, Trial
from phase2_intermediate.lab6_model_export.checks_by_exercise.digits_net import accuracy, all_digits
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_static import (
    fake,
    inputs,
    little,
    params_for,
    parts,
)
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_step import sizes
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_training import (
    equal,
    reference_ptq,
    task,
    tuned,
    weights,
)
from shared.nn.fold import fold_batchnorms

probe = Probes()
ROWS, EPOCHS, LR = 40, 10, 0.02
NOISE = 0.03
"""In learning rates: what another order of sums can do, through roundings."""
Loss = Callable[[Tensor, Tensor], Tensor]


def whole(w: Tensor, one_scale: bool = False) -> Tensor:
    """8-bit weights by torch's kernel."""
    size = sizes(w).amax().expand(len(w)).clone() if one_scale else sizes(w)
    return torch.fake_quantize_per_channel_affine(
        w, size / 127, torch.zeros(len(w), dtype=torch.int32), 0, -128, 127
    )


def recipe(
    X: Tensor,
    y: Tensor,
    params: dict[str, Any],
    *,
    adam: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    loss: Loss = F.cross_entropy,
    fresh: bool = False,
    lr: Callable[[int], float] = lambda epoch: LR,
    clear: bool = True,
    rounded: bool = True,
    one_scale: bool = False,
) -> list[Tensor]:
    """Weights and biases after training `little` with one batch an epoch; the options make known mistakes."""
    model = fold_batchnorms(little())
    layers = [model[0], model[5][0]]
    learned = [p for layer in layers for p in (layer.weight, layer.bias)]
    optimizer = adam(learned, lr=LR)
    for epoch in range(EPOCHS):
        w = [whole(layer.weight, one_scale) if rounded else layer.weight for layer in layers]
        h = F.conv2d(fake(X, params["0"]) if rounded else X, w[0], layers[0].bias, stride=2, padding=1)
        h = h.relu().flatten(1) + 2.0
        scores = torch.tanh(F.linear(fake(h, params["5.0"]) if rounded else h, w[1], layers[1].bias))
        if fresh:
            optimizer = adam(learned, lr=LR)
        optimizer.param_groups[0]["lr"] = lr(epoch)
        if clear:
            optimizer.zero_grad()
        loss(scores, y).backward()
        optimizer.step()
    with torch.no_grad():
        w = [whole(layer.weight) for layer in layers]
    return [w[0], layers[0].bias.detach(), w[1], layers[1].bias.detach()]


def apart(found: list[Tensor], right: list[Tensor]) -> float:
    """The mean distance of weights and biases, in learning rates."""
    return float(torch.cat([(x - y).flatten() for x, y in zip(found, right, strict=True)]).abs().mean()) / LR


def learned(a: Any, X: Tensor, y: Tensor, params: dict[str, Any]) -> list[Tensor]:
    found = a.qat_finetune(little(), X, y, qparams=params, bits_w=8, epochs=EPOCHS, lr=LR)
    result = []
    for name in ("0", "5.0"):
        q, scale, bias = parts(found, name)
        result += [q * scale.reshape(-1, *[1] * (q.ndim - 1)), bias]
    return result


def wider(params: dict[str, Any], bits: int) -> dict[str, Any]:
    return {name: replace(p, bits=bits) for name, p in params.items()}


MISTAKES: dict[str, dict[str, Any]] = {
    "nothing is quantised while it is trained, and all of it at the end: both FakeQuants belong into the "
    "forward pass": {"rounded": False},
    "the weights of a layer share one scale while it is trained; one for each channel": {"one_scale": True},
    "that is AdamW, which makes the weights smaller; Adam is asked for": {"adam": torch.optim.AdamW},
    "that is Adam with other betas than its defaults": {"adam": partial(torch.optim.Adam, betas=(0.5, 0.9))},
    "the optimizer is made anew in each epoch, and forgets its averages": {"fresh": True},
    "the gradients are added up: `zero_grad` before each step": {"clear": False},
    "softmax was applied before the cross-entropy, which does it itself": {
        "loss": lambda scores, y: F.cross_entropy(scores.softmax(dim=1), y)
    },
    "the labels are smoothed; plain cross-entropy is asked for": {
        "loss": lambda scores, y: F.cross_entropy(scores, y, label_smoothing=0.1)
    },
    "the learning rate falls from epoch to epoch; it is `lr` all the time": {
        "lr": lambda epoch: LR * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2
    },
}


@probe("another-recipe")
def ingredients(a: Any, t: Trial) -> str | None:
    X, y = inputs(t, ROWS), t.randint(0, 4, ROWS)
    params = params_for(little(), 0.5 * X, 4)  # half of the inputs are cut off
    with t.oracle():
        right = recipe(X, y, params)
    found = learned(a, X, y, params)
    off = apart(found, right)
    if off <= NOISE:
        return None
    with t.oracle():
        wrong = {words: recipe(X, y, params, **how) for words, how in MISTAKES.items()}
        wrong["the inputs are quantised with 8 bits; `qparams` say 4"] = recipe(X, y, wider(params, 8))
    words = min(wrong, key=lambda words: apart(found, wrong[words]))
    close = apart(found, wrong[words]) <= min(NOISE, off / 4)
    more = words if close else "Adam with `lr`, plain cross-entropy, both FakeQuants, a step for each batch"
    return (
        f"{ROWS} rows (one batch), {EPOCHS} epochs with lr = {LR:g}: the weights and biases are {off:.2g} "
        f"learning rates away from where they belong: {more}"
    )


@probe("qat-defaults")
def defaults(a: Any, t: Trial) -> str | None:
    model, X, y, params = task(t)
    found = weights(a.qat_finetune(model, X, y, qparams=params))
    named = {"bits_w": 2, "epochs": 4, "lr": 1e-3, "seed": 0}
    if not equal(found, weights(a.qat_finetune(model, X, y, qparams=params, **named))):
        return f"without a word the call is to do what {named} does; yours gives another model"
    return None


@probe("no-better-than-rounding")
def better(a: Any, t: Trial) -> str | None:
    _, _, X, y = all_digits()
    found, plain = accuracy(tuned(a, t), X, y), reference_ptq()
    if found < 0.92:
        return (
            f"2-bit weights after training: {found:.3f} of the test digits are right, {plain:.3f} by "
            f"rounding alone, "
            "and 0.92 is asked for. Do both FakeQuants stand in the forward pass *while* it is trained, "
            "with scales chosen "
            "anew, does the optimizer move the float weights, and are gradients cleared before each step?"
        )
    return None
