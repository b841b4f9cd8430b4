"""What E2's functions should return, and what they return with one mistake in them.

The right values come from torch's own `affine_grid` and `grid_sample`, in float64. A wrong value that equals
a learner's to nine digits names the mistake.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Trial

Numbers = tuple[float, float, float, float, float]  # angle, scale, shift x, shift y, shear


def matrix_of(
    angle: float, scale: float, shear: float, *, order: str = "KRS", shear_below: bool = False
) -> Tensor:
    """The 2×2 product of shear K, rotation R and scaling S in the given order, float64."""
    parts = {
        "K": [[1.0, 0.0], [shear, 1.0]] if shear_below else [[1.0, shear], [0.0, 1.0]],
        "R": [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        "S": [[scale, 0.0], [0.0, scale]],
    }
    product = torch.eye(2, dtype=torch.float64)
    for letter in order:
        product = product @ torch.tensor(parts[letter], dtype=torch.float64)
    return product


def expected_matrices(numbers: Tensor) -> Tensor:
    """[B, 5] (angle, scale, shift x, shift y, shear) → θ [B, 2, 3]."""
    return stacked(numbers, lambda a, s, tx, ty, k: (matrix_of(a, s, k), (tx, ty)))


def stacked(numbers: Tensor, build: Callable[..., tuple[Tensor, object]]) -> Tensor:
    rows = []
    for row in numbers.tolist():
        linear, shift = build(*row)
        column = shift if isinstance(shift, Tensor) else torch.tensor(shift, dtype=torch.float64)
        rows.append(torch.cat([linear, column.reshape(2, 1)], dim=1))
    return torch.stack(rows) if rows else torch.empty(0, 2, 3, dtype=torch.float64)


def mistaken_matrices() -> dict[str, list[Callable[..., tuple[Tensor, object]]]]:
    """Known mistakes in θ, each in its variants."""
    inverse = torch.linalg.inv

    def half_scaled(a: float, s: float, tx: float, ty: float, k: float) -> tuple[Tensor, object]:
        found = matrix_of(a, 1.0, k)
        found[0, 0] *= s
        found[1, 1] *= s
        return found, (tx, ty)

    def shear_added(a: float, s: float, tx: float, ty: float, k: float) -> tuple[Tensor, object]:
        return matrix_of(a, s, 0.0) + torch.tensor([[0.0, k], [0.0, 0.0]], dtype=torch.float64), (tx, ty)

    return {
        "angle-in-degrees": [lambda a, s, tx, ty, k: (matrix_of(math.radians(a), s, k), (tx, ty))],
        "rotates-the-other-way": [lambda a, s, tx, ty, k: (matrix_of(-a, s, k), (tx, ty))],
        "order-reversed": [lambda a, s, tx, ty, k: (matrix_of(a, s, k, order="SRK"), (tx, ty))],
        "shear-on-the-wrong-axis": [
            lambda a, s, tx, ty, k: (matrix_of(a, s, k, shear_below=True), (tx, ty)),
            lambda a, s, tx, ty, k: (matrix_of(a, s, k, order="SRK", shear_below=True), (tx, ty)),
        ],
        "shear-as-an-angle": [
            lambda a, s, tx, ty, k: (matrix_of(a, s, math.tan(k)), (tx, ty)),
            lambda a, s, tx, ty, k: (matrix_of(a, s, math.sin(k)), (tx, ty)),
        ],
        "shear-added": [shear_added],
        "scale-inverted": [lambda a, s, tx, ty, k: (matrix_of(a, 1 / s, k), (tx, ty))],
        "map-of-the-content": [
            lambda a, s, tx, ty, k: (inverse(matrix_of(a, s, k)), (tx, ty)),
            lambda a, s, tx, ty, k: (inverse(matrix_of(a, s, k)), (-tx, -ty)),
            lambda a, s, tx, ty, k: (
                inverse(matrix_of(a, s, k)),
                -inverse(matrix_of(a, s, k)) @ torch.tensor([tx, ty], dtype=torch.float64),
            ),
        ],
        "shift-before-the-matrix": [
            lambda a, s, tx, ty, k: (
                matrix_of(a, s, k),
                matrix_of(a, s, k) @ torch.tensor([tx, ty], dtype=torch.float64),
            ),
            lambda a, s, tx, ty, k: (matrix_of(a, s, k), (s * tx, s * ty)),
        ],
        "shift-negated": [lambda a, s, tx, ty, k: (matrix_of(a, s, k), (-tx, -ty))],
        "shift-exchanged": [lambda a, s, tx, ty, k: (matrix_of(a, s, k), (ty, tx))],
        "matrix-transposed": [lambda a, s, tx, ty, k: (matrix_of(a, s, k).T, (tx, ty))],
        "scale-on-the-diagonal-only": [half_scaled],
        "an-argument-is-ignored": [
            lambda a, s, tx, ty, k: (matrix_of(0.0, s, k), (tx, ty)),
            lambda a, s, tx, ty, k: (matrix_of(a, 1.0, k), (tx, ty)),
            lambda a, s, tx, ty, k: (matrix_of(a, s, 0.0), (tx, ty)),
            lambda a, s, tx, ty, k: (matrix_of(a, s, k), (0.0, 0.0)),
        ],
    }


# ---- warp -----------------------------------------------------------------------------------------------


def expected_warp(t: Trial, x: Tensor, theta: Tensor, padding: str = "zeros") -> Tensor:
    if len(x) == 0:
        return x.clone()  # torch refuses an empty batch here
    with t.oracle():
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode=padding, align_corners=False)


def places(x: Tensor, theta: Tensor, *, corners: bool = False, swap_in: bool = False) -> Tensor:
    """The looked-up places [B, H, W, 2]; `corners`: the outermost centres lie at ±1."""
    height, width = x.shape[-2:]

    def centres(n: int) -> Tensor:
        j = torch.arange(n, dtype=torch.float64)
        return 2 * j / (n - 1) - 1 if corners else (2 * j + 1) / n - 1

    down, across = torch.meshgrid(centres(height), centres(width), indexing="ij")
    pair = (down, across) if swap_in else (across, down)
    points = torch.stack([*pair, torch.ones_like(down)], dim=-1)  # H W 3
    return torch.einsum("bij,hwj->bhwi", theta, points)


def sample(x: Tensor, grid: Tensor, *, corners: bool = False, mode: str = "bilinear", outside: str = "zeros"):
    return F.grid_sample(x, grid, mode=mode, padding_mode=outside, align_corners=corners)


def wrapped(x: Tensor, theta: Tensor) -> Tensor:
    """What leaves at one side comes in at the other."""
    height, width = x.shape[-2:]
    tiled = F.pad(x, (width, width, height, height), mode="circular")
    return sample(tiled, places(x, theta) / 3)


def mirrored_weights(x: Tensor, theta: Tensor) -> Tensor:
    """The near neighbour gets the far one's weight."""
    sizes = torch.tensor([x.shape[-1], x.shape[-2]], dtype=torch.float64)
    pixel = ((places(x, theta) + 1) * sizes - 1) / 2
    pixel = pixel.floor() + 1 - (pixel - pixel.floor())
    return sample(x, (2 * pixel + 1) / sizes - 1)


