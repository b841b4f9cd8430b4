"""W3 and W4: the three fields of a float, and the gap to the next number."""

import struct

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise import pictures
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

# ---- W3 -------------------------------------------------------------------------------------------------

w3 = Exercise(
    "W3",
    takes={"fields": tuple},
    hints=(
        "First get the 32 bits as a whole number, without converting the value. Then each field is: shift "
        "it down to the right end, and keep as many bits as it has.",
        "bits = x.view(torch.int32). The mantissa is the lowest 23 bits, the exponent the next 8, the sign "
        "the last one. Keeping k bits is `& (2**k - 1)`.",
        "`bits = x.view(torch.int32)`; `sign = (bits >> 31) & 1`; `exponent = (bits >> 23) & 0xFF`; "
        "`mantissa = bits & 0x7FFFFF`.",
    ),
)
FLOATS = torch.tensor([3.0, -1.5, 0.0, 0.15625, -0.0])


def parts(x: Tensor) -> tuple[list[int], list[int], list[int]]:
    """The fields by Python's own struct, one number at a time."""
    words = [struct.unpack("<I", struct.pack("<f", value))[0] for value in x.flatten().tolist()]
    return [w >> 31 for w in words], [w >> 23 & 255 for w in words], [w & 8388607 for w in words]


@w3.probe("not-three-fields")
def not_three(a, t):
    result = a.fields(FLOATS)
    if len(result) != 3 or not all(isinstance(field, Tensor) for field in result):
        return "asked for is a tuple of three integer tensors: sign, exponent, mantissa"


@w3.probe("view-is-missing")
def view_missing(a, t):
    error = failure(t, lambda: a.fields(FLOATS))
    if error and ("not implemented for 'Float'" in error or "unsupported" in error or "rshift" in error):
        return (
            f"{error}: bits can be shifted only in whole numbers. `x.view(torch.int32)` reads the same 32 "
            f"bits "
            "as one"
        )


@w3.probe("converted-instead-of-reinterpreted")
def converted(a, t):
    result = a.fields(torch.tensor([3.0]))
    if result[1].item() == 0 and result[2].item() == 3:
        return (
            "you took the bits of the whole number 3, not those of the float 3.0: `x.to(torch.int32)` or "
            "`x.int()` converts the value, `x.view(torch.int32)` keeps the bits"
        )


@w3.probe("sign-is-minus-one")
def sign_minus_one(a, t):
    sign = a.fields(torch.tensor([-1.0, 1.0]))[0]
    if sign.tolist() == [-1, 0]:
        return (
            "the sign of −1.0 came out as −1: `>>` on a negative whole number fills up with ones from the "
            "left. Keep one bit with `& 1`"
        )
    if sign.tolist() == [-1, 1]:
        return "the sign field is one bit, 0 for plus and 1 for minus; yours is the sign of the value, ±1"


@w3.probe("sign-reversed")
def sign_reversed(a, t):
    if a.fields(torch.tensor([-1.0, 1.0]))[0].tolist() == [0, 1]:
        return "your sign is 1 for plus and 0 for minus: the stored bit is 1 for *minus*"


@w3.probe("sign-by-comparison")
def sign_by_comparison(a, t):
    sign = a.fields(torch.tensor([-1.0, -0.0]))[0]
    if sign.tolist() == [1, 0]:
        return "−0.0 has its sign bit set, yours is 0: `x < 0` does not see it, the bits do"


@w3.probe("fields-in-another-order")
def other_order(a, t):
    x = torch.tensor([-1.5])
    found = [field.item() for field in a.fields(x)]
    if found != [1, 127, 4194304] and sorted(found) == [1, 127, 4194304]:
        return f"the fields of −1.5 came as {found}; the order is sign 1, exponent 127, mantissa 4194304"


@w3.probe("exponent-without-bias")
def without_bias(a, t):
    if a.fields(torch.tensor([3.0, 1.0]))[1].tolist() == [1, 0]:
        return (
            "you subtracted the bias: 3.0 is 1.5 · 2¹, and its *stored* exponent is 128. Asked for is the "
            "field as it is stored, 0 … 255"
        )


