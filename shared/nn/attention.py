"""Attention: each query takes a weighted mean of the values, weighted by how well their keys fit.

    Attention(Q, K, V) = softmax(Q Kᵀ / √D_h) V

``attend`` is the formula, ``MultiHeadAttention`` is the layer around it: several heads, optionally fewer of
them for keys and values (grouped-query attention), over the sequence itself or over another one
(cross-attention).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from shared.nn.cache import LayerCache
from shared.nn.masks import causal_mask, combine
from shared.nn.positions import Rotary
from shared.shapes import Sequence, expect

Heads = Float[Tensor, "B H T D_h"]
KeyHeads = Float[Tensor, "B H_kv T_k D_h"]


def attend(
    queries: Float[Tensor, "B H T_q D_h"],
    keys: Float[Tensor, "B H_kv T_k D_h"],
    values: Float[Tensor, "B H_kv T_k D_v"],
    mask: Bool[Tensor, "..."] | None = None,
    *,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "B H T_q D_v"]:
    """softmax(Q Kᵀ / √D_h) V in torch's fused kernel, which need not store the T_q × T_k weights.

    ``mask`` broadcasts to [B, H, T_q, T_k] and is True where a query may attend. ``causal`` adds the causal
    mask, with the queries as the last positions of the keys. A query that may attend to nothing gets zeros,
    and sends back zero gradients. With fewer key heads than query heads, consecutive query heads share one
    (``H`` is a multiple of ``H_kv``).
    """
    heads, key_heads = queries.shape[1], keys.shape[1]
    if heads % key_heads:
        raise ValueError(
            f"{heads} query heads cannot share {key_heads} key heads: make one a multiple of the other"
        )
    if mask is not None and mask.dtype != torch.bool:
        raise TypeError(f"an attention mask is boolean, True = may attend; got {mask.dtype}: use mask.bool()")
    query_count, key_count = queries.shape[2], keys.shape[2]
    fused_causal = (
        causal and mask is None and bool(query_count == key_count)
    )  # bool: sizes are symbols in an export
    if causal and not fused_causal and query_count > 1:
        mask = combine(mask, causal_mask(query_count, key_count, queries.device))
    sees_something = None
    if mask is not None:
        # Kernels differ in what they answer to a row of nothing but -inf (zeros or NaN). So that none of
        # them is asked, such a row sees everything for a moment and is then set to zero.
        sees_something = mask.any(-1, keepdim=True)
        mask = mask | ~sees_something
    out: Tensor = F.scaled_dot_product_attention(
        queries, keys, values, mask, dropout, is_causal=fused_causal, enable_gqa=heads != key_heads
    )
    return out if sees_something is None else out.masked_fill(~sees_something, 0.0)


class MultiHeadAttention(nn.Module):
    """Attention in ``heads`` subspaces of the model width, each of width D_h = d_model / heads.

    head_i = Attention(x W_Qⁱ, c W_Kⁱ, c W_Vⁱ),  y = [head_1 … head_H] W_O,  where c is ``x`` itself or
    ``context``.

    Args:
        d_model: width of the input and of the output.
        heads: number of query heads; divides ``d_model``.
        key_heads: number of key and value heads; divides ``heads``. 1 is multi-query attention.
        bias: whether the four projections have biases.
        dropout: probability of dropping an attention weight, in training.
        rotary: rotates queries and keys by their positions; for self-attention only.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        key_heads: int | None = None,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        key_heads = heads if key_heads is None else key_heads
        if d_model % heads:
            raise ValueError(
                f"d_model={d_model} cannot be split into {heads} heads: choose a divisor of {d_model}"
            )
        if heads % key_heads:
            raise ValueError(f"heads={heads} must be a multiple of key_heads={key_heads}")
        self.d_model, self.heads, self.key_heads, self.dropout = d_model, heads, key_heads, dropout
        self.head_width = d_model // heads
        self.query = nn.Linear(d_model, heads * self.head_width, bias)
        self.key = nn.Linear(d_model, key_heads * self.head_width, bias)
        self.value = nn.Linear(d_model, key_heads * self.head_width, bias)
        self.out = nn.Linear(heads * self.head_width, d_model, bias)
        self.rotary = rotary

    def forward(
        self,
        x: Float[Tensor, "B T_q D"],
        context: Float[Tensor, "B T_k D"] | None = None,
        *,
        mask: Bool[Tensor, "..."] | None = None,
        causal: bool = False,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "B T_q D"]:
        """Attend from ``x`` to itself, or to ``context``.

        ``mask`` broadcasts to [B, H, T_q, T_k], True = may attend. With a ``cache``, ``x`` holds new
        positions only, and they attend to all cached ones too; a context is projected once and found in the
        cache from then on.
        """
        expect(x, "B T D", "the input of an attention", D=self.d_model)
        queries = self._split(self.query(x))
        if context is None:
            keys, values = self.project(x)
            if self.rotary is not None:
                start = 0 if cache is None else cache.length
                queries, keys = self.rotary(queries, start), self.rotary(keys, start)
            if cache is not None:
                keys, values = cache.append(keys, values)
        elif cache is None:
            keys, values = self.project(context)
        else:
            keys, values = cache.remember(lambda: self.project(context))
        out = attend(
            queries, keys, values, mask, causal=causal, dropout=self.dropout if self.training else 0.0
        )
        merged: Tensor = self.out(out.transpose(1, 2).flatten(2))  # B T_q D
        return merged

    def project(self, context: Sequence) -> tuple[KeyHeads, KeyHeads]:
        """The keys and values of a sequence."""
        expect(context, "B T D", "the context of an attention", D=self.d_model)
        return self._split(self.key(context)), self._split(self.value(context))

    def _split(self, x: Float[Tensor, "B T all_heads"]) -> Heads:
        heads = x.shape[2] // self.head_width
        return x.view(*x.shape[:2], heads, self.head_width).transpose(1, 2)  # B H T D_h
