"""The known mistakes of E1, second part: groups, bias, layouts, errors, gradients, loops."""

from typing import Any

import torch
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e1_mistakes import (
    DO_NOT_FIT,
    Shape,
    conv,
    gradients,
    operators,
    other_layouts,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text, shape

probe = Probes()

# ---- groups and bias ------------------------------------------------------------------------------------


@probe("groups-dealt-in-turn")
def groups_dealt(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 4, 3, 3), t.randn(4, 2, 2, 2)
    out = a.conv2d(x, w, groups=2)
    right = conv(t, x, w, groups=2)
    dealt_inputs = conv(t, x[:, [0, 2, 1, 3]], w, groups=2)
    order = [0, 2, 1, 3]
    for wrong, what in (
        (dealt_inputs, "input channels 0 and 2 are your first group"),
        (conv(t, x, w[order], groups=2)[:, order], "outputs 0 and 2 see your first group"),
        (right[:, order], "your outputs come back in the order 0, 2, 1, 3"),
    ):
        if same(out, wrong):
            return f"{what}: groups are parts *in order*, channels 0, 1 | 2, 3 and outputs 0, 1 | 2, 3"
    return None


@probe("groups-mixed")
def groups_mixed(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 4, 3, 3), t.randn(4, 2, 2, 2)
    other = x.clone()
    other[:, 2:] += 1
    first, second = a.conv2d(x, w, groups=2), a.conv2d(other, w, groups=2)
    if first.shape == (1, 4, 2, 2) and not same(first[:, 0], second[:, 0]):
        return (
            "4 channels in 2 groups: output channel 0 depends on input channels 2 and 3, which belong to the "
            "second group. It may see channels 0 and 1 only"
        )
    return None


@probe("bias-asked-for-its-truth")
def bias_truth(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 2, 3, 3), t.randn(3, 2, 2, 2)
    attempt = t.tried(lambda: a.conv2d(x, w, t.randn(3)))
    asked = attempt.raised(RuntimeError) and "Boolean value of Tensor" in str(attempt.error)
    if asked and t.tried(lambda: a.conv2d(x, w)).error is None:
        return (
            f"a bias of 3 numbers ends in {error_text(attempt.error)}: `if b:` asks whether a number is 0, "
            "ask `if b is not None:`"
        )
    return None


@probe("bias-ignored")
def bias_ignored(a: Any, t: Trial) -> str | None:
    x, w, b = t.randn(1, 1, 3, 3), t.randn(2, 1, 2, 2), t.randn(2)
    if same(a.conv2d(x, w, b), conv(t, x, w)):
        return "the bias changes nothing in your answer: b[o] is added to every pixel of output o"
    return None


@probe("bias-along-the-wrong-axis")
def bias_axis(a: Any, t: Trial) -> str | None:
    x, w, b = t.randn(2, 1, 3, 3), t.randn(2, 1, 2, 2), t.randn(2)
    out, bare = a.conv2d(x, w, b), conv(t, x, w)
    for where, shaped in (("column", b), ("row", b[:, None]), ("image", b[:, None, None, None])):
        if same(out, bare + shaped):
            return (
                f"b[i] was added to {where} i: broadcasting lines up at the right. It belongs to output "
                "channel i, so give it the shape [O, 1, 1]"
            )
    return None


@probe("bias-sign-or-count")
def bias_count(a: Any, t: Trial) -> str | None:
    x, w, b = t.randn(1, 2, 3, 3), t.randn(2, 2, 2, 2), t.randn(2)
    out, bare = a.conv2d(x, w, b), conv(t, x, w)
    for factor, words in (
        (-1, "subtracted"),
        (2, "counted twice (once a channel?)"),
        (8, "counted once per weight"),
        (0.5, "halved"),
    ):
        if same(out, bare + factor * b[:, None, None]):
            return f"the bias is {words}: b[o] is added exactly once to each pixel of output o"
    for wrong, words in (
        (bare + b[0], "b[0] is added to every output"),
        (bare + b.sum(), "the sum of all biases is added to every output"),
        (bare + b.mean(), "the mean of the biases is added to every output"),
        (bare + b.flip(0)[:, None, None], "the biases are added in reversed order"),
        (bare * b[:, None, None], "the bias is multiplied"),
    ):
        if same(out, wrong):
            return f"{words}: b[o] is added exactly once to each pixel of output o"
    return None


@probe("pairs-refused")
def pairs_refused(a: Any, t: Trial) -> str | None:
    x, w = t.randn(1, 1, 6, 6), t.randn(1, 1, 2, 2)
    for name in ("stride", "padding", "dilation"):
        number = t.tried(lambda name=name: a.conv2d(x, w, **{name: 1}))
        couple = t.tried(lambda name=name: a.conv2d(x, w, **{name: (1, 1)}))
        for attempt, given in ((couple, "(1, 1)"), (number, "1")):
            other = number if attempt is couple else couple
            if attempt.error is not None and other.error is None:
                return (
                    f"{name}={given} ends in {error_text(attempt.error)}: each option may be a number or "
                    "a pair"
                )
    return None


@probe("kernel-taken-for-square")
def square_kernel(a: Any, t: Trial) -> str | None:
    x, square = t.randn(1, 1, 6, 6), t.randn(1, 1, 2, 2)
    if not same(a.conv2d(x, square), conv(t, x, square)):
        return None
    for w in (t.randn(1, 1, 2, 3), t.randn(1, 1, 3, 1)):
        attempt = t.tried(lambda w=w: a.conv2d(x, w))
        if attempt.error is not None or not same(attempt.value, conv(t, x, w)):
            return f"right for a 2×2 kernel, wrong for {w.shape[2]}×{w.shape[3]}: kH and kW may differ"
    return None


# ---- the tensor itself ----------------------------------------------------------------------------------


@probe("strides-computed-from-the-shape")
def strides_from_shape(a: Any, t: Trial) -> str | None:
    plain, w = t.randn(2, 2, 4, 5), t.randn(1, 2, 2, 2)
    if not same(a.conv2d(plain, w), conv(t, plain, w)):
        return None
    for name, x in other_layouts(t):
        attempt = t.tried(lambda x=x: a.conv2d(x, w))
        if attempt.error is not None or not same(attempt.value, conv(t, x, w)):
            ended = error_text(attempt.error) if attempt.error else "other numbers"
            return (
                f"right for a plain x, wrong for one that is {name} (strides {x.stride()}, offset "
                f"{x.storage_offset()}): {ended}. Take strides from `x.stride()` (of the tensor that you "
                "read), and `reshape` where `view` fails"
            )
    kernels = {
        "transposed": t.randn(3, 2, 2, 2).transpose(2, 3),
        "a slice": t.randn(3, 4, 2, 2)[:, 1:3],
        "expanded": t.randn(1, 2, 2, 2).expand(3, 2, 2, 2),
    }
    for name, w in kernels.items():
        attempt = t.tried(lambda w=w: a.conv2d(plain, w))
        if attempt.error is not None or not same(attempt.value, conv(t, plain, w)):
            ended = error_text(attempt.error) if attempt.error else "other numbers"
            return (
                f"right for a plain kernel, wrong for one that is {name} ({ended}): `reshape` where "
                "`view` fails"
            )
    return None


@probe("no-images-refused")
def no_images(a: Any, t: Trial) -> str | None:
    w, b = t.randn(3, 2, 2, 2), t.randn(3)
    attempt = t.tried(lambda: a.conv2d(t.randn(0, 2, 4, 4), w, b))
    if attempt.error is not None:
        return f"a batch of no images ends in {error_text(attempt.error)}: the result has shape (0, 3, 3, 3)"
    if attempt.value.shape != (0, 3, 3, 3):
        return f"a batch of no images gave shape {shape(attempt.value)}, expected (0, 3, 3, 3)"
    return None


@probe("dtype-changed")
def dtype_changed(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.float32):
        out = a.conv2d(t.randn(1, 1, 3, 3, dtype=dtype), t.randn(1, 1, 2, 2, dtype=dtype), padding=1)
        if out.dtype != dtype:
            return f"x and w are {dtype}, your result is {out.dtype}: keep the dtype"
    x, w = t.randn(1, 2, 3, 3), t.randn(1, 2, 2, 2)
    out, right = a.conv2d(x, w), conv(t, x, w)
    if not same(out, right) and same(out, right, rtol=1e-2, atol=1e-2):
        return (
            "the dtype is right, the digits are not: on the way you compute in a coarser dtype than x and w"
        )
    return None


@probe("refuses-what-fits")
def refuses_what_fits(a: Any, t: Trial) -> str | None:
    fitting: list[tuple[Shape, Shape, dict[str, Any]]] = [
        ((1, 1, 3, 3), (1, 1, 3, 3), {}),
        ((1, 1, 1, 1), (1, 1, 3, 3), {"padding": 1}),
        ((1, 1, 4, 4), (1, 1, 2, 2), {"stride": 3}),
        ((1, 4, 3, 3), (8, 1, 2, 2), {"groups": 4}),
        ((1, 4, 3, 3), (2, 2, 2, 2), {"groups": 2}),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"dilation": 2}),
    ]
    for image, kernel, how in fitting:
        attempt = t.tried(
            lambda image=image, kernel=kernel, how=how: a.conv2d(t.randn(*image), t.randn(*kernel), **how)
        )
        if attempt.raised(ValueError):
            return (
                f"x {image}, w {kernel}, {how or 'no options'} fits, but you raised "
                f"{error_text(attempt.error)}"
            )
    return None


