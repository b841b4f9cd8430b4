"""A Transformer that reads a whole text and classifies it."""

from dataclasses import dataclass

from torch import Tensor, nn

from shared.config import option
from shared.models.transformer_stack import StackConfig, TransformerStack
from shared.nn.masks import key_mask, real_tokens
from shared.nn.pooling import Pooling, pool
from shared.shapes import Logits, Real, Sequence, Tokens


@dataclass(frozen=True)
class TransformerEncoderConfig(StackConfig):
    """A stack, and how its positions become one vector."""

    classes: int = option(12, "numbers that come out")
    pooling: Pooling = option("mean", "how positions become one vector")
    padding: int = option(0, "token id of padding")


class TransformerEncoder(nn.Module):
    """[B, T] token ids to [B, classes]; right-padding has no influence."""

    def __init__(self, config: TransformerEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.stack = TransformerStack(config, padding=config.padding)
        self.dropout = nn.Dropout(config.dropout)
        self.leave = nn.Linear(config.d_model, config.classes)
        nn.init.zeros_(self.leave.bias)

    def encode(self, tokens: Tokens, real: Real | None = None) -> Sequence:
        """One vector a position; those of padding mean nothing."""
        real = real_tokens(tokens, real, self.config.padding)
        encoded: Tensor = self.stack(tokens, mask=key_mask(real))
        return encoded

    def forward(self, tokens: Tokens, real: Real | None = None) -> Logits:
        """``real`` is True at real tokens; without it, all that is not padding."""
        real = real_tokens(tokens, real, self.config.padding)
        pooled = pool(self.encode(tokens, real), real, self.config.pooling)
        logits: Tensor = self.leave(self.dropout(pooled))
        return logits
