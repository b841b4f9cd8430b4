"""W3: all windows of an image. W4: convolution is a matrix."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.edges import layouts
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise import pictures
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import shape
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.warmups_first import (
    CONVOLUTION_OPERATORS,
    CONVOLUTIONS,
    places,
)

# ---- W3 -------------------------------------------------------------------------------------------------

w3 = Exercise(
    "W3",
    takes={"windows": Tensor},
    hints=(
        "First the windows of one axis, then of the other. `x.unfold(axis, k, stride)` replaces an axis by "
        "its windows; what is inside them becomes the last axis.",
        "out[i, j, u, v] = image[i·stride + u, j·stride + v]; shape [Ho, Wo, k, k].",
        "`image.unfold(0, k, stride).unfold(1, k, stride)`; or as_strided with the strides "
        "`(sH * stride, sW * stride, sH, sW)`.",
    ),
)


def cut(image: Tensor, k: int, stride: int) -> Tensor:
    """Element by element."""
    rows, columns = (places(size, k, stride=stride) for size in image.shape)
    out = torch.empty(rows, columns, k, k, dtype=image.dtype)
    for i in range(rows):
        for j in range(columns):
            for u in range(k):
                for v in range(k):
                    out[i, j, u, v] = image[i * stride + u, j * stride + v]
    return out


@w3.probe("places-in-one-row")
def places_in_one_row(a: Any, t: Trial) -> str | None:
    out = a.windows(t.randn(4, 5), 2)
    if tuple(out.shape) in ((12, 2, 2), (12, 4), (3, 4, 4), (4, 12), (1, 4, 12)):
        return (
            f"an image of 4×5 and windows of 2×2: expected shape (3, 4, 2, 2), yours is {shape(out)}. Keep "
            "four axes: row and column of the place, row and column in the window"
        )
    return None


@w3.probe("axes-in-another-order")
def other_axes(a: Any, t: Trial) -> str | None:
    image = t.randn(4, 6)
    out, right = a.windows(image, 2), cut(image, 2, 1)
    orders = {
        "[k, k, Ho, Wo]": (2, 3, 0, 1),
        "[Ho, k, Wo, k]": (0, 2, 1, 3),
        "[Wo, Ho, k, k], columns before rows": (1, 0, 2, 3),
        "[Ho, Wo, k, k], but with each window transposed": (0, 1, 3, 2),
        "[Wo, Ho, k, k], everything transposed": (1, 0, 3, 2),
    }
    for name, order in orders.items():
        if same(out, right.permute(order)):
            return f"your axes stand in the order {name}; asked for is out[i, j, u, v]: place, then window"
    if out.dim() == 3:
        return (
            f"your result has three axes, {shape(out)}: only one axis of the image was cut. Rows and columns"
        )
    if out.shape == right.shape and not same(out, right):
        for order in ((2, 3, 0, 1), (0, 2, 1, 3), (2, 0, 3, 1)):
            if same(out, right.permute(order).reshape(right.shape)):
                return (
                    "the shape is right and the numbers are mixed up: `reshape` does not exchange axes, use "
                    "`permute`"
                )
        for axes, words in (((2, 3), "turned by 180°"), ((2,), "upside down"), ((3,), "mirrored")):
            if same(out, right.flip(axes)):
                return f"each window is {words}: out[i, j, 0, 0] is its upper left pixel"
        if same(out, right.flip((0, 1))):
            return "the windows come in reversed order: out[0, 0] begins at pixel [0, 0]"
    return None


@w3.probe("no-overlap")
def no_overlap(a: Any, t: Trial) -> str | None:
    image = t.randn(6, 6)
    if same(a.windows(image, 2), cut(image, 2, 2)):
        return (
            "your windows stand side by side, as if the stride were k. With stride 1 the next one begins one "
            "pixel further on, and they overlap"
        )
    return None


@w3.probe("stride-ignored")
def stride_ignored(a: Any, t: Trial) -> str | None:
    image = t.randn(5, 5)
    out = a.windows(image, 3, 2)
    if same(out, cut(image, 3, 1)):
        return "with stride=2 the result is the same as with stride=1: the stride is not used"
    for which, half in (("rows", cut(image, 3, 1)[::2]), ("columns", cut(image, 3, 1)[:, ::2])):
        if same(out, half):
            return f"your stride moves along the {which} only: it counts to the right as well as down"
    return None


@w3.probe("last-windows-missing")
def last_missing(a: Any, t: Trial) -> str | None:
    for size, k, stride in ((5, 2, 1), (5, 3, 2), (6, 3, 2), (3, 3, 1)):
        out = a.windows(t.randn(size, size), k, stride)
        right = places(size, k, stride=stride)
        if tuple(out.shape[2:]) == (k, k) and tuple(out.shape[:2]) != (right, right):
            return (
                f"an image of {size}×{size}, k {k}, stride {stride} has {right}×{right} windows, you cut "
                f"{out.shape[0]}×{out.shape[1]}"
            )
    return None


@w3.probe("stride-shrinks-but-does-not-move")
def does_not_step(a: Any, t: Trial) -> str | None:
    image = t.randn(6, 6)
    if same(a.windows(image, 2, 2), cut(image, 2, 1)[:3, :3]):
        return (
            "with stride=2 you give the right number of windows, one pixel apart: window i begins in row 2·i"
        )
    return None


@w3.probe("default-stride")
def default_stride(a: Any, t: Trial) -> str | None:
    image = t.randn(5, 5)
    attempt = t.attempt(lambda: a.windows(image, 2))
    if same(a.windows(image, 2, 1), cut(image, 2, 1)):
        if attempt.raised(TypeError):
            return "windows(image, k) without a stride is refused: `stride` is 1 if the caller says nothing"
        if attempt.error is None and not same(attempt.value, cut(image, 2, 1)):
            return "windows(image, k) does not use stride 1: that is the default"
    return None


@w3.probe("assumes-a-square-image")
def assumes_square(a: Any, t: Trial) -> str | None:
    square, wide, tall = t.randn(5, 5), t.randn(4, 7), t.randn(7, 4)
    if not same(a.windows(square, 2), cut(square, 2, 1)):
        return None
    for image in (wide, tall):
        attempt = t.attempt(lambda image=image: a.windows(image, 2))
        if attempt.error is not None or not same(attempt.value, cut(image, 2, 1)):
            return (
                f"right for a square image, wrong for one of {image.shape[0]}×{image.shape[1]}: rows and "
                "columns got mixed up"
            )
    return None


@w3.probe("contiguous-strides")
def contiguous(a: Any, t: Trial) -> str | None:
    plain = t.randn(5, 5)
    if not same(a.windows(plain, 2), cut(plain, 2, 1)):
        return None
    for name, image in layouts(t, 5, 5):
        attempt = t.attempt(lambda image=image: a.windows(image, 2))
        if attempt.error is not None or not same(attempt.value, cut(image, 2, 1)):
            return (
                f"right for a plain image, wrong for one that is {name}: its strides are "
                f"{image.stride()} and its offset {image.storage_offset()}. Take them from the tensor, "
                "not from its shape"
            )
    return None


@w3.probe("dtype-changed")
def w3_dtype(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.uint8, torch.int64):
        out = a.windows(torch.arange(12).reshape(3, 4).to(dtype), 2)
        if out.dtype != dtype:
            return f"the image is {dtype}, your windows are {out.dtype}: keep the dtype"
    return None


@w3.property("every element of every window")
def every_element(a: Any, t: Trial) -> None:
    for k in (1, 2, 3):
        for stride in (1, 2, 3, 4):
            image = t.randn(t.random.randint(k, 7), t.random.randint(k, 7))
            t.equal(
                a.windows(image, k, stride), cut(image, k, stride), f"{shape(image)}, k {k}, stride {stride}"
            )
    for name, image in layouts(t, 4, 5):
        t.equal(a.windows(image, 2), cut(image, 2, 1), f"an image that is {name}")


w3.reward(pictures.windows_of_a_digit)

# ---- W4 -------------------------------------------------------------------------------------------------

w4 = Exercise(
    "W4",
    takes={"conv_matrix": Tensor},
    forbids=forbid(
        *CONVOLUTIONS,
        aten=CONVOLUTION_OPERATORS,
        why="the point is to see where the weights stand. Write them there",
    ),
    hints=(
        "Row i of M makes output i. Which numbers of the signal does output i use, and with which weights?",
        "M[i, i + u] = kernel[u] for u = 0 … k−1, everything else is 0.",
        "`M = kernel.new_zeros(places, length)`, then `for i in range(places): M[i, i : i + k] = kernel`.",
    ),
)


def toeplitz(kernel: Tensor, length: int) -> Tensor:
    places = length - len(kernel) + 1
    out = torch.zeros(places, length, dtype=kernel.dtype)
    for i in range(places):
        for u, weight in enumerate(kernel.tolist()):
            out[i, i + u] = weight
    return out


@w4.probe("kernel-reversed")
def matrix_reversed(a: Any, t: Trial) -> str | None:
    kernel = torch.tensor([5.0, 7.0])
    if same(a.conv_matrix(kernel, 4), toeplitz(kernel.flip(0), 4)):
        return "your first row is [7, 5, 0, 0] for the kernel [5, 7]: it is laid down as it is, [5, 7, 0, 0]"
    return None


@w4.probe("transposed")
def transposed(a: Any, t: Trial) -> str | None:
    kernel = torch.tensor([5.0, 7.0])
    out = a.conv_matrix(kernel, 4)
    if out.shape == (4, 3):
        return (
            "your matrix is 4×3, asked for is 3×4: M @ signal must turn 4 numbers into 3. Yours is M's "
            "transpose, which is what the backward pass needs"
        )
    return None


@w4.probe("wraps-around")
def wraps_around(a: Any, t: Trial) -> str | None:
    out = a.conv_matrix(torch.tensor([5.0, 7.0]), 4)
    if out.shape == (4, 4):
        return (
            f"your matrix is 4×4 with the last row {numbers(out[3])}: the kernel [5, 7] has only 3 places in "
            "4 numbers. There is no row where it would stick out or wrap around"
        )
    return None


@w4.probe("wrong-size")
def wrong_size(a: Any, t: Trial) -> str | None:
    for k, length in ((2, 4), (1, 3), (3, 3), (3, 8)):
        out = a.conv_matrix(t.randn(k), length)
        if out.shape != (length - k + 1, length):
            return (
                f"a kernel of {k} and signals of {length}: M is {length - k + 1}×{length}, one row a place, "
                f"yours is {shape(out)}"
            )
    return None


@w4.probe("does-not-move")
def does_not_move(a: Any, t: Trial) -> str | None:
    out = a.conv_matrix(torch.tensor([5.0, 7.0]), 5)
    if out.shape == (4, 5) and all(same(row, out[0]) for row in out):
        return "all rows of your matrix are equal: from row to row the kernel moves on by one column"
    if out.shape == (4, 5) and same(out[0], torch.tensor([5.0, 7, 0, 0, 0])) and out[1, 1] != 5:
        return (
            f"your second row is {numbers(out[1])}, expected [0, 5, 7, 0, 0]: from row to row the kernel "
            "moves on by one column, to the right"
        )
    return None


@w4.probe("dtype-changed")
def w4_dtype(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.float32):
        out = a.conv_matrix(t.randn(2, dtype=dtype), 4)
        if out.dtype != dtype:
            return f"the kernel is {dtype}, your matrix is {out.dtype}: `kernel.new_zeros(…)` keeps the dtype"
    return None


@w4.probe("matrix-spoilt")
def matrix_spoilt(a: Any, t: Trial) -> str | None:
    kernel = torch.tensor([5.0, -7.0, 2.0])
    out, right = a.conv_matrix(kernel, 5), toeplitz(kernel, 5)
    for wrong, words in (
        (right.flip(0), "the rows come in reversed order: row 0 belongs to the first place"),
        (right.flip(1), "mirrored: row 0 begins with kernel[0] in column 0"),
        (
            toeplitz(kernel.flip(0), 5).flip(1),
            "the kernel begins at the right end: row 0 puts it into columns 0 … 2",
        ),
        (right.abs(), "the weights lost their signs"),
        ((right != 0).to(right.dtype), "ones stand where the weights should"),
        (right / 3, "the weights are divided by k: no mean is asked for"),
        (toeplitz(kernel[:1], 5)[:3], "only kernel[0] is written"),
        (right.cumsum(0), "each row contains the rows above: a row holds one kernel"),
    ):
        if same(out, wrong):
            return f"{words}. M[i, i + u] = kernel[u]"
    return None


@w4.property("M @ signal slides the kernel over the signal")
def multiplies(a: Any, t: Trial) -> None:
    for length in (1, 2, 3, 5, 8):
        for k in range(1, length + 1):
            kernel = t.randn(2 * k)[::2]
            t.equal(
                a.conv_matrix(kernel, length), toeplitz(kernel, length), f"kernel of {k}, length {length}"
            )


w4.reward(pictures.forward_and_backward)
