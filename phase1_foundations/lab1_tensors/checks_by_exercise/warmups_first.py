"""W1 to W4: creating tensors, shape and dtype, indexing and masks, reductions."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

# ---- W1 ----------------------------------------------------------------------------------------------

w1 = Exercise(
    "W1",
    takes={"number_line": Tensor},
    hints=(
        "You know the first number, the last one and how many there are. Which function of the table asks "
        "for exactly these three?",
        "Five marks have four gaps between them: the distance is `(stop - start) / (count - 1)`, and mark "
        "`i` stands at `start + i * distance`.",
        "`torch.linspace(start, stop, count)` does it in one call. By hand: `start + distance * "
        "torch.arange(count)`.",
    ),
)


@w1.probe("count-ignored")
def count_ignored(a, t):
    three, five = a.number_line(0, 10, 3), a.number_line(0, 10, 5)
    if three.dim() == 1 and len(three) == len(five):
        return f"number_line(0, 10, 3) and number_line(0, 10, 5) both have {len(five)} numbers: use `count`"


@w1.probe("end-left-out")
def end_left_out(a, t):
    marks = a.number_line(0, 10, 5)
    if same(marks, torch.arange(5) * 2.0):
        return (
            "your last number is 8, but `stop` was 10: five marks have only four gaps between them, so "
            "the distance is (stop − start) / (count − 1), here 2.5"
        )


@w1.probe("one-mark-too-many")
def one_too_many(a, t):
    marks = a.number_line(0, 10, 5)
    if marks.shape == (6,):
        return (
            "you return 6 numbers where 5 were asked for: `count` counts the marks, not the gaps between them"
        )


@w1.probe("count-as-step")
def count_as_step(a, t):
    if same(a.number_line(0, 10, 5), torch.arange(0, 10, 5)) or same(
        a.number_line(0, 10, 5), torch.arange(0, 11, 5)
    ):
        return (
            "you used `count` as the distance between two numbers: the third argument of `torch.arange` "
            "is a step, that of `torch.linspace` is a count"
        )


@w1.probe("every-whole-number")
def every_whole_number(a, t):
    marks = a.number_line(0, 10, 5)
    if same(marks, torch.arange(10)) or same(marks, torch.arange(11)):
        return f"you return {len(marks)} whole numbers; asked for are `count` = 5 numbers, evenly spaced"


@w1.probe("begins-at-zero")
def begins_at_zero(a, t):
    marks = a.number_line(2, 10, 5)
    if same(marks, torch.linspace(0, 10, 5)) or same(marks, torch.linspace(0, 8, 5)):
        return (
            f"number_line(2, 10, 5) begins at 0, it should begin at `start` = 2: you return {numbers(marks)}"
        )


@w1.probe("other-dtype")
def other_dtype(a, t):
    marks = a.number_line(0, 4, 5)
    if same(marks, torch.arange(5)) and marks.dtype != torch.float32:
        return (
            f"the numbers are right, but their dtype is {marks.dtype}, asked for is torch.float32: whole "
            "numbers and NumPy arrays bring their own dtype along. Add `dtype=torch.float32`, or convert "
            "with `.float()`"
        )


@w1.probe("distance-rounded")
def distance_rounded(a, t):
    marks = a.number_line(0, 1, 5)
    if same(marks, torch.zeros(5)) or same(marks, torch.arange(5)):
        return (
            "the distance between two marks is 0.25 here and you rounded it to a whole number: "
            "`//`, `int()` and whole-number dtypes lose the fraction; use `/`"
        )


@w1.probe("more-than-one-axis")
def more_axes(a, t):
    marks = a.number_line(0, 10, 5)
    if marks.dim() != 1:
        return (
            f"your result has shape {tuple(marks.shape)}, asked for is a vector of shape (5,): a single axis"
        )


@w1.probe("ends-elsewhere")
def ends_elsewhere(a, t):
    marks = a.number_line(2, 10, 5)
    if marks.shape == (5,) and not (
        same(marks[0], torch.tensor(2.0)) and same(marks[-1], torch.tensor(10.0))
    ):
        return (
            f"number_line(2, 10, 5) goes from {marks[0].item():.4g} to {marks[-1].item():.4g}; the first "
            "number is `start` = 2 and the last is `stop` = 10"
        )


@w1.probe("unequal-gaps")
def unequal_gaps(a, t):
    gaps = a.number_line(2, 10, 5).diff()
    if gaps.shape == (4,) and not same(gaps, torch.full((4,), 2.0), atol=1e-4):
        return f"number_line(2, 10, 5) has the gaps {numbers(gaps)}; evenly spaced means four gaps of 2"


@w1.property("evenly spaced float32 from start to stop")
def evenly_spaced(a, t):
    for count in range(2, 12):
        start = round(t.random.uniform(-5, 5), 2)
        stop = start + t.random.choice([0.5, 3.0, 7.25])
        expected = torch.tensor([start + (stop - start) * i / (count - 1) for i in range(count)])
        t.equal(a.number_line(start, stop, count), expected, atol=2e-5)


w1.reward(pictures.number_line)

# ---- W2 ----------------------------------------------------------------------------------------------

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

# ---- W3 ----------------------------------------------------------------------------------------------

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

# ---- W4 ----------------------------------------------------------------------------------------------

w4 = Exercise(
    "W4",
    takes={"row_shares": Tensor},
    hints=(
        "First the sum of every row, then a division. Watch the shapes: what has to stand beside a table "
        "of shape (N, D) so that row i meets the sum of row i?",
        "share[i, j] = table[i, j] / Σₖ table[i, k]. The sums need shape (N, 1).",
        "`table.sum(dim=1, keepdim=True)` has shape (N, 1); divide `table` by it.",
    ),
)
SQUARE = torch.tensor([[1.0, 3.0], [2.0, 2.0]])


@w4.probe("square-tables-only")
def square_tables_only(a, t):
    square = torch.tensor([[1.0, 3.0], [2.0, 6.0]])
    if same(a.row_shares(square), square / square.sum(1)):
        return (
            "without `keepdim=True` the sums have shape (2,), and a row of sums lines up with the "
            f"*columns*: your first row is {numbers(a.row_shares(square)[0])}, expected [0.25, 0.75]. On a "
            "table that is not square torch refuses"
        )


@w4.probe("columns-instead-of-rows")
def columns(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.sum(0)):
        return (
            "your columns add up to 1, not your rows: `sum(dim=0)` runs down the rows and leaves one sum "
            "a column; the sum of a row runs along `dim=1`"
        )


@w4.probe("one-sum-for-all")
def one_sum(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.sum()):
        return "you divided by the sum of the whole table (8): every row has its own sum; say `dim=1`"


@w4.probe("mean-instead-of-sum")
def mean(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.mean(1, keepdim=True)):
        return "your rows add up to their length, 2: you divided by the mean; shares need the sum"


@w4.probe("largest-instead-of-sum")
def largest(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.amax(1, keepdim=True)):
        return (
            "the largest entry of each of your rows is 1: you divided by the row's maximum; shares need "
            "its sum"
        )


@w4.probe("length-instead-of-sum")
def length(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.norm(dim=1, keepdim=True)):
        return "you divided by the row's length √Σx²: then the squares add up to 1, not the entries"


@w4.probe("softmax")
def softmax(a, t):
    if same(a.row_shares(SQUARE), SQUARE.softmax(1)):
        return "softmax takes exponentials first: [1, 3] would become [0.12, 0.88]; asked for is [0.25, 0.75]"


@w4.probe("the-sums-alone")
def sums_alone(a, t):
    result = a.row_shares(torch.ones(2, 3))
    if result.shape in ((2,), (2, 1)) and same(result.flatten(), torch.tensor([3.0, 3.0])):
        return "you return the sums of the rows: divide the table by them"


@w4.probe("absolute-values")
def absolute(a, t):
    table = torch.tensor([[-1.0, 3.0]])
    if same(a.row_shares(table).abs(), table.abs() / table.abs().sum()):
        return (
            "[−1, 3] has the sum 2, so its shares are [−0.5, 1.5]; you took absolute values. Entries may be "
            "negative, only the row's sum may not be 0"
        )


@w4.probe("negative-sum")
def negative_sum(a, t):
    shares = a.row_shares(torch.tensor([[-3.0, 1.0]]))
    right = same(a.row_shares(SQUARE), torch.tensor([[0.25, 0.75], [0.5, 0.5]]))
    if right and bool(shares.isfinite().all()) and not same(shares, torch.tensor([[1.5, -0.5]])):
        return (
            f"[−3, 1] has the sum −2, so its shares are [1.5, −0.5]; you return {numbers(shares)}. A sum may "
            "be negative: leave it as it is, without `clamp` or `abs`"
        )


@w4.probe("upside-down")
def upside_down(a, t):
    if same(a.row_shares(SQUARE), SQUARE.sum(1, keepdim=True) / SQUARE):
        return "you divided the sums by the entries: a share is entry / sum"


@w4.probe("rows-do-not-add-up")
def rows_add_up(a, t):
    shares = a.row_shares(SQUARE)
    if shares.shape == (2, 2) and not same(shares.sum(1), torch.ones(2), atol=1e-4):
        return (
            f"your rows add up to {numbers(shares.sum(1))}, they should add up to 1: divide each entry by "
            "its row's sum"
        )


@w4.property("every row is divided by its own sum")
def rows_are_shares(a, t):
    t.equal(a.row_shares(torch.tensor([[-1.0, 3.0]])), torch.tensor([[-0.5, 1.5]]), "a negative entry")
    t.equal(a.row_shares(torch.tensor([[-3.0, 1.0]])), torch.tensor([[1.5, -0.5]]), "a negative sum")
    for rows, columns in ((1, 1), (1, 3), (2, 2), (3, 2), (2, 5), (6, 6)):
        for dtype in (torch.float64, torch.float32):
            values = t.rand(rows, columns, low=0.1, high=5.0, dtype=dtype)
            expected = torch.tensor([[x / sum(row) for x in row] for row in values.tolist()], dtype=dtype)
            t.equal(a.row_shares(values), expected, reduction=columns)


w4.reward(pictures.shares)
