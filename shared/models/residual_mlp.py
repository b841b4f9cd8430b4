"""A residual MLP for plain feature vectors, in four sizes.

x ← x + W₂ relu(W₁ norm(x)), as often as there are blocks. Each block adds to a stream that passes unchanged
from the first layer to the last, so that a network of 16 blocks trains like one of 2.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from jaxtyping import Float
from torch import Tensor, nn

from shared.config import option
from shared.nn.residual import Branch
from shared.nn.rules import Rule, initialise, standard_rules
from shared.shapes import Logits, expect

Size = Literal["small", "medium", "large", "xlarge"]


@dataclass(frozen=True)
class ResidualMLPConfig:
    """``inputs`` features in, ``classes`` numbers out; ``blocks`` blocks of the given ``width``."""

    inputs: int = option(64, "features of an example")
    classes: int = option(10, "numbers that come out")
    width: int = option(64, "features of the residual stream")
    blocks: int = option(2, "residual blocks")
    dropout: float = option(0.0, "of what each block adds")


SIZES: Final[dict[Size, ResidualMLPConfig]] = {
    "small": ResidualMLPConfig(width=64, blocks=2),
    "medium": ResidualMLPConfig(width=128, blocks=4),
    "large": ResidualMLPConfig(width=256, blocks=8),
    "xlarge": ResidualMLPConfig(width=512, blocks=16),
}


class ResidualMLP(nn.Module):
    """[B, inputs] to [B, classes]."""

    def __init__(self, config: ResidualMLPConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.enter = nn.Linear(config.inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(config.blocks)
        )
        self.branches = nn.ModuleList(
            Branch(nn.LayerNorm(width), "pre", config.dropout) for _ in range(config.blocks)
        )
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.classes))
        # Each block adds its variance to the stream: 1/√blocks keeps the sum of all of them at one.
        added = Rule("blocks.*.2.weight", "kaiming_normal", gain=1 / math.sqrt(max(config.blocks, 1)))
        initialise(self, [added, *standard_rules("kaiming_normal")])

    def forward(self, x: Float[Tensor, "B F"]) -> Logits:
        """One unnormalised log-probability a class."""
        expect(x, "B F", "the input of ResidualMLP", "one row of features an example", F=self.config.inputs)
        x = self.enter(x)
        for branch, block in zip(self.branches, self.blocks, strict=True):
            x = branch(x, block)
        logits: Tensor = self.leave(x)
        return logits
