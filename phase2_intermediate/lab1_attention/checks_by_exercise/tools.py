"""What several checks of this lab need: oracles in float64, and mistakes named by the values they give."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial, forbid

READY_MADE = forbid(
    "scaled_dot_product_attention",
    "multi_head_attention_forward",
    "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd",
    "_fused_sdp_choice",
    "_scaled_dot_product_attention_math",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
    why="it is the answer itself. Build it from a product, a softmax and another product",
)


def visible(
    queries: int,
    keys: int,
    mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    shape: tuple[int, ...] = (),
) -> Tensor:
    """Who may see whom, as booleans [..., T_q, T_k], from a boolean mask and the causal rule."""
    seen = torch.ones(*shape, queries, keys, dtype=torch.bool)
    if is_causal:
        seen = seen & (torch.arange(keys) <= torch.arange(queries)[:, None])
    return seen if mask is None else seen & mask


def right_weights(
    q: Tensor,
    k: Tensor,
    mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """The attention weights in float64 by the definition: exp of each visible score over their sum."""
    scores = torch.einsum("...id,...jd->...ij", q.detach().double(), k.detach().double())
    scores = scores * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    seen = visible(scores.shape[-2], scores.shape[-1], is_causal=is_causal)
    if mask is not None and mask.dtype == torch.bool:
        seen = seen & mask
    elif mask is not None:
        scores = scores + mask.double()
    scores = torch.where(seen, scores, -torch.inf)
    if scores.shape[-1] == 0:
        return scores
    top = scores.amax(dim=-1, keepdim=True)
    parts = (scores - torch.where(top.isinf(), 0.0, top)).exp()
    total = parts.sum(dim=-1, keepdim=True)
    return parts / torch.where(total == 0, 1.0, total)


def right_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, **how: Any) -> Tensor:
    """The output that belongs to `right_weights`, in float64."""
    return right_weights(q, k, mask, **how) @ v.detach().double()


def random_mask(t: Trial, *shape: int) -> Tensor:
    """Booleans in which every row has a True, and a False if it has room for one."""
    mask = t.rand(*shape) < 0.5
    keys = shape[-1]
    for row in mask.reshape(-1, keys):
        order = torch.randperm(keys, generator=t.generator)
        row[order[0]] = True
        if keys > 1:
            row[order[1]] = False
    return mask
