"""The known mistakes of E3, last part: folding."""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import folding_cases, worn_in

probe = Probes()


@probe("fold-returns-a-pair")
def fold_kind(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Conv2d(2, 3, 1).double(), worn_in(t, a.BatchNorm(3), 3)
    folded = a.fold_batchnorm(layer, bn)
    if not isinstance(folded, nn.Conv2d) or isinstance(folded, nn.Sequential):
        return (
            f"fold_batchnorm of a Conv2d returned a {type(folded).__name__}: asked for is one nn.Conv2d "
            "that does the work of both"
        )
    if not isinstance(folded.weight, nn.Parameter) or not isinstance(folded.bias, nn.Parameter | None):
        return (
            "weight or bias of the folded layer is a plain tensor: make it an nn.Parameter, so that it "
            "is saved"
        )
    return None


@probe("fold-changes-the-original")
def fold_changes(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Linear(2, 3).double(), worn_in(t, a.BatchNorm(3), 3)
    before = [p.detach().clone() for p in (*layer.parameters(), *bn.state_dict().values())]
    folded = a.fold_batchnorm(layer, bn)
    after = [*layer.parameters(), *bn.state_dict().values()]
    if bn.training:
        return (
            "fold_batchnorm leaves the norm in training mode: it was in evaluation mode, and must not change"
        )
    if folded is layer or any(not torch.equal(x, y) for x, y in zip(before, after, strict=False)):
        return (
            "fold_batchnorm changed the layer (or the norm) that it was given: work on a copy, "
            "`copy.deepcopy(layer)`"
        )
    return None


@probe("fold-changes-the-dtype")
def fold_dtype(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.float32):
        layer, bn = nn.Linear(3, 4).to(dtype), a.BatchNorm(4).to(dtype).eval()
        folded = a.fold_batchnorm(layer, bn)
        found = {folded.weight.dtype, *([] if folded.bias is None else [folded.bias.dtype])}
        if found != {dtype}:
            return f"a layer in {dtype} became one in {', '.join(map(str, found))}: the dtype is the layer's"
        if folded.bias is None:
            return "the folded layer has no bias: the norm's shift needs one"
    return None


@probe("fold-constant-off")
def fold_constant(a: Any, t: Trial) -> str | None:
    for layer, shape in folding_cases(t):
        channels = layer.weight.shape[0]
        bn = worn_in(t, a.BatchNorm(channels), channels)
        x = t.randn(*shape)
        attempt = t.attempt(lambda layer=layer, bn=bn, x=x: (a.fold_batchnorm(layer, bn)(x), bn(layer(x))))
        if attempt.error is not None:
            if layer.bias is None and attempt.raised(TypeError, AttributeError):
                return (
                    f"fold_batchnorm of a layer without bias raised “{attempt.error}”: treat a missing "
                    "bias as 0"
                )
            continue
        if attempt.value[0].shape != attempt.value[1].shape:
            continue
        difference = (attempt.value[0] - attempt.value[1]).detach().transpose(0, 1).flatten(1)  # [C, …]
        if (
            float(difference.abs().max()) > 1e-9
            and float((difference - difference[:, :1]).abs().max()) < 1e-9
        ):
            what = f"{'its bias, ' if layer.bias is not None else ''}the running mean or β"
            return (
                f"the folded {type(layer).__name__} is off by a per-channel constant, "
                f"{numbers(difference[:, 0])}: {what} is forgotten or "
                "not scaled. b' = (b − mean) · γ / √(var + ε) + β"
            )
    return None


@probe("fold-forgets-the-layer-s-settings")
def fold_settings(a: Any, t: Trial) -> str | None:
    for layer, shape in folding_cases(t):
        channels = layer.weight.shape[0]
        bn, x = worn_in(t, a.BatchNorm(channels), channels), t.randn(*shape)
        attempt = t.attempt(lambda layer=layer, bn=bn, x=x: a.fold_batchnorm(layer, bn)(x).shape)
        if isinstance(layer, nn.Conv2d) and (
            attempt.raised(RuntimeError) or (attempt.error is None and attempt.value != layer(x).shape)
        ):
            said = (
                str(attempt.error).splitlines()[0]
                if attempt.error
                else f"gives the shape {tuple(attempt.value)}, expected {tuple(layer(x).shape)}"
            )
            return (
                f"the folded version of {layer}: {said}. Stride, padding, dilation, groups and padding_mode "
                "must come along; a deepcopy has them all. The scale lines up with the weight's *first* axis"
            )
    return None


@probe("fold-along-the-wrong-axis")
def fold_axis(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Linear(3, 3).double(), worn_in(t, a.BatchNorm(3, eps=0.5), 3)
    found = a.fold_batchnorm(layer, bn).weight.detach()
    scale = bn.weight.detach() * (bn.running_var + 0.5).rsqrt()
    if same(found, layer.weight.detach() * scale, atol=1e-9):
        return (
            "the scale went along the weight's columns (its inputs): it belongs to the outputs, "
            "`scale[:, None] * weight`"
        )
    return None


@probe("fold-is-off-by-a-factor")
def fold_factor(a: Any, t: Trial) -> str | None:
    layer = nn.Linear(3, 3, bias=False).double()
    bn = worn_in(t, a.BatchNorm(3, eps=0.5), 3)
    found = a.fold_batchnorm(layer, bn).weight.detach()
    gamma, variance, weight = bn.weight.detach(), bn.running_var, layer.weight.detach()
    wrong = {
        "ε is missing under the root": gamma / variance.sqrt(),
        "ε is 1e-5, not the norm's own": gamma / (variance + 1e-5).sqrt(),
        "γ is missing": 1 / (variance + 0.5).sqrt(),
        "you multiply by the deviation where you have to divide": gamma * (variance + 0.5).sqrt(),
        "ε stands outside the root": gamma / (variance.sqrt() + 0.5),
        "the root is missing": gamma / (variance + 0.5),
        "the weight is not scaled at all": torch.ones(3).double(),
    }
    for words, scale in wrong.items():
        if same(found, weight * scale[:, None], atol=1e-9):
            return f"the folded weight: {words}. It is weight · γ / √(running_var + ε), along the outputs"
    return None


@probe("fold-fails-without-affine")
def fold_affine(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Linear(3, 4).double(), worn_in(t, a.BatchNorm(4, affine=False), 4)
    attempt = t.attempt(lambda: a.fold_batchnorm(layer, bn))
    if attempt.raised(TypeError, AttributeError):
        return f"a norm with affine=False raised “{attempt.error}”: its γ is 1 and its β is 0 then"
    return None
