"""W1 to W3: a rotation, a table of angles, two norms. W4 stands in `warmups_batch`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Exercise, Trial, forbid
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.edges import layouts
from courseware.check.naming import family, name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise import pictures_warmups as pictures
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import (
    case,
    double,
    right_angles,
    turned,
)

w1 = Exercise(
    "W1",
    takes={"rotate": Tensor},
    hints=(
        "Take the two coordinates apart first, as two tensors. Compute both new ones from the old ones, and "
        "put them together at the end.",
        "new x = x cos θ − y sin θ, new y = x sin θ + y cos θ.",
        "`first, second = x[..., 0], x[..., 1]`, then `torch.stack((first * c - second * s, first * s + "
        "second * c), dim=-1)`.",
    ),
)


@w1.probe("the-rotation")
def wrong_turns(a: Any, t: Trial) -> None:
    x, angle = t.randn(4, 2), t.rand(4, low=0.4, high=1.2)
    found = value_of(t, lambda: a.rotate(x, angle), "rotate-fails", "rotate with x [4, 2] and angle [4]")
    first, second, c, s = x[:, 0], x[:, 1], angle.cos(), angle.sin()
    new = first * c - second * s
    radians = angle * math.pi / 180
    cases = [
        ("clockwise", turned(x, -angle[:, None]), "the vectors were turned clockwise: the minus belongs to "
         "the first coordinate, x cos θ − y sin θ"),
        ("uses-the-new-x", torch.stack((new, new * s + second * c), -1), "the second coordinate was computed "
         "from the *new* first one: keep the old one until both are done"),
        ("degrees", turned(x, radians[:, None]), "the angle was taken for degrees: it is in radians"),
        ("sine-and-cosine-swapped", torch.stack((first * s - second * c, first * c + second * s), -1),
         "sine and cosine are exchanged: an angle of 0 must change nothing"),
        ("sine-and-cosine-swapped", turned(x, math.pi / 2 - angle[:, None]), "sine and cosine are exchanged: "
         "an angle of 0 must change nothing"),
        ("a-reflection", torch.stack((first * c + second * s, first * s - second * c), -1), "that is a "
         "reflection: lengths are right, but (1, 0) and (0, 1) have changed sides"),
        ("minus-missing", torch.stack((first * c + second * s, first * s + second * c), -1), "the minus is "
         "missing: the first coordinate is x cos θ − y sin θ"),
        ("coordinates-exchanged", turned(x, angle[:, None]).flip(-1), "the two new coordinates came in the "
         "wrong order"),
        ("turned-twice", turned(x, 2 * angle[:, None]), "the vectors were turned by twice the angle"),
        ("one-angle-for-all", turned(x, angle[:1, None].expand(4, 1)), "all vectors were turned by the first "
         "angle: each has its own"),
    ]  # fmt: skip
    right = turned(x, angle[:, None])
    name_it(t, found, right, cases)
    t.that(
        same(found, right, rtol=1e-9, atol=1e-10) or not same(found, right, rtol=1e-4, atol=1e-5),
        "for a float64 x and float64 angles the rotation was computed in float32",
        diagnosis="float64-in-float32",
    )
    t.that(
        found.shape == x.shape,
        f"x [4, 2] gave a result of shape {tuple(found.shape)}: stack the two coordinates along the last "
        "axis",
        diagnosis="shape-of-the-result",
    )


@w1.probe("dtype-not-kept")
def keeps_dtype(a: Any, t: Trial) -> str | None:
    for of_x, of_angle in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
        found = a.rotate(t.randn(3, 2, dtype=of_x), t.randn(3, dtype=of_angle))
        if found.dtype != of_x:
            return f"an x of {of_x} with an angle of {of_angle} came back as {found.dtype}: the dtype is x's"
    return None


@w1.property("every vector by its own angle")
def rotates(a: Any, t: Trial) -> None:
    for shape, of_angle in (((2,), ()), ((1, 2), (1,)), ((5, 2), (5,)), ((3, 5, 2), (5,)), ((4, 2), ()),
                            ((3, 5, 2), (3, 1)), ((0, 2), (0,)), ((2, 3, 4, 2), (3, 1))):  # fmt: skip
        x, angle = t.randn(*shape), 4 * t.randn(*of_angle)
        with case(f"x {shape} and angle {of_angle}"):
            full = angle.expand(shape[:-1]).unsqueeze(-1)
            t.equal(a.rotate(x, angle), turned(x, full))
    for layout, x in layouts(t, 3, 2):
        with family("layouts", f"an x that is {layout}"):
            t.equal(a.rotate(x, t.randn(3) * 0), x.clone())
    x = t.randn(3, 2, dtype=torch.float32)
    t.equal(a.rotate(x, torch.zeros(3)), x)
    x = t.randn(3, 2).requires_grad_()
    t.that(a.rotate(x, t.randn(3)).requires_grad, "no gradient flows back to x", diagnosis="detached")


w1.reward(pictures.turned_vectors)

w2 = Exercise(
    "W2",
    takes={"angles": Tensor},
    hints=(
        "Every position meets every hand: one more axis at the end of `positions`, times a row of d/2 "
        "speeds.",
        "ω_i = base^(−2i/d): the numbers 2i are 0, 2, 4, … below d.",
        "`speeds = base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)`, then "
        "`positions.to(dtype)[..., None] * speeds.to(dtype)`.",
    ),
)


@w2.probe("the-speeds")
def wrong_speeds(a: Any, t: Trial) -> None:
    positions, d, base = double([0.0, 1.0, 5.0]), 8, 50.0
    found = value_of(
        t, lambda: a.angles(positions, d, base), "angles-fails", "angles of three positions with d = 8"
    )
    i, p = torch.arange(4).double(), positions[:, None]
    cases = [
        ("exponent-without-the-two", p * base ** (-i / d), "the exponent is −2i/d; yours is −i/d, so that "
                                                           "the "
         "slowest hand is far too fast"),
        ("base-to-the-plus", p * base ** (2 * i / d), "the exponent has the wrong sign: the later hands are "
         "slower, base^(−2i/d)"),
        ("base-to-the-plus", p * base ** (i / d), "the exponent has the wrong sign, and is 2i/d"),
        ("base-ignored", p * 10000.0 ** (-2 * i / d), "`base` has no effect: 10,000 is only its default"),
        ("exponent-with-d-minus-2", p * base ** (-i / 3), "the exponents run from 0 to 1; they are 2i/d, so "
         "the last of four is 6/8"),
        ("exponent-from-one", p * base ** (-2 * (i + 1) / d), "i counts from 0: the first hand turns by one "
         "radian a position"),
        ("exponent-over-half", p * base ** (-2 * i / (d / 2)), "the exponent is 2i/d with the whole d, not "
         "with d/2"),
        ("positions-from-one", (p + 1) * base ** (-2 * i / d), "position 0 has the angle 0: nothing is "
                                                               "added"),
        ("positions-not-used", torch.arange(3).double()[:, None] * base ** (-2 * i / d), "the positions 0, "
                                                                                         "1, 5 "
         "were taken for 0, 1, 2: use what is given"),
        ("multiplied-not-a-power", p / (base * (2 * i / d)), "the speed is a power of the base"),
        ("natural-exponential", p * (-2 * i / d).exp(), "the base is missing: base^(−2i/d), not e^(−2i/d)"),
        ("speeds-twice", (p * base ** (-4 * i[:2] / d)).repeat_interleave(2, -1), "every speed comes twice: "
                                                                                  "there are d/2 "
         "different ones"),
        ("in-turns", p * base ** (-2 * i / d) * 2 * math.pi, "the angles are 2π times too large: the first "
         "hand turns by one *radian* a position"),
        ("in-degrees", (p * base ** (-2 * i / d)).rad2deg(), "these are degrees: the angles are in radians"),
        ("speeds-reversed", p * (base ** (-2 * i / d)).flip(0), "the slowest hand comes first: the first "
         "turns by one radian a position, each next one more slowly"),
        ("exponent-rounded", p.expand(3, 4), "all hands are equally fast: is 2i/d a whole-number division?"),
        ("sine-already", (p * base ** (-2 * i / d)).sin(), "that is the sine already: the angles themselves "
                                                           "are "
         "asked for"),
    ]  # fmt: skip
    right = right_angles(positions, d, base)
    name_it(t, found, right, cases, rtol=1e-5, atol=1e-7)
    if same(found, right.T):
        t.fail("the result is [d/2, T]: the axis of the hands is the last", diagnosis="transposed")
    t.that(
        found.shape == (3, 4),
        f"three positions and d = 8 gave the shape {tuple(found.shape)}, expected (3, 4): half as many hands "
        "as numbers",
        diagnosis="shape-of-the-result",
    )


@w2.probe("other-dtype")
def dtypes(a: Any, t: Trial) -> str | None:
    for given, wanted in ((torch.int64, torch.float32), (torch.float32, torch.float32),
                          (torch.float64, torch.float64), (torch.bfloat16, torch.float32)):  # fmt: skip
        found = a.angles(torch.tensor([1, 2], dtype=given), 4)
        if found.dtype != wanted:
            return f"positions of {given} gave angles of {found.dtype}, expected {wanted}"
    return None


@w2.probe("fractions-cut")
def fractions(a: Any, t: Trial) -> str | None:
    found = a.angles(double([0.5, 2.75, -1.5]), 4)
    if same(found, right_angles(double([0.0, 2.0, -1.0]), 4)):
        return "the positions 0.5, 2.75 and −1.5 were taken for 0, 2 and −1: a position may be a float"
    return None


@w2.probe("cut-to-one-turn")
def turns(a: Any, t: Trial) -> str | None:
    right = right_angles(double([2.0, 7.0]), 4)
    if same(a.angles(double([2.0, 7.0]), 4), right % (2 * math.pi), rtol=1e-5):
        return "position 7 got the angle 0.717, 7 − 2π: angles are position times speed, however large"
    return None


@w2.probe("default-of-base")
def default_base(a: Any, t: Trial) -> str | None:
    positions = torch.tensor([0, 1, 5])
    right = right_angles(positions, 8)
    if same(a.angles(positions, 8, 10000.0), right, rtol=1e-5) and not same(
        a.angles(positions, 8), right, rtol=1e-5
    ):
        return "without `base` another one is used than 10,000"
    return None


@w2.probe("precision-lost")
def precise(a: Any, t: Trial) -> str | None:
    found = a.angles(torch.tensor([300, 301]), 4)
    right = right_angles(torch.tensor([300, 301]), 4)
    if same(found, right, rtol=1e-2) and not same(found, right, rtol=1e-5):
        return f"the positions 300 and 301 got the angles {numbers(found)}: compute in float32 at least"
    exact = a.angles(double([1e6]), 6)
    if same(exact, right_angles(double([1e6]), 6), rtol=1e-4) and not same(
        exact, right_angles(double([1e6]), 6)
    ):
        return "with float64 positions the speeds are rounded to float32: make them in float64"
    return None


@w2.property("position times speed")
def all_angles(a: Any, t: Trial) -> None:
    for shape, d in (((0,), 4), ((1,), 2), ((3,), 8), ((), 6), ((2, 1, 5), 6), ((4,), 64)):
        positions = (40 * t.randn(*shape)).round()
        with case(f"positions {shape} and d = {d}"):
            t.equal(a.angles(positions, d), right_angles(positions, d), rtol=1e-9, atol=1e-9)
            t.equal(a.angles(positions, d, 500.0), right_angles(positions, d, 500.0), rtol=1e-9, atol=1e-9)
    whole = torch.tensor([-3, 0, 7, 100])
    t.equal(a.angles(whole, 10), right_angles(whole, 10).float(), rtol=1e-5)


w2.reward(pictures.hands_of_a_clock)

w3 = Exercise(
    "W3",
    takes={"layer_norm": Tensor, "rms_norm": Tensor},
    forbids=forbid(
        "layer_norm",
        "native_layer_norm",
        "rms_norm",
        "group_norm",
        "instance_norm",
        "batch_norm",
        "_fused_rms_norm",
        why="it is the answer itself: a mean, a square and a root are enough",
    ),
    hints=(
        "Both are: something, divided by a root of a mean of squares. The mean runs along the last axis, and "
        "that axis must stay there with size 1 to be divided by.",
        "LN: subtract the mean, then divide by √(mean of squares + ε) of what is left. RMS: the same without "
        "subtracting.",
        "`centred = x - x.mean(dim=-1, keepdim=True)`; `centred / (centred.square().mean(dim=-1, "
        "keepdim=True) + eps).sqrt()`.",
    ),
)


@w3.probe("the-norms")
def wrong_norms(a: Any, t: Trial) -> None:
    x, eps = t.randn(3, 3) + 1, 0.3
    mean = x.mean(-1, keepdim=True)
    centred = x - mean
    variance = centred.square().mean(-1, keepdim=True)
    square = x.square().mean(-1, keepdim=True)
    right, right_rms = centred / (variance + eps).sqrt(), x / (square + eps).sqrt()
    found = value_of(t, lambda: a.layer_norm(x, eps), "norm-fails", "layer_norm of a [3, 3]")
    down = x - x.mean(0)
    cases = [
        ("divided-by-d-minus-one", centred / (1.5 * variance + eps).sqrt(), "the variance was divided by d "
                                                                            "− 1: "
         "norms divide by d (`correction=0`)"),
        ("divided-by-d-minus-one", centred / ((1.5 * variance).sqrt() + eps), "the variance was divided by "
         "d − 1, and ε stands outside the root"),
        ("eps-outside-the-root", centred / (variance.sqrt() + eps), "ε was added to the root: it stands "
                                                                    "inside, "
         "√(variance + ε)"),
        ("eps-ignored", centred / (variance + 1e-5).sqrt(), "`eps` has no effect: 1e-5 is only its default"),
        ("eps-ignored", centred / variance.sqrt(), "ε is missing: a constant vector would be divided by 0"),
        ("no-root", centred / (variance + eps), "divide by the *root* of variance + ε"),
        ("mean-not-subtracted", x / (variance + eps).sqrt(), "the mean was not subtracted"),
        ("norms-exchanged", right_rms, "that is RMSNorm: LayerNorm subtracts the mean first"),
        ("wrong-axis", down / (down.square().mean(0) + eps).sqrt(), "the mean runs over the first axis: each "
         "*vector*, along the last axis, is normed by itself"),
        ("over-everything", (x - x.mean()) / (x.var(correction=0) + eps).sqrt(), "one mean for all vectors: "
                                                                                 "each "
         "is normed by itself"),
    ]  # fmt: skip
    name_it(t, found, right, cases)
    found = value_of(t, lambda: a.rms_norm(x, eps), "norm-fails", "rms_norm of a [3, 3]")
    cases = [
        ("norms-exchanged", right, "`rms_norm` subtracts the mean: only LayerNorm does"),
        ("sum-for-mean", x / (3 * square + eps).sqrt(), "`rms_norm` divides by the root of the *sum* of "
                                                        "squares: "
         "it is their mean"),
        ("sum-for-mean", x / ((3 * square).sqrt() + eps), "`rms_norm` divides by the vector's length (+ ε): "
         "it is the root of the *mean* of squares, with ε inside"),
        ("eps-outside-the-root", x / (square.sqrt() + eps), "ε was added to the root: it stands inside"),
        ("eps-ignored", x / (square + 1e-5).sqrt(), "`eps` has no effect: 1e-5 is only its default"),
        ("eps-ignored", x / square.sqrt(), "ε is missing: a vector of zeros would be divided by 0"),
        ("no-root", x / (square + eps), "divide by the *root* of mean square + ε"),
        ("wrong-axis", x / (x.square().mean(0) + eps).sqrt(), "the mean runs over the first axis: each "
                                                              "vector, "
         "along the last axis, is normed by itself"),
        ("over-everything", x / (x.square().mean() + eps).sqrt(), "one mean for all vectors"),
        ("divided-by-the-deviation", x / (variance + eps).sqrt(), "`rms_norm` divides by the standard "
                                                                  "deviation: "
         "the mean square is not centred"),
        ("divided-by-the-deviation", x / (1.5 * variance + eps).sqrt(), "`rms_norm` divides by the standard "
         "deviation: the mean square is not centred"),
    ]  # fmt: skip
    name_it(t, found, right_rms, cases)


@w3.probe("default-of-eps")
def default_of_eps(a: Any, t: Trial) -> str | None:
    x = double([[1e-3, -1e-3]])
    for name in ("layer_norm", "rms_norm"):
        found = getattr(a, name)(x)
        right = x / (1e-6 + 1e-5) ** 0.5
        if same(getattr(a, name)(x, 1e-5), right, rtol=1e-6) and not same(found, right, rtol=1e-6):
            return (
                f"{name}([0.001, −0.001]) is {numbers(found)}, expected 0.3015: eps is 1e-5 if it is not "
                "given"
            )
    return None


@w3.property("as torch's, without gains")
def as_torch(a: Any, t: Trial) -> None:
    for shape in ((1,), (4,), (3, 4), (2, 3, 5), (0, 4), (2, 3, 4, 2)):
        for scale in (1.0, 1e4, 1e-4):
            x = scale * t.randn(*shape) + scale
            with t.oracle():
                layer = F.layer_norm(x, shape[-1:], eps=1e-5)
                rms = F.rms_norm(x, shape[-1:], eps=1e-5)
            with case(f"an x of shape {shape}, of size {scale:g}"):
                t.equal(a.layer_norm(x), layer, where="layer_norm", rtol=1e-6, atol=1e-9)
                t.equal(a.rms_norm(x), rms, where="rms_norm", rtol=1e-6, atol=1e-9)
    x = t.randn(3, 4, dtype=torch.float32)
    t.equal(a.layer_norm(x), a.layer_norm(x.double()).float(), where="layer_norm")
    t.equal(a.rms_norm(x), a.rms_norm(x.double()).float(), where="rms_norm")


w3.reward(pictures.normed_vectors)
