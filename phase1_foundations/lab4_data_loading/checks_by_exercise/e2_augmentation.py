"""E2: affine maps, bilinear look-up, mixup, composed transforms. The mistakes stand in `e2_*_mistakes`."""

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab4_data_loading.checks_by_exercise import (
    e2_chain_mistakes,
    e2_matrix_mistakes,
    e2_mixup_mistakes,
    e2_warp_mistakes,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.e2_oracle import expected_matrices, expected_warp
from phase1_foundations.lab4_data_loading.checks_by_exercise.e2_picture import warped_temple

e2 = Exercise(
    "E2",
    takes={
        "affine_matrix": Tensor,
        "warp": Tensor,
        "mixup": (tuple, list),
        "Compose": None,
        "RandomApply": None,
    },
    forbids=forbid(
        *("grid_sample", "affine_grid", "grid_sampler", "grid_sampler_2d", "affine_grid_generator"),
        aten=("grid_sampler_2d", "affine_grid_generator"),
        why="it is `warp` under another name. Look the four neighbours up yourself",
    ),
    hints=(
        "Go from the output to the input: for each output pixel, where does its centre come from? There you "
        "take the weighted mean of the four pixels around. For mixup, x̃ and ỹ are the same blend of two "
        "things.",
        "Centres: (2j + 1)/W − 1. θ·(x, y, 1) gives a place u, and its pixel coordinate is c = ((u + 1)·W − "
        "1)/2. Neighbours: floor(c) and floor(c) + 1, weights 1 − |c − neighbour|, the product of both axes. "
        "θ: upper row s·(cos φ + k sin φ), s·(k cos φ − sin φ), shift x; lower row s·sin φ, s·cos φ, "
        "shift y.",
        "`for r in (top, top + 1): for c in (left, left + 1): weight = (1 - (row - r).abs()) * (1 - (col - "
        "c).abs())`, times `(0 <= r) & (r < H) & (0 <= c) & (c < W)` for zeros; `pixel = x[b, :, "
        "r.long().clamp(0, H-1), c.long().clamp(0, W-1)]` with `b = torch.arange(B)[:, None, None]`; add "
        "`weight[..., None] * pixel`, then `.movedim(-1, 1)`.",
    ),
)
e2_matrix_mistakes.probe.add_to(e2)
e2_warp_mistakes.probe.add_to(e2)
e2_mixup_mistakes.probe.add_to(e2)
e2_chain_mistakes.probe.add_to(e2)


def random_numbers(t: Trial, count: int) -> Tensor:
    """[count, 5]: angle, scale, shift x, shift y, shear."""
    return torch.cat(
        [
            t.rand(count, 1, low=-3, high=3),
            t.rand(count, 1, low=0.5, high=2),
            t.rand(count, 3, low=-1, high=1),
        ],
        dim=1,
    )


def identity(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.eye(2, 3, dtype=dtype).repeat(count, 1, 1)


def product(outer: Tensor, inner: Tensor) -> Tensor:
    """θ of warp(warp(x, outer), inner): homogeneous matrices, multiplied."""
    last = torch.tensor([[[0.0, 0.0, 1.0]]], dtype=outer.dtype).expand(len(outer), 1, 3)
    return (torch.cat([outer, last], 1) @ torch.cat([inner, last], 1))[:, :2]


@e2.property("affine_matrix scales, rotates, shears and shifts", points=4)
def right_matrix(a: Any, t: Trial) -> None:
    for count in (1, 2, 7):
        numbers = random_numbers(t, count)
        arguments = numbers[:, 0], numbers[:, 1], numbers[:, 2:4], numbers[:, 4]
        t.equal(a.affine_matrix(*arguments), expected_matrices(numbers), where="θ")
        narrow = [argument.float() for argument in arguments]
        t.equal(a.affine_matrix(*narrow), expected_matrices(numbers).float(), where="θ", atol=1e-5)
    none = torch.zeros(2, dtype=torch.float64)
    t.equal(a.affine_matrix(none, none + 1, torch.zeros(2, 2, dtype=torch.float64), none), identity(2))


@e2.property("warp looks up bilinearly, like torch's own", points=5)
def right_warp(a: Any, t: Trial) -> None:
    for shape in ((1, 1, 1, 1), (1, 1, 1, 3), (1, 1, 2, 2), (2, 1, 3, 2), (3, 2, 4, 5), (0, 2, 3, 3)):
        x, theta = t.randn(*shape), expected_matrices(random_numbers(t, shape[0]))
        for padding in ("zeros", "border"):
            expected = expected_warp(t, x, theta, padding)
            t.equal(a.warp(x, theta, padding=padding), expected, f'padding="{padding}"', atol=1e-9)
    x, theta = t.randn(2, 3, 4, 6), expected_matrices(random_numbers(t, 2))
    for images in (x.transpose(-1, -2), x.flip(0)[:, ::2], x[:, :1].expand(2, 3, 4, 6)):
        t.equal(a.warp(images, theta), expected_warp(t, images, theta), "another layout", atol=1e-9)
    t.raises(ValueError, lambda: a.warp(x, theta, padding="mirror"), 'padding="mirror"')
    narrow, maps = x.float(), theta.float()
    t.equal(a.warp(narrow, maps), expected_warp(t, narrow, maps), "float32", rtol=1e-4, atol=2e-5)


@e2.property("laws: identity, whole pixels, quarter turns, far away, composition", points=3)
def laws(a: Any, t: Trial) -> None:
    x = t.randn(2, 1, 4, 4)
    t.equal(a.warp(x, identity(2)), x, "the identity", atol=1e-12)
    pixel = identity(2)
    pixel[:, 0, 2] = 2 / 4
    moved = torch.cat([x[..., 1:], torch.zeros(2, 1, 4, 1, dtype=x.dtype)], dim=-1)
    t.equal(a.warp(x, pixel), moved, "a shift of one pixel", atol=1e-12)
    one = torch.ones(2, dtype=torch.float64)
    none = torch.zeros(2, 2, dtype=torch.float64)
    quarter = expected_matrices(torch.tensor([[math.pi / 2, 1.0, 0.0, 0.0, 0.0]] * 2, dtype=torch.float64))
    t.equal(a.warp(x, quarter), x.rot90(1, (-2, -1)), "a turn by 90°", atol=1e-9)
    t.equal(
        a.warp(x, a.affine_matrix(one * math.pi / 2, one, none, one * 0)), x.rot90(1, (-2, -1)), atol=1e-9
    )
    turned = x
    for _ in range(4):
        turned = a.warp(turned, quarter)
    t.equal(turned, x, "four quarter turns", atol=1e-9)
    far = identity(2)
    far[:, :, 2] = 1e4
    t.equal(a.warp(x, far), torch.zeros_like(x), "far outside")
    t.equal(a.warp(x, far, padding="border"), x[..., -1:, -1:].expand_as(x), "far outside, border")
    down = identity(2)
    down[:, 1, 2] = 2 / 4
    t.equal(
        a.warp(a.warp(x, quarter), down), a.warp(x, product(quarter, down)), "warp(warp(x, A), B)", atol=1e-9
    )


@e2.property("gradients reach x and theta", points=3)
def gradients(a: Any, t: Trial) -> None:
    for padding in ("zeros", "border"):
        x, theta = t.randn(2, 2, 3, 4), expected_matrices(random_numbers(t, 2) * 0.4)
        weights = t.randn(2, 2, 3, 4)
        ours, theirs = ([x.clone().requires_grad_(), theta.clone().requires_grad_()] for _ in range(2))
        (a.warp(*ours, padding=padding) * weights).sum().backward()
        with t.oracle():
            (expected_warp(t, theirs[0], theirs[1], padding) * weights).sum().backward()
        for name, mine, other in zip(("x", "theta"), ours, theirs, strict=True):
            t.equal(mine.grad, other.grad, where=f'the gradient of {name} (padding="{padding}")', atol=1e-8)


@e2.property("mixup blends examples and labels alike", points=3)
def blends(a: Any, t: Trial) -> None:
    for shape in ((6,), (5, 3), (4, 2, 3, 3), (1, 4), (0, 2)):
        count = shape[0]
        for dtype in (torch.float64, torch.float32):
            x, y = t.randn(*shape, dtype=dtype), torch.arange(count)
            seed = t.random.randint(0, 10**6)
            new_x, new_y = a.mixup(x, y, count + 2, 0.7, torch.Generator().manual_seed(seed))
            t.equal(new_y.shape, (count, count + 2), where="the shape of ỹ")
            t.equal(new_y.sum(1), torch.ones(count, dtype=dtype), "rows of ỹ", atol=1e-5)
            t.that(bool((new_y >= -1e-6).all()), "a soft label is negative")
            blended = (new_y[:, :count] @ x.reshape(count, math.prod(shape[1:]))).reshape(shape)
            t.equal(new_x, blended, "x̃ with the λ and partners of ỹ", atol=1e-5)
            again = a.mixup(x, y, count + 2, 0.7, torch.Generator().manual_seed(seed))
            t.equal(again, (new_x, new_y), "the same seed once more")
    x, y = t.randn(6, 2), t.randint(0, 3, 6)
    eight = torch.arange(8)
    shared = e2_mixup_mistakes.in_common(a, t.randn(8, 2), eight)
    t.that(not shared, "generators with two seeds gave the same λ")
    new_x, new_y = a.mixup(x, y, 4, 0.0, torch.Generator().manual_seed(1))
    t.equal((new_x, new_y), (x, torch.eye(4, dtype=x.dtype)[y]), "alpha=0")


@e2.property("Compose and RandomApply pass the generator on", points=2)
def composed(a: Any, t: Trial) -> None:
    def noise(x: Tensor, generator: torch.Generator) -> Tensor:
        return x + torch.randn(x.shape, generator=generator, dtype=x.dtype)

    def halve(x: Tensor, generator: torch.Generator) -> Tensor:
        return x / 2

    x = t.randn(12, 3)
    t.equal(a.Compose([])(x, torch.Generator()), x, "Compose([])")
    seed = t.random.randint(0, 10**6)
    generator = torch.Generator().manual_seed(seed)
    expected = noise(noise(x, generator) / 2, generator)
    t.equal(a.Compose([noise, halve, noise])(x, torch.Generator().manual_seed(seed)), expected, "Compose")
    both = a.Compose([a.RandomApply(a.Compose([halve, halve]), 0.5), noise])
    t.equal(both(x, torch.Generator().manual_seed(3)), both(x, torch.Generator().manual_seed(3)), "nested")
    for shape in ((30,), (30, 2), (30, 1, 2, 2)):
        images = t.randn(*shape)
        found = a.RandomApply(halve, 0.5)(images, torch.Generator().manual_seed(seed))
        t.equal(found.shape, images.shape, where="the shape after RandomApply")
        for before, after in zip(images, found, strict=True):
            kept, changed = bool((after == before).all()), bool(torch.allclose(after, before / 2))
            t.that(kept or changed, "an example came back neither as it was nor as the transform made it")
    t.equal(a.RandomApply(halve, 1.0)(x, torch.Generator()), x / 2, "p = 1")
    t.equal(a.RandomApply(halve, 0.0)(x, torch.Generator()), x, "p = 0")


e2.reward(warped_temple)
