"""Text classification by n-gram detectors: convolutions over tokens, asked for their strongest hit."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.config import option
from shared.nn.embedding import TokenEmbedding
from shared.nn.masks import real_tokens
from shared.nn.pooling import masked_max
from shared.nn.rules import initialise
from shared.shapes import Logits, Real, Tokens


@dataclass(frozen=True)
class TextCNNConfig:
    """``filters`` detectors for each of the ``windows`` (lengths of n-grams)."""

    vocabulary: int = option(256, "how many token ids there are")
    classes: int = option(12, "numbers that come out")
    d_model: int = option(64, "features of a token")
    windows: tuple[int, ...] = option((2, 3, 4), "lengths of the n-grams that are looked for")
    filters: int = option(64, "detectors for each length")
    dropout: float = option(0.0, "before the last layer")
    padding: int = option(0, "token id of padding")


class TextCNN(nn.Module):
    """[B, T] token ids to [B, classes]; right-padding has no influence.

    An n-gram starts at each real token, and what lies beyond the end of a sequence is zero, however much
    padding there is. So a text shorter than a window is fine, and an empty one gets the bias of the last
    layer.
    """

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config.vocabulary, config.d_model, config.padding)
        self.detectors = nn.ModuleList(nn.Conv1d(config.d_model, config.filters, n) for n in config.windows)
        self.dropout = nn.Dropout(config.dropout)
        self.leave = nn.Linear(config.filters * len(config.windows), config.classes)
        initialise(self, "kaiming_normal", activation="relu")

    def forward(self, tokens: Tokens, real: Real | None = None) -> Logits:
        """``real`` is True at real tokens; without it, all that is not padding."""
        real = real_tokens(tokens, real, self.config.padding)
        x = self.embedding(tokens).masked_fill(~real[:, :, None], 0.0).transpose(1, 2)  # B D T
        hits = []
        for detector, window in zip(self.detectors, self.config.windows, strict=True):
            strength = F.relu(detector(F.pad(x, (0, window - 1))))  # B filters T
            hits.append(masked_max(strength.transpose(1, 2), real))
        logits: Tensor = self.leave(self.dropout(torch.cat(hits, dim=1)))
        return logits
