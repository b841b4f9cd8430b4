"""A Transformer that reads one sequence and writes another, looking back at the first by cross-attention."""

from dataclasses import dataclass, replace

from jaxtyping import Float, Int
from torch import Tensor, nn

from shared.config import option
from shared.models.transformer_stack import StackConfig, TransformerStack
from shared.nn.cache import KVCache
from shared.nn.masks import key_mask, real_tokens
from shared.shapes import Real, Sequence, Tokens

Target = Int[Tensor, "B T_q"]


@dataclass(frozen=True)
class TransformerSeq2SeqConfig(StackConfig):
    """``vocabulary`` and ``layers`` are the encoder's; the decoder's are the same unless given."""

    target_vocabulary: int | None = option(None, "token ids of the target; null for the source's")
    decoder_layers: int | None = option(None, "null for the encoder's")
    tied: bool = option(True, "use the target's embedding for the output too")
    padding: int = option(0, "token id of padding in the source")


class TransformerSeq2Seq(nn.Module):
    """[B, T] source ids and [B, T_q] target ids to [B, T_q, V] logits of each next target token.

    Give the target shifted right (it starts with a begin token), and compare with the target itself.
    Right-padding of either has no influence on what is real.
    """

    def __init__(self, config: TransformerSeq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        writer = replace(
            config,
            vocabulary=config.vocabulary if config.target_vocabulary is None else config.target_vocabulary,
            layers=config.layers if config.decoder_layers is None else config.decoder_layers,
        )
        self.encoder = TransformerStack(config, padding=config.padding)
        self.decoder = TransformerStack(writer, cross=True)
        self.leave = nn.Linear(writer.d_model, writer.vocabulary, bias=False)
        if config.tied:
            self.leave.weight = self.decoder.embedding.table.weight

    def encode(self, source: Tokens, real: Real | None = None) -> Sequence:
        """One vector a position of the source."""
        real = real_tokens(source, real, self.config.padding)
        memory: Tensor = self.encoder(source, mask=key_mask(real))
        return memory

    def decode(
        self,
        target: Target,
        memory: Float[Tensor, "B T D"],
        real: Real | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T_q V"]:
        """Logits after each target token, given the encoded source and where it is ``real``.

        With a ``cache``, ``target`` holds the new tokens only, and the memory is projected at the first call.
        """
        mask = None if real is None else key_mask(real)
        states = self.decoder(target, memory, memory_mask=mask, causal=True, cache=cache)
        logits: Tensor = self.leave(states)
        return logits

    def forward(self, source: Tokens, target: Target, real: Real | None = None) -> Float[Tensor, "B T_q V"]:
        """Teacher forcing: all positions of the target at once."""
        real = real_tokens(source, real, self.config.padding)
        return self.decode(target, self.encode(source, real), real)

    def new_cache(self, max_length: int) -> KVCache:
        """An empty cache for decoding up to ``max_length`` tokens."""
        layers = self.config.layers if self.config.decoder_layers is None else self.config.decoder_layers
        return KVCache(layers, max_length)