@w3.probe("exponent-with-the-sign")
def exponent_with_sign(a, t):
    found = a.fields(torch.tensor([1.0, -1.0]))[1].tolist()
    if found[0] == 127 and found[1] != 127:
        return (
            f"the exponent of −1.0 is {found[1]}, that of 1.0 is 127; they are equal. The sign bit is still "
            "in it: keep 8 bits with `& 0xFF`"
        )


@w3.probe("exponent-from-frexp")
def exponent_from_frexp(a, t):
    found = a.fields(torch.tensor([3.0, 1.0]))[1].tolist()
    if found in ([129, 128], [2, 1]):
        return (
            f"the exponents of 3.0 and 1.0 came out as {found}, expected [128, 127]: `frexp` returns a "
            "mantissa from ½ to 1, so its exponent is one too large. Read the bits instead"
        )


@w3.probe("exponent-keeps-too-few-bits")
def exponent_mask(a, t):
    x = torch.tensor([2.0**k for k in (-120, -60, -3, 0, 5, 60, 120)])
    found, expected = a.fields(x)[1].tolist(), parts(x)[1]
    if found != expected and found == [e & 127 for e in expected]:
        return "your exponent keeps 7 bits (`& 0x7F`), it has 8: `& 0xFF`"


@w3.probe("mantissa-with-the-hidden-one")
def hidden_one(a, t):
    if a.fields(torch.tensor([3.0, 1.0]))[2].tolist() == [2**23 + 2**22, 2**23]:
        return (
            "your mantissa contains the leading 1 of 1.m: that bit is *not* stored. Asked for are the 23 "
            "bits that are"
        )


@w3.probe("mantissa-as-a-fraction")
def as_fraction(a, t):
    found = a.fields(torch.tensor([3.0, 1.0]))[2].tolist()
    if found in ([0.5, 0.0], [1.5, 1.0], [0.75, 0.5]):
        return f"your mantissas of 3.0 and 1.0 are {found}: asked for is the stored whole number, 0 … 2²³ − 1"


@w3.probe("mantissa-of-another-width")
def other_width(a, t):
    bits = torch.tensor([0x7FFFFF, 0x7FFFFF | 127 << 23], dtype=torch.int32)
    found = a.fields(bits.view(torch.float32))[2].tolist()
    if found[0] != 0x7FFFFF or found[1] != 0x7FFFFF:
        return (
            f"a mantissa of 23 ones, 8388607, came out as {found}: keep exactly 23 bits, `& 0x7FFFFF` (or "
            "`& (2**23 - 1)`)"
        )


@w3.probe("not-whole-numbers")
def not_whole(a, t):
    for name, field in zip(("sign", "exponent", "mantissa"), a.fields(FLOATS), strict=True):
        if field.dtype not in (torch.int32, torch.int64):
            return f"the {name} has the dtype {field.dtype}, asked for is int32 or int64"


@w3.property("the stored fields of any float32")
def stored(a, t):
    special = [0.0, -0.0, 1.0, float("inf"), -float("inf"), 1e-45, -1e-40, 3.4e38, 2.0**-126]
    for x in (torch.tensor(special), t.randn(50).float() * 10, torch.tensor(-2.5), torch.empty(0, 3)):
        expected = parts(x)
        for name, field, wanted in zip(
            ("the sign", "the exponent", "the mantissa"), a.fields(x), expected, strict=True
        ):
            t.equal(field.long(), torch.tensor(wanted).long().reshape(x.shape), where=name)
    x = t.randn(6, 4, dtype=torch.float32).T
    t.equal(a.fields(x)[1].long().flatten(), torch.tensor(parts(x)[1]), "a transposed tensor: the exponent")


w3.reward(pictures.three_fields)

# ---- W4 -------------------------------------------------------------------------------------------------

