"""What several checks of this lab need: oracles in float64, and mistakes named by the values they give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import forbid
from courseware.check.outcomes import Diagnosed, PropertyMissed

F64 = torch.float64

ENCODERS = forbid(
    "_transformer_encoder_layer_fwd",
    "multi_head_attention_forward",
    "_native_multi_head_attention",
    python=(
        "torch.nn.TransformerEncoderLayer.forward",
        "torch.nn.TransformerEncoder.forward",
        "shared.nn.transformer.TransformerLayer.__init__",
        "shared.nn.residual.Branch.__init__",
        "shared.nn.feedforward.FeedForward.__init__",
    ),
    why="it is the answer itself. Attention is given: `shared.nn.MultiHeadAttention`; write what is around "
    "it",
)


@contextmanager
def case(words: str) -> Iterator[None]:
    """What is missed in the body begins with these words: what was tried, without a name for the mistake."""
    try:
        yield
    except Diagnosed:
        raise  # its own sentence says more
    except PropertyMissed as missed:
        raise PropertyMissed(f"{words}: {missed.message}", **missed.facts) from missed


def double(values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


def right_angles(positions: Tensor, d: int, base: float = 10000.0) -> Tensor:
    """positions [...] → [..., d/2] in float64, one number at a time in the exponent."""
    speeds = double([base ** (-2 * i / d) for i in range(d // 2)])
    return positions.double().unsqueeze(-1) * speeds


def right_sinusoidal(T: int, d: int, base: float = 10000.0) -> Tensor:
    angle = right_angles(torch.arange(T), d, base)
    waves = torch.zeros(T, d, dtype=F64)
    waves[:, 0::2], waves[:, 1::2] = angle.sin(), angle.cos()
    return waves


def turned(x: Tensor, angle: Tensor) -> Tensor:
    """Pairs of neighbours of x [..., 2n], turned by angle [..., n]: as complex numbers, in float64."""
    pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


def right_rope(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    return turned(x, right_angles(positions, x.shape[-1], base))


def attention(block: Any, x: Tensor, real: Tensor | None = None) -> Tensor:
    """What `shared.nn.MultiHeadAttention` says it computes, by the formula; a blind query gets the bias."""
    heads = block.heads

    def split(linear: Any) -> Tensor:
        return F.linear(x, linear.weight, linear.bias).unflatten(-1, (heads, -1)).transpose(1, 2)

    q, k, v = split(block.query), split(block.key), split(block.value)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if real is not None:
        seen = real[:, None, None, :].expand_as(scores)
        blind = ~seen.any(-1, keepdim=True)
        weights = scores.masked_fill(~(seen | blind), -torch.inf).softmax(-1).masked_fill(blind, 0.0)
    else:
        weights = scores.softmax(-1)
    merged = (weights @ v).transpose(1, 2).flatten(2)
    return F.linear(merged, block.out.weight, block.out.bias)


def wide_as(parameter: Tensor, x: Tensor) -> Tensor:
    return x.to(parameter.dtype)
