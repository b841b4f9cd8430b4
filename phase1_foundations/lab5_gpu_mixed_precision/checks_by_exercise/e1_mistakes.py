"""The known mistakes of E1, each by its signature on a few numbers."""

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()
INF = math.inf


def half(a: Any, *values: float, **how: Any) -> list[float]:
    return a.round_to_format(torch.tensor(values), 5, 10, **how).tolist()


def eight_bits(a: Any, *values: float) -> list[float]:
    return a.round_to_format(torch.tensor(values), 4, 3).tolist()


# ---- what comes back at all -----------------------------------------------------------------------------


@probe("fails-on-other-formats")
def other_formats(a: Any, t: Trial) -> str | None:
    x = torch.tensor([1.0, 17.0, 300.0])
    if failure(t, lambda: a.round_to_format(x, 5, 10)):
        return None
    for exp_bits, man_bits in ((4, 3), (6, 9), (8, 23), (2, 1)):
        error = failure(t, lambda e=exp_bits, m=man_bits: a.round_to_format(x, e, m))
        if error:
            return (
                f"round_to_format(x, {exp_bits}, {man_bits}) ends in {error}: any format with 2 … 8 exponent "
                "and 1 … 23 mantissa bits is asked for, not only those that torch has"
            )
    return None


@probe("fails-on-a-shape")
def shapes(a: Any, t: Trial) -> str | None:
    if failure(t, lambda: a.round_to_format(torch.ones(3), 5, 10)):
        return None
    cases = {
        "a 0-d tensor": torch.tensor(1.5),
        "an empty tensor": torch.empty(0, 3),
        "a transposed tensor": torch.ones(2, 3).T,
        "an expanded tensor": torch.ones(1, 3).expand(2, 3),
    }
    for words, x in cases.items():
        error = failure(t, lambda x=x: a.round_to_format(x, 5, 10))
        if error:
            return f"{words} of shape {tuple(x.shape)} ends in {error}: any shape and layout is asked for"
        shape = tuple(a.round_to_format(x, 5, 10).shape)
        if shape != tuple(x.shape):
            return f"{words} of shape {tuple(x.shape)} came back with shape {shape}"
    return None


@probe("returns-another-dtype")
def another_dtype(a: Any, t: Trial) -> str | None:
    dtype = a.round_to_format(torch.ones(2), 5, 10).dtype
    if dtype != torch.float32:
        return (
            f"the result is {dtype}, asked for is float32: the *values* are those of the small format, the "
            "tensor stays float32. Convert back at the end"
        )
    return None


@probe("one-element-at-a-time")
def slow(a: Any, t: Trial) -> str | None:
    x = t.randn(40_000, dtype=torch.float32)
    if t.attempt(lambda: a.round_to_format(x, 5, 10), seconds=0.4).timed_out:
        return (
            "40,000 numbers took more than 0.4 CPU seconds: you go through them one by one in Python. "
            "Torch's "
            "functions (`frexp`, `round`, `where`) take the whole tensor at once"
        )
    return None


# ---- special values -------------------------------------------------------------------------------------


@probe("zero-becomes-nan")
def zero(a: Any, t: Trial) -> str | None:
    found = half(a, 0.0, 1.0)
    if math.isnan(found[0]) and found[1] == 1.0:
        return (
            "0 became NaN: its logarithm is −∞, and then comes 0 / 0. `torch.frexp` knows zero; clamping the "
            "exponent from below helps too"
        )
    return None


@probe("negative-numbers")
def negative(a: Any, t: Trial) -> str | None:
    positive, minus = half(a, 1.5)[0], half(a, -1.5)[0]
    if positive == 1.5 and minus != -1.5:
        return f"1.5 stays 1.5, but −1.5 became {minus:g}: round the absolute value and give the sign back"
    return None


@probe("nan-lost")
def nan_lost(a: Any, t: Trial) -> str | None:
    for saturate in (False, True):
        found = half(a, math.nan, saturate=saturate)[0]
        if not math.isnan(found):
            return (
                f"NaN became {found:g}{' with saturate=True' if saturate else ''}: what is no number stays "
                "none, or nobody would notice that a computation failed"
            )
    return None


@probe("infinity-lost")
def infinity_lost(a: Any, t: Trial) -> str | None:
    found = half(a, INF, -INF)
    if found not in ([INF, -INF], [65504.0, -65504.0]):
        return f"inf, −inf became {found[0]:g}, {found[1]:g}; without saturate they stay what they are"
    return None


@probe("sign-of-zero-lost")
def sign_of_zero(a: Any, t: Trial) -> str | None:
    for value, words in ((-0.0, "−0.0"), (-1e-30, "−10⁻³⁰")):
        found = half(a, value, 1.0)
        if found[0] == 0 and math.copysign(1, found[0]) > 0 and found[1] == 1.0:
            return f"{words} became +0: the sign bit is kept, also for what is rounded to 0. `copysign` helps"
    return None


