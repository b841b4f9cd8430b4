"""Normalisation is one formula with different axes: y = γ (x − mean_S) / √(var_S + ε) + β.

For x [B, C, H, W] the set S over which mean and (biased) variance are taken is

    batch       B, H, W   for each channel      depends on the batch; running statistics in evaluation
    layer       C, H, W   for each example
    instance    H, W      for each example and channel
    group       H, W and the channels of one group
    RMS         like layer on features, without the mean and without β: y = γ x / √(mean x² + ε)

``sequence_norm`` and ``image_norm`` pick one by name for features-last and channels-first tensors.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from shared.shapes import Sequence, ShapeError

SequenceNorm = Literal["layer", "rms"]
ImageNorm = Literal["batch", "layer", "instance", "group"]


class BatchNorm(_BatchNorm):
    """Batch normalisation of [B, C] or [B, C, *]: torch's, for any number of dimensions.

    Trains on the biased variance of the batch, and keeps a running mean of the unbiased one for evaluation.
    Needs more than one value a channel in training.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # the name of torch's own hook and argument
        if input.ndim < 2 or input.shape[1] != self.num_features:
            raise ShapeError(
                f"BatchNorm expects [B, C={self.num_features}, *], but it got {tuple(input.shape)}"
            )


class InstanceNorm(nn.Module):
    """Instance normalisation of [B, C, *], the same in training and in evaluation."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "B C *window"]) -> Float[Tensor, "B C *window"]:
        """Needs more than one position in the window."""
        if x.ndim < 3 or x.shape[1] != self.channels:
            raise ShapeError(f"InstanceNorm expects [B, C={self.channels}, *], but it got {tuple(x.shape)}")
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


class AdaptiveLayerNorm(nn.Module):
    """Layer norm steered by a condition c: y = (1 + s(c)) · LN(x) + b(c), and a gate g(c).

    A block uses it as ``x + gate * f(y)``. With ``zero`` (the default) the projection starts at zero, so
    that y is the plain layer norm, the gate is 0, and the block starts as the identity.

    Args:
        d_model: features that are normalised.
        condition: features of the condition.
        zero: start at zero; otherwise like any linear layer, with gates around 1.
    """

    def __init__(self, d_model: int, condition: int, *, zero: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model, eps=eps, elementwise_affine=False)
        self.project = nn.Linear(condition, 3 * d_model)
        if zero:
            nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        if not zero:
            with torch.no_grad():
                self.project.bias[2 * d_model :] = 1.0

    def forward(
        self, x: Sequence, condition: Float[Tensor, "B F"]
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B 1 D"]]:
        """The normalised x, and the gate for what is made of it."""
        scale, shift, gate = self.project(condition)[:, None, :].chunk(3, dim=-1)  # each B 1 D
        return (1 + scale) * self.norm(x) + shift, gate


def sequence_norm(name: SequenceNorm, d_model: int, eps: float = 1e-5) -> nn.Module:
    """A norm over the last dimension, each position for itself, so that padding cannot matter."""
    if name == "layer":
        return nn.LayerNorm(d_model, eps=eps)
    if name == "rms":
        return nn.RMSNorm(d_model, eps=eps)
    raise ValueError(
        f"no norm for sequences is called {name!r}; there are {', '.join(get_args(SequenceNorm))}"
    )


def image_norm(name: ImageNorm, channels: int, *, groups: int = 8, eps: float = 1e-5) -> nn.Module:
    """A norm for [B, C, *]. Fewer than ``groups`` channels make one channel a group."""
    if name == "batch":
        return BatchNorm(channels, eps=eps)
    if name == "layer":
        return nn.GroupNorm(1, channels, eps=eps)
    if name == "instance":
        return InstanceNorm(channels, eps)
    if name == "group":
        groups = min(groups, channels)
        if channels % groups:
            raise ValueError(f"{channels} channels cannot be split into {groups} groups: choose a divisor")
        return nn.GroupNorm(groups, channels, eps=eps)
    raise ValueError(f"no norm for images is called {name!r}; there are {', '.join(get_args(ImageNorm))}")
