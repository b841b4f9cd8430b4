"""W1: in how many places a window can stand. W2: slide and sum."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise import pictures
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import shape

CONVOLUTIONS = (
    *("conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    *("convolution", "_convolution", "mkldnn_convolution", "convolution_overrideable"),
    *("_convolution_mode", "_convolution_double_backward", "convolution_backward"),
    *("slow_conv_dilated2d", "thnn_conv2d", "_slow_conv2d_forward", "slow_conv3d"),
)
"""Every name under which torch convolves."""

CONVOLUTION_OPERATORS = (
    *("convolution", "convolution_overrideable", "convolution_backward", "mkldnn_convolution"),
    *("slow_conv_dilated2d", "_slow_conv2d_forward", "thnn_conv2d", "conv_tbc", "slow_conv3d"),
)

# ---- W1 -------------------------------------------------------------------------------------------------

w1 = Exercise(
    "W1",
    takes={"output_size": int},
    hints=(
        "Put the window at the very left. How many pixels are free to its right? It can move that far, in "
        "steps of `stride`.",
        "It covers dilation·(k − 1) + 1 pixels of size + 2·padding. The number of places is one more than "
        "the number of whole steps.",
        "`free = size + 2 * padding - (dilation * (k - 1) + 1)`; if `free < 0` raise ValueError; "
        "`return free // stride + 1`.",
    ),
)


@w1.probe("default-option-differs")
def default_differs(a: Any, t: Trial) -> str | None:
    usual = {"stride": 1, "padding": 0, "dilation": 1}
    if a.output_size(8, 4, **usual) != 5:
        return None
    for name, value in usual.items():
        given = a.output_size(8, 4, **{key: usual[key] for key in usual if key != name})
        if given != 5:
            return (
                f"size 8, k 4: 5 places with {name}={value}, and {given} without it. Who says nothing about "
                f"{name} means {value}"
            )
    return None


@w1.probe("ends-at-the-last-step")
def forgets_the_first(a: Any, t: Trial) -> str | None:
    if a.output_size(7, 3) == 4:
        return (
            "size 7, k 3: you counted 4 steps, but the window also stands somewhere before its first "
            "step: 5 places"
        )
    return None


@w1.probe("one-added-before-dividing")
def added_before(a: Any, t: Trial) -> str | None:
    if a.output_size(7, 3) == 5 and a.output_size(9, 3, stride=4) == 1:
        return (
            "size 9, k 3, stride 4 is 2 places (pixels 0–2 and 4–6), you gave 1: add the 1 after dividing "
            "by the stride"
        )
    return None


@w1.probe("padding-not-divided")
def padding_not_divided(a: Any, t: Trial) -> str | None:
    if a.output_size(8, 3, stride=2) == 3 and a.output_size(8, 3, stride=2, padding=1) == 5:
        return (
            "size 8, k 3, stride 2, padding 1 is 4 places, you gave 5: the padding makes the row longer, "
            "and the window crosses it in steps of `stride` too. Add it before dividing"
        )
    return None


@w1.probe("refuses-a-left-over")
def refuses_left_over(a: Any, t: Trial) -> str | None:
    if t.attempt(lambda: a.output_size(8, 3, stride=2)).raised(ValueError):
        return (
            "size 8, k 3, stride 2: the last step does not fit and is not taken, that is no error. There "
            "are 3 places"
        )
    return None


@w1.probe("rounds-up")
def rounds_up(a: Any, t: Trial) -> str | None:
    if a.output_size(8, 3, stride=2) == 4:
        return (
            "size 8, k 3, stride 2: you gave 4 places, but the fourth window would begin at pixel 6 and "
            "end beyond the row. Round down"
        )
    return None


@w1.probe("stride-ignored")
def stride_ignored(a: Any, t: Trial) -> str | None:
    if a.output_size(7, 3) == 5 and a.output_size(7, 3, stride=2) == 5:
        return "size 7, k 3, stride 2 is 3 places, you gave 5: the stride changes nothing in your answer"
    return None


@w1.probe("padding-on-one-side")
def padding_once(a: Any, t: Trial) -> str | None:
    if a.output_size(8, 3, padding=1) == 7:
        return "size 8, k 3, padding 1 is 8 places, you gave 7: the padding comes on *both* sides"
    return None


@w1.probe("padding-ignored")
def padding_ignored(a: Any, t: Trial) -> str | None:
    if a.output_size(8, 3) == 6 and a.output_size(8, 3, padding=1) == 6:
        return "padding changes nothing in your answer: it adds pixels on both sides of the row"
    return None


@w1.probe("dilation-ignored")
def dilation_ignored(a: Any, t: Trial) -> str | None:
    if a.output_size(9, 3, dilation=2) == 7:
        return (
            "size 9, k 3, dilation 2 is 5 places, you gave 7: with dilation the window touches pixels 0, "
            "2 and 4 and covers 5, not 3"
        )
    return None


@w1.probe("padding-times-dilation")
def padding_times_dilation(a: Any, t: Trial) -> str | None:
    if a.output_size(9, 3, padding=1, dilation=2) == 9:
        return (
            "size 9, k 3, padding 1, dilation 2 is 7 places, you gave 9: dilation stretches the window, not "
            "the padding"
        )
    return None


@w1.probe("dilation-moves-the-window")
def dilation_as_stride(a: Any, t: Trial) -> str | None:
    if a.output_size(9, 1, dilation=2) == 5:
        return (
            "size 9, k 1, dilation 2 is 9 places, you gave 5: the dilation stretches the window (one pixel "
            "stays one pixel), it is no stride"
        )
    return None


@w1.probe("dilation-counts-the-holes")
def dilation_as_holes(a: Any, t: Trial) -> str | None:
    if a.output_size(9, 3) == 5 and a.output_size(9, 3, dilation=2) == 3:
        return (
            "size 9, k 3 is 7 places, you gave 5: with dilation 1 the pixels of the window are neighbours. "
            "You leave `dilation` pixels out between them; the dilation is their distance"
        )
    return None


@w1.probe("dilation-times-k")
def dilation_times_k(a: Any, t: Trial) -> str | None:
    if a.output_size(9, 3, dilation=2) in (4, 2):
        return (
            "a window of 3 with dilation 2 touches pixels 0, 2, 4 and covers 5. You let it cover "
            f"{9 - a.output_size(9, 3, dilation=2) + 1}: there are k − 1 gaps, not k"
        )
    return None


@w1.probe("refuses-the-exact-fit")
def refuses_exact(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.output_size(5, 5))
    if attempt.raised(ValueError) or attempt.value == 0:
        return "a window of 5 fits into a row of 5 exactly once: the answer is 1"
    return None


@w1.probe("does-not-refuse")
def does_not_refuse(a: Any, t: Trial) -> str | None:
    for what, how in (((3, 5), {}), ((4, 3), {"dilation": 2}), ((2, 9), {"padding": 3, "stride": 2})):
        attempt = t.tried(lambda what=what, how=how: a.output_size(*what, **how))
        options = "".join(f", {key} {value}" for key, value in how.items())
        if attempt.error is None:
            return (
                f"size {what[0]}, k {what[1]}{options}: the window does not fit once, and you returned "
                f"{attempt.value}. Raise ValueError"
            )
        if not attempt.raised(ValueError):
            return f"a window that does not fit should raise ValueError, yours raised {attempt.error!r:.80}"
    return None


def places(size: int, k: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Counted one by one."""
    pixels = set(range(-padding, size + padding))
    starts = range(-padding, size + padding, stride)
    return sum({start + dilation * u for u in range(k)} <= pixels for start in starts)


