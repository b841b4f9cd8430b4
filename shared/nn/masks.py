"""Attention masks, with one meaning everywhere: True means "may attend".

``mask[..., i, j]`` is True where query ``i`` may look at key ``j``; a padding mask is True at real tokens.
Masks are boolean, they combine with "and", and a query with no True at all gets zeros as its answer.

(torch is of two minds: ``F.scaled_dot_product_attention`` reads a boolean mask as we do,
``nn.MultiheadAttention`` and ``nn.TransformerEncoder`` read True as "ignore". Invert a mask before giving
it to those two.)
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from shared.shapes import Lengths, Real, Tokens, expect


def causal_mask(
    queries: int, keys: int | None = None, device: torch.device | None = None
) -> Bool[Tensor, "T_q T_k"]:
    """Each query sees itself and what came before it.

    Queries are the *last* ``queries`` of ``keys`` positions, which is what decoding with a cache needs:
    with 3 keys in all, a single new query sees all 3. (torch's ``is_causal`` aligns to the first keys
    instead.)
    """
    keys = queries if keys is None else keys
    if keys < queries:
        raise ValueError(
            f"causal_mask needs at least as many keys as queries, got {queries} queries and {keys} keys"
        )
    last_visible = torch.arange(keys - queries, keys, device=device)[:, None]  # T_q 1
    return torch.arange(keys, device=device) <= last_visible  # T_q T_k


def window_mask(
    length: int, left: int, right: int = 0, device: torch.device | None = None
) -> Bool[Tensor, "T T"]:
    """Each query sees itself, ``left`` positions before it and ``right`` after it."""
    if left < 0 or right < 0:
        raise ValueError(
            f"window_mask counts positions on each side, so left={left} and right={right} must be >= 0"
        )
    position = torch.arange(length, device=device)
    distance = position[None, :] - position[:, None]  # key minus query
    return (distance >= -left) & (distance <= right)


def padding_mask(lengths: Lengths, length: int) -> Real:
    """Which of ``length`` positions are real in sequences of the given ``lengths``."""
    return torch.arange(length, device=lengths.device) < lengths[:, None]


def real_tokens(tokens: Tokens, real: Real | None, padding: int) -> Real:
    """``real`` if it is given and fits, else True wherever a token is not ``padding``."""
    expect(tokens, "B T", "tokens", "a batch of sequences of ids")
    if real is None:
        return tokens != padding
    batch, length = tokens.shape
    expect(real, "B T", "the padding mask", "one answer a token, True where it is real", B=batch, T=length)
    return real


def key_mask(real: Real) -> Bool[Tensor, "B 1 1 T"]:
    """Let every query of every head see the real keys only.

    It hides keys, not queries: what a padded *query* computes is not wanted by anyone, and is ignored later.
    """
    expect(real, "B T", "the padding mask", "True at real tokens")
    return real[:, None, None, :]


def document_mask(documents: Int[Tensor, "B T"]) -> Bool[Tensor, "B 1 T T"]:
    """Keep sequences apart that were packed into one row; ``documents`` numbers them, and -1 is padding."""
    expect(documents, "B T", "documents", "one document number a position, -1 for padding")
    same = documents[:, :, None] == documents[:, None, :]
    return (same & (documents >= 0)[:, None, :])[:, None]


def combine(*masks: Bool[Tensor, "..."] | None) -> Bool[Tensor, "..."] | None:
    """May attend only where every given mask says so; ``None`` allows everything."""
    combined: Tensor | None = None
    for mask in masks:
        if mask is not None:
            combined = mask if combined is None else combined & mask
    return combined
