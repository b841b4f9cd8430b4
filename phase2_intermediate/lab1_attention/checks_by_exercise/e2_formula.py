"""Multi-head attention by its definition, head by head, with a switch for each known mistake."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial

LINEARS = ("query", "key", "value", "out")


def made(a: Any, t: Trial, *sizes: Any, training: bool = False, **options: Any) -> Any:
    """A learner's layer in float64, whose parameters are all random: biases of 0 would hide mistakes."""
    layer = a.MultiHeadAttention(*sizes, **options).double().train(training)
    with torch.no_grad():
        for parameter in layer.parameters():
            scale = 1.5 / math.sqrt(parameter.shape[-1]) if parameter.dim() == 2 else 0.5
            parameter.copy_(scale * t.randn(*parameter.shape))
    return layer


def result(t: Trial, returned: Any) -> tuple[Tensor, Any]:
    """The pair that forward returns, or words about what it is instead."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        t.fail(
            "forward returns the pair (y, weights), with None for the weights unless need_weights is set; "
            f"yours returned {'None' if returned is None else f'a {type(returned).__name__}'}",
            diagnosis="not-a-pair",
        )
    y, weights = returned
    t.that(isinstance(y, Tensor), f"y is {y!r:.60}, expected a tensor", diagnosis="not-a-pair")
    return y, weights


def cut(x: Tensor, heads: int, how: str = "") -> list[Tensor]:
    """[B, T, D] → a list of heads [B, T, D_h]."""
    b, time, width = x.shape
    if how == "heads-mix-time-and-channels":
        return list(x.reshape(b, heads, time, width // heads).unbind(1))
    if how in ("heads-take-every-nth-number", "only-cut-wrongly"):
        return list(x.reshape(b, time, width // heads, heads).unbind(-1))
    return list(x.chunk(heads, dim=-1))


def joined(heads: list[Tensor], how: str = "") -> Tensor:
    stacked = torch.stack(heads, dim=1)  # B H T D_h
    if how == "merges-without-transposing":
        return stacked.reshape(stacked.shape[0], stacked.shape[2], -1)
    if how in ("heads-take-every-nth-number", "only-merged-wrongly"):
        return torch.stack(heads, dim=-1).flatten(2)
    return torch.cat(heads, dim=-1)


def formula(
    layer: nn.Module,
    heads: int,
    x: Tensor,
    context: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    mistake: str = "",
) -> tuple[Tensor, Tensor]:
    """(y [B, T_q, D], weights [B, H, T_q, T_k]) from the layer's own four linear maps."""
    if mistake == "mask-ignored":
        mask = None
    if mistake == "mask-inverted" and mask is not None:
        mask = ~mask
    if mistake == "causal-ignored":
        is_causal = False
    if mistake == "always-causal":
        is_causal = True
    context = x if context is None or mistake == "context-ignored" else context
    if mistake == "queries-from-the-context":
        x, context = context, x
    width = x.shape[-1] // heads
    values_from = x if mistake == "values-from-x" else context
    q, k, v = layer.query(x), layer.key(context), layer.value(values_from)
    if mistake == "query-for-all-three":
        k, v = layer.query(context), layer.query(values_from)
    if mistake == "keys-and-values-exchanged":
        k, v = v, k
    heads_here = 1 if mistake == "one-head-only" else heads
    shared = heads_here if mistake == "one-head-only" else max(k.shape[-1] // width, 1)
    queries, keys, values = cut(q, heads_here, mistake), cut(k, shared, mistake), cut(v, shared, mistake)
    head_width = queries[0].shape[-1]
    scale = {
        "scale-from-the-model-width": x.shape[-1],
        "no-scale": 1,
        "scale-without-the-root": head_width**2,
        "scale-from-the-number-of-heads": heads,
    }.get(mistake, head_width)
    outputs, weights = [], []
    for h, query in enumerate(queries):
        owner = h % shared if mistake == "key-heads-interleaved" else h // (heads_here // shared)
        owner = 0 if mistake == "first-key-head-for-all" else owner
        scores = query @ keys[owner].transpose(-1, -2) / math.sqrt(scale)
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool)
        seen = seen.tril() if is_causal else seen
        if mask is not None:
            head_mask = mask.expand(*mask.shape[:-3], heads, *mask.shape[-2:]) if mask.dim() >= 3 else mask
            seen = seen & (head_mask[..., min(h, heads - 1), :, :] if mask.dim() >= 3 else mask)
        safe = seen.any(-1, keepdim=True)
        weight = scores.masked_fill(~(seen | ~safe), -torch.inf).softmax(-1) * safe
        outputs.append(weight @ values[owner])
        weights.append(weight)
    merged = joined(outputs, mistake)
    if mistake == "heads-averaged":
        merged = torch.cat([sum(outputs) / len(outputs)] * len(outputs), dim=-1)
    y = merged if mistake == "no-output-projection" else layer.out(merged)
    if mistake == "adds-its-input":
        y = y + x
    if mistake == "projected-twice":
        y = layer.out(y)
    if mistake == "relu-at-the-end":
        y = y.relu()
    return y, torch.stack(weights, dim=1)


WORDS = {
    "heads-mix-time-and-channels": "the heads mix time and channels: `view(B, H, T, D_h)` cuts the "
    "positions apart. "
    "Use view(B, T, H, D_h), then transpose(1, 2)",
    "heads-take-every-nth-number": "a head takes every H-th number of a position; it takes D_h neighbours: "
    "head 0 "
    "the first D_h, head 1 the next",
    "merges-without-transposing": "the heads are merged without a transposition: [B, H, T, D_h] goes back by "
    "transpose(1, 2) first, then reshape",
    "scale-from-the-model-width": "the scores are divided by √D, the width of the model: use √D_h, the "
    "width of a "
    "head",
    "only-cut-wrongly": "the heads are merged rightly, but cut wrongly: a head takes D_h neighbours of "
    "each position, "
    "not every H-th number",
    "only-merged-wrongly": "the heads are cut rightly, but their numbers are interleaved when they are "
    "merged: those of "
    "head 0 come first",
    "scale-without-the-root": "the scores are divided by D_h: divide by √D_h",
    "scale-from-the-number-of-heads": "the scores are divided by √H, the number of heads: use √D_h",
    "always-causal": "without is_causal the future is hidden all the same",
    "projected-twice": "`out` is applied twice",
    "relu-at-the-end": "there is a relu at the end: `out` comes last",
    "query-for-all-three": "`query` gives the keys and values, too: each has a linear map of its own",
    "queries-from-the-context": "queries and context are exchanged: x asks, the context answers",
    "no-scale": "the scores are not divided by √D_h",
    "no-output-projection": "the output projection is missing: y = out(merged heads)",
    "one-head-only": "there is one head of width D: cut queries, keys and values into heads first",
    "key-heads-interleaved": "query head 1 of four must use key head 0 of two, and yours uses key head 1: "
    "repeat_interleave gives 0, 0, 1, 1; `repeat` gives 0, 1, 0, 1",
    "first-key-head-for-all": "all query heads use key head 0: query head h uses key head h // (H / H_kv)",
    "keys-and-values-exchanged": "`value` gives the keys and `key` the values here: exchange them",
    "context-ignored": "the context has no effect: keys and values come from it",
    "values-from-x": "the values come from x: keys *and* values come from the context",
    "mask-ignored": "the mask has no effect",
    "mask-inverted": "the mask is read the wrong way round: True means that the query may attend",
    "causal-ignored": "is_causal has no effect",
    "heads-averaged": "the heads are averaged; they stand side by side",
    "adds-its-input": "y contains x itself: the residual connection belongs to the block around this layer",
}