@w1.property("the number of places, counted one by one")
def counted(a: Any, t: Trial) -> None:
    for size in range(1, 14):
        for _ in range(12):
            k, stride, dilation = (t.random.randint(1, 4) for _ in range(3))
            how = {"stride": stride, "padding": t.random.randint(0, 3), "dilation": dilation}
            expected = places(size, k, **how)
            if expected:
                t.equal(a.output_size(size, k, **how), expected, "the number of places")
            else:
                t.raises(
                    ValueError,
                    lambda size=size, k=k, how=how: a.output_size(size, k, **how),
                    "a window that does not fit",
                )


w1.reward(pictures.table_of_sizes)

# ---- W2 -------------------------------------------------------------------------------------------------

w2 = Exercise(
    "W2",
    takes={"slide": Tensor},
    forbids=forbid(
        *CONVOLUTIONS,
        aten=CONVOLUTION_OPERATORS,
        why="it is the answer under another name. Multiply and add the windows yourself",
    ),
    hints=(
        "There are T − k + 1 places. At place i the kernel lies on signal[i], …, signal[i + k − 1].",
        "out[i] = Σ_u kernel[u] · signal[i + u]: a dot product for each place.",
        "`torch.stack([(signal[i : i + k] * kernel).sum() for i in range(T - k + 1)])`, or "
        "`signal.unfold(0, k, 1) @ kernel`.",
    ),
)