w4 = Exercise(
    "W4",
    takes={"gap": Tensor},
    hints=(
        "Which power of two is the largest that is not above |x|? The marks between it and the next power "
        "are evenly spaced, 2^man_bits of them.",
        "k = floor(log₂|x|), exactly; gap = 2^(k − man_bits). `torch.frexp(x)` gives e = k + 1.",
        "`_, e = torch.frexp(x)`; `return torch.exp2((e - 1 - man_bits).float())`. Or read the exponent "
        "from the bits, as in W3.",
    ),
)
POINTS = torch.tensor([1.0, 1.5, 2.0, 12.0, 0.3])
GAPS = torch.tensor([2.0**-10, 2.0**-10, 2.0**-9, 2.0**-7, 2.0**-12])


@w4.probe("twice-the-gap")
def twice(a, t):
    if same(a.gap(POINTS, 10), 2 * GAPS):
        return (
            "all your gaps are twice too wide: `frexp` returns ½ ≤ |m| < 1, so its exponent is k + 1 (with "
            "man_bits = 10, the number after 1 is 1 + 2⁻¹⁰)"
        )


@w4.probe("half-the-gap")
def half(a, t):
    if same(a.gap(POINTS, 10), GAPS / 2):
        return (
            "all your gaps are half too narrow: between 1 and 2 there are 2^man_bits steps, so the gap there "
            "is 2^(−man_bits), with man_bits = 10 it is 1/1024"
        )


@w4.probe("the-same-gap-everywhere")
def constant(a, t):
    found = a.gap(POINTS, 10)
    if found.numel() == 1 or (found.shape == POINTS.shape and bool((found == found[0]).all())):
        return (
            f"your gap is {found.flatten()[0].item():.4g} at 1, at 12 and at 0.3; the marks get wider apart "
            "with each power of two: it is 2^(k − man_bits), with 2ᵏ ≤ |x| < 2ᵏ⁺¹"
        )


@w4.probe("grows-with-x")
def grows(a, t):
    found = a.gap(POINTS, 10)
    if found.shape == POINTS.shape and same(found / POINTS, (found[0] / 1.0).expand(5), rtol=1e-4):
        return (
            f"your gap is {found[1].item():.4g} at 1.5 and {found[0].item():.4g} at 1, in proportion to x. "
            "Between two powers of two the marks are evenly spaced: the gap is the same at 1 and at 1.5"
        )


@w4.probe("sign-of-the-exponent")
def exponent_sign(a, t):
    found = a.gap(POINTS, 10)
    if same(found, 1 / GAPS) or same(found, GAPS * 2.0**20):
        return f"your gap at 1 is {found[0].item():g}: the exponent is k **minus** man_bits"


@w4.probe("k-rounded-not-floored")
def rounded(a, t):
    found = a.gap(torch.tensor([1.9, 3.9]), 10)
    if same(found, torch.tensor([2.0**-9, 2.0**-8])) and same(a.gap(torch.tensor([1.1]), 10), GAPS[:1]):
        return (
            "at 1.9 your gap is the one of the numbers from 2 on: k is log₂|x| rounded *down* (1.9 lies "
            "between "
            "2⁰ and 2¹)"
        )


@w4.probe("truncated-towards-zero")
def truncated(a, t):
    found = a.gap(torch.tensor([0.3, 1.5]), 10)
    if same(found, torch.tensor([2.0**-11, 2.0**-10])):
        return (
            "at 0.3 your k is −1, it should be −2 (2⁻² = 0.25 ≤ 0.3 < 0.5): cutting off the fraction of a "
            "negative logarithm rounds *up*. Use floor"
        )


@w4.probe("logarithm-rounds")
def logarithm(a, t):
    below = torch.tensor([8.0, 2.0**20, 2.0**-9]).nextafter(torch.zeros(3))
    found, expected = a.gap(below, 10), torch.tensor([2.0**-8, 2.0**9, 2.0**-20])
    if found.shape == (3,) and not same(found, expected) and bool((found / expected <= 2).all()):
        return (
            f"just below 8, at {below[0].item():.8g}, your gap is {found[0].item():.6g}, expected "
            f"0.00390625: "
            "in float32 the logarithm of that number is rounded to 3, and k comes out one too large. `frexp` "
            "(or the bits) is exact"
        )


