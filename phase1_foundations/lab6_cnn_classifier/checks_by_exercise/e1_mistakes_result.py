"""The known mistakes of E1, third part: a kernel read another way, and a sound result that was spoilt."""

from typing import Any

import torch
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e1_mistakes import conv
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import shape

probe = Probes()


@probe("kernel-turned")
def kernel_turned(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 5, 5), t.randn(1, 1, 3, 3)
    out = a.conv2d(x, w)
    for read, words in (
        (w.flip(2), "upside down: w[…, u, v] meets row i + u, and your u runs against the rows"),
        (w.flip(3), "mirrored, left to right: your v runs against the columns"),
        (w.rot90(1, (2, 3)), "turned by 90°"),
        (w.rot90(3, (2, 3)), "turned by 90°"),
        (w.rot90(2, (2, 3)).transpose(2, 3), "mirrored along its other diagonal"),
    ):
        if same(out, conv(t, x, read)):
            return f"the kernel is laid down {words}. Asked for is the kernel as it is, w[0, 0] upper left"
    return None


@probe("channels-read-in-another-order")
def channel_order(a: Any, t: Trial) -> str | None:
    x, w = t.randn(2, 3, 4, 4), t.randn(3, 3, 2, 2)
    out, right = a.conv2d(x, w), conv(t, x, w)
    for wrong, words in (
        (conv(t, x, w.flip(1)), "input channel 0 meets the last channel of the kernel"),
        (conv(t, x, w.transpose(0, 1)), "w is read as [C, O, kH, kW]; it is [O, C, kH, kW]"),
        (
            conv(t, x, w.permute(0, 2, 3, 1).reshape(w.shape)),
            "the windows are flattened in the order C, kH, kW (as `F.unfold` does) and the kernels in the "
            "order kH, kW, C: number meets number only in the same order",
        ),
        (right.flip(2, 3), "the last place comes first"),
        (right.flip(1), "output 0 holds what belongs to the last output"),
        (right.flip(0), "image 0 of the result belongs to the last image"),
    ):
        if same(out, wrong):
            return f"with 3 channels and 3 outputs {words}"
    return None


@probe("part-of-the-kernel-unused")
def part_unused(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 5, 5), t.randn(1, 1, 3, 3)
    out = a.conv2d(x, w)
    for words, rows, columns in (
        ("the last row", slice(2), slice(3)),
        ("the last column", slice(3), slice(2)),
        ("the last row and column", slice(2), slice(2)),
        ("the first row and column", slice(1, 3), slice(1, 3)),
        ("all but the upper left weight", slice(1), slice(1)),
    ):
        kept = torch.zeros_like(w)
        kept[..., rows, columns] = w[..., rows, columns]
        if same(out, conv(t, x, kept)):
            return f"{words} of a 3×3 kernel plays no role: does a loop over u and v end too early?"
    return None


@probe("last-places-missing")
def last_places(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 5, 6), t.randn(1, 1, 2, 2)
    for stride in (1, 2, 3):
        attempt = t.tried(lambda stride=stride: a.conv2d(x, w, stride=stride))
        if attempt.error is None and attempt.value.dim() == 4:
            right, (rows, columns) = conv(t, x, w, stride=stride), attempt.value.shape[2:]
            missing = attempt.value.shape != right.shape
            if missing and same(attempt.value, right[:, :, :rows, :columns]):
                return (
                    f"5×6 pixels, a 2×2 kernel, stride {stride}: {right.shape[2]}×{right.shape[3]} places, "
                    f"you give {rows}×{columns}: the last places are missing. Steps plus one"
                )
    return None


@probe("axes-in-another-order")
def axis_order(a: Any, t: Trial) -> str | None:
    x, w = t.randn(2, 2, 4, 6), t.randn(3, 2, 2, 2)
    out, right = a.conv2d(x, w), conv(t, x, w)
    for order, words in (
        ((0, 2, 3, 1), "[N, Ho, Wo, O], channels last"),
        ((2, 3, 0, 1), "[Ho, Wo, N, O]"),
        ((1, 2, 3, 0), "[O, Ho, Wo, N]"),
    ):
        if same(out, right.permute(order)):
            return f"your axes stand in the order {words}; asked for is [N, O, Ho, Wo] = {shape(right)}"
    if out.shape != right.shape and same(out.reshape(-1), right.reshape(-1)):
        return f"the numbers are right, the shape is {shape(out)}; [N, O, Ho, Wo] is {shape(right)}"
    if out.shape == right.shape and same(out.reshape(-1), right.transpose(0, 1).reshape(-1)):
        return (
            "the numbers are right and in the wrong places: they lie in the order [O, N, Ho, Wo], and a "
            "`reshape` does not exchange axes. Use `transpose` or `permute`"
        )
    one = t.randn(1, 1, 2, 2)
    single = a.conv2d(one, one)
    if single.dim() != 4 and single.numel() == 1:
        return f"one image, one output, one place: your shape is {shape(single)}, asked for is (1, 1, 1, 1)"
    return None


