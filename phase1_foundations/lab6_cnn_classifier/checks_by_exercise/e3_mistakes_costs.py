"""The known mistakes of conv_cost and separable_cost."""

from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_oracle import measured_cost

probe = Probes()
# 4 → 6 channels, 3×3, output 5×5: 216 weights, 10,800 operations. All numbers below differ.


@probe("costs-exchanged")
def exchanged(a: Any, t: Trial) -> str | None:
    if tuple(a.conv_cost(4, 6, 3, 5)) == (10800, 216):
        return "you return (flops, parameters), asked for is (parameters, flops)"
    return None


@probe("multiplications-only")
def macs(a: Any, t: Trial) -> str | None:
    if a.conv_cost(4, 6, 3, 5)[1] == 5400:
        return (
            "you count 5,400 multiply-adds; each is two floating point operations, a multiplication and an "
            "addition: 10,800. (Papers say FLOPs for both; torch counts two)"
        )
    return None


@probe("bias-counted")
def bias(a: Any, t: Trial) -> str | None:
    if a.conv_cost(4, 6, 3, 5)[0] == 222:
        return (
            "you count 222 parameters, 6 of them biases: these convolutions have none (a batch norm follows)"
        )
    if a.conv_cost(4, 6, 3, 5)[1] in (10950, 10800 + 300, 10800 - 150):
        return (
            "your operations include the bias, or leave the last addition out: count 2 for each weight "
            "and place"
        )
    return None


@probe("cost-of-one-place")
def one_place(a: Any, t: Trial) -> str | None:
    flops = a.conv_cost(4, 6, 3, 5)[1]
    if flops in (432, 216, 2160, 1080):
        return (
            f"your operations, {flops:,}, leave out places: the output is 5×5, and every weight is used "
            "in each of the 25"
        )
    return None


@probe("hw-taken-for-the-input")
def taken_for_input(a: Any, t: Trial) -> str | None:
    if a.conv_cost(4, 6, 3, 5)[1] in (2 * 216 * 9, 216 * 9):
        return "you subtract the kernel from hw: hw is the size of the *output* already, 5×5 = 25 places"
    return None


@probe("kernel-counted-once")
def kernel_once(a: Any, t: Trial) -> str | None:
    if a.conv_cost(4, 6, 3, 5)[0] == 72:
        return "you count k = 3 weights a kernel and channel: a 3×3 kernel has 9"
    if a.conv_cost(4, 6, 3, 5)[0] in (36, 54):
        return "each of the 6 outputs has a kernel of its own for each of the 4 inputs: 6·4·9 weights"
    if a.conv_cost(4, 6, 3, 5)[0] in (144, 324):
        return "one of the two channel numbers is used twice: from 4 to 6 channels takes 6·4·9 weights"
    return None


@probe("groups-in-the-cost")
def groups(a: Any, t: Trial) -> str | None:
    parameters, flops = a.conv_cost(4, 6, 3, 5, 2)
    if parameters == 216:
        return (
            "groups=2 changes nothing in your count: an output sees only cin / groups = 2 channels, 108 "
            "weights"
        )
    if parameters == 432:
        return "groups=2 doubles your weights; it halves them: an output sees only cin / groups = 2 channels"
    if parameters == 54:
        return (
            "you divide by groups² (54 weights): each of the 6 outputs sees 2 channels, 6·2·9 = 108 weights"
        )
    if parameters == 108 and flops == 10800:
        return "with groups=2 the weights are halved in your answer and the operations are not: 5,400"
    return None


@probe("depthwise-without-pointwise")
def without_pointwise(a: Any, t: Trial) -> str | None:
    own = a.separable_cost(4, 6, 3, 5)  # depthwise 36, pointwise 24
    if own[0] == 36:
        return (
            "you count the depthwise part alone, 36 weights: it never mixes channels, so a 1×1 "
            "convolution with 4·6 = 24 weights follows. 60 in all"
        )
    if own[0] == 24:
        return "you count the 1×1 part alone, 24 weights: the depthwise 3×3 before it has 4·9 = 36. 60 in all"
    return None


@probe("separable-parts-wrong")
def parts_wrong(a: Any, t: Trial) -> str | None:
    own, right = a.separable_cost(4, 6, 3, 5), (60, 3000)
    if own[0] in (78, 54 + 36):
        return (
            "your depthwise part makes 6 channels: it keeps the 4 that it gets, and the 1×1 part makes 6 "
            "of them"
        )
    if own[0] == 36 * 24:
        return (
            "you multiply the two parts: they come one after the other, so their weights and operations "
            "add up"
        )
    if own[0] == 216:
        return "that is the full convolution, 216 weights: depthwise 4·9 plus pointwise 4·6 is 60"
    if own[0] == 36 + 216:
        return "your second part has 3×3 kernels, 216 weights: it is a 1×1 convolution, 4·6 = 24"
    if own[0] == right[0] and own[1] in (2400, 2100):
        half = "1×1" if own[1] == 2400 else "depthwise"
        return f"in the {half} part you count multiply-adds once, in the other twice: 3,000 in all"
    if own[0] == right[0] and own[1] == right[1] // 2:
        return "you count 1,500 multiply-adds; each is two operations: 3,000"
    for cin, cout, k, hw in ((4, 6, 3, 5), (3, 2, 1, 4), (2, 8, 5, 3)):
        own, right = (
            tuple(a.separable_cost(cin, cout, k, hw)),
            measured_cost((cin, cin, k, cin), (cin, cout, 1, 1), hw=hw),
        )
        if own != right:
            return f"separable_cost({cin}, {cout}, {k}, {hw}) is {right} by torch's counters, you say {own}"
    return None


@probe("costs-are-not-whole")
def not_whole(a: Any, t: Trial) -> str | None:
    for name, own in (
        ("conv_cost(4, 6, 3, 5, 2)", a.conv_cost(4, 6, 3, 5, 2)),
        ("separable_cost(4, 6, 3, 5)", a.separable_cost(4, 6, 3, 5)),
    ):
        if not all(isinstance(number, int) for number in own):
            return (
                f"{name} gives {tuple(own)}: two ints are asked for, and `/` makes floats (`//` keeps ints)"
            )
    return None
