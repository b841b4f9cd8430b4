"""Augmentation: the geometry by cases with a known answer, the randomness by its key."""

import math

import pytest
import torch
from torch import Tensor

from shared.data import (
    Affine,
    Compose,
    Crop,
    Draws,
    Flip,
    Maybe,
    Noise,
    Normalise,
    Transform,
    affine_theta,
    digits,
    warp,
)


def pictures(count: int = 6, height: int = 8, width: int = 8) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def draws(count: int = 6, epoch: int = 0) -> Draws:
    return Draws(0, epoch, torch.arange(count))


def theta(
    angle: float = 0.0, scale: float = 1.0, right: float = 0.0, down: float = 0.0, aspect: float = 1.0
) -> Tensor:
    return affine_theta(torch.tensor([angle]), torch.tensor([scale]), torch.tensor([[right, down]]), aspect)


def test_four_quarter_turns_are_rot90() -> None:
    image = pictures(1)
    turned = image
    for quarter in range(1, 5):
        turned = warp(turned, theta(angle=math.pi / 2))
        torch.testing.assert_close(turned, image.rot90(quarter, dims=(-2, -1)), atol=1e-5, rtol=0)


def test_a_shift_by_whole_pixels_moves_the_content() -> None:
    image = pictures(1, 6, 10)
    moved = warp(image, theta(right=2 * 3 / 10, down=2 * 1 / 6, aspect=6 / 10))
    expected = torch.zeros_like(image)
    expected[..., 1:, 3:] = image[..., :-1, :-3]  # three to the right, one down, black where nothing was
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_scaling_up_grows_the_content() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 6:10, 6:10] = 1
    assert warp(image, theta(scale=2.0)).sum() == pytest.approx(4 * image.sum().item(), rel=0.05)
    assert warp(image, theta(scale=0.5)).sum() == pytest.approx(image.sum().item() / 4, rel=0.05)


def test_turning_an_image_that_is_not_square_keeps_its_shapes() -> None:
    """A square in the middle of a wide image is that square again after a quarter turn."""
    image = torch.zeros(1, 1, 8, 16)
    image[..., 2:6, 6:10] = torch.arange(16.0).view(4, 4)
    turned = warp(image, theta(angle=math.pi / 2, aspect=0.5))
    torch.testing.assert_close(
        turned[..., 2:6, 6:10], image[..., 2:6, 6:10].rot90(1, dims=(-2, -1)), atol=1e-4, rtol=0
    )


def test_no_change_is_the_identity() -> None:
    image = pictures(1)
    torch.testing.assert_close(warp(image, theta()), image, atol=1e-6, rtol=0)
    torch.testing.assert_close(Affine()(pictures(), draws()), pictures(), atol=1e-6, rtol=0)


TRANSFORMS: dict[str, Transform] = {
    "affine": Affine(degrees=25, scale=0.1, shift=1),
    "flip": Flip(),
    "crop": Crop(6, padding=1),
    "noise": Noise(0.1),
    "maybe": Maybe(0.5, Noise(0.1)),
    "several": Compose([Flip(), Crop(6), Noise(0.1)]),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_each_example_is_transformed_by_its_own_key(transform: Transform) -> None:
    together = transform(pictures(), draws())
    for index in range(6):
        alone = transform(pictures()[index : index + 1], Draws(0, 0, torch.tensor([index])))
        torch.testing.assert_close(alone, together[index : index + 1], atol=1e-6, rtol=0)
    assert torch.equal(transform(pictures(), draws()), together)
    assert not torch.equal(transform(pictures(), draws(epoch=1)), together)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_equal_examples_are_transformed_differently_and_inputs_stay(transform: Transform) -> None:
    same = pictures(1).expand(64, -1, -1, -1).clone()
    out = transform(same, draws(64))
    assert len({tuple(each.flatten().tolist()) for each in out}) > 1
    assert torch.equal(same, pictures(1).expand(64, -1, -1, -1))


def test_flips_and_crops_only_move_pixels() -> None:
    flipped = Flip()(pictures(64), draws(64))
    for before, after in zip(pictures(64), flipped, strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(-1))
    cropped = Crop(8, padding=2)(pictures(64), draws(64))
    seen = set()
    for before, after in zip(pictures(64), cropped, strict=True):
        padded = torch.nn.functional.pad(before, [2] * 4)
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(padded[:, top : top + 8, left : left + 8], after)
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 15  # of 25


def test_amounts_stay_within_their_bounds() -> None:
    """A single bright pixel in the middle moves by at most the shift."""
    image = torch.zeros(200, 1, 17, 17)
    image[..., 8, 8] = 1
    moved = Affine(shift=2)(image, draws(200))
    rows, columns = moved.sum(dim=(1, 3)), moved.sum(dim=(1, 2))
    for profile in (rows, columns):
        centre = (profile * torch.arange(17)).sum(1) / profile.sum(1)
        assert (centre - 8).abs().max() <= 2 + 1e-4
        assert centre.min() < 6.2
        assert centre.max() > 9.8


def test_noise_has_its_deviation() -> None:
    noise = Noise(0.25)(torch.zeros(100, 3, 8, 8), draws(100))
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)


def test_maybe_happens_in_its_share() -> None:
    out = Maybe(0.25, Normalise([0.0], [0.5]))(torch.ones(4000, 1, 1, 1), draws(4000))
    assert out.unique().tolist() == [1.0, 2.0]
    assert (out == 2).double().mean().item() == pytest.approx(0.25, abs=0.03)


def test_normalising_centres_each_channel() -> None:
    images = pictures()
    mean, deviation = images.mean(dim=(0, 2, 3)).tolist(), images.std(dim=(0, 2, 3)).tolist()
    out = Normalise(mean, deviation)(images, draws())
    torch.testing.assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(dim=(0, 2, 3)), torch.ones(3))


def test_a_window_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 9 pixels does not fit into 8 × 8: add padding"):
        Crop(9)(pictures(), draws())


def test_augmented_digits_stay_digits() -> None:
    images = digits().train.inputs[:200]
    out = Affine(degrees=15, scale=0.1, shift=1)(images, draws(200))
    similarity = torch.nn.functional.cosine_similarity(out.flatten(1), images.flatten(1))
    assert similarity.mean() > 0.7
