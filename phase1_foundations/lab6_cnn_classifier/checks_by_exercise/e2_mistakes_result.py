"""The known mistakes of conv2d_backward, third part: a sound gradient that was spoilt, inputs that change."""

from typing import Any

import torch
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_mistakes import NAMES, case, result
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_oracle import backward, transposed
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import shape

probe = Probes()


@probe("sign-turned")
def sign(a: Any, t: Trial) -> str | None:
    for which, name in enumerate(NAMES):
        own, right, _ = result(a, t, which, N=2, C=2, O=3)
        if same(own, -right):
            return (
                f"{name} has the opposite sign: it is the gradient itself. The minus comes later, in the "
                "optimizer"
            )
    return None


@probe("gradient-spoilt")
def spoilt(a: Any, t: Trial) -> str | None:
    for which, name in enumerate(NAMES):
        own, right, _ = result(a, t, which, N=2, C=2, O=3)
        for wrong, words in (
            (right.relu(), "is cut off at 0: gradients may be negative, and conv has no relu"),
            (right.abs(), "holds absolute values: keep the signs"),
            (2 * right, "is twice the right one: something is added twice"),
            (right.trunc(), "holds whole numbers: a truncation to int is on the way"),
            (right / right.norm(), "is divided by its norm: no scaling is asked for"),
            (right.clamp(-1, 1), "is clipped to −1 … 1: clipping is the optimizer's business"),
            (0.1 * right, "is multiplied by 0.1: the learning rate is the optimizer's business"),
            (0.01 * right, "is multiplied by 0.01: the learning rate is the optimizer's business"),
            (torch.zeros_like(right), "is 0 everywhere"),
        ):
            if same(own, wrong) and not same(own, right):
                return f"{name} {words}"
    return None


@probe("rows-and-columns-exchanged")
def exchanged(a: Any, t: Trial) -> str | None:
    gx, right, (g, _, w) = result(a, t, 0, k=3, H=5, W=5)
    if same(gx, transposed(t, g, w.transpose(2, 3))):
        return (
            "gx uses the kernel with its rows and columns exchanged: flipping by 180° does not transpose it"
        )
    for turned, words in ((w.flip(2), "rows"), (w.flip(3), "columns")):
        if same(gx, transposed(t, g, turned)):
            return (
                f"in gx the {words} of the kernel run the wrong way, the other axis is right: the adjoint "
                "turns the kernel by 180°, that is, flips *both* axes"
            )
    if same(gx, right.transpose(2, 3)):
        return "rows and columns of gx are exchanged"
    gw, right, _ = result(a, t, 1, k=3, H=5, W=5)
    for wrong, words in (
        (right.transpose(2, 3), "rows and columns of gw are exchanged"),
        (right.flip(2), "gw is upside down: it is not flipped in any direction"),
        (right.flip(3), "gw is mirrored, left to right: it is not flipped in any direction"),
    ):
        if same(gw, wrong):
            return words
    return None


@probe("axes-of-size-one-dropped")
def dropped(a: Any, t: Trial) -> str | None:
    g, x, w = case(t)
    for name, own, like in zip(NAMES, a.conv2d_backward(g, x, w), (x, w, g.sum((0, 2, 3))), strict=True):
        if own.shape != like.shape and own.numel() == like.numel():
            return (
                f"one image, one channel, one output: {name} has shape {shape(own)}, expected {shape(like)}"
            )
    return None


@probe("one-output-only")
def one_output(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, N=2, C=2, O=3)
    gx, gw, _ = a.conv2d_backward(g, x, w)
    for o in (0, 2):
        if same(gx, transposed(t, g[:, o : o + 1], w[o : o + 1])):
            return f"gx holds what output {o} sends back alone: all outputs read x, so add up all of them"
    right = backward(t, g, x, w)
    if same(gx, right[0].mean(0, keepdim=True).expand_as(gx)) or same(
        gx, right[0].sum(0, keepdim=True).expand_as(gx)
    ):
        return "gx is the same for all images: each image has its own gradient"
    if same(a.conv2d_backward(g, x, w)[2], g.amax((0, 2, 3))):
        return "gb holds the largest g of each output: add them up, over images and places"
    if gx.shape == (1, *x.shape[1:]) or gx.shape == x.shape[1:]:
        return f"gx has shape {shape(gx)}, like x: {shape(x)}. Each image has its own gradient"
    if not same(gw, right[1]) and same(gw[:, 0], gw[:, 1]):
        return "all input channels of gw are equal: gw[o, c] sums g[o] times x[c], so each c has its own"
    if not same(gw, right[1]) and same(gw[0], gw[1]):
        return "all outputs of gw are equal: gw[o] is made from g[o]"
    return None


@probe("weights-ignore-an-option")
def weights_ignore(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, H=6, W=6, padding=1)
    gw = a.conv2d_backward(g, x, w, padding=1)[1]
    for sides, words in (
        ((0, 2, 0, 2), "padded right and below only"),
        ((2, 0, 2, 0), "padded left and above only"),
    ):
        with t.oracle():
            wrong = F.conv2d(F.pad(x, sides), g)
        if same(gw, wrong):
            return f"with padding=1 gw meets an x that is {words}: the zeros stand on all four sides"
    g, x, w = case(t, H=5, W=5, dilation=2)
    gw = a.conv2d_backward(g, x, w, dilation=2)[1]
    with t.oracle():
        tight = F.conv2d(x, g)
    if gw.shape == tight.shape or same(gw, tight[:, :, :2, :2]):
        return (
            "gw ignores the dilation: with dilation=2 weight [u, v] met pixel [i + 2·u, j + 2·v]: go on by "
            "the dilation from weight to weight"
        )
    return None


@probe("inputs-changed")
def inputs_changed(a: Any, t: Trial) -> str | None:
    given = case(t, N=2, C=2, O=2, padding=1)
    before = [v.clone() for v in given]
    a.conv2d_backward(*given, padding=1)
    x, g = t.randn(1, 1, 4, 4), t.randn(1, 1, 2, 2)
    pooled = [x.clone(), g.clone()]
    a.max_pool2d_backward(g, x, 2, 2)
    for name, now, old in zip(("g", "x", "w", "x", "g"), (*given, x, g), (*before, *pooled), strict=True):
        if not same(now, old):
            return f"{name} is another one after the call: something wrote into the caller's tensor"
    return None
