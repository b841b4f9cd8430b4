"""Wrong answers to E2."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from courseware.check import misconception


def resampler(
    *,
    centres=lambda n, like: (2 * torch.arange(n, dtype=like.dtype) + 1) / n - 1,
    pixel=lambda place, n: ((place + 1) * n - 1) / 2,
    maps=lambda theta: theta,
    swap=False,
    wrap=False,
    nearest=False,
):
    """A right `warp` with parts to be exchanged."""

    def warp(x, theta, *, padding="zeros"):
        if padding not in ("zeros", "border"):
            raise ValueError(padding)
        batch, _, height, width = x.shape
        y, u = torch.meshgrid(centres(height, x), centres(width, x), indexing="ij")
        points = torch.stack([y, u, torch.ones_like(u)] if swap else [u, y, torch.ones_like(u)], dim=-1)
        source = torch.einsum("bij,hwj->ibhw", maps(theta), points)
        source = source.flip(0) if swap else source
        column, row = pixel(source[0], width), pixel(source[1], height)
        if nearest:
            column, row = column.round(), row.round()
        image = torch.arange(batch)[:, None, None]
        result = 0
        for r in (row.detach().floor(), row.detach().floor() + 1):
            for c in (column.detach().floor(), column.detach().floor() + 1):
                weight = (1 - (row - r).abs()) * (1 - (column - c).abs())
                if wrap:
                    r_index, c_index = r.long() % height, c.long() % width
                else:
                    r_index, c_index = r.long().clamp(0, height - 1), c.long().clamp(0, width - 1)
                    if padding == "zeros":
                        weight = weight * ((r >= 0) & (r < height) & (c >= 0) & (c < width))
                result = result + weight[..., None] * x[image, :, r_index, c_index]
        return result.movedim(-1, 1)

    return warp


@misconception("E2", diagnosis="pixel-corners")
def corners_at_the_ends():
    return {
        "warp": resampler(
            centres=lambda n, like: 2 * torch.arange(n, dtype=like.dtype) / max(n - 1, 1) - 1,
            pixel=lambda place, n: (place + 1) / 2 * (n - 1),
        )
    }


@misconception("E2", diagnosis="half-a-pixel")
def forgets_the_half():
    return {"warp": resampler(pixel=lambda place, n: (place + 1) * n / 2)}


@misconception("E2", diagnosis="x-and-y-exchanged")
def rows_first():
    return {"warp": resampler(swap=True)}


@misconception("E2", diagnosis="map-inverted")
def inverts_the_map():
    def maps(theta):
        linear = torch.linalg.inv(theta[:, :, :2])
        return torch.cat([linear, -linear @ theta[:, :, 2:]], dim=2)

    return {"warp": resampler(maps=maps)}


@misconception("E2", diagnosis="one-theta-for-all")
def first_theta():
    return {"warp": resampler(maps=lambda theta: theta[:1].expand_as(theta))}


@misconception("E2", diagnosis="wraps-around")
def rolls():
    return {"warp": resampler(wrap=True)}


@misconception("E2", diagnosis="nearest-pixel")
def rounds():
    return {"warp": resampler(nearest=True)}


@misconception("E2", diagnosis="aspect-corrected")
def keeps_circles_round():
    """Right geometry, and not what is asked for: torch does not do it either."""

    def warp(x, theta, *, padding="zeros"):
        height, width = x.shape[-2:]
        aspect = torch.tensor([[1.0, height / width], [width / height, 1.0]], dtype=x.dtype)
        corrected = torch.cat([theta[:, :, :2] * aspect, theta[:, :, 2:]], dim=2)
        return resampler()(x, corrected, padding=padding)

    return {"warp": warp}


@misconception("E2", diagnosis="forward-mapping")
def moves_the_pixels():
    def warp(x, theta, *, padding="zeros"):
        if padding not in ("zeros", "border"):
            raise ValueError(padding)
        batch, _, height, width = x.shape
        result = torch.zeros_like(x)
        for b in range(batch):
            for i in range(height):
                for j in range(width):
                    place = [(2 * j + 1) / width - 1, (2 * i + 1) / height - 1, 1.0]
                    u, v = (theta[b] @ torch.tensor(place, dtype=x.dtype)).tolist()
                    column, row = round(((u + 1) * width - 1) / 2), round(((v + 1) * height - 1) / 2)
                    if 0 <= row < height and 0 <= column < width:
                        result[b, :, row, column] = x[b, :, i, j]
        return result

    return {"warp": warp}


@misconception("E2", diagnosis="forbidden")
def calls_torch():
    def warp(x, theta, *, padding="zeros"):
        if padding not in ("zeros", "border"):
            raise ValueError(padding)
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode=padding, align_corners=False)

    return {"warp": warp}


def build(angle, scale, shift, shear):
    """The product K R S and the shift, in the order in which they are asked for."""
    none, one = torch.zeros_like(angle), torch.ones_like(angle)
    K = torch.stack([torch.stack([one, shear], 1), torch.stack([none, one], 1)], 1)
    R = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)], 1
    )
    S = scale[:, None, None] * torch.eye(2, dtype=angle.dtype)
    return K, R, S, shift[:, :, None]


@misconception("E2", diagnosis="order-reversed")
def reads_from_left_to_right():
    def affine_matrix(angle, scale, shift, shear):
        K, R, S, t = build(angle, scale, shift, shear)
        return torch.cat([S @ R @ K, t], dim=2)

    return {"affine_matrix": affine_matrix}


@misconception("E2", diagnosis="shift-before-the-matrix")
def shifts_first():
    def affine_matrix(angle, scale, shift, shear):
        K, R, S, t = build(angle, scale, shift, shear)
        return torch.cat([K @ R @ S, K @ R @ S @ t], dim=2)

    return {"affine_matrix": affine_matrix}


@misconception("E2", diagnosis="angle-in-degrees")
def degrees():
    def affine_matrix(angle, scale, shift, shear):
        K, R, S, t = build(angle * math.pi / 180, scale, shift, shear)
        return torch.cat([K @ R @ S, t], dim=2)

    return {"affine_matrix": affine_matrix}


@misconception("E2", diagnosis="map-of-the-content")
def moves_the_content():
    def affine_matrix(angle, scale, shift, shear):
        K, R, S, t = build(angle, scale, shift, shear)
        linear = torch.linalg.inv(K @ R @ S)
        return torch.cat([linear, -linear @ t], dim=2)

    return {"affine_matrix": affine_matrix}


def blend(
    *,
    share=lambda rng, alpha, count: rng.beta(alpha, alpha, count) if alpha else np.ones(count),
    partner=lambda count, generator: torch.randperm(count, generator=generator),
    soft=lambda own, onehot, other: own * onehot + (1 - own) * other,
):
    """A right `mixup` with parts to be exchanged."""

    def mixup(x, y, n_classes, alpha, generator):
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        order = partner(len(x), generator)
        own = torch.from_numpy(np.asarray(share(rng, alpha, len(x)))).to(x.dtype)
        onehot = F.one_hot(y, n_classes).to(x.dtype)
        wide = own.view(-1, *[1] * (x.dim() - 1))
        return wide * x + (1 - wide) * x[order], soft(own[:, None], onehot, onehot[order])

    return mixup


@misconception("E2", diagnosis="image-mixed-label-not")
def hard_labels():
    return {"mixup": blend(soft=lambda own, onehot, other: onehot)}


@misconception("E2", diagnosis="one-lambda-for-the-batch")
def one_draw():
    def share(rng, alpha, count):
        return np.full(count, rng.beta(alpha, alpha) if alpha else 1.0)

    return {"mixup": blend(share=share)}


@misconception("E2", diagnosis="lambda-of-another-law")
def uniform_shares():
    return {"mixup": blend(share=lambda rng, alpha, n: rng.random(n) if alpha else np.ones(n))}


@misconception("E2", diagnosis="alpha-zero-fails")
def beta_of_nothing():
    def mixup(x, y, n_classes, alpha, generator):
        if alpha <= 0:
            raise ValueError("alpha should be positive")
        return blend()(x, y, n_classes, alpha, generator)

    return {"mixup": mixup}


@misconception("E2", diagnosis="partner-is-not-random")
def the_batch_reversed():
    return {"mixup": blend(partner=lambda count, generator: torch.arange(count).flip(0))}


@misconception("E2", diagnosis="composed-in-reverse")
def last_first():
    class Compose:
        def __init__(self, transforms):
            self.transforms = transforms

        def __call__(self, x, generator):
            for transform in reversed(self.transforms):
                x = transform(x, generator)
            return x

    return {"Compose": Compose}


@misconception("E2", diagnosis="one-coin-for-the-batch")
def all_or_nothing():
    class RandomApply:
        def __init__(self, transform, p):
            self.transform, self.p = transform, p

        def __call__(self, x, generator):
            return self.transform(x, generator) if torch.rand((), generator=generator) < self.p else x

    return {"RandomApply": RandomApply}


@misconception("E2", diagnosis="transforms-draw-elsewhere")
def global_coins():
    class RandomApply:
        def __init__(self, transform, p):
            self.transform, self.p = transform, p

        def __call__(self, x, generator):
            chosen = torch.rand(len(x)) < self.p
            return torch.where(chosen.view(-1, *[1] * (x.dim() - 1)), self.transform(x, generator), x)

    return {"RandomApply": RandomApply}
