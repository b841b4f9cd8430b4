"""The known mistakes of E4 in what the static model computes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_static import (
    QParams,
    affine,
    inputs,
    little,
    params_for,
    right_output,
)
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import exported

probe = Probes()


@probe("still-observing")
def frozen(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    found = a.static_quant(model, params_for(model, x))
    before, state = found(x), copy.deepcopy(found.state_dict())
    found(100 * x)
    after = found.state_dict()
    if not torch.equal(found(x), before) or any(not torch.equal(v, state[n]) for n, v in after.items()):
        return (
            "after a large input the same one gives another result: ranges change while predicting. Freeze "
            "them"
        )
    return None


@probe("bias-forgotten")
def bias(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    params = params_for(model, x)
    found, right = a.static_quant(model, params)(x).detach(), right_output(model, params, x)
    if same(found, right, atol=3e-2):
        return None
    for both in (False, True):
        bare = copy.deepcopy(model)
        with torch.no_grad():
            bare[5][0].bias.zero_()
            if both:
                norm = bare[1]
                norm.bias.copy_(norm.running_mean * norm.weight / (norm.running_var + norm.eps).sqrt())
        if same(found, right_output(bare, params, x), atol=3e-2):
            return (
                "the bias is missing from the quantised layers (folding gives one to a convolution without)"
            )
    return None


@probe("bits-of-the-activations")
def activation_bits(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    params = params_for(model, x, 4)
    found = a.static_quant(model, params)(6 * x).detach()
    if not same(found, right_output(model, params, 6 * x), atol=5e-2):
        eight = {name: QParams(p.scale, p.zero_point, 8) for name, p in params.items()}
        if same(found, right_output(model, eight, 6 * x), atol=5e-2):
            return (
                "the QParams say 4 bits, and an input six times too large is not cut off at the last of "
                "their levels: "
                "the levels of an activation follow `qparams.bits`"
            )
    return None


@probe("activations-not-quantised")
def activations(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    params = params_for(model, x, 3)
    found = a.static_quant(model, params)(x).detach()
    right = right_output(model, params, x)
    fine = {name: affine(-50.0, 50.0, 16) for name in params}
    with t.oracle():
        unrounded = right_output(
            model, {name: QParams(p.scale, p.zero_point, 16) for name, p in fine.items()}, x
        )
    if not same(found, right, atol=2e-2) and same(found, unrounded, atol=5e-3):
        return (
            "3-bit activations change nothing: the *input* of each layer is to be fake-quantised with its "
            "QParams"
        )
    if not same(found, right, atol=2e-2):
        eight = {name: QParams(p.scale, p.zero_point, 8) for name, p in params.items()}
        if same(found, right_output(model, eight, x), atol=2e-2):
            return "the QParams say 3 bits and you use 8 levels of bits for the activations: `qparams.bits`"
    return None


@probe("range-found-at-run-time")
def dynamic(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    params, tiny = params_for(model, x, 5), 0.02 * x
    coarse = a.static_quant(model, params)(tiny).detach()
    if not same(coarse, right_output(model, params, tiny), atol=2e-2):
        alone = right_output(model, params_for(model, tiny, 5), tiny)
        if same(coarse, alone, atol=2e-2):
            return (
                "a tiny input gets steps of its own: the range is found at run time, not taken from qparams"
            )
    return None


@probe("named-layers-only")
def named(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    params = {"5.0": params_for(model, x)["5.0"]}
    with family("named-layers-only", 'with qparams for "5.0" alone'):
        found = a.static_quant(model, params)
        t.that(isinstance(found[0], nn.Conv2d), "the convolution is to stay a float one")
        t.equal(found(x).detach(), right_output(model, params, x), "the output", atol=2e-2)
    return None


@probe("cannot-be-exported")
def exportable(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    found = a.static_quant(model, params_for(model, x))
    attempt = t.tried(lambda: exported(found, x, {0: torch.export.Dim("b", min=1, max=64)}))
    if attempt.error is not None:
        return (
            "the quantised model cannot be exported: a `forward` asks for a value of a tensor, as "
            "`quantize` does when "
            "it looks for NaN. `FakeQuant.apply` does not ask"
        )
    return None


@probe("another-convolution")
def convolution(a: Any, t: Trial) -> str | None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=2, dilation=2, groups=2)).eval()
    x = t.randn(2, 2, 9, 9, dtype=torch.float32)
    with family("another-convolution", "a convolution with stride, dilation and groups"):
        found = a.static_quant(model, {"0": affine(float(x.min()), float(x.max()))})(x).detach()
        t.equal(found, model(x).detach(), "the output", atol=0.1)
    lone = nn.Linear(3, 2, bias=False).eval()
    with family("another-convolution", "a linear layer without bias"):
        made = a.static_quant(nn.Sequential(lone), {"0": affine(-2.0, 2.0)})
        t.equal(made(torch.ones(1, 3)).detach(), lone(torch.ones(1, 3)).detach(), "the output", atol=0.05)
    return None
