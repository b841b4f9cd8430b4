"""A plain convolutional network: stages of two 3×3 convolutions, each at half the last resolution."""

from dataclasses import dataclass

from torch import Tensor, nn

from shared.config import option
from shared.nn.convolution import conv_norm
from shared.nn.norms import ImageNorm
from shared.nn.rules import initialise
from shared.shapes import Image, Logits, expect


@dataclass(frozen=True)
class CNNConfig:
    """``widths`` are the channels of the stages; an image needs 2^(stages − 1) pixels on each side."""

    channels: int = option(1, "channels of an image")
    classes: int = option(10, "numbers that come out")
    widths: tuple[int, ...] = option(
        (32, 64), "channels of each stage; an image needs 2^(stages - 1) pixels on each side"
    )
    norm: ImageNorm = option("batch", "after each convolution")
    dropout: float = option(0.0, "before the last layer")


class CNN(nn.Module):
    """[B, C, H, W] to [B, classes], for any height and width: the last feature map is averaged."""

    def __init__(self, config: CNNConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inputs = config.channels
        for stage, width in enumerate(config.widths):
            if stage:
                layers.append(nn.MaxPool2d(2))
            layers += [conv_norm(inputs, width, 3, 1, config.norm), nn.ReLU()]
            layers += [conv_norm(width, width, 3, 1, config.norm), nn.ReLU()]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.leave = nn.Linear(inputs, config.classes)
        initialise(self, "kaiming_normal", activation="relu")

    def forward(self, images: Image) -> Logits:
        """One unnormalised log-probability a class."""
        expect(images, "B C H W", "the input of CNN", "channels first", C=self.config.channels)
        pooled = self.features(images).mean((2, 3))  # B C
        logits: Tensor = self.leave(self.dropout(pooled))
        return logits
