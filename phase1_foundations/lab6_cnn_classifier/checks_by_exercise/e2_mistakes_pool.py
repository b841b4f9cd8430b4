"""The known mistakes of max_pool2d_backward."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_oracle import pool_backward
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text, shape

probe = Probes()


def image(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)[None, None]


@probe("pool-splits-ties")
def ties(a: Any, t: Trial) -> str | None:
    out = a.max_pool2d_backward(image([1]), image([3, 3], [1, 3]), 2, 2)
    wrong = {
        (1 / 3, 1 / 3, 0, 1 / 3): "you split the gradient among the three",
        (1, 1, 0, 1): "you give the whole gradient to each of the three, three times too much in all",
        (0, 0, 0, 1): "you give it to the last of the three",
        (0.5, 0.5, 0, 0): "you split the gradient",
    }
    for values, words in wrong.items():
        if same(out.flatten(), torch.tensor(values, dtype=torch.float64)):
            return (
                f"[[3, 3], [1, 3]] has three largest pixels and {words}: the *first* in reading order "
                "gets all, [[1, 0], [0, 0]]"
            )
    if same(a.max_pool2d_backward(image([1]), image([1, 3], [3, 1]), 2, 2), image([0, 0], [1, 0])):
        return (
            "[[1, 3], [3, 1]]: the gradient belongs to the 3 in the first row, you gave it to the one below. "
            "Reading order is row by row (the first of two, not the last, and not column by column)"
        )
    return None


@probe("pool-spreads")
def spreads(a: Any, t: Trial) -> str | None:
    out = a.max_pool2d_backward(image([8]), image([1, 2], [4, 3]), 2, 2)
    if same(out, torch.full((1, 1, 2, 2), 2.0)):
        return (
            "you spread the gradient evenly over the window: that is average pooling. Only the largest "
            "gets it"
        )
    if same(out, 8 * image([1, 2], [4, 3]).flatten().softmax(0).reshape(out.shape)):
        return "you share the gradient out by a softmax; a maximum is hard: the largest pixel gets all of it"
    if same(out, image([0, 0], [1, 0])):
        return "the largest pixel receives 1 in your answer, it should receive the window's gradient, 8"
    if same(out, image([0, 0], [32, 0])):
        return (
            "the largest pixel receives g times its own value; the derivative of a copy is 1, so it "
            "receives g"
        )
    if same(out, image([0, 8], [0, 0])):
        return (
            "[[1, 2], [4, 3]]: the gradient belongs to the 4, lower left, you gave it to the 2: place p in a "
            "window is row p // k and column p % k"
        )
    if same(out, image([0, 0], [2, 0])):
        return "the largest pixel receives g / k²: that belongs to average pooling. The largest gets all of g"
    if same(out, image([0, 0], [-8, 0])):
        return "the largest pixel receives −g in your answer: it receives g, with its sign"
    if same(a.max_pool2d_backward(image([-8]), image([1, 2], [4, 3]), 2, 2), torch.zeros(1, 1, 2, 2)):
        return "a negative gradient is lost in your answer: g goes through as it is, whatever its sign"
    if same(out, image([8, 0], [0, 0])):
        return (
            "[[1, 2], [4, 3]]: the gradient belongs to the 4, you gave it to the 1 (argmin, or always "
            "the first?)"
        )
    return None


@probe("pool-negative-pixels")
def negative(a: Any, t: Trial) -> str | None:
    x, right = image([1, 2], [4, 3]), image([0, 0], [1, 0])
    if not same(a.max_pool2d_backward(image([1]), x, 2, 2), right):
        return None
    below = a.max_pool2d_backward(image([1]), x - 9, 2, 2)
    if same(below, image([1, 0], [0, 0])):
        return (
            "[[−8, −7], [−5, −6]]: the gradient belongs to the −5, the largest, you gave it to the −8, the "
            "largest without its sign (an `abs`, a square?)"
        )
    if not same(below, right):
        return "right for positive pixels, wrong for negative ones: some 0 takes part in the comparison"
    return None


@probe("pool-stride-is-k")
def stride_is_k(a: Any, t: Trial) -> str | None:
    x, g = image([9, 0, 0, 0, 8]).repeat(1, 1, 2, 1), image([2, 3, 5, 7])
    x[0, 0, 1] = -1
    right = pool_backward(t, g, x, 2, 1)
    out = a.max_pool2d_backward(g, x, 2, 1)
    with t.oracle():
        side_by_side = pool_backward(t, g[..., :2], x, 2, 2)
    if same(out, side_by_side) and not same(out, right):
        return "with k 2 and stride 1 you walk in steps of 2: the windows begin `stride` pixels apart, not k"
    return None


@probe("pool-overlaps-overwritten")
def overlaps(a: Any, t: Trial) -> str | None:
    x, g = image([0, 9, 0]).expand(1, 1, 2, 3).clone(), image([2, 5])
    x[0, 0, 1] = 0
    out = a.max_pool2d_backward(g, x, 2, 1)
    if float(out[0, 0, 0, 1]) in (2.0, 5.0) and int((out != 0).sum()) == 1:
        return (
            "the 9 is the largest of both windows, whose gradients are 2 and 5. It receives 7, yours "
            f"received {float(out[0, 0, 0, 1]):g}: shares that meet are added, not overwritten"
        )
    return None


@probe("pool-stride-ignored")
def stride_ignored(a: Any, t: Trial) -> str | None:
    for k, stride in ((2, 1), (2, 3), (3, 2)):
        x = t.randn(1, 1, 5, 5)
        g = t.randn(*F.max_pool2d(x, k, stride).shape)
        equal = t.randn(1, 1, 6, 6)
        own = t.randn(*F.max_pool2d(equal, k, k).shape)
        if not same(a.max_pool2d_backward(own, equal, k, k), pool_backward(t, own, equal, k, k)):
            return None
        attempt = t.tried(lambda g=g, x=x, k=k, stride=stride: a.max_pool2d_backward(g, x, k, stride))
        ended = error_text(attempt.error) if attempt.error else "other numbers"
        if attempt.error is not None or not same(attempt.value, pool_backward(t, g, x, k, stride)):
            return f"right for stride = k, wrong for k {k}, stride {stride} ({ended}): they may differ"
    return None


@probe("pool-last-rows-missing")
def last_rows(a: Any, t: Trial) -> str | None:
    x = t.randn(1, 1, 5, 5)
    g = t.randn(1, 1, 2, 2)
    attempt = t.tried(lambda: a.max_pool2d_backward(g, x, 2, 2))
    even = t.tried(lambda: a.max_pool2d_backward(g, t.randn(1, 1, 4, 4), 2, 2))
    if even.error is not None:
        return None
    if attempt.error is not None:
        return (
            f"5×5 pixels, windows of 2×2: it ends in {error_text(attempt.error)}. The last row and column "
            "get 0"
        )
    if attempt.value.shape != x.shape:
        return f"x is 5×5, your gradient {shape(attempt.value)}: pixels that no window looked at get 0"
    return None


@probe("pool-channels-mixed")
def channels(a: Any, t: Trial) -> str | None:
    x, g = t.randn(2, 3, 4, 4), t.randn(2, 3, 2, 2)
    one = t.tried(lambda: a.max_pool2d_backward(g[:1, :1], x[:1, :1], 2, 2))
    if one.error is not None or not same(one.value, pool_backward(t, g[:1, :1], x[:1, :1], 2, 2)):
        return None
    attempt = t.tried(lambda: a.max_pool2d_backward(g, x, 2, 2))
    if attempt.error is not None or not same(attempt.value, pool_backward(t, g, x, 2, 2)):
        ended = error_text(attempt.error) if attempt.error else "other numbers"
        return (
            f"right for one channel of one image, wrong for [2, 3, 4, 4] ({ended}): each channel of each "
            "image is pooled by itself"
        )
    return None


@probe("pool-dtype-changed")
def dtype_changed(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.float32):
        out = a.max_pool2d_backward(t.randn(1, 1, 2, 2, dtype=dtype), t.randn(1, 1, 4, 4, dtype=dtype), 2, 2)
        if out.dtype != dtype:
            return f"g and x are {dtype}, your gradient of the pooling is {out.dtype}: keep the dtype"
    return None


@probe("pool-other-layouts")
def other_layouts(a: Any, t: Trial) -> str | None:
    x, g = t.randn(2, 2, 4, 4), t.randn(2, 2, 2, 2)
    if not same(a.max_pool2d_backward(g, x, 2, 2), pool_backward(t, g, x, 2, 2)):
        return None
    for name, odd, arrived in (
        ("x is transposed", x.transpose(2, 3), g),
        ("g is transposed", x, g.transpose(2, 3)),
        ("g is expanded from one number", x, t.randn(1).expand(2, 2, 2, 2)),
    ):
        attempt = t.tried(lambda odd=odd, arrived=arrived: a.max_pool2d_backward(arrived, odd, 2, 2))
        if attempt.error is not None or not same(attempt.value, pool_backward(t, arrived, odd, 2, 2)):
            ended = error_text(attempt.error) if attempt.error else "other numbers"
            return f"right for plain tensors, wrong if {name} ({ended}): `reshape` where `view` fails"
    return None
