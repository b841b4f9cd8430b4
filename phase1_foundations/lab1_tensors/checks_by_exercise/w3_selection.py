"""W3: indices and masks."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w3 = Exercise(
    "W3",
    takes={"crop": Tensor, "keep_bright": Tensor},
    hints=(
        "A slice wants a beginning and an end, and you have a beginning and a size. For the bright "
        "pixels: which pixels stay is a question with a True or False for each pixel.",
        "The rows are `top … top + height - 1`, and a slice leaves its end out. "
        "The mask is `image >= threshold`; where it is False, the result is 0.",
        "`image[top : top + height, left : …]` and `torch.where(image >= threshold, image, 0)`.",
    ),
)


def table(rows: int, columns: int) -> Tensor:
    return torch.arange(1.0, rows * columns + 1).reshape(rows, columns)


@w3.probe("end-instead-of-size")
def end_instead_of_size(a, t):
    patch = a.crop(table(6, 7), 1, 2, 3, 4)
    if same(patch, table(6, 7)[1:3, 2:4]):
        return (
            "your patch ends at row `height`: a slice is `begin:end`, so three rows from row 1 on are "
            "`1 : 1 + 3`, not `1 : 3`"
        )


@w3.probe("one-row-too-many")
def one_row_too_many(a, t):
    patch = a.crop(table(6, 7), 1, 1, 2, 3)
    if patch.shape in ((3, 4), (1, 2), (3, 3), (2, 4)):
        return (
            f"asked for were 2 rows and 3 columns, you return {tuple(patch.shape)}: a slice leaves its end "
            "out, so `top : top + height` has exactly `height` rows"
        )


@w3.probe("rows-and-columns-swapped")
def swapped(a, t):
    image = table(7, 7)
    patch = a.crop(image, 1, 3, 2, 4)
    if same(patch, image[3:5, 1:5]) or same(patch, image[3:7, 1:3]) or same(patch, image[1:5, 3:5]):
        return (
            "you exchanged rows and columns: the first index of an image is the row (`top`, `height`), "
            "the second the column (`left`, `width`)"
        )


@w3.probe("counted-from-one")
def counted_from_one(a, t):
    if same(a.crop(table(6, 7), 2, 3, 2, 3), table(6, 7)[1:3, 2:5]):
        return "your patch begins one row and one column too early: rows and columns are counted from 0"


@w3.probe("axes-of-size-one-dropped")
def patch_squeezed(a, t):
    row, patch = a.crop(table(6, 7), 1, 2, 1, 4), a.crop(table(6, 7), 1, 2, 3, 4)
    if patch.shape == (3, 4) and row.dim() != 2:
        return (
            f"a patch of one row and four columns has shape {tuple(row.shape)}, expected (1, 4): a slice of "
            "length 1 keeps its axis, a plain index or `squeeze` drops it"
        )


@w3.probe("two-lists-instead-of-a-patch")
def paired(a, t):
    patch = a.crop(table(6, 7), 1, 2, 3, 3)
    if same(patch, torch.tensor([10.0, 18.0, 26.0])):
        return (
            "you got the diagonal of the patch: two index lists are paired up, element by element. "
            "Slices give every combination of row and column"
        )


@w3.probe("ignores-top-and-left")
def from_the_corner(a, t):
    if same(a.crop(table(6, 7), 1, 2, 3, 4), table(6, 7)[:3, :4]):
        return (
            "your patch begins in the upper left corner of the image; it begins at row `top`, column `left`"
        )


@w3.probe("columns-not-cut")
def columns_not_cut(a, t):
    patch = a.crop(table(6, 7), 1, 2, 3, 4)
    if patch.dim() == 2 and patch.shape[1] == 7:
        return (
            f"your patch has shape {tuple(patch.shape)}: all 7 columns are still there. Rows and columns "
            "are cut in one pair of brackets, `image[rows, columns]`; a second pair would cut rows again"
        )


@w3.probe("patch-of-another-size")
def another_size(a, t):
    patch = a.crop(table(6, 7), 1, 2, 3, 4)
    if patch.shape != (3, 4):
        return (
            f"crop(image, 1, 2, 3, 4) of a (6, 7) image has shape {tuple(patch.shape)}, expected (3, 4): "
            "height, width"
        )


@w3.probe("returns-the-mask")
def returns_the_mask(a, t):
    kept = a.keep_bright(table(2, 3), 3)
    if kept.dtype == torch.bool or same(kept, torch.tensor([[0.0, 0, 1], [1, 1, 1]])):
        return (
            "you return the mask itself, True and False (or 1 and 0): use it to choose between the pixels "
            "and 0, as `torch.where(mask, image, 0)` does"
        )


@w3.probe("flattened-by-a-mask")
def flattened(a, t):
    kept = a.keep_bright(table(2, 3), 3)
    if kept.dim() == 1:
        return (
            "`image[mask]` picks the pixels out and puts them in one row: your result has shape "
            f"{tuple(kept.shape)}, expected (2, 3). To keep the shape, set the others to 0"
        )


@w3.probe("threshold-itself-is-dropped")
def strictly_greater(a, t):
    kept = a.keep_bright(table(2, 3), 3)
    if same(kept, torch.tensor([[0.0, 0, 0], [4, 5, 6]])):
        return "a pixel of exactly the threshold (3) became 0: “at least” is `>=`, not `>`"


@w3.probe("threshold-rounded")
def threshold_rounded(a, t):
    kept = a.keep_bright(table(2, 3), 3.5)
    if same(kept, torch.tensor([[0.0, 0, 3], [4, 5, 6]])):
        return (
            "a pixel of 3 stayed although the threshold is 3.5: you rounded the threshold to a whole number"
        )


@w3.probe("keeps-the-dark-ones")
def keeps_the_dark(a, t):
    kept = a.keep_bright(table(2, 3), 3)
    if same(kept, torch.tensor([[1.0, 2, 0], [0, 0, 0]])) or same(
        kept, torch.tensor([[1.0, 2, 3], [0, 0, 0]])
    ):
        return "you kept the dark pixels and cleared the bright ones: turn the comparison round"


@w3.probe("dark-ones-raised-to-the-threshold")
def clamped(a, t):
    kept = a.keep_bright(table(2, 3), 3)
    if same(kept, torch.tensor([[3.0, 3, 3], [4, 5, 6]])):
        return "`clamp` lifts dark pixels to the threshold; they are to become 0"


@w3.probe("threshold-subtracted")
def subtracted(a, t):
    kept = a.keep_bright(table(2, 3), 3)
    if same(kept, torch.tensor([[0.0, 0, 0], [1, 2, 3]])):
        return "you subtracted the threshold: bright pixels keep their own value, 4 stays 4"


@w3.property("crop cuts out the patch")
def crops(a, t):
    for height, width in ((1, 1), (1, 3), (2, 2), (3, 2), (5, 4)):
        image = t.randn(height + t.random.randint(0, 3), width + t.random.randint(0, 3))
        top = t.random.randint(0, image.shape[0] - height)
        left = t.random.randint(0, image.shape[1] - width)
        rows = [[float(image[top + i, left + j]) for j in range(width)] for i in range(height)]
        t.equal(a.crop(image, top, left, height, width), torch.tensor(rows, dtype=image.dtype))


@w3.property("keep_bright clears what is darker than the threshold")
def keeps(a, t):
    for height, width in ((1, 1), (1, 3), (2, 2), (4, 5)):
        for threshold in (t.random.randint(-5, 5), t.random.randint(-5, 5) + 0.75):
            image = t.randint(-36, 40, height, width).double() / 4
            rows = [[pixel if pixel >= threshold else 0.0 for pixel in row] for row in image.tolist()]
            t.equal(a.keep_bright(image, threshold), torch.tensor(rows), dtype=False)


w3.reward(pictures.cropped_photograph)
