"""Text classification by a recurrent network that reads in both directions."""

from dataclasses import dataclass

from torch import Tensor, nn

from shared.config import option
from shared.nn.embedding import TokenEmbedding
from shared.nn.masks import real_tokens
from shared.nn.pooling import Pooling, pool
from shared.nn.recurrent import Recurrent
from shared.nn.rules import Rule, initialise, standard_rules
from shared.shapes import Logits, Real, Tokens


@dataclass(frozen=True)
class BiLSTMConfig:
    """``hidden`` features of the state in each direction."""

    vocabulary: int = option(256, "how many token ids there are")
    classes: int = option(12, "numbers that come out")
    d_model: int = option(64, "features of a token")
    hidden: int = option(64, "features of the state in each direction")
    layers: int = option(1, "recurrent layers")
    pooling: Pooling = option("max", "how states become one vector")
    dropout: float = option(0.0, "between layers and before the last one")
    padding: int = option(0, "token id of padding")


class BiLSTM(nn.Module):
    """[B, T] token ids to [B, classes]; right-padding has no influence.

    ``torch.export`` unrolls a recurrence, so an exported program takes one length only: pad to it.
    """

    def __init__(self, config: BiLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config.vocabulary, config.d_model, config.padding)
        self.reader = Recurrent(
            "lstm", config.d_model, config.hidden, config.layers, bidirectional=True, dropout=config.dropout
        )
        self.dropout = nn.Dropout(config.dropout)
        self.leave = nn.Linear(self.reader.outputs, config.classes)
        recurrent = Rule("*weight_hh*", "orthogonal")
        initialise(self, [recurrent, *standard_rules("xavier_uniform", activation="linear")])

    def forward(self, tokens: Tokens, real: Real | None = None) -> Logits:
        """``real`` is True at real tokens, which come first; without it, all that is not padding."""
        real = real_tokens(tokens, real, self.config.padding)
        states, _ = self.reader(self.embedding(tokens), real.sum(1))
        logits: Tensor = self.leave(self.dropout(pool(states, real, self.config.pooling)))
        return logits
