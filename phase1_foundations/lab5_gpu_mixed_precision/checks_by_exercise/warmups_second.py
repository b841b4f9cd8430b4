"""W3: the three fields of a float."""

import struct

import torch
from torch import Tensor

from courseware.check import Exercise
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
            "bits as one"
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


@w3.probe("another-shape")
def another_shape(a, t):
    for shape in ((), (2, 3)):
        found = a.fields(torch.full(shape, 3.0))[0].shape
        if found != shape:
            return f"of numbers of shape {shape} the fields have shape {tuple(found)}: that of x is asked for"


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