def inverted(theta: Tensor) -> Tensor:
    linear = torch.linalg.inv(theta[:, :, :2])
    return torch.cat([linear, -linear @ theta[:, :, 2:]], dim=2)


def with_linear(theta: Tensor, linear: Tensor) -> Tensor:
    return torch.cat([linear, theta[:, :, 2:]], dim=2)


def mistaken_warps(x: Tensor, theta: Tensor) -> dict[str, list[Tensor]]:
    """Known mistakes in `warp` with padding="zeros", each in its variants."""
    height, width = x.shape[-2:]
    grid = places(x, theta)
    sizes = torch.tensor([width, height], dtype=torch.float64)
    half = 1 / sizes
    inside = (grid.abs() <= 1).all(-1)[:, None]
    centred = (grid.abs() <= 1 - half).all(-1)[:, None]
    pixels = torch.tensor([2 / width, 2 / height], dtype=torch.float64)
    in_pixels = torch.cat([theta[:, :, :2], theta[:, :, 2:] * pixels[:, None]], dim=2)
    aspect = torch.tensor([[1.0, height / width], [width / height, 1.0]], dtype=torch.float64)
    no_shift = torch.cat([theta[:, :, :2], torch.zeros_like(theta[:, :, 2:])], dim=2)
    return {
        "pixel-corners": [sample(x, places(x, theta, corners=True), corners=True)],
        "half-a-pixel": [
            sample(x, grid, corners=True),
            sample(x, places(x, theta, corners=True)),
            sample(x, grid + half),
            sample(x, grid - half),
            sample(x, torch.einsum("bij,hwj->bhwi", theta, corner_points(x, half))),
            sample(x, torch.einsum("bij,hwj->bhwi", theta, corner_points(x, half)) + half),
        ],
        "x-and-y-exchanged": [
            sample(x, grid.flip(-1)),
            sample(x, places(x, theta, swap_in=True)),
            sample(x, places(x, theta, swap_in=True).flip(-1)),
        ],
        "map-inverted": [sample(x, places(x, inverted(theta)))],
        "matrix-transposed-in-warp": [sample(x, places(x, with_linear(theta, theta[:, :, :2].mT)))],
        "one-theta-for-all": [
            sample(x, places(x, one.expand_as(theta))) for one in (theta[:1], theta[-1:], theta.mean(0, True))
        ],
        "height-and-width-mixed-up": [
            sample(x, (((grid + 1) * sizes.flip(0) - 1) / 2 * 2 + 1) / sizes - 1),
            sample(x, places_with(x, theta, sizes.flip(0))),
        ],
        "nearest-pixel": [
            sample(x, grid, mode="nearest"),
            sample(x, grid - half + 1e-9, mode="nearest"),
        ],
        "weights-mirrored": [mirrored_weights(x, theta)],
        "wraps-around": [wrapped(x, theta)],
        "zeros-not-zero": [sample(x, grid, outside="border"), sample(x, grid, outside="reflection")],
        "edge-pixels-cut": [
            sample(x, grid) * centred,
            sample(x, grid) * inside,
            sample(x, grid, outside="border") * inside,
            sample(x, grid, outside="border") * centred,
        ],
        "shift-in-pixels": [sample(x, places(x, in_pixels)), sample(x, places(x, no_shift))],
        "aspect-corrected": [
            sample(x, places(x, with_linear(theta, theta[:, :, :2] * aspect))),
            sample(x, places(x, with_linear(theta, theta[:, :, :2] * aspect.T))),
        ],
        "first-channel-for-all": [sample(x, grid)[:, :1].expand_as(x)],
    }


def places_with(x: Tensor, theta: Tensor, sizes: Tensor) -> Tensor:
    """The looked-up places if the centres were computed with other sizes (width, height)."""
    height, width = x.shape[-2:]
    across, down = (
        (2 * torch.arange(n).double() + 1) / size - 1 for n, size in zip((width, height), sizes, strict=True)
    )
    y, u = torch.meshgrid(down, across, indexing="ij")
    return torch.einsum("bij,hwj->bhwi", theta, torch.stack([u, y, torch.ones_like(u)], dim=-1))


def corner_points(x: Tensor, half: Tensor) -> Tensor:
    """Homogeneous places of the pixels' upper left corners instead of their centres: [H, W, 3]."""
    identity = torch.eye(2, 3, dtype=torch.float64)[None]
    left = places(x, identity)[0] - half
    return torch.cat([left, torch.ones_like(left[..., :1])], dim=-1)
