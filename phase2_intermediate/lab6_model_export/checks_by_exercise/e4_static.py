"""The known mistakes of E4 in calibrating and in the static model."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from courseware.check.naming import family
from shared.nn.fold import fold_batchnorms

probe = Probes()


@dataclass(frozen=True)
class QParams:
    """As in the notebook."""

    scale: Tensor
    zero_point: Tensor
    bits: int = 8


class Shifted(nn.Module):
    """Adds a number, so that input and output of the next layer have clearly other ranges."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


class Watch(nn.Module):
    """Notes how it was called; the notes are shared by all copies."""

    notes: list[tuple[Any, ...]] = []  # noqa: RUF012 (shared on purpose)

    def forward(self, x: Tensor) -> Tensor:
        Watch.notes.append(
            (x.shape[0], self.training, torch.is_grad_enabled(), x.detach().flatten(1)[:, 0].tolist())
        )
        return x


def little(*, norm: bool = True) -> nn.Sequential:
    """Conv, norm, ReLU, linear in a nested block: names "0", "5.0"."""
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(3) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Flatten(),
        Shifted(2.0),
        nn.Sequential(nn.Linear(12, 4), nn.Tanh()),
    )
    if norm:
        with torch.no_grad():
            model[1].weight.copy_(torch.tensor([8.0, 0.5, -2.0]))
            model[1].running_var.copy_(torch.tensor([0.25, 4.0, 1.0]))
            model[1].running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))
    return model.eval()


def inputs(t: Trial, rows: int = 6) -> Tensor:
    return t.randn(rows, 1, 4, 4, dtype=torch.float32)


def affine(low: float, high: float, bits: int = 8) -> QParams:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (2**bits - 1) or 1.0
    zero = min(max(round(-(2 ** (bits - 1)) - low / scale), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)
    return QParams(torch.tensor(scale), torch.tensor(zero, dtype=torch.int32), bits)


def fake(x: Tensor, p: Any) -> Tensor:
    """By torch's kernel."""
    low, high = -(2 ** (p.bits - 1)), 2 ** (p.bits - 1) - 1
    return torch.fake_quantize_per_tensor_affine(x, p.scale, p.zero_point, low, high)


def right_output(model: nn.Sequential, params: dict[str, Any], x: Tensor, bits_w: int = 8) -> Tensor:
    """What `static_quant` of `little` is to give, with torch's kernels."""
    folded = fold_batchnorms(model)
    conv, linear = folded[0], folded[5][0]
    with torch.no_grad():
        weights = []
        for layer in (conv, linear):
            top = 2 ** (bits_w - 1) - 1
            scale = layer.weight.abs().flatten(1).amax(dim=1) / top
            zero = torch.zeros(len(scale), dtype=torch.int32)
            weights.append(
                torch.fake_quantize_per_channel_affine(layer.weight, scale, zero, 0, -top - 1, top)
            )
        h = fake(x, params["0"]) if "0" in params else x
        h = F.conv2d(h, weights[0] if "0" in params else conv.weight, conv.bias, stride=2, padding=1)
        h = h.relu().flatten(1) + 2.0
        if "5.0" in params:
            h, w = fake(h, params["5.0"]), weights[1]
        else:
            w = linear.weight
        return torch.tanh(F.linear(h, w, linear.bias))


def params_for(model: nn.Module, x: Tensor, bits: int = 8) -> dict[str, QParams]:
    seen: dict[str, Tensor] = {}
    handles = [
        m.register_forward_pre_hook(lambda m, args, name=name: seen.__setitem__(name, args[0].detach()))
        for name, m in model.named_modules()
        if isinstance(m, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return {name: affine(float(v.min()), float(v.max()), bits) for name, v in seen.items()}


# ---- static_quant ---------------------------------------------------------------------------------------


def parts(model: nn.Module, name: str) -> tuple[Tensor, Tensor, Tensor | None]:
    state = model.state_dict()
    return state[f"{name}.w_q"], state[f"{name}.w_scale"], state.get(f"{name}.bias")


@probe("original-changed")
def original(a: Any, t: Trial) -> str | None:
    model, x = little().train(), inputs(t)
    state = copy.deepcopy(model.state_dict())
    found = a.static_quant(model, params_for(little(), x))
    if not isinstance(model[0], nn.Conv2d) or not isinstance(model[5][0], nn.Linear):
        return "the original model has lost its layers: static_quant works on a copy"
    if any(not torch.equal(v, state[n]) for n, v in model.state_dict().items()):
        return "the original's weights have changed: static_quant works on a copy"
    if not model.training:
        return "the original was in training mode and is not any more"
    if any(m.training for m in found.modules()):
        return "the result is in training mode; evaluation mode is asked for"
    return None


@probe("norms-not-folded")
def folded(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    found = a.static_quant(model, params_for(model, x))
    if any(isinstance(m, nn.BatchNorm2d) for m in found.modules()):
        return (
            "a batch norm is still there: its factors (8, 0.5 and −2 here) belong into the weights *before* "
            "these get "
            "their scales. `fold_batchnorms` first"
        )
    return None


@probe("not-int8-inside")
def inside(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    found = a.static_quant(model, params_for(model, x))
    with family("not-int8-inside", "the state of the quantised layers"):
        for name, layer in (("0", fold_batchnorms(model)[0]), ("5.0", model[5][0])):
            q, scale, bias = parts(found, name)
            t.that(
                q.dtype == torch.int8 and q.shape == layer.weight.shape,
                f"{name}.w_q is {q.dtype} {tuple(q.shape)}",
            )
            shape = tuple(scale.shape)
            t.that(
                shape == (len(q),),
                f"{name}.w_scale has shape {shape}, expected one scale a channel: {(len(q),)}",
            )
            right = layer.weight.detach().abs().flatten(1).amax(dim=1) / 127
            t.equal(scale, right, f"{name}.w_scale (of the folded weights, symmetric)", rtol=1e-4)
            t.equal(bias, layer.bias.detach(), f"{name}.bias", rtol=1e-4)
            extra = [
                n for n, v in found.state_dict().items() if v.is_floating_point() and v.numel() == q.numel()
            ]
            t.that(not extra, f"{extra} is a float copy of the weights")
    return None


@probe("bits-ignored")
def bits(a: Any, t: Trial) -> str | None:
    model, x = little(), inputs(t)
    for bits_w, top in ((2, 1), (4, 7)):
        q = parts(a.static_quant(model, params_for(model, x), bits_w), "5.0")[0]
        if int(q.abs().max()) != top:
            return (
                f"bits_w={bits_w}: symmetric levels end at ±{top}, yours at {int(q.min())} and {int(q.max())}"
            )
    return None


def equals_torch(a: Any, t: Trial) -> None:
    """`static_quant` of a small network, held against torch's kernels."""
    for bits_w in (8, 4, 2):
        for bits_a in (8, 4):
            model, x = little(), inputs(t, 8)
            params = params_for(model, x, bits_a)
            found = a.static_quant(model, params, bits_w)(x).detach()
            with t.oracle():
                right = right_output(model, params, x, bits_w)
            off = (found - right).abs()
            few = float((off > 1e-4).double().mean())
            where = f"bits_w={bits_w}, activations with {bits_a} bits"
            t.that(
                few <= 0.1, f"{where}: {few:.0%} of the outputs differ, by up to {numbers(float(off.max()))}"
            )
