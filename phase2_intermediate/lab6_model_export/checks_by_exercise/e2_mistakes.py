"""The known mistakes of E2 in choosing parameters and in quantising."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import family

NAN, INF = math.nan, math.inf
ZERO = torch.tensor(0, dtype=torch.int32)
probe = Probes()


def scalar(x: float) -> Tensor:
    return torch.tensor(x)


def chosen(a: Any, low: float, high: float, **how: Any) -> tuple[float, int]:
    scale, zero = a.choose_qparams(scalar(low), scalar(high), **how)
    return float(scale), float(zero)


def whole(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


# ---- choose_qparams -------------------------------------------------------------------------------------


@probe("no-tensors")
def tensors(a: Any, t: Trial) -> str | None:
    found = a.choose_qparams(scalar(-1.0), scalar(3.0))
    if len(found) != 2 or not all(isinstance(value, Tensor) for value in found):
        return f"(scale, zero_point) are two tensors, you give {found}"
    if any(value.shape != () for value in found):
        return f"of 0-d ranges come 0-d tensors; yours have shapes {[tuple(value.shape) for value in found]}"
    return None


@probe("zero-is-not-exact")
def zero_exact(a: Any, t: Trial) -> str | None:
    for low, high in ((0.5, 1.5), (-3.0, -1.0)):
        scale, _ = chosen(a, low, high)
        if math.isclose(scale, (high - low) / 255, rel_tol=1e-4):
            return (
                f"values from {low} to {high}: your scale spans only them, so 0 is not among the levels and "
                f"a padded "
                "pixel becomes something else. Extend the range to contain 0"
            )
    return None


@probe("one-level-too-many")
def levels_count(a: Any, t: Trial) -> str | None:
    scale, _ = chosen(a, -1.0, 3.0, bits=2)
    if math.isclose(scale, 1.0, rel_tol=1e-4):
        return "2 bits are four levels with *three* steps between them: divide by 2ᵇ − 1, not by 2ᵇ"
    if math.isclose(chosen(a, -1.0, 3.0, bits=4)[0], 4 / 255, rel_tol=1e-4):
        return "`bits` changes nothing: with 4 bits there are 15 steps"
    if math.isclose(chosen(a, -1.0, 3.0, bits=4)[0], 4 / 14, rel_tol=1e-4):
        return "4 bits are 16 levels and 15 steps, you divide by 14"
    return None


@probe("symmetric-uses-the-odd-level")
def symmetric(a: Any, t: Trial) -> str | None:
    scale, zero = chosen(a, -2.0, 1.0, symmetric=True)
    for divisor, words in (
        (128, "dividing by 128 = 2ᵇ⁻¹ makes 127 levels for positive and 128 for negative numbers"),
        (127.5, "dividing the whole width by 255 does not put a level on both ends"),
        (255, "the largest size belongs to level 127, not 255"),
    ):
        if math.isclose(scale, 2 / divisor, rel_tol=1e-5):
            return f"symmetric from −2 to 1: the scale is 2/127; {words}"
    if zero != 0:
        return f"symmetric quantisation has zero point 0, yours is {zero:g}"
    if math.isclose(scale, 1 / 127, rel_tol=1e-5) or math.isclose(scale, 3 / 255, rel_tol=1e-5):
        return f"symmetric from −2 to 1: the larger *size* of both ends decides, 2; your scale is {scale:.5g}"
    return None


@probe("zero-point")
def zero_point(a: Any, t: Trial) -> str | None:
    scale, zero = chosen(a, -1.0, 3.0)
    if not math.isclose(scale, 4 / 255, rel_tol=1e-4):
        return None
    right = -128 + round(255 / 4)
    named = {
        128 - right: "the sign is turned round",
        -right: "the sign is turned round",
        right + 128: "that is the unsigned one: signed levels begin at −128",
        round(-128 - 255 / 4): "lo/s is to be *subtracted* from qmin",
        0: "0 belongs to symmetric quantisation",
        right - 1: "it is cut off instead of rounded",
    }
    if zero != right:
        why = named.get(zero, "z = round(qmin − lo/s)")
        return f"from −1 to 3 with 8 signed bits the zero point is {right}, you give {zero:g}: {why}"
    unsigned = chosen(a, -1.0, 3.0, signed=False)[1]
    if unsigned != 64:
        return f"with `signed=False` levels begin at 0 and the zero point is 64, you give {unsigned:g}"
    return None


@probe("qparams-not-rounded-or-clamped")
def clamped(a: Any, t: Trial) -> str | None:
    scale, zero = a.choose_qparams(scalar(-1.0), scalar(3.0))
    if zero.dtype != torch.int32:
        return f"the zero point is a whole number of dtype int32, yours is {zero.dtype}"
    if scale.dtype != torch.float32:
        return f"the scale is to be float32, yours is {scale.dtype}"
    for bits in range(2, 9):
        for low, high in ((-5.0, 0.0), (0.0, 5.0), (-7.0, -2.0), (2.0, 7.0)):
            zero = chosen(a, low, high, bits=bits)[1]
            if not -(2 ** (bits - 1)) <= zero <= 2 ** (bits - 1) - 1:
                return f"for {low} … {high} with {bits} bits your zero point is {zero:g}, which is no level"
    return None


@probe("one-range-for-all-channels")
def channels(a: Any, t: Trial) -> str | None:
    low, high = torch.tensor([-1.0, -0.1, 0.5]), torch.tensor([1.0, 3.0, 2.0])
    with family("one-range-for-all-channels", "ranges of three channels, tensors of shape [3]"):
        for how in ({}, {"symmetric": True}):
            scale, zero = a.choose_qparams(low, high, **how)
            shapes = tuple(scale.shape), tuple(zero.shape)
            t.that(shapes == ((3,), (3,)), f"scale and zero point have the shapes {shapes}")
            for i in range(3):
                alone = a.choose_qparams(low[i], high[i], **how)
                t.equal(scale[i], alone[0], f"scale of channel {i}", rtol=1e-5)
                t.equal(zero[i], alone[1], f"zero point of channel {i}")
    return None


@probe("nothing-but-zero")
def nothing(a: Any, t: Trial) -> str | None:
    for how in ({}, {"symmetric": True}):
        with family("nothing-but-zero", f"a range of 0 … 0, {how or 'affine'}"):
            scale, zero = a.choose_qparams(scalar(0.0), scalar(0.0), **how)
            t.that(float(scale) == 1.0, f"the scale is {float(scale):g}, expected 1.0 (and never 0 or NaN)")
            t.that(-128 <= float(zero) <= 127, f"the zero point is {float(zero):g}")
            scale, _ = a.choose_qparams(torch.tensor([0.0, -1.0]), torch.tensor([0.0, 1.0]), **how)
            t.that(float(scale[0]) == 1.0 and float(scale[1]) < 0.01, f"two channels gave {numbers(scale)}")
    return None


@probe("accepts-a-bad-range")
def bad_range(a: Any, t: Trial) -> str | None:
    cases = {
        "a range from 2 to 1": (2.0, 1.0, {}),
        "a range from NaN": (NAN, 1.0, {}),
        "a range to NaN": (0.0, NAN, {}),
        "a range to infinity": (0.0, INF, {}),
        "a range from −infinity": (-INF, 0.0, {"symmetric": True}),
        "symmetric and unsigned at once": (-1.0, 1.0, {"symmetric": True, "signed": False}),
    }
    for words, (low, high, how) in cases.items():
        attempt = t.tried(lambda low=low, high=high, how=how: chosen(a, low, high, **how))
        if not isinstance(attempt.error, ValueError):
            how_it_went = f"raised {type(attempt.error).__name__}" if attempt.error else "was accepted"
            return f"{words} {how_it_went}; a ValueError is asked for"
    attempt = t.tried(lambda: a.choose_qparams(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])))
    if not isinstance(attempt.error, ValueError):
        return "one channel of two has x_min > x_max: that is a ValueError, too"
    return None


# ---- quantize and dequantize ----------------------------------------------------------------------------


@probe("scale-multiplies")
def scale_use(a: Any, t: Trial) -> str | None:
    x = torch.tensor([2.0, -4.0])
    found = a.quantize(x, scalar(0.5), whole(3)[0]).tolist()
    for wrong, words in (
        ([4, 1], "x is to be *divided* by the scale"),
        ([1, -11], "the zero point is added, not subtracted"),
        ([4, -8], "the zero point is ignored"),
        ([10, -2], "the zero point is added before the division"),
    ):
        if found == wrong:
            return f"[2, −4] with scale 0.5 and zero point 3 became {found}, expected [7, −5]: {words}"
    return None


@probe("no-clamp")
def wraps(a: Any, t: Trial) -> str | None:
    found = a.quantize(torch.tensor([300.0, -300.0]), scalar(1.0), ZERO).tolist()
    if found == [127, -127]:
        return "−300 with scale 1 became −127: levels begin at −128; only symmetric *scales* leave it out"
    if found != [127, -128]:
        return (
            f"300 and −300 with scale 1 became {found}: clamp to −128 … 127 before the cast to int8, which "
            f"wraps"
        )
    found = a.quantize(torch.tensor([300.0, -300.0]), scalar(1.0), ZERO, signed=False).tolist()
    if found != [255, 0]:
        return f"unsigned, 300 and −300 with scale 1 became {found}, expected [255, 0]"
    found = a.quantize(torch.tensor([9.0, -9.0]), scalar(1.0), ZERO, bits=3).tolist()
    if found != [3, -4]:
        return (
            f"3 bits, signed: 9 and −9 with scale 1 became {found}, expected [3, −4]: the ends follow `bits`"
        )
    found = a.quantize(torch.tensor([100.0, -100.0]), scalar(1.0), whole(100)[0]).tolist()
    if found != [127, 0]:
        return (
            f"100 and −100 with scale 1 and zero point 100 became {found}, expected [127, 0]: clamp *after* "
            f"the zero "
            "point is added"
        )
    return None


@probe("ties-or-truncation")
def ties(a: Any, t: Trial) -> str | None:
    x = torch.tensor([0.7, -0.7, 2.6, -1.2])
    found = a.quantize(x, scalar(1.0), ZERO).tolist()
    for wrong, words in (
        ([0, 0, 2, -1], "digits are cut off (a cast to a whole number truncates)"),
        ([0, -1, 2, -2], "that is `floor`"),
        ([1, 0, 3, -1], "that is `ceil`"),
    ):
        if found == wrong:
            return f"{numbers(x)} with scale 1 became {found}: {words}. Round to the nearest"
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5])
    found = a.quantize(x, scalar(1.0), ZERO).tolist()
    if found != [0, 2, 2, 0, -2]:
        return (
            f"{numbers(x)} became {found}: a tie goes to the even number, [0, 2, 2, 0, −2], as in "
            f"`torch.round`"
        )
    return None


@probe("wrong-dtype")
def dtypes(a: Any, t: Trial) -> str | None:
    for signed, wanted in ((True, torch.int8), (False, torch.uint8)):
        found = a.quantize(torch.ones(2), scalar(1.0), ZERO, signed=signed).dtype
        if found != wanted:
            return f"signed={signed}: the result is {found}, expected {wanted}"
    found = a.dequantize(torch.ones(2, dtype=torch.int8), scalar(1.0), ZERO).dtype
    if found != torch.float32:
        return f"dequantize gives {found}, expected float32"
    return None


@probe("accepts-nan")
def nan(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.quantize(torch.tensor([1.0, NAN]), scalar(1.0), ZERO))
    if not isinstance(attempt.error, ValueError):
        what = (
            f"raised {type(attempt.error).__name__}" if attempt.error else f"became {attempt.value.tolist()}"
        )
        return f"[1, NaN] {what}: no whole number stands for NaN, a ValueError is asked for"
    found = t.tried(lambda: a.quantize(torch.tensor([INF, -INF]), scalar(0.5), ZERO).tolist())
    if found.error is not None or found.value != [127, -128]:
        return (
            f"±infinity goes to the last level on its side; it gave "
            f"{found.value or type(found.error).__name__}"
        )
    return None


@probe("dequantize-formula")
def back(a: Any, t: Trial) -> str | None:
    found = a.dequantize(torch.tensor([7, -5], dtype=torch.int8), scalar(0.5), whole(3)[0])
    if not same(found, torch.tensor([2.0, -4.0])):
        return (
            f"[7, −5] with scale 0.5 and zero point 3 stand for s·(q − z) = [2, −4], you give "
            f"{numbers(found)}"
        )
    return None


@probe("difference-wraps")
def difference_wraps(a: Any, t: Trial) -> str | None:
    for q, z in (
        (torch.tensor([127, -128], dtype=torch.int8), -128),
        (torch.tensor([0, 255], dtype=torch.uint8), 255),
    ):
        zero = whole(z)[0]
        found = a.dequantize(q, scalar(1.0), zero)
        right = [float(value - z) for value in q.tolist()]
        if found.tolist() != right:
            return (
                f"{q.dtype} {q.tolist()} with scale 1 and zero point {z} became {found.tolist()}, expected "
                f"{right}: "
                "q − z in 8 bits wraps round. Make q a float (or int32) first"
            )
    return None


@probe("wrong-axis")
def axes(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    scale, zero = torch.tensor([1.0, 2.0]), whole(0, 1)
    right = {0: [[1, 2], [3, 5]], 1: [[1, 2], [4, 5]]}
    for axis in (0, 1, -1, -2):
        with family("wrong-axis", f"axis={axis}"):
            found = a.quantize(x, scale, zero, axis=axis).tolist()
            if found != right[axis % 2]:
                more = " That is the other axis." if found == right[1 - axis % 2] else ""
                t.fail(
                    f"{x.tolist()} with scales [1, 2] and zero points [0, 1] became {found}, expected "
                    f"{right[axis % 2]}.{more}"
                )
            q = torch.tensor([[1, 2], [3, 5]], dtype=torch.int8)
            back = a.dequantize(q, scale, zero, axis)
            expected = torch.tensor([[1.0, 2.0], [4.0, 8.0]] if axis % 2 == 0 else [[1.0, 2.0], [3.0, 8.0]])
            t.equal(back, expected, "dequantize")
    for axis, size in ((1, 3), (-1, 4), (-3, 2)):
        with family("wrong-axis", f"axis={axis} of a tensor of shape [2, 3, 4]"):
            found = a.quantize(torch.ones(2, 3, 4), torch.ones(size), whole(*[0] * size), axis=axis)
            t.that(tuple(found.shape) == (2, 3, 4), "another shape")
    return None


@probe("fails-on-a-shape")
def odd_inputs(a: Any, t: Trial) -> str | None:
    cases = {
        "a 0-d tensor": scalar(2.0),
        "an empty tensor": torch.empty(0, 3),
        "a transposed tensor": torch.arange(6.0).reshape(2, 3).T,
        "an expanded tensor": torch.ones(1, 3).expand(2, 3),
        "float64": torch.ones(2, dtype=torch.float64),
        "float16": torch.ones(2, dtype=torch.float16),
        "bfloat16": torch.ones(2, dtype=torch.bfloat16),
    }
    for words, x in cases.items():
        with family("fails-on-a-shape", words):
            found = a.quantize(x, scalar(0.5), ZERO)
            t.equal(found, (x.float() * 2).to(torch.int8), "quantize with scale 0.5")
            t.equal(a.dequantize(found, scalar(0.5), ZERO), x.float(), "and back")
    with family("fails-on-a-shape", "float16 values that are rounded in float16"):
        x = torch.tensor([12.35], dtype=torch.float16)
        right = round(x.item() / 0.1000001)
        t.equal(a.quantize(x, scalar(0.1000001), ZERO).tolist(), [right], "12.35 / 0.1")
    return None
