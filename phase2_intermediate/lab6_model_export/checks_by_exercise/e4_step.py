"""Known mistakes of E4 in one step of training: all rows in one batch, so that their order does not count."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_observers import (
    error,
    smallest_error,
    watched,
)
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_static import (
    fake,
    inputs,
    little,
    params_for,
    parts,
)
from shared.nn.fold import fold_batchnorms

probe = Probes()
ROWS, EPOCHS, LR = 40, 12, 0.05


def rounded(w: Tensor, size: Tensor) -> Tensor:
    """2-bit weights by torch's kernel; the gradient passes where they lie within the levels."""
    return torch.fake_quantize_per_channel_affine(w, size, torch.zeros(len(w), dtype=torch.int32), 0, -2, 1)


def sizes(w: Tensor) -> Tensor:
    return w.detach().abs().flatten(1).amax(dim=1)


def reference(
    X: Tensor,
    y: Tensor,
    params: dict[str, Any],
    *,
    anew: bool = True,
    biases: bool = True,
    cut: bool = True,
    kind: type[torch.optim.Optimizer] = torch.optim.Adam,
) -> list[Tensor]:
    """Scales and biases after training `little`; the options make known mistakes."""
    model = fold_batchnorms(little())
    layers = [model[0], model[5][0]]
    first = [sizes(layer.weight) for layer in layers]
    learned = [p for layer in layers for p in ((layer.weight, layer.bias) if biases else (layer.weight,))]
    optimizer = kind(learned, lr=LR)
    for _ in range(EPOCHS):
        w = [
            rounded(layer.weight, sizes(layer.weight) if anew else size)
            for layer, size in zip(layers, first, strict=True)
        ]
        h = F.conv2d(fake(X, params["0"]) if cut else X, w[0], layers[0].bias, stride=2, padding=1)
        h = h.relu().flatten(1) + 2.0
        scores = torch.tanh(F.linear(fake(h, params["5.0"]) if cut else h, w[1], layers[1].bias))
        optimizer.zero_grad()
        F.cross_entropy(scores, y).backward()
        optimizer.step()
    return [*(sizes(layer.weight) for layer in layers), *(layer.bias.detach() for layer in layers)]


def near(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.allclose(x, y, rtol=1e-3, atol=1e-3) for x, y in zip(left, right, strict=True))


def outcome(a: Any, X: Tensor, y: Tensor, params: dict[str, Any]) -> list[Tensor]:
    found = a.qat_finetune(little(), X, y, qparams=params, epochs=EPOCHS, lr=LR)
    both = [parts(found, name) for name in ("0", "5.0")]
    return [*(scale for _, scale, _ in both), *(bias for _, _, bias in both)]


@probe("another-step")
def step(a: Any, t: Trial) -> str | None:
    X, y = inputs(t, ROWS), t.randint(0, 4, ROWS)
    params = params_for(little(), X, 4)
    with t.oracle():
        right = reference(X, y, params)
        wrong = {
            "the scales of the weights are those from before the training; they are chosen anew in each "
            "step": reference(X, y, params, anew=False),
            "the biases did not move: the optimizer is to get them, too": reference(
                X, y, params, biases=False
            ),
            "that is plain SGD; Adam is asked for": reference(X, y, params, kind=torch.optim.SGD),
            "that is RMSprop; Adam is asked for": reference(X, y, params, kind=torch.optim.RMSprop),
            "the *inputs* of the layers are not fake-quantised while training": reference(
                X, y, params, cut=False
            ),
        }
    found = outcome(a, X, y, params)
    if near(found, right):
        return None
    for words, result in wrong.items():
        if near(found, result) and not near(result, right):
            return f"{ROWS} rows (one batch), {EPOCHS} epochs: {words}"
    return None


@probe("float-copy-kept")
def float_copy(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    found = a.static_quant(model, params_for(model, x))
    for module in found.modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and value.is_floating_point() and value.numel() >= 27:
                return f"`{name}` of a quantised layer is a float copy of the weights: only w_q stays"
            held = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
            held += getattr(value, "__defaults__", None) or ()
            if any(isinstance(thing, nn.Conv2d | nn.Linear) for thing in held):
                return (
                    f"`{name}` of a quantised layer is a function that holds on to the float layer, with all "
                    "of its weights: take what you need out of it (stride, padding …) first"
                )
    return None


@probe("grid-too-short")
def far_outlier(a: Any, t: Trial) -> str | None:
    x = t.randn(12_000, dtype=torch.float32)
    x[0] = 30.0
    found, best = error(x, watched(a, "mse", x, bits=4)), smallest_error(x, 4)
    if found > 1.06 * best:
        return (
            f'"mse", 12,000 normal numbers and one 30, 4 bits: mean squared error {found:.4g}, the best '
            f"clipping has {best:.4g}. The best c is far below ½: let the grid go from 0.01 to 1"
        )
    return None


@probe("qparams-of-its-own")
def given(a: Any, t: Trial) -> str | None:
    X, y = inputs(t, ROWS), t.randint(0, 4, ROWS)
    params = params_for(little(), 4 * X, 4)  # wider than needed, and coarse
    found = a.qat_finetune(little(), X, y, qparams=params, bits_w=8, epochs=1, lr=1e-9)(X).detach()
    if not same(found, a.static_quant(little(), params, 8)(X).detach(), atol=1e-3):
        return (
            "trained for one epoch with lr = 1e-9 the result is to be `static_quant` with the qparams that "
            "were given; yours gives other numbers. Are ranges chosen anew?"
        )
    return None