# ---- how it rounds --------------------------------------------------------------------------------------


@probe("man-bits-ignored")
def man_bits_ignored(a: Any, t: Trial) -> str | None:
    x = torch.tensor([1.05, 3.3, 0.7])
    if torch.equal(a.round_to_format(x, 5, 10), a.round_to_format(x, 5, 3)):
        return "10 and 3 mantissa bits give the same values for 1.05, 3.3, 0.7: man_bits is not used"
    return None


@probe("one-mantissa-bit-too-many")
def bit_too_many(a: Any, t: Trial) -> str | None:
    if half(a, 1 + 2.0**-11, 1 + 3 * 2.0**-11) == [1 + 2.0**-11, 1 + 3 * 2.0**-11]:
        return (
            "with man_bits = 10 you keep 1 + 2⁻¹¹: the marks between 1 and 2 are 2⁻¹⁰ apart. `frexp` returns "
            "½ ≤ m < 1, so its exponent is one larger than the one in 2ᵏ ≤ |x| < 2ᵏ⁺¹"
        )
    return None


@probe("one-mantissa-bit-too-few")
def bit_too_few(a: Any, t: Trial) -> str | None:
    if half(a, 1 + 2.0**-10)[0] != 1 + 2.0**-10 and half(a, 1 + 2.0**-9)[0] == 1 + 2.0**-9:
        return (
            f"1 + 2⁻¹⁰ became {half(a, 1 + 2.0**-10)[0]:.8g}, but it is a number of the format: 10 mantissa "
            "bits stand *behind* the leading 1. `frexp` returns ½ ≤ m < 1, so its exponent is k + 1"
        )
    return None


@probe("truncates")
def truncates(a: Any, t: Trial) -> str | None:
    found = half(a, 1.0009, -1.0009)
    if found == [1.0, -1.0]:
        return (
            "1.0009 became 1.0, the nearest half is 1.0009766: round to the nearest mark, do not cut bits off"
        )
    if found == [1.0, -(1 + 2.0**-10)] and half(a, 1.0001, -1.0001) == [1.0, -(1 + 2.0**-10)]:
        return "1.0009 became 1.0 and −1.0001 became −1.00098: that is `floor`; asked for is the nearest mark"
    if half(a, 1.0001)[0] == 1 + 2.0**-10:
        return "1.0001 became 1.0009766: that is rounding up; the nearest mark is 1"
    return None


@probe("ties-away-from-even")
def ties(a: Any, t: Trial) -> str | None:
    found = half(a, 2049.0, 2051.0, -2049.0, -2051.0)
    if found[0] == 2050:
        return (
            "2049 lies exactly between 2048 and 2050 and became 2050: a tie goes to the even one, here 2048. "
            "(floor(x + ½) rounds halves up; `torch.round` halves to even)"
        )
    if found[1] == 2050:
        return "2051 lies exactly between 2050 and 2052 and became 2050: the even mark is 2052 (1026 · 2)"
    if found[:2] == [2048, 2052] and found[2:] != [-2048, -2052]:
        return f"−2049 and −2051 became {found[2]:g} and {found[3]:g}: ties go to even with either sign"
    return None


@probe("carry-lost")
def carry(a: Any, t: Trial) -> str | None:
    found = half(a, 1.9998, 4095.5, 1.5)
    if found[2] == 1.5 and (found[0] != 2.0 or found[1] != 4096.0):
        return (
            f"1.9998 became {found[0]:.6g}, expected 2, and 4095.5 became {found[1]:.6g}, expected 4096: "
            "rounding up the mantissa 1.111… must carry into the exponent"
        )
    return None


@probe("rounded-twice")
def rounded_twice(a: Any, t: Trial) -> str | None:
    x = 17 * (1 + 2.0**-12)  # just above a tie; in half precision it is the tie itself
    if eight_bits(a, x, 17.5) == [16.0, 18.0]:
        return (
            f"with (4, 3) {x:.6g} became 16, expected 18: it is rounded twice, first to half precision, "
            "where it becomes the tie 17, and then to the smaller format. Round once, from float32"
        )
    return None


@probe("logarithm-rounds")
def logarithm(a: Any, t: Trial) -> str | None:
    x = torch.tensor([8.0, 2.0**20]).nextafter(torch.zeros(2))
    found = a.round_to_format(x, 8, 23)
    if not torch.equal(found, x) and torch.equal(found, torch.tensor([8.0, 2.0**20])):
        return (
            f"(8, 23) is float32 itself, but {x[0].item():.8g} became {found[0].item():g}: the logarithm "
            f"of a "
            "number just below 8 rounds to 3, and the marks come out twice too wide. `frexp` is exact"
        )
    return None
