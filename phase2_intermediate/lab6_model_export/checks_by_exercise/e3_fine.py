"""Known mistakes of E3 after the sum, in the copy of a model, and in tensors that are not saved."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab6_model_export.checks_by_exercise.e3_layer import W, X, by_numpy, linear
from phase2_intermediate.lab6_model_export.checks_by_exercise.e3_model import Net, converted

early, probe = Probes(), Probes()


@early("bias-forgotten")
def bias(a: Any, t: Trial) -> str | None:
    found = a.DynamicQuantLinear.from_float(linear([[1.0, 1.0], [1.0, 1.0]], [30_000.0, -50_000.0]))(
        torch.tensor([[2.0, 1.0]])
    )[0]
    if same(found, torch.tensor([3.0, 3.0]), rtol=0.02):
        return f"the bias [30000, −50000] is not added: weights of ones and x = [2, 1] give {numbers(found)}"
    scale = torch.tensor([2 / 255 / 127])
    if same(found, 3.0 + torch.tensor([30_000.0, -50_000.0]) * scale, rtol=0.02, atol=0.01):
        return "the bias is added to the whole numbers and scaled with them: it is added after the scales"
    return None


@early("x-changed")
def input_changed(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[0.5, -2.0, 3.0]])
    a.DynamicQuantLinear.from_float(linear(W))(x)
    if x.tolist() != [[0.5, -2.0, 3.0]]:
        return f"x = [[0.5, −2, 3]] is {x.tolist()} after the call: the layer works in place on its input"
    return None


@early("unsigned-levels")
def unsigned(a: Any, t: Trial) -> str | None:
    layer = linear(W)
    found = a.DynamicQuantLinear.from_float(layer)(X).double()
    cut = X.clamp(max=127).double() @ layer.weight.detach().double().T
    if same(found, cut, rtol=1e-4):
        return (
            "levels above 127 are cut off: the zero point was chosen for unsigned levels (0 … 255), the "
            "levels are signed (−128 … 127)"
        )
    return None


@early("setattr-with-a-dotted-name")
def dotted(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.quantize_model(Net()))
    if attempt.error is None and any("." in name for m in attempt.value.modules() for name in m._modules):
        return (
            '`setattr(model, "body.0", …)` makes a new attribute with a dot in its name, and the old layer '
            'goes on computing: set the attribute of the *parent*, `model.get_submodule("body")`'
        )
    return None


@early("skip-turned-round")
def turned(a: Any, t: Trial) -> str | None:
    by_default, with_all = a.quantize_model(Net()), a.quantize_model(Net(), skip=lambda name: True)
    if not converted(a, by_default) and converted(a, with_all):
        return "skip(name) true means that the module *stays* as it is; yours converts just those"
    return None


@probe("low-precision-after-the-sum")
def after_the_sum(a: Any, t: Trial) -> str | None:
    layer = linear(torch.ones(1, 64), [0.5])
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.linspace(0, 1, 64)[None].to(dtype)
        found = a.DynamicQuantLinear.from_float(layer)(x)
        right = by_numpy(layer, x.float()).to(dtype)
        if found.dtype == dtype and not torch.equal(found, right):
            return (
                f"x in {dtype}: the result is {found.item():g}, expected {right.item():g}. The sum is a "
                "whole number beyond what 16 bits hold: scale it, add the bias, cast last"
            )
    return None


@probe("second-name-left-float")
def twice(a: Any, t: Trial) -> str | None:
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.Sequential(layer))
    left = [name for name, m in a.quantize_model(model).named_modules() if isinstance(m, nn.Linear)]
    if left:
        return (
            f"one layer stands under the names 0, 2 and 3.0, and under {left} it is still float: "
            "`named_modules()` and `named_children()` name a module once; `remove_duplicate=False`"
        )
    return None


@probe("mode-of-the-copy")
def copied_mode(a: Any, t: Trial) -> str | None:
    for training in (True, False):
        model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train(training)
        found = a.quantize_model(model)
        if found.training is not training or found[1].training is not training:
            return f"the model had training = {training}, and so has its copy: change layers, nothing else"
    return None


@probe("bytes-that-are-not-saved")
def not_saved(a: Any, t: Trial) -> str | None:
    model = nn.Linear(10, 4)
    model.register_buffer("cache", torch.zeros(100), persistent=False)
    found = a.artefact_bytes(model)
    if found == 576:
        return (
            "Linear(10, 4) with a buffer that is not persistent: its state_dict takes 176 bytes, you say "
            "576. Ask `state_dict()`, not buffers()"
        )
    model = nn.Linear(10, 4)
    model.register_buffer("part", torch.zeros(100)[:2])
    found = a.artefact_bytes(model)
    if found == 576:
        return "a buffer with 2 of the 100 numbers of a larger tensor takes 8 bytes, you count all 100"
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    tied[1].weight = tied[0].weight
    if a.artefact_bytes(tied) == 64:
        return "a weight under two names is twice in state_dict(): 128 bytes, you say 64"
    return None
