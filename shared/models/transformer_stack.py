"""What Transformer encoders and decoders have in common: token ids in, one vector a position out."""

import math
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from shared.config import option
from shared.nn.cache import KVCache
from shared.nn.embedding import TokenEmbedding
from shared.nn.feedforward import FeedForwardKind
from shared.nn.norms import SequenceNorm, sequence_norm
from shared.nn.positions import LearnedPositions, Rotary, SinusoidalPositions
from shared.nn.residual import NormPlacement
from shared.nn.rules import Rule, initialise, standard_rules
from shared.nn.transformer import TransformerLayer
from shared.shapes import Sequence, Tokens

Positions = Literal["sinusoidal", "learned", "rotary"]


@dataclass(frozen=True)
class StackConfig:
    """The shape of a stack of Transformer layers.

    ``hidden=None`` is 4 D, or 8/3 D for gated feed-forwards. ``max_length`` limits learned positions only.
    """

    vocabulary: int = option(256, "how many token ids there are")
    d_model: int = option(64, "features of a position")
    heads: int = option(4, "query heads")
    key_heads: int | None = option(None, "heads of keys and values; null for as many as queries have")
    layers: int = option(2, "how deep")
    hidden: int | None = option(None, "width of the feed-forward; null for 4 D, or 8/3 D if gated")
    kind: FeedForwardKind = option("gelu", "activation of the feed-forward")
    placement: NormPlacement = option("pre", "norm before or after each branch")
    norm: SequenceNorm = option("layer", "which norm")
    positions: Positions = option("sinusoidal", "how positions are told")
    max_length: int = option(512, "longest input that learned positions take")
    dropout: float = option(0.0, "of embeddings, attention weights and branches")


class TransformerStack(nn.Module):
    """Embedding, positions, layers, and a last norm where the layers are pre-norm.

    Embeddings are drawn with standard deviation 1/√D and multiplied with √D: so that positions are neither
    drowned nor drowning, and the same table gives logits of order one where a decoder uses it for its
    output too.
    """

    def __init__(self, config: StackConfig, *, cross: bool = False, padding: int | None = None) -> None:
        super().__init__()
        width = config.d_model
        self.scale = math.sqrt(width)
        self.embedding = TokenEmbedding(config.vocabulary, width, padding, std=1 / self.scale)
        self.positions = _added_positions(config)
        rotary = Rotary(width // config.heads) if config.positions == "rotary" else None
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(
                width,
                config.heads,
                config.hidden,
                key_heads=config.key_heads,
                kind=config.kind,
                cross=cross,
                placement=config.placement,
                norm=config.norm,
                dropout=config.dropout,
                rotary=rotary,
            )
            for _ in range(config.layers)
        )
        self.norm = sequence_norm(config.norm, width) if config.placement == "pre" else nn.Identity()
        initialise(self, _rules(config, cross))

    def forward(
        self,
        tokens: Tokens,
        memory: Float[Tensor, "B T_k D"] | None = None,
        *,
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        causal: bool = False,
        cache: KVCache | None = None,
    ) -> Sequence:
        """[B, T] to [B, T, D]. With a ``cache``, ``tokens`` continue where it ends."""
        start = 0 if cache is None else cache.length
        x = self.embedding(tokens) * self.scale
        if self.positions is not None:
            x = self.positions(x, start)
        x = self.dropout(x)
        for number, layer in enumerate(self.layers):
            x = layer(
                x,
                memory,
                mask=mask,
                memory_mask=memory_mask,
                causal=causal,
                cache=None if cache is None else cache.own[number],
                memory_cache=None if cache is None else cache.cross[number],
            )
        out: Tensor = self.norm(x)
        return out


def _added_positions(config: StackConfig) -> nn.Module | None:
    """What adds positions to the embeddings; rotary ones are not added, they turn queries and keys."""
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.d_model)
    if config.positions == "learned":
        return LearnedPositions(config.max_length, config.d_model, std=0.5)  # about as strong as sinusoids
    if config.positions == "rotary":
        return None
    raise ValueError(f"positions are 'sinusoidal', 'learned' or 'rotary', not {config.positions!r}")


def _rules(config: StackConfig, cross: bool) -> list[Rule]:
    """Xavier everywhere; in a pre-norm stack, what a branch adds is scaled by 1/√(number of branches).

    Variances add up along the residual stream, so that without it a deep stack would hand on a stream of
    √depth.
    """
    branches = config.layers * (3 if cross else 2)
    gain = 1 / math.sqrt(branches) if config.placement == "pre" and branches else 1.0
    return [
        Rule("layers.*.out.weight", "xavier_uniform", gain=gain),
        Rule("layers.*.down.weight", "xavier_uniform", gain=gain),
        *standard_rules("xavier_uniform", activation="linear"),
    ]
