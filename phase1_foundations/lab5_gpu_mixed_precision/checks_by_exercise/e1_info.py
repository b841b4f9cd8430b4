"""The known mistakes of `format_info`, E1's second function."""

from typing import Any

from torch import Tensor

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()
KEYS = ("max", "min_normal", "min_subnormal", "eps")


@probe("info-fails-on-other-formats")
def fails(a: Any, t: Trial) -> str | None:
    if failure(t, lambda: a.format_info(5, 10)):
        return None
    for exp_bits, man_bits in ((4, 3), (2, 1), (8, 23)):
        error = failure(t, lambda e=exp_bits, m=man_bits: a.format_info(e, m))
        if error:
            return f"format_info({exp_bits}, {man_bits}) ends in {error}: any format is asked for"
    return None


@probe("info-has-other-keys")
def other_keys(a: Any, t: Trial) -> str | None:
    found = a.format_info(5, 10)
    missing = [key for key in KEYS if key not in found]
    if missing:
        return f"format_info(5, 10) has the keys {list(found)}; asked for are {', '.join(map(repr, KEYS))}"
    return None


@probe("info-holds-no-floats")
def no_floats(a: Any, t: Trial) -> str | None:
    found = a.format_info(5, 10)
    for key in KEYS:
        if not isinstance(found[key], float):
            kind = "tensor" if isinstance(found[key], Tensor) else type(found[key]).__name__
            return f"format_info(5, 10)[{key!r}] is a {kind}, asked for are Python floats"
    return None


@probe("info-max")
def maximum(a: Any, t: Trial) -> str | None:
    found = a.format_info(5, 10)["max"]
    reasons = {
        65536.0: "2¹⁶ is the first power of two beyond the end: the largest mantissa is 2 − 2⁻¹⁰, not 2",
        131008.0: "the stored exponent of all ones is for infinity and NaN, so the largest exponent is 15",
        131072.0: "the largest exponent is 15, and the largest mantissa 2 − 2⁻¹⁰",
        32752.0: "the largest exponent is the bias itself, 15, not 14",
        32768.0: "2¹⁵ is the largest power of two; the mantissa reaches 2 − 2⁻¹⁰",
        65472.0: "the largest mantissa is 2 − 2⁻¹⁰, with man_bits in the exponent and not one less",
        65520.0: "the largest mantissa is 2 − 2⁻¹⁰; 65520 is already the tie with infinity",
    }
    if found != 65504.0:
        return f"max of (5, 10) is {found:g}, expected 65504: " + reasons.get(
            found, "(2 − 2^(−man_bits)) · 2^bias, with bias = 2^(E−1) − 1"
        )
    return None


@probe("info-smallest")
def smallest(a: Any, t: Trial) -> str | None:
    found = a.format_info(5, 10)
    normal, subnormal = found["min_normal"], found["min_subnormal"]
    if (normal, subnormal) == (2.0**-24, 2.0**-14):
        return "min_normal and min_subnormal are exchanged: subnormal numbers are the smaller ones"
    if normal != 2.0**-14:
        return (
            f"min_normal of (5, 10) is {normal:.4g}, expected 2⁻¹⁴ = {2.0**-14:.4g}: the stored exponent "
            f"0 is for "
            "the subnormals, so the smallest normal exponent is 1 − bias"
        )
    if subnormal != 2.0**-24:
        return (
            f"min_subnormal of (5, 10) is {subnormal:.4g}, expected 2⁻²⁴ = {2.0**-24:.4g}: one step of "
            f"2^(−man_bits) "
            "at the smallest normal exponent"
        )
    return None


@probe("info-eps")
def eps(a: Any, t: Trial) -> str | None:
    found = a.format_info(5, 10)["eps"]
    if found != 2.0**-10:
        return (
            f"eps of (5, 10) is {found:.4g}, expected 2⁻¹⁰ = {2.0**-10:.4g}: the distance from 1 to the "
            f"next number "
            "(half of it is the largest rounding error)"
        )
    return None
