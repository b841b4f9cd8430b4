"""A residual network: stages of residual blocks, each but the first at half the last resolution."""

from dataclasses import dataclass
from typing import Final, Literal

from torch import Tensor, nn

from shared.config import option
from shared.nn.convolution import BasicBlock, BottleneckBlock, ResidualBlock, conv_norm
from shared.nn.norms import ImageNorm
from shared.nn.rules import Rule, initialise, standard_rules
from shared.shapes import Image, Logits, expect

Block = Literal["basic", "bottleneck"]

_BLOCKS: Final[dict[Block, ResidualBlock]] = {"basic": BasicBlock, "bottleneck": BottleneckBlock}


@dataclass(frozen=True)
class ResNetConfig:
    """``widths`` and ``depths`` (blocks) of the stages; the default is a small one for small images."""

    channels: int = option(1, "channels of an image")
    classes: int = option(10, "numbers that come out")
    widths: tuple[int, ...] = option((16, 32, 64), "width of the blocks in each stage")
    depths: tuple[int, ...] = option((1, 1, 1), "blocks in each stage")
    block: Block = option("basic", "basic, or bottleneck with four times as many channels between blocks")
    norm: ImageNorm = option("batch", "after each convolution")

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths):
            raise ValueError(
                f"each stage has a width and a depth, got widths={self.widths}, depths={self.depths}"
            )


class ResNet(nn.Module):
    """[B, C, H, W] to [B, classes], for any height and width: the last feature map is averaged."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        build = _BLOCKS[config.block]
        inputs = config.widths[0]
        layers: list[nn.Module] = [conv_norm(config.channels, inputs, 3, 1, config.norm), nn.ReLU()]
        for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            for number in range(depth):
                halve = stage > 0 and number == 0
                layers.append(build(inputs, width, 2 if halve else 1, config.norm))
                inputs = width * build.expansion
        self.features = nn.Sequential(*layers)
        self.leave = nn.Linear(inputs, config.classes)
        head = Rule("leave.weight", "kaiming_normal", gain="linear")
        initialise(self, [head, *standard_rules("kaiming_normal")])

    def forward(self, images: Image) -> Logits:
        """One unnormalised log-probability a class."""
        expect(images, "B C H W", "the input of ResNet", "channels first", C=self.config.channels)
        logits: Tensor = self.leave(self.features(images).mean((2, 3)))
        return logits
