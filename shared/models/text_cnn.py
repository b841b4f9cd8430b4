"""Text classification by n-gram detectors: convolutions over tokens, asked for their strongest hit."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.nn.embedding import TokenEmbedding
from shared.nn.pooling import masked_max
from shared.nn.rules import initialise
from shared.shapes import Logits, Real, Tokens


@dataclass(frozen=True)
class TextCNNConfig:
    """``filters`` detectors for each of the ``windows`` (lengths of n-grams)."""

    vocabulary: int = 256
    classes: int = 12
    d_model: int = 64
    windows: tuple[int, ...] = (2, 3, 4)
    filters: int = 64
    dropout: float = 0.0
    padding: int = 0


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
        real = tokens != self.config.padding if real is None else real
        x = self.embedding(tokens).masked_fill(~real[:, :, None], 0.0).transpose(1, 2)  # B D T
        hits = []
        for detector, window in zip(self.detectors, self.config.windows, strict=True):
            strength = F.relu(detector(F.pad(x, (0, window - 1))))  # B filters T
            hits.append(masked_max(strength.transpose(1, 2), real))
        logits: Tensor = self.leave(self.dropout(torch.cat(hits, dim=1)))
        return logits
