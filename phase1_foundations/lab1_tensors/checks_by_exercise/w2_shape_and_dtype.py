"""W2: shape and dtype."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w2 = Exercise(
    "W2",
    takes={"to_images": Tensor},
    hints=(
        "Two steps, one after the other: give the bytes their rows and columns, then turn them into "
        "fractions.",
        "Shape: `[N, height*width]` → `[N, height, width]`, the same numbers in the same order. "
        "Numbers: `float32`, then divided by 255.",
        "`raw.reshape(-1, height, width)`, then `.float()`, then `/ 255`.",
    ),
)
PIXELS = torch.tensor(
    [[0, 51, 102, 153, 204, 255], [255, 0, 51, 0, 51, 0]], dtype=torch.uint8
)  # two 2×3 images


def fractions(raw: Tensor, height: int, width: int) -> Tensor:
    return torch.tensor([[value / 255 for value in row] for row in raw.tolist()]).reshape(-1, height, width)


@w2.probe("fractions-lost")
def fractions_lost(a, t):
    images = a.to_images(PIXELS, 2, 3)
    if images.numel() == 12 and same(images.reshape(2, 6), PIXELS // 255):
        return (
            "only 0 and 1 are left, all greys are gone: the division happened in whole numbers "
            "(`//`, or a conversion back to an integer dtype). Convert to float32 first, then use `/`"
        )


@w2.probe("not-scaled")
def not_scaled(a, t):
    images = a.to_images(PIXELS, 2, 3)
    if images.numel() == 12 and float(images.max()) == 255:
        return (
            "your brightest pixel is 255.0, it should be 1.0: converting the dtype does not scale, divide "
            "by 255"
        )


@w2.probe("scaled-by-the-brightest")
def scaled_by_the_brightest(a, t):
    dark = torch.tensor([[0, 51, 102, 51]], dtype=torch.uint8)
    images = a.to_images(dark, 2, 2)
    if same(images.flatten(), torch.tensor([0, 0.5, 1, 0.5]), atol=1e-2):
        return (
            "a pixel of 102 became 1.0: you divided by the brightest pixel that is there. Always divide "
            "by 255, otherwise dark images get as bright as light ones"
        )


@w2.probe("divided-by-256")
def divided_by_256(a, t):
    images = a.to_images(PIXELS, 2, 3)
    if same(images, fractions(PIXELS, 2, 3) * 255 / 256):
        return "255 became 0.996: there are 256 values, but the largest is 255, and that one becomes 1"


@w2.probe("height-and-width-swapped")
def swapped_sizes(a, t):
    images = a.to_images(t.randint(0, 256, 4, 6).to(torch.uint8), 2, 3)
    if images.shape == (4, 3, 2):
        return (
            "images of height 2 and width 3 came out with shape (4, 3, 2), expected (4, 2, 3): rows come "
            "before columns, so `reshape(-1, height, width)`, and no transpose"
        )


@w2.probe("axes-of-size-one-dropped")
def axes_dropped(a, t):
    several, one = a.to_images(PIXELS, 2, 3), a.to_images(PIXELS[:1], 2, 3)
    if several.shape == (2, 2, 3) and one.shape == (2, 3):
        return (
            "a batch of one 2×3 image came out with shape (2, 3), expected (1, 2, 3): `squeeze` drops every "
            "axis of size 1. One image is a batch, too"
        )


@w2.probe("images-not-first")
def images_not_first(a, t):
    images = a.to_images(t.randint(0, 256, 4, 6).to(torch.uint8), 2, 3)
    if images.dim() == 3 and images.shape != (4, 2, 3):
        return (
            f"four 2×3 images came out with shape {tuple(images.shape)}, expected (4, 2, 3): the first "
            "axis counts the images, then come rows, then columns: `reshape(-1, height, width)`"
        )


@w2.probe("other-number-of-axes")
def other_axes(a, t):
    images = a.to_images(t.randint(0, 256, 4, 6).to(torch.uint8), 2, 3)
    if images.dim() != 3:
        return (
            f"four 2×3 images came out with shape {tuple(images.shape)}, expected (4, 2, 3): three axes, "
            "for the images, their rows and their columns"
        )


@w2.probe("pixels-in-another-order")
def another_order(a, t):
    images = a.to_images(PIXELS, 2, 3)
    expected = fractions(PIXELS, 2, 3)
    if images.shape != expected.shape or same(images, expected, atol=1e-2):
        return None
    if same(images.flatten(1).sort().values, expected.flatten(1).sort().values, atol=1e-2):
        return (
            f"the first image came out as {numbers(images[0])}, expected {numbers(expected[0])}: all "
            "pixels are there, in another order. `reshape` alone keeps the order from left to right "
            "and top to bottom"
        )


@w2.probe("other-dtype")
def image_dtype(a, t):
    images = a.to_images(PIXELS, 2, 3)
    if images.dtype != torch.float32 and same(images, fractions(PIXELS, 2, 3), atol=1e-2):
        return (
            f"the numbers are right, but their dtype is {images.dtype}, asked for is torch.float32: use "
            "`.float()`"
        )


@w2.probe("other-range")
def other_range(a, t):
    images = a.to_images(torch.tensor([[0, 255]], dtype=torch.uint8), 1, 2).flatten()
    if images.shape == (2,) and not same(images, torch.tensor([0.0, 1.0]), atol=1e-6):
        return f"0 and 255 became {numbers(images)}, expected [0, 1]: divide by 255, and nothing else"


@w2.property("pixels become fractions, rows and columns in place")
def images_are_right(a, t):
    for count, height, width in ((1, 1, 1), (1, 2, 2), (2, 2, 3), (3, 4, 2), (5, 8, 8)):
        raw = t.randint(0, 256, count, height * width).to(torch.uint8)
        t.equal(a.to_images(raw, height, width), fractions(raw, height, width))


w2.reward(pictures.digits_from_bytes)