@w4.probe("powers-of-two")
def powers(a, t):
    x = torch.tensor([1.0, 2.0, 4.0, 0.5])
    found, expected = a.gap(x, 10), x * 2.0**-10
    if same(found, expected / 2) and same(
        a.gap(torch.tensor([1.5, 3.0]), 10), torch.tensor([2.0**-10, 2.0**-9])
    ):
        return (
            "exactly at a power of two your gap is the one below it: 2ᵏ ≤ |x| includes the lower end, so "
            "at 2 "
            "k is 1"
        )


@w4.probe("negative-x")
def negative(a, t):
    found = a.gap(torch.tensor([-3.0, 3.0]), 10)
    if same(found[1], torch.tensor(2.0**-9)) and not same(found[0], torch.tensor(2.0**-9)):
        return f"at −3 your gap is {found[0].item():g}, at 3 it is {found[1].item():g}: use |x|"


@w4.probe("man-bits-ignored")
def man_bits_ignored(a, t):
    found = a.gap(POINTS, 7)
    if same(found, a.gap(POINTS, 10)) and found.shape == POINTS.shape:
        return (
            f"with man_bits = 7 and with 10 your gaps are the same, {numbers(found, 8)}: man_bits is not used"
        )


@w4.probe("decimal-digits")
def decimal(a, t):
    found = a.gap(torch.tensor([1.0, 5.0, 20.0]), 10)
    if found.shape == (3,) and found[0] == found[1] and found[2] != found[1]:
        return "your gap changes at 10, not at 2, 4, 8: the exponent is binary, take log₂ and not log₁₀"


@w4.probe("other-dtype")
def other_dtype(a, t):
    found = a.gap(POINTS, 10)
    if same(found, GAPS) and found.dtype != torch.float32:
        return f"the values are right, but their dtype is {found.dtype}, asked for is torch.float32"


@w4.probe("another-gap")
def another_gap(a, t):
    found = a.gap(POINTS, 10)
    if found.shape != POINTS.shape:
        return f"for five numbers your result has shape {tuple(found.shape)}: one gap for each element"
    if not same(found, GAPS):
        return (
            f"at {numbers(POINTS, 8)} your gaps with 10 mantissa bits are {numbers(found, 8)}, expected "
            f"{numbers(GAPS, 8)}: "
            "2^(k − man_bits), with 2ᵏ ≤ |x| < 2ᵏ⁺¹"
        )


@w4.property("2^(k − man_bits), exactly")
def exactly(a, t):
    from math import floor, frexp

    for man_bits in (1, 2, 7, 10, 23):
        x = torch.cat([t.randn(40) * 2.0 ** t.randint(-90, 90, 40), 2.0 ** t.randint(-99, 100, 6).double()])
        x = torch.cat([x, x[-6:].float().nextafter(torch.zeros(6)).double().clamp(min=2.0**-100)]).float()
        expected = [2.0 ** (floor(frexp(value)[1]) - 1 - man_bits) for value in x.tolist()]
        t.equal(a.gap(x, man_bits), torch.tensor(expected), f"man_bits={man_bits}", rtol=0, atol=0)
    for shape in ((), (0,), (2, 3)):
        x = t.rand(*shape, low=1, high=1.99, dtype=torch.float32)
        t.equal(a.gap(x, 10), torch.full(shape, 2.0**-10), f"shape {shape}")
    x = torch.tensor([[1.0, 5.0], [2.0, 40.0]]).T
    t.equal(a.gap(x, 3), 2.0 ** torch.tensor([[-3.0, -2.0], [-1.0, 2.0]]), "a transposed tensor")


w4.reward(pictures.staircase)