@w2.probe("kernel-reversed")
def kernel_reversed(a: Any, t: Trial) -> str | None:
    if same(a.slide(torch.tensor([1.0, 0.0, 0.0, 2.0]), torch.tensor([3.0, 5.0])), torch.tensor([5.0, 0, 6])):
        return (
            "signal [1, 0, 0, 2], kernel [3, 5]: expected [3, 0, 10], you gave [5, 0, 6]. You laid the "
            "kernel down reversed; that is the mathematicians' convolution, deep learning's does not flip"
        )
    return None


@w2.probe("wrong-number-of-places")
def wrong_length(a: Any, t: Trial) -> str | None:
    for T, k in ((5, 2), (4, 4), (6, 1)):
        out = a.slide(t.randn(T), t.randn(k))
        if out.shape != (T - k + 1,):
            return (
                f"{T} numbers and a kernel of {k} have {T - k + 1} places, your result has shape "
                f"{shape(out)}: one number for each place where the whole kernel lies on the signal"
            )
    return None


@w2.probe("averages")
def averages(a: Any, t: Trial) -> str | None:
    if same(a.slide(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 1.0])), torch.tensor([1.5, 3.0])):
        return "[1, 2, 4] with kernel [1, 1] is [3, 6], you gave [1.5, 3]: a sum is asked for, not a mean"
    return None


@w2.probe("dtype-changed")
def dtype_changed(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.float32):
        out = a.slide(t.randn(5, dtype=dtype), t.randn(2, dtype=dtype))
        if out.dtype != dtype:
            return f"signal and kernel are {dtype}, your result is {out.dtype}: keep the dtype"
    return None


def by_hand(signal: list[float], kernel: list[float]) -> list[float]:
    return [
        sum(w * signal[i + u] for u, w in enumerate(kernel)) for i in range(len(signal) - len(kernel) + 1)
    ]


@w2.probe("sums-spoilt")
def sums_spoilt(a: Any, t: Trial) -> str | None:
    x, w = t.randn(7), t.randn(3)
    out, table = a.slide(x, w), torch.stack([x[i : i + 3] for i in range(5)])
    right = table @ w
    if same(out, right):
        return None
    for wrong, words in (
        (right.relu(), "negative sums are cut off at 0"),
        (right.abs(), "you return absolute values"),
        (-right, "the sign is turned"),
        (right.flip(0), "the results come in reversed order: out[0] belongs to the first place"),
        (right.cumsum(0), "each result contains the ones before: the sum begins anew in each place"),
        ((table * w).amax(1), "you take the largest product: the products are added up"),
        ((table + w).sum(1), "you add kernel and signal: they are multiplied"),
        (table[:, :-1] @ w[:-1], "the last number of the kernel plays no role"),
        (table[:, 1:] @ w[1:], "the first number of the kernel plays no role"),
    ):
        if same(out, wrong):
            return f"{words}. out[i] = Σ_u kernel[u] · signal[i + u]"
    return None


@w2.property("the weighted sum in each place")
def weighted_sums(a: Any, t: Trial) -> None:
    for T in range(1, 9):
        for k in range(1, T + 1):
            x, w = t.randn(2 * T)[::2], t.randn(k)
            expected = torch.tensor(by_hand(x.tolist(), w.tolist()), dtype=torch.float64)
            t.equal(a.slide(x, w), expected, f"{T} numbers, kernel of {k}")


w2.reward(pictures.edges_in_a_row)
