"""The known mistakes of E4 in calibrating."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_static import (
    Watch,
    affine,
    inputs,
    little,
    params_for,
)

probe = Probes()


@probe("wrong-layers")
def layers(a: Any, t: Trial) -> str | None:
    with family("wrong-layers", "the layers of a network with nested blocks"):
        found = a.calibrate(little(), [inputs(t)])
        t.that(
            isinstance(found, dict) and sorted(found) == ["0", "5.0"],
            f'the keys are {sorted(found)}; the dotted names of each Conv2d and Linear are "0" and "5.0"',
        )
    return None


@probe("observes-the-output")
def observes_input(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    found, right = a.calibrate(model, [x])["5.0"], params_for(model, x)["5.0"]
    if not same(found.scale, right.scale, rtol=1e-4):
        out = affine(*(float(v) for v in model(x).detach().atanh().aminmax()))
        more = ": that is the range of its *output*" if same(found.scale, out.scale, rtol=1e-3) else ""
        return (
            f"the input of layer 5.0 has scale {float(right.scale):.4g}, you have "
            f"{float(found.scale):.4g}{more}. A "
            "forward *pre*-hook sees the input"
        )
    return None


@probe("calibration-mode")
def mode(a: Any, t: Trial) -> str | None:
    model = nn.Sequential(Watch(), *little()).train()
    model[2].eval()
    modes = [m.training for m in model.modules()]
    state = copy.deepcopy(model.state_dict())
    Watch.notes.clear()
    a.calibrate(model, [inputs(t, 3), inputs(t, 2)])
    if any(training for _, training, _, _ in Watch.notes):
        return (
            "the model runs in training mode while it is calibrated: norms use the batch, dropout is active"
        )
    if any(not torch.equal(v, state[n]) for n, v in model.state_dict().items()):
        return "calibrating changed the model's state (the norms' running statistics): evaluation mode"
    if any(grad for _, _, grad, _ in Watch.notes):
        return "the model runs with gradients switched on: `with torch.no_grad():`"
    if [m.training for m in model.modules()] != modes:
        return (
            "afterwards each module is in the mode it was in before; yours are not (remember and restore "
            "each)"
        )
    if any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()):
        return "hooks are left on the model: `handle.remove()` for each of them"
    if [rows for rows, _, _, _ in Watch.notes] != [3, 2]:
        return (
            f"batches of 3 and 2 rows: the model saw batches of {[n[0] for n in Watch.notes]}; each once is "
            f"asked for"
        )
    return None


@probe("some-batches-only")
def batches(a: Any, t: Trial) -> str | None:
    model, small, large = little(), 0.1 * inputs(t), 10 * inputs(t)
    for order in ([small, large], [large, small]):
        found = a.calibrate(model, iter(order))["0"].scale
        if not same(found, params_for(model, large)["0"].scale, rtol=1e-4):
            return (
                "two batches, one small and one large: the range must hold all values of both, in either "
                "order"
            )
    return None


@probe("mode-or-bits-ignored")
def arguments(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t, 40)
    x[0, 0, 0, 0] = 50.0
    plain = {m: float(a.calibrate(model, [x], m)["0"].scale) for m in ("minmax", "percentile")}
    if not plain["percentile"] < 0.9 * plain["minmax"]:
        return '`mode` changes nothing: with one outlier the range of "percentile" must be much smaller'
    four = a.calibrate(model, [x], bits=4)["0"]
    if four.bits != 4 or not same(four.scale, torch.tensor(plain["minmax"] * 255 / 15), rtol=1e-3):
        return (
            f"`bits` changes nothing: with bits=4 there are 15 steps, you have bits={four.bits}, scale "
            f"{four.scale:.4g}"
        )
    return None