@probe("result-spoilt")
def spoilt(a: Any, t: Trial) -> str | None:
    x, w = 2 * t.randn(3, 2, 4, 4), t.randn(2, 2, 2, 2)
    out, right = a.conv2d(x, w), conv(t, x, w)
    if same(out, right):
        return None
    for wrong, words in (
        (right.relu(), "negative results are cut off at 0: a relu belongs to the network, not to conv2d"),
        (right.abs(), "you return absolute values"),
        (-right, "every result has the wrong sign"),
        (right / 3, "your result is divided by the number of images: every image stands for itself"),
        (right / 8**0.5, "your result is divided by √(number of weights): no scaling is asked for"),
        (right.trunc(), "your results are whole numbers: a truncation to int is on the way"),
        (right.round(), "your results are whole numbers: a rounding is on the way"),
        (F.leaky_relu(right), "there is a leaky relu at the end: none is asked for"),
        (F.gelu(right), "there is a gelu at the end: none is asked for"),
        (right.sigmoid(), "there is a sigmoid at the end: none is asked for"),
        (right.tanh(), "there is a tanh at the end: none is asked for"),
        (right.mean(0, keepdim=True).expand_as(right), "all images have the same result, their mean"),
        (right[:1].expand_as(right), "all images have the result of image 0"),
    ):
        if same(out, wrong):
            return words
    return None


@probe("one-number-for-the-pair")
def one_number(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 7, 7), t.randn(1, 1, 2, 2)
    for name, couple in (("stride", (1, 3)), ("padding", (2, 0)), ("dilation", (1, 3))):
        attempt = t.tried(lambda name=name, couple=couple: a.conv2d(x, w, **{name: couple}))
        for number, which in zip(couple, ("first", "second"), strict=True):
            if attempt.error is None and same(attempt.value, conv(t, x, w, **{name: number})):
                return (
                    f"of {name}={couple} you use the {which} number for both directions: the first is for "
                    "the height, the second for the width"
                )
    return None


@probe("options-exchanged")
def options_exchanged(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 9, 9), t.randn(1, 1, 3, 3)
    out = a.conv2d(x, w, stride=2, dilation=3, padding=1)
    for stride, dilation, padding, words in (
        (3, 2, 1, "stride and dilation are exchanged"),
        (2, 1, 3, "padding and dilation are exchanged"),
        (1, 3, 2, "stride and padding are exchanged"),
    ):
        if same(out, conv(t, x, w, stride=stride, dilation=dilation, padding=padding)):
            return f"stride=2, padding=1, dilation=3: {words} in your answer"
    return None


@probe("groups-alike")
def groups_alike(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 4, 3, 3), t.randn(4, 2, 2, 2)
    out = a.conv2d(x, w, groups=2)
    first_inputs, first_kernels = x[:, [0, 1, 0, 1]], w[[0, 1, 0, 1]]
    for wrong, words in (
        (conv(t, first_inputs, w, groups=2), "both groups read input channels 0 and 1"),
        (conv(t, x, first_kernels, groups=2), "both groups use the kernels w[0] and w[1]"),
        (conv(t, x[:, [2, 3, 0, 1]], w, groups=2), "the first outputs read the second group of inputs"),
    ):
        if same(out, wrong):
            return f"4 channels, 4 outputs, groups=2: {words}. Group g has parts g of x and of w"
    if out.shape == (1, 2, 2, 2):
        return (
            "4 outputs in 2 groups came back as 2: the groups are laid on top of each other. They stand side "
            "by side"
        )
    return None


@probe("inputs-changed")
def inputs_changed(a: Any, t: Trial) -> str | None:
    x, w, b = t.randn(2, 2, 4, 4), t.randn(2, 2, 2, 2), t.randn(2)
    before = [v.clone() for v in (x, w, b)]
    a.conv2d(x, w, b, padding=1)
    for name, now, old in zip(("x", "w", "b"), (x, w, b), before, strict=True):
        if not same(now, old):
            return f"{name} is another one after the call: something wrote into the caller's tensor"
    return None


@probe("padding-with-another-number")
def border(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 4, 4), t.randn(1, 1, 2, 2)
    out = a.conv2d(x, w, padding=1)
    for value, words in ((1.0, "ones"), (float(x.mean()), "the mean of the image"), (-1.0, "−1")):
        if same(out, conv(t, F.pad(x, (1, 1, 1, 1), value=value), w)):
            return f"you pad with {words}: pixels outside the image are 0"
    return None
