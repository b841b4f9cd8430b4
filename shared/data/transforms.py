"""Augmentation of batches: what is random is drawn for each example, what is computed is computed for all
at once.

Every transform is a callable of a batch and its ``Draws``. A ``Loader`` applies them in whichever process
fetches the batch; the same example in the same epoch comes out the same in all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from shared.data.draws import Draws
from shared.shapes import Image


@runtime_checkable
class Transform(Protocol):
    """From a batch to a batch, with all its randomness from ``draws``."""

    def __call__(self, images: Tensor, draws: Draws) -> Tensor: ...


@dataclass(frozen=True)
class Compose:
    """One transform after the other."""

    transforms: Sequence[Transform]

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        for transform in self.transforms:
            images = transform(images, draws)
        return images


@dataclass(frozen=True)
class Maybe:
    """Each example is transformed with that probability, and left as it is otherwise."""

    probability: float
    transform: Transform

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        happens = draws.chance(self.probability).view(-1, *[1] * (images.ndim - 1))
        return torch.where(happens, self.transform(images, draws), images)


@dataclass(frozen=True)
class Affine:
    """Turn, scale and shift each image by random amounts, with bilinear interpolation and black around.

    Args:
        degrees: turned by up to so many, either way.
        scale: grown or shrunk by a factor from 1 − scale to 1 + scale.
        shift: moved by up to so many pixels, in either direction.
    """

    degrees: float = 0.0
    scale: float = 0.0
    shift: float = 0.0

    def __call__(self, images: Image, draws: Draws) -> Image:
        height, width = images.shape[-2:]
        angle, size, right, down = (draws.uniform(4, -1.0, 1.0)).unbind(1)  # B each
        to = images.new_tensor
        offset = torch.stack([right, down], dim=1) * self.shift * to([2 / width, 2 / height])
        theta = affine_theta(
            torch.deg2rad(angle * self.degrees), 1 + size * self.scale, offset, height / width
        )
        return warp(images, theta)


@dataclass(frozen=True)
class Flip:
    """Mirror left and right, in half of the cases. Not for digits, which have sides."""

    probability: float = 0.5

    def __call__(self, images: Image, draws: Draws) -> Image:
        happens = draws.chance(self.probability).view(-1, 1, 1, 1)
        return torch.where(happens, images.flip(-1), images)


@dataclass(frozen=True)
class Crop:
    """A random window of ``size`` × ``size`` pixels, after a black border of ``padding`` pixels was added."""

    size: int
    padding: int = 0

    def __call__(self, images: Image, draws: Draws) -> Float[Tensor, "B C size size"]:
        padded = F.pad(images, [self.padding] * 4)
        batch, channels, height, width = padded.shape
        if height < self.size or width < self.size:
            raise ValueError(
                f"a window of {self.size} pixels does not fit into {height} × {width}: add padding"
            )
        room = torch.tensor([height - self.size + 1, width - self.size + 1])
        top, left = (draws.uniform(2) * room).long().unbind(1)  # B each
        steps = torch.arange(self.size)
        rows, columns = top[:, None] + steps, left[:, None] + steps  # B size
        across, which = torch.arange(channels)[None, :, None, None], torch.arange(batch)[:, None, None, None]
        return padded[which, across, rows[:, None, :, None], columns[:, None, None, :]]


@dataclass(frozen=True)
class Noise:
    """Add normal noise of that standard deviation to every number."""

    deviation: float

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        noise = draws.normal(images[0].numel()).view_as(images)
        return images + self.deviation * noise


@dataclass(frozen=True)
class Normalise:
    """Subtract each channel's mean and divide by its deviation; nothing about it is random."""

    mean: Sequence[float]
    deviation: Sequence[float]

    def __call__(self, images: Image, draws: Draws) -> Image:
        mean, deviation = (images.new_tensor(each).view(-1, 1, 1) for each in (self.mean, self.deviation))
        return (images - mean) / deviation


def affine_theta(
    angle: Float[Tensor, "B"], scale: Float[Tensor, "B"], shift: Float[Tensor, "B 2"], aspect: float
) -> Float[Tensor, "B 2 3"]:
    """Where in the input each output pixel looks, so that the *content* turns anticlockwise by ``angle``
    (radians), grows by ``scale`` and then moves by ``shift`` (right, down; the image is 2 wide and 2 high).

    ``aspect`` is height / width: coordinates run from −1 to 1 either way, so turning in them would shear
    any image that is not square.
    """
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    turn = torch.stack([cos, -sin * aspect, sin / aspect, cos], dim=1).view(-1, 2, 2)
    return torch.cat([turn, -turn @ shift.unsqueeze(2)], dim=2)


def warp(images: Image, theta: Float[Tensor, "B 2 3"]) -> Image:
    """Resample: output pixel (x, y) is the input at theta · (x, y, 1), and black outside."""
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