@probe("does-not-refuse")
def does_not_refuse(a: Any, t: Trial) -> str | None:
    for words, image, kernel, how in DO_NOT_FIT:
        attempt = t.tried(
            lambda image=image, kernel=kernel, how=how: a.conv2d(t.randn(*image), t.randn(*kernel), **how)
        )
        if attempt.error is None:
            return f"{words}: you returned shape {shape(attempt.value)}, expected ValueError"
        if not attempt.raised(ValueError):
            return (
                f"{words}: you leave it to torch to complain ({error_text(attempt.error)}); compute the "
                "sizes first and raise ValueError"
            )
    return None


@probe("breaks-the-gradient")
def breaks_gradient(a: Any, t: Trial) -> str | None:
    x, w, b = t.randn(2, 2, 4, 4), t.randn(2, 2, 2, 2), t.randn(2)
    if not same(a.conv2d(x, w, b, padding=1), conv(t, x, w, b, padding=1)):
        return None  # a wrong value has a wrong gradient
    seed = t.randn(2, 2, 5, 5)
    attempt = t.tried(lambda: gradients(lambda *v: a.conv2d(*v, padding=1), x, w, b, seed))
    if attempt.error is not None:
        return (
            f"the result cannot be differentiated: backward() ends in {error_text(attempt.error)}. No "
            "`.data`, `.detach()`, `.item()`, NumPy or `no_grad` on the way, and no writing into x or w"
        )
    with t.oracle():
        right = gradients(lambda *v: F.conv2d(*v, padding=1), x, w, b, seed)
    for name, own, wanted in zip(("x", "w", "b"), attempt.value, right, strict=True):
        if own is None:
            return f"after backward() {name}.grad is None: something on the way from {name} detaches it"
        if not same(own, wanted):
            return (
                f"the values are right, but the gradient of {name} begins with {numbers(own.flatten()[:3])}, "
                f"expected {numbers(wanted.flatten()[:3])}: a part of the computation is detached"
            )
    return None


@probe("loops-over-the-input")
def loops(a: Any, t: Trial) -> str | None:
    x, w = t.randn(2, 2, 5, 6), t.randn(2, 2, 2, 2)
    if not same(a.conv2d(x, w), conv(t, x, w)):
        return None
    small = operators(a, t, 2, 5, 6)
    for what, size in (
        ("9 images of 5×6", (9, 5, 6)),
        ("2 images of 13×6", (2, 13, 6)),
        ("2 images of 5×14", (2, 5, 14)),
    ):
        large = operators(a, t, *size)
        if large > small + 12:
            return (
                f"the values are right, but 2 images of 5×6 take {small} torch operations and {what} "
                f"{large}: you loop over images, rows or pixels. Cut all windows at once"
            )
    return None
