"""Residual blocks of convolutions: y = relu(shortcut(x) + branch(x)).

The last norm of a branch starts with γ = 0, so that a new block is (up to the shortcut) the identity and
depth costs nothing at the start. Where the size changes, the shortcut is a 1×1 convolution.
"""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from shared.nn.norms import ImageNorm, image_norm
from shared.shapes import Image, expect


def conv_norm(
    inputs: int, outputs: int, window: int, stride: int = 1, norm: ImageNorm = "batch"
) -> nn.Sequential:
    """A convolution that keeps H × W (or divides it by the stride); the norm makes a bias idle."""
    convolution = nn.Conv2d(inputs, outputs, window, stride, padding=window // 2, bias=False)
    return nn.Sequential(convolution, image_norm(norm, outputs))


class ResidualBlock(Protocol):
    """How a residual network builds its blocks: ``Block(inputs, width, stride, norm)``."""

    expansion: int

    def __call__(self, inputs: int, width: int, stride: int = 1, norm: ImageNorm = "batch") -> nn.Module: ...


class _Residual(nn.Module):
    """relu(shortcut(x) + branch(x)), with a 1×1 convolution as the shortcut where x changes its size."""

    def __init__(
        self, branch: nn.Sequential, inputs: int, outputs: int, stride: int, norm: ImageNorm
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.branch = branch
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride, norm)
        nn.init.zeros_(branch.get_submodule(f"{len(branch) - 1}.1").get_parameter("weight"))

    def forward(self, x: Image) -> Float[Tensor, "B C_out H_out W_out"]:
        expect(x, "B C H W", "the input of a residual block", C=self.inputs)
        return F.relu(self.shortcut(x) + self.branch(x))


class BasicBlock(_Residual):
    """Two 3×3 convolutions; [B, inputs, H, W] to [B, width, H/stride, W/stride]."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int = 1, norm: ImageNorm = "batch") -> None:
        branch = nn.Sequential(
            conv_norm(inputs, width, 3, stride, norm),
            nn.ReLU(),
            conv_norm(width, width, 3, 1, norm),
        )
        super().__init__(branch, inputs, width, stride, norm)


class BottleneckBlock(_Residual):
    """1×1 down to ``width``, 3×3, 1×1 up to ``4 · width``: fewer weights where channels are many."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int = 1, norm: ImageNorm = "batch") -> None:
        outputs = self.expansion * width
        branch = nn.Sequential(
            conv_norm(inputs, width, 1, 1, norm),
            nn.ReLU(),
            conv_norm(width, width, 3, stride, norm),
            nn.ReLU(),
            conv_norm(width, outputs, 1, 1, norm),
        )
        super().__init__(branch, inputs, outputs, stride, norm)
