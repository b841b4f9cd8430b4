"""What several checks of this lab need: oracles, a model with the parts of E1, mistakes named by value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from shared.nn import MultiHeadAttention

F64 = torch.float64

TORCHS = tuple(
    f"torch.nn.modules.transformer.{name}.forward"
    for name in (
        *("Transformer", "TransformerDecoder", "TransformerDecoderLayer"),
        *("TransformerEncoder", "TransformerEncoderLayer"),
    )
)
LIBRARYS = ("shared.models.transformer_seq2seq.TransformerSeq2Seq.__init__",)
LIBRARYS_CACHE = tuple(
    f"shared.nn.cache.{name}"
    for name in (
        *("KVCache.__init__", "LayerCache.__init__", "LayerCache.append", "LayerCache.remember"),
        *("LayerCache.reorder", "KVCache.reorder", "KVCache.crop", "KVCache.nbytes"),
    )
)


def tensor(values: Any, dtype: torch.dtype = F64) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def shake(module: Any, t: Trial, scale: float = 0.4) -> Any:
    """The module in float64 and evaluation mode, all its parameters random, those of its norms around 1."""
    module = module.double().eval()
    with torch.no_grad():
        for part in module.modules():
            around = 1.0 if isinstance(part, nn.LayerNorm) else 0.0
            for name, parameter in part.named_parameters(recurse=False):
                parameter.copy_(around * (name == "weight") + scale * t.randn(*parameter.shape))
    return module


def real(t: Trial, *lengths: int, size: int) -> Tensor:
    """A padding mask [B, size] for right-padded sequences of these lengths."""
    return torch.arange(size) < torch.tensor(lengths)[:, None]


class PlainLayer(nn.Module):
    """A pre-norm decoder layer with the parts of E1, written out."""

    def __init__(self, d: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention, self.cross = MultiHeadAttention(d, heads), MultiHeadAttention(d, heads)
        self.feedforward = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, d))
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3))

    def forward(self, y: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        past = torch.ones(y.shape[1], y.shape[1], dtype=torch.bool).tril()
        y = y + self.attention(self.norms[0](y), mask=past)
        y = y + self.cross(self.norms[1](y), memory, mask=memory_mask)
        return y + self.feedforward(self.norms[2](y))


class Plain(nn.Module):
    """A model with the interface of E1, of random weights: for E3 and E5, whatever the learner's E1 does.

    It counts what is asked of it: `decoded` target positions given to `decode`, `embedded` to `embed`.
    """

    def __init__(
        self, src: int, tgt: int, d: int = 16, heads: int = 2, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(src, d), nn.Embedding(tgt, d)
        self.place = nn.Parameter(torch.randn(128, d))
        self.layers = nn.ModuleList(PlainLayer(d, heads, 2 * d) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, tgt)
        self.dropout = nn.Dropout(dropout)
        self.decoded = self.embedded = 0
        self.read: list[Tensor] = []

    def encode(self, src: Tensor, mask: Tensor | None = None) -> Tensor:
        mask = torch.ones_like(src, dtype=torch.bool) if mask is None else mask
        h = (self.source(src) + self.place[: src.shape[1]]) * mask[..., None]
        return (h + h.cumsum(1) / 4).tanh()

    def embed(self, tokens: Tensor, start: int = 0) -> Tensor:
        self.embedded += tokens.numel()
        self.read.append(tokens.detach().clone())
        return self.dropout(self.target(tokens) + self.place[start : start + tokens.shape[1]])

    def head(self, x: Tensor) -> Tensor:
        return self.out(self.norm(x))

    def decode(self, memory: Tensor, mask: Tensor | None, tgt: Tensor) -> Tensor:
        self.decoded += tgt.numel()
        x = self.embed(tgt)
        for layer in self.layers:
            x = layer(x, memory, None if mask is None else mask[:, None, None, :])
        return self.head(x)


def root_mean_square(x: Tensor) -> float:
    return math.sqrt(float((x.detach() ** 2).mean()))


def another_default(a: Any, defaults: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Which default differs from the one asked for? `None` may stand for the right one inside."""
    for name, wanted in defaults.items():
        own = signature(getattr(a, name)).parameters
        for key, value in wanted.items():
            if key in own and own[key].default not in (value, None):
                return f"the default of {key} in `{name}` is {own[key].default!r}, expected {value!r}"
    return None
