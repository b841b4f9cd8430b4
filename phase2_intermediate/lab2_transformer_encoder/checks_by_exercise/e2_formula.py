"""E2's oracle: what an encoder layer computes, from the weights found in it, by the two formulas."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Trial
from courseware.check.naming import value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import attention


def normed(norm: Any, x: Tensor, kind: str, eps: float = 1e-5) -> Tensor:
    if kind == "ln":
        return F.layer_norm(x, x.shape[-1:], norm.weight, getattr(norm, "bias", None), eps)
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * norm.weight


def bent(x: Tensor, act: str) -> Tensor:
    if act == "relu":
        return x.clamp(min=0)
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def network(layer: Any, x: Tensor, act: str) -> Tensor:
    hidden = (
        layer.gate(x).sigmoid() * layer.gate(x) * layer.up(x) if act == "swiglu" else bent(layer.up(x), act)
    )
    return layer.down(hidden)


def formula(
    layer: Any,
    x: Tensor,
    real: Tensor | None = None,
    *,
    norm: str = "pre",
    act: str = "gelu",
    norm_type: str = "ln",
    alpha: float = 1.0,
    eps: float = 1e-5,
) -> Tensor:
    """`alpha` is DeepNorm's factor on the skip of a post layer."""

    def norm1(h: Tensor) -> Tensor:
        return normed(layer.norm1, h, norm_type, eps)

    def norm2(h: Tensor) -> Tensor:
        return normed(layer.norm2, h, norm_type, eps)

    if norm == "pre":
        x = x + attention(layer.attention, norm1(x), real)
        return x + network(layer, norm2(x), act)
    x = norm1(alpha * x + attention(layer.attention, x, real))
    return norm2(alpha * x + network(layer, x, act))


def shake(t: Trial, module: nn.Module, size: float = 0.5) -> None:
    """Random numbers in all parameters, so that no bias is 0 and no gain 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(size * t.randn(*parameter.shape) + (1.0 if parameter.dim() == 1 else 0.0))


def made(
    a: Any, t: Trial, d: int = 8, heads: int = 2, d_ff: int = 12, *, shaken: bool = True, **how: Any
) -> Any:
    """The learner's layer in float64 and evaluation mode, with random numbers everywhere."""
    shown = "".join(f", {key}={value!r}" for key, value in how.items())
    words = f"EncoderLayer({d}, {heads}, {d_ff}{shown})"
    t.given(words)
    layer = value_of(t, lambda: a.EncoderLayer(d, heads, d_ff, **how), "layer-cannot-be-built", words)
    t.that(
        isinstance(layer, nn.Module), "EncoderLayer must be an nn.Module", diagnosis="layer-cannot-be-built"
    )
    layer = layer.double().eval()
    if shaken:
        shake(t, layer)
    return layer


def result(t: Trial, layer: Any, x: Tensor, mask: Tensor | None = None) -> Tensor:
    words = f"calling the layer with x {tuple(x.shape)}" + ("" if mask is None else " and a mask")
    before = x.detach().clone()
    out = value_of(t, lambda: layer(x) if mask is None else layer(x, mask), "forward-fails", words)
    t.that(
        torch.equal(x.detach(), before),
        "the layer changed its input: `x += …` writes into the caller's tensor, `x = x + …` makes a new one",
        diagnosis="changes-its-input",
    )
    t.that(
        isinstance(out, Tensor),
        f"the layer returned a {type(out).__name__}, expected one tensor",
        diagnosis="forward-fails",
    )
    return out


def torch_layer(
    t: Trial, d: int = 8, heads: int = 2, d_ff: int = 12, **how: Any
) -> nn.TransformerEncoderLayer:
    how = {"dropout": 0.0, "activation": "gelu", "norm_first": True, **how}
    layer = nn.TransformerEncoderLayer(d, heads, d_ff, batch_first=True, **how).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.5 * t.randn(*parameter.shape) + (1.0 if parameter.dim() == 1 else 0.0))
    return layer


def right_padding(lengths: list[int], T: int) -> Tensor:
    return torch.arange(T) < torch.tensor(lengths)[:, None]
