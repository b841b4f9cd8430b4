"""E3's step written out, with every mistake as an option: what a wrong `decode_step` gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import Plain

Three = tuple[bool, bool, bool]


@dataclass(frozen=True)
class Mistakes:
    """What a step does otherwise; for two or three branches in their order."""

    start: Callable[[int], int] = lambda n: n
    sees: Callable[[int, int], Tensor] | None = None
    keep: bool = True
    normed: Three = (True, True, True)
    norms: tuple[int, int, int] = (0, 1, 2)
    added: Three = (True, True, True)
    out: tuple[bool, bool] = (True, True)
    scaled: tuple[bool, bool] = (True, True)
    memory_normed: bool = False
    cross: bool = True
    network: bool = True
    depth: int | None = None
    together: bool = False
    one_memory: bool = False
    mixed: bool = False
    mixed_cross: bool = False
    merged: bool = False


def by_hand(model: Plain, chunks: list[Tensor], memory: Tensor, mask: Tensor | None, **how: Any) -> Tensor:
    """The logits after the last chunk, with a mistake; without one they are those of `model.decode`."""
    wrong = Mistakes(**how)
    layers = list(model.layers)[: wrong.depth]
    kept: list[list[tuple[Tensor, Tensor]]] = [[] for _ in layers]
    if wrong.together:
        kept = [kept[0]] * len(layers)
    if wrong.memory_normed:
        memory = torch.nn.functional.layer_norm(memory, memory.shape[-1:])
    length = 0
    with torch.no_grad():
        for chunk in chunks:
            x, size = model.embed(chunk, wrong.start(length)), chunk.shape[1]
            for layer, pairs in zip(layers, kept, strict=True):
                source = (layers[0] if wrong.one_memory else layer).cross.project(memory)
                x = one_layer(wrong, layer, x, pairs, source, None if mask is None else mask[:, None, None])
            length += size
        return model.head(x)[:, -1]


def one_layer(
    wrong: Mistakes,
    layer: Any,
    x: Tensor,
    pairs: list[tuple[Tensor, Tensor]],
    source: tuple[Tensor, Tensor],
    mask: Tensor | None,
) -> Tensor:
    def normed(number: int) -> Tensor:
        return layer.norms[wrong.norms[number]](x) if wrong.normed[number] else x

    def plus(number: int, branch: Tensor) -> Tensor:
        return x + branch if wrong.added[number] else branch

    y = normed(0)
    pairs[:] = [*(pairs if wrong.keep else []), layer.attention.project(y)]
    keys, values = torch.cat([k for k, _ in pairs], 2), torch.cat([v for _, v in pairs], 2)
    size, total = x.shape[1], keys.shape[2]
    seen = torch.arange(total) <= torch.arange(total - size, total)[:, None]
    seen = wrong.sees(size, total) if wrong.sees else seen
    x = plus(0, weigh(wrong, 0, layer.attention, y, keys, values, seen))
    if wrong.cross:
        x = plus(1, weigh(wrong, 1, layer.cross, normed(1), *source, mask))
    return plus(2, layer.feedforward(normed(2))) if wrong.network else x


def weigh(
    wrong: Mistakes,
    number: int,
    attention: Any,
    y: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
) -> Tensor:
    q = attention.query(y).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
    if (wrong.mixed, wrong.mixed_cross)[number]:  # split without a transposition
        q = attention.query(y).reshape(q.shape)
    scores = q @ keys.transpose(-1, -2) / (q.shape[-1] ** 0.5 if wrong.scaled[number] else 1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    seen = scores.softmax(-1).nan_to_num() @ values
    together = seen.reshape(y.shape) if wrong.merged else seen.transpose(1, 2).flatten(2)
    return attention.out(together) if wrong.out[number] else together


def top_left(size: int, total: int) -> Tensor:
    return torch.arange(total) <= torch.arange(size)[:, None]


def everything(size: int, total: int) -> Tensor:
    return torch.ones(size, total, dtype=torch.bool)
