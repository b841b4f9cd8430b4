"""A Transformer that predicts the next token, at every position at once."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from shared.config import option
from shared.models.transformer_stack import StackConfig, TransformerStack
from shared.nn.cache import KVCache
from shared.shapes import Tokens


@dataclass(frozen=True)
class TransformerDecoderConfig(StackConfig):
    """A stack; ``tied`` uses the embedding's table for the output too."""

    tied: bool = option(True, "use the embedding's table for the output too")


class TransformerDecoder(nn.Module):
    """[B, T] token ids to [B, T, V] logits of each next token; no position sees a later one.

    Right-padding needs no mask: it comes later than everything real. Ignore its targets in the loss.
    """

    def __init__(self, config: TransformerDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.stack = TransformerStack(config)
        self.leave = nn.Linear(config.d_model, config.vocabulary, bias=False)
        if config.tied:
            self.leave.weight = self.stack.embedding.table.weight

    def forward(self, tokens: Tokens, cache: KVCache | None = None) -> Float[Tensor, "B T V"]:
        """With a ``cache`` (see ``new_cache``), ``tokens`` are the new ones only."""
        logits: Tensor = self.leave(self.stack(tokens, causal=True, cache=cache))
        return logits

    def new_cache(self, max_length: int) -> KVCache:
        """An empty cache for decoding up to ``max_length`` tokens."""
        return KVCache(self.config.layers, max_length)
