"""The known mistakes of E1, each by its signature on a tiny image."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.observe import observe
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text, shape

probe = Probes()
Shape = tuple[int, ...]

DO_NOT_FIT: tuple[tuple[str, Shape, Shape, dict[str, Any]], ...] = (
    ("the kernel is larger than the image", (1, 1, 2, 5), (1, 1, 3, 3), {}),
    ("the kernel is one pixel too wide", (1, 1, 5, 3), (1, 1, 2, 4), {}),
    ("with dilation 2 the kernel covers 5 pixels of 4", (1, 1, 4, 4), (1, 1, 3, 3), {"dilation": 2}),
    (
        "even with padding it does not fit, by far",
        (1, 1, 2, 2),
        (1, 1, 9, 9),
        {"padding": 1, "stride": 3},
    ),
    ("3 channels, kernels of depth 2", (1, 3, 4, 4), (1, 2, 2, 2), {}),
    ("3 channels, kernels of depth 1", (1, 3, 4, 4), (2, 1, 2, 2), {}),
    ("4 channels in 2 groups, kernels of depth 4", (1, 4, 4, 4), (2, 4, 2, 2), {"groups": 2}),
    ("3 outputs cannot be divided into 2 groups", (1, 4, 4, 4), (3, 2, 2, 2), {"groups": 2}),
)


def conv(t: Trial, x: Tensor, w: Tensor, b: Tensor | None = None, **how: Any) -> Tensor:
    with t.oracle():
        return F.conv2d(x, w, b, **how)


def other_layouts(t: Trial) -> Iterator[tuple[str, Tensor]]:
    """x [2, 2, 4, 5] in the layouts of the statement."""
    yield "transposed, x.transpose(2, 3)", t.randn(2, 2, 5, 4).transpose(2, 3)
    yield "channels-last", t.randn(2, 4, 5, 2).permute(0, 3, 1, 2)
    yield "a slice out of a larger image", t.randn(2, 2, 7, 8)[:, :, 2:6, 1:6]
    yield "every second image of a batch", t.randn(4, 2, 4, 5)[1::2]
    yield "expanded, one image for the whole batch", t.randn(1, 2, 4, 5).expand(2, 2, 4, 5)


def gradients(f: Callable[..., Tensor], x: Tensor, w: Tensor, b: Tensor | None, seed: Tensor) -> list[Any]:
    """∂⟨f(x, w, b), seed⟩ with respect to x, w and b (None where b is)."""
    leaves = [None if v is None else v.detach().clone().requires_grad_() for v in (x, w, b)]
    (f(*leaves) * seed).sum().backward()
    return [None if v is None else v.grad for v in leaves]


def operators(a: Any, t: Trial, images: int, height: int, width: int) -> int:
    """How many torch operations one call makes."""
    x, w = t.randn(images, 2, height, width), t.randn(2, 2, 2, 2)
    with observe() as seen:
        a.conv2d(x, w)
    return sum(seen.calls.values())


@probe("default-option-differs")
def default_differs(a: Any, t: Trial) -> str | None:
    usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    x, w = t.randn(1, 2, 5, 5), t.randn(2, 2, 3, 3)
    right = conv(t, x, w)
    if not same(a.conv2d(x, w, **usual), right):
        return None
    for name, value in usual.items():
        rest = {key: usual[key] for key in usual if key != name}
        attempt = t.tried(lambda rest=rest: a.conv2d(x, w, **rest))
        if attempt.error is not None or not same(attempt.value, right):
            return f"right with {name}={value}, wrong without it: who does not say {name} means {value}"
    return None


@probe("flips-the-kernel")
def flips(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 4, 4), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w), conv(t, x, w.flip(2, 3))):
        return (
            "you computed true convolution, with the kernel turned by 180°: deep learning's conv2d is "
            "cross-correlation, w[0, 0] meets the upper left pixel of the window"
        )
    return None


@probe("kernel-transposed")
def kernel_transposed(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 4, 4), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w), conv(t, x, w.transpose(2, 3))):
        return "rows and columns of the kernel are exchanged: w[…, u, v] meets pixel [i + u, j + v]"
    return None


@probe("rows-and-columns-exchanged")
def output_transposed(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 4, 6), t.randn(1, 1, 2, 2)
    out = a.conv2d(x, w)
    if same(out, conv(t, x, w).transpose(2, 3)):
        return f"an image of 4×6 gave you {shape(out)}: rows and columns of the result are exchanged"
    return None


@probe("images-and-channels-exchanged")
def images_and_channels(a: Any, t: Trial) -> str | None:
    x, w = t.randn(2, 2, 3, 3), t.randn(3, 2, 2, 2)
    if same(a.conv2d(x, w), conv(t, x, w).transpose(0, 1)):
        return "the result has shape [O, N, Ho, Wo], asked for is [N, O, Ho, Wo]: images first"
    return None


@probe("a-mean-not-a-sum")
def mean_not_sum(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 2, 3, 3), t.randn(1, 2, 2, 2)
    out, right = a.conv2d(x, w), conv(t, x, w)
    for count, over in ((8, "all products"), (4, "the window"), (2, "the channels")):
        if same(out, right / count):
            return (
                f"your result is the right one divided by {count}: a mean over {over}, asked for is the sum"
            )
    return None


@probe("channels-not-summed")
def channels_not_summed(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 3, 3, 3), t.randn(1, 3, 2, 2)
    out = a.conv2d(x, w)
    if out.shape != (1, 1, 2, 2) and out.numel() == 12:
        return (
            f"3 channels, one output: your result has shape {shape(out)}, expected (1, 1, 2, 2). An output "
            "adds up what it finds in all channels of its group"
        )
    for c in range(3):
        if same(out, conv(t, x[:, c : c + 1], w[:, c : c + 1])):
            return f"of 3 channels you only look at channel {c}: an output adds up all of its group"
    return None


@probe("same-kernel-for-every-output")
def same_kernel(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 3, 3), t.randn(2, 1, 2, 2)
    out, right = a.conv2d(x, w), conv(t, x, w)
    if out.shape == right.shape and same(out[:, 0], out[:, 1]):
        return "both outputs are equal, though their kernels differ: output o uses w[o]"
    return None


# ---- padding --------------------------------------------------------------------------------------------


@probe("pads-one-side")
def pads_one_side(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 3, 3), t.randn(1, 1, 2, 2)
    out = a.conv2d(x, w, padding=1)
    for sides, name in (((0, 1, 0, 1), "right and below"), ((1, 0, 1, 0), "left and above")):
        if same(out, conv(t, F.pad(x, sides), w)):
            return (
                f"you pad {name} only: `padding=1` is one row or column of zeros on *each* of the four sides"
            )
    for sides, name in (((0, 2, 0, 2), "right and below"), ((2, 0, 2, 0), "left and above")):
        if same(out, conv(t, F.pad(x, sides), w)):
            return (
                f"the size is right, but all of the padding is {name}: `padding=1` is one row or column of "
                "zeros on *each* of the four sides"
            )
    for sides, name in (((1, 1, 0, 0), "left and right"), ((0, 0, 1, 1), "above and below")):
        if same(out, conv(t, F.pad(x, sides), w)):
            return f"you pad {name} only: a number stands for both directions"
    return None


@probe("padding-ignored")
def padding_ignored(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 3, 3), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, padding=1), conv(t, x, w)):
        return "`padding=1` changes nothing: expected shape (1, 1, 4, 4), you gave (1, 1, 2, 2)"
    return None


@probe("padding-twice")
def padding_twice(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 3, 3), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, padding=1), conv(t, x, w, padding=2)):
        return "`padding=1` adds two rows of zeros on each side in your answer: it is one on each side"
    return None


@probe("padding-with-pixels")
def padding_with_pixels(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 3, 3), t.randn(1, 1, 2, 2)
    out = a.conv2d(x, w, padding=1)
    for mode in ("replicate", "reflect", "circular"):
        if same(out, conv(t, F.pad(x, (1, 1, 1, 1), mode=mode), w)):
            return f"you pad with pixels of the image ({mode}); outside the image everything is 0"
    return None


@probe("padding-pair-exchanged")
def padding_exchanged(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 4, 4), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, padding=(2, 0)), conv(t, x, w, padding=(0, 2))):
        return (
            "padding=(2, 0) means 2 rows above and below, you added 2 columns left and right. `F.pad` counts "
            "from the last axis: `(left, right, top, bottom)`"
        )
    return None


# ---- stride and dilation --------------------------------------------------------------------------------


@probe("rounds-up")
def rounds_up(a: Any, t: Trial) -> str | None:
    for size, k, s, rows in ((8, 3, 2, 3), (7, 2, 2, 3)):
        attempt = t.tried(
            lambda size=size, k=k, s=s: a.conv2d(t.randn(1, 1, size, size), t.randn(1, 1, k, k), stride=s)
        )
        if attempt.error is None and attempt.value.shape[2] == rows + 1:
            return (
                f"size {size}, k {k}, stride {s} gives {rows} rows, you gave {rows + 1}: a window that "
                "sticks out is left out, so round down"
            )
    return None


@probe("stride-ignored")
def stride_ignored(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 5, 5), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, stride=2), conv(t, x, w)):
        return "`stride=2` changes nothing: expected shape (1, 1, 2, 2), you gave (1, 1, 4, 4)"
    return None


@probe("stride-pair-exchanged")
def stride_exchanged(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 7, 7), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, stride=(1, 3)), conv(t, x, w, stride=(3, 1))):
        return "stride=(1, 3) moves 1 down and 3 to the right; yours moves 3 down and 1 to the right"
    return None


@probe("stride-shrinks-but-does-not-move")
def stride_only_in_size(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 7, 7), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, stride=2), conv(t, x, w)[:, :, :3, :3]):
        return (
            "with stride=2 your result has the right size, but it holds the first windows one pixel apart: "
            "window i begins at row 2·i"
        )
    return None


@probe("stride-starts-late")
def stride_starts_late(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 8, 8), t.randn(1, 1, 2, 2)
    for s in (2, 3):
        out = a.conv2d(x, w, stride=s)
        for first in range(1, s):
            if same(out, conv(t, x, w)[:, :, first::s, first::s]):
                return (
                    f"with stride={s} your first window begins at row and column {first}: it begins at 0, "
                    f"the next at {s}"
                )
    return None


@probe("dilation-ignored")
def dilation_ignored(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 6, 6), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, dilation=2), conv(t, x, w)):
        return "`dilation=2` changes nothing: the window should touch pixels 0 and 2 of each axis"
    return None


@probe("dilation-missing-in-the-size")
def dilation_in_size(a: Any, t: Trial) -> str | None:
    x, w = torch.ones(1, 1, 6, 6, dtype=torch.float64), t.randn(1, 1, 3, 3)
    attempt = t.tried(lambda: a.conv2d(x, w, dilation=2))
    if attempt.error is None and attempt.value.shape[2:] == (4, 4):
        return (
            "size 6, k 3, dilation 2: the window covers 5 pixels and has 2 places, you gave 4. The window is "
            "dilated, and the size formula still counts 3 pixels; you read beyond the row"
        )
    too_far = ("storage", "out of bounds", "out of range", "exceeds", "size")
    if attempt.raised(RuntimeError, IndexError) and any(word in str(attempt.error) for word in too_far):
        plain = t.tried(lambda: a.conv2d(x, w))
        if plain.error is None and plain.value.shape[2:] == (4, 4):
            return (
                f"size 6, k 3, dilation 2 ends in “{error_text(attempt.error)}”: the window covers 5 pixels, "
                "d·(k − 1) + 1, and the size formula must know that"
            )
    return None


@probe("dilation-pair-exchanged")
def dilation_exchanged(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 7, 7), t.randn(1, 1, 2, 2)
    if same(a.conv2d(x, w, dilation=(1, 3)), conv(t, x, w, dilation=(3, 1))):
        return "dilation=(1, 3) means 1 between rows and 3 between columns; you exchanged them"
    return None
