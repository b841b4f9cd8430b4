"""The known mistakes of conv2d_backward, second part: gw, gb, dtypes, layouts."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_mistakes import NAMES, case, result
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_oracle import backward
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text, shape

probe = Probes()


@probe("gw-flipped")
def gw_flipped(a: Any, t: Trial) -> str | None:
    gw, right, _ = result(a, t, 1)
    if same(gw, right.flip(2, 3)):
        return "gw is turned by 180°: gw[u, v] sums g[i, j]·x[i + u, j + v], without any flip"
    return None


@probe("gw-wrong-shape")
def gw_shape(a: Any, t: Trial) -> str | None:
    gw, right, _ = result(a, t, 1, N=2, C=3, O=4)
    if gw.shape == (3, 4, 2, 2):
        return "gw has shape [C, O, kH, kW], asked for is that of w, [O, C, kH, kW]"
    if gw.shape == (2, 4, 3, 2, 2):
        return "gw has a gradient for each image: all images used the same w, so their gradients are added up"
    if gw.shape != right.shape:
        return f"gw has shape {shape(gw)}, like w: {shape(right)}"
    return None


@probe("averaged")
def averaged(a: Any, t: Trial) -> str | None:
    for which in (1, 2):
        own, right, _ = result(a, t, which, N=2, C=1, O=2)
        for count, words in ((2, "images"), (9, "places"), (18, "images and places")):
            if same(own, right / count):
                return (
                    f"{NAMES[which]} is the right one divided by {count}: a mean over {words}. The "
                    "gradients of all uses of a parameter are *added*; if the loss is a mean, g "
                    "contains the 1/N already"
                )
    own, right, _ = result(a, t, 0, N=3, C=1, O=2)
    for count, words in ((3, "images"), (2, "outputs"), (4, "weights of a kernel"), (9, "places")):
        if same(own, right / count):
            return f"gx is the right one divided by the number of {words}: what arrives at a pixel is *added*"
    return None


@probe("one-image-only")
def one_image(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, N=3, O=2)
    own = a.conv2d_backward(g, x, w)
    for n in (0, 2):
        alone = backward(t, g[n : n + 1], x[n : n + 1], w)
        for which in (1, 2):
            if same(own[which], alone[which]):
                return f"{NAMES[which]} holds the gradient of image {n} alone: add up all images of the batch"
    return None


@probe("gb-not-summed")
def gb_not_summed(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, N=2, C=1, O=3, H=5, W=6)
    gb = a.conv2d_backward(g, x, w)[2]
    if gb.shape == (2, 3):
        return "gb is not summed over the images: shape (2, 3), expected (3,). Every image used the same bias"
    if gb.shape == (3, 4, 5):
        return (
            "gb is not summed over the places: shape (3, 4, 5), expected (3,). b[o] was added to each pixel"
        )
    if gb.shape == g.shape:
        return (
            "gb is g itself: b[o] was added to every pixel of output o in every image, so sum over all "
            "of them"
        )
    if gb.shape != (3,):
        return f"gb has shape {shape(gb)}, expected (3,): one sum for each output channel"
    return None


@probe("dtype-changed")
def dtype_changed(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.float32):
        g, x, w = (v.to(dtype) for v in case(t, padding=1))
        for name, own in zip(NAMES, a.conv2d_backward(g, x, w, padding=1), strict=True):
            if own.dtype != dtype:
                return f"g, x and w are {dtype}, your {name} is {own.dtype}: keep the dtype"
    return None


@probe("other-layouts")
def other_layouts(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, N=2, C=2, O=2)
    if not all(map(same, a.conv2d_backward(g, x, w), backward(t, g, x, w))):
        return None
    for name, odd in (
        ("g is expanded from one number, as `.sum().backward()` gives it", (t.randn(1).expand_as(g), x, w)),
        ("g is transposed", (t.randn(*g.shape).transpose(2, 3), x, w)),
        ("x is channels-last", (g, t.randn(2, 4, 4, 2).permute(0, 3, 1, 2), w)),
        ("w is transposed", (g, x, t.randn(2, 2, 2, 2).transpose(0, 1))),
    ):
        attempt = t.tried(lambda odd=odd: a.conv2d_backward(*odd))
        if attempt.error is not None:
            return f"if {name}, it ends in {error_text(attempt.error)}: `reshape` where `view` fails"
        if not all(map(same, attempt.value, backward(t, *odd))):
            return f"right for plain tensors, wrong if {name}: do not compute strides from shapes"
    return None
