"""One layer of a Transformer: let positions talk to each other, then let each think for itself.

Self-attention, cross-attention (in a decoder that reads a memory) and feed-forward, each in a branch.
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from shared.nn.attention import MultiHeadAttention
from shared.nn.cache import LayerCache
from shared.nn.feedforward import FeedForward, FeedForwardKind
from shared.nn.norms import SequenceNorm, sequence_norm
from shared.nn.positions import Rotary
from shared.nn.residual import Branch, NormPlacement
from shared.shapes import Sequence

Mask = Bool[Tensor, "..."]


class TransformerLayer(nn.Module):
    """Self-attention, optional cross-attention, feed-forward, each in a residual branch.

    Args:
        d_model, heads, key_heads: see ``MultiHeadAttention``.
        hidden, kind: see ``FeedForward``.
        cross: whether there is cross-attention to a memory.
        placement: ``pre`` or ``post``.
        dropout: of attention weights, of hidden features and of each branch.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        hidden: int | None = None,
        *,
        key_heads: int | None = None,
        kind: FeedForwardKind = "gelu",
        cross: bool = False,
        placement: NormPlacement = "pre",
        norm: SequenceNorm = "layer",
        dropout: float = 0.0,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d_model, heads, key_heads, dropout=dropout, rotary=rotary)
        self.attention_branch = Branch(sequence_norm(norm, d_model), placement, dropout)
        self.cross = MultiHeadAttention(d_model, heads, key_heads, dropout=dropout) if cross else None
        self.cross_branch = Branch(sequence_norm(norm, d_model), placement, dropout) if cross else None
        self.feedforward = FeedForward(d_model, hidden, kind, dropout=dropout)
        self.feedforward_branch = Branch(sequence_norm(norm, d_model), placement, dropout)

    def forward(
        self,
        x: Sequence,
        memory: Float[Tensor, "B T_k D"] | None = None,
        *,
        mask: Mask | None = None,
        memory_mask: Mask | None = None,
        causal: bool = False,
        cache: LayerCache | None = None,
        memory_cache: LayerCache | None = None,
    ) -> Sequence:
        """[B, T, D] to [B, T, D]. Masks broadcast to [B, H, T_q, T_k], True = may attend."""
        x = self.attention_branch(x, lambda y: self.attention(y, mask=mask, causal=causal, cache=cache))
        if self.cross is not None and self.cross_branch is not None:
            cross = self.cross
            if memory is None:
                raise ValueError("this layer has cross-attention: give it the memory that it should read")
            x = self.cross_branch(x, lambda y: cross(y, memory, mask=memory_mask, cache=memory_cache))
        x = self.feedforward_branch(x, self.feedforward)
        return x
