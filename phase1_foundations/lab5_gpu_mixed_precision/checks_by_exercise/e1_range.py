"""The known mistakes of E1 at the ends of the range: overflow, saturation, subnormals."""

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e1_mistakes import eight_bits, half

probe = Probes()
INF = math.inf


@probe("bias-off-by-one")
def bias(a: Any, t: Trial) -> str | None:
    found = half(a, 40000.0, 70000.0, 140000.0)
    if found[0] in (INF, 32752.0):
        return (
            f"40000 became {found[0]:g}, but half precision reaches 65504: your largest exponent is one too "
            "small. It is the bias itself, 2^(E−1) − 1 = 15 (1.999 · 2¹⁵ = 65504)"
        )
    if found[1] == 70016.0 and found[2] in (INF, 131008.0):
        return (
            "70000 became 70016, but half precision ends at 65504: your largest exponent is 16. The stored "
            "exponent of all ones is for infinity and NaN, so the largest is 2^(E−1) − 1 = 15"
        )
    return None


# ---- small numbers --------------------------------------------------------------------------------------


@probe("no-subnormals")
def no_subnormals(a: Any, t: Trial) -> str | None:
    found = half(a, 3e-5, 1e-6, 1e-4)
    if found[:2] == [0.0, 0.0] and found[2] != 0.0:
        return (
            "3e-5 and 1e-6 became 0: half precision has subnormal numbers down to 2⁻²⁴ ≈ 5.96e-8. Below the "
            "smallest normal number the marks stay 2⁻²⁴ apart"
        )
    return None


@probe("exponent-has-no-lower-limit")
def no_lower_limit(a: Any, t: Trial) -> str | None:
    found = half(a, 1e-7, 1e-10)
    if abs(found[0] - 1e-7) < 1e-9 or found[1] != 0:
        return (
            f"1e-7 became {found[0]:.6g} and 1e-10 became {found[1]:.6g}; in half precision they are 2 · "
            f"2⁻²⁴ = "
            "1.19e-7 and 0. The exponent ends at 1 − bias, here −14: below that the marks get no closer"
        )
    return None


@probe("smallest-exponent-off-by-one")
def smallest_exponent(a: Any, t: Trial) -> str | None:
    smallest = 2.0**-24
    found = half(a, smallest, 3 * smallest, smallest / 2 * 1.5)
    if found[0] == smallest / 2 or found[2] == smallest * 0.75 or half(a, smallest / 2 * 1.01)[0] < smallest:
        if half(a, smallest * 0.75)[0] == smallest * 0.5 or half(a, smallest * 0.5)[0] == smallest * 0.5:
            return (
                "your half precision has the number 2⁻²⁵; its smallest is 2⁻²⁴. The bias is 2^(E−1) − 1 = "
                "15 and "
                "the smallest normal exponent 1 − 15 = −14, since the stored exponent 0 is for the subnormals"
            )
        if found[0] == smallest:
            return (
                f"a little more than 2⁻²⁵ became {half(a, smallest / 2 * 1.01)[0]:.3g}, expected 2⁻²⁴ ≈ "
                f"5.96e-8: "
                "also below the smallest number the nearest mark counts"
            )
    if found[1] != 3 * smallest or found[0] != smallest:
        return (
            f"2⁻²⁴ and 3·2⁻²⁴ became {found[0]:.6g} and {found[1]:.6g}: both are subnormal numbers of half "
            "precision. The smallest normal exponent is 1 − bias = −14, and the marks below it are 2⁻²⁴ apart"
        )
    return None


@probe("float32-is-too-narrow-inside")
def too_narrow(a: Any, t: Trial) -> str | None:
    x = torch.tensor([3 * 2.0**-133, 2.0**-126, 2.0**-133])
    found = a.round_to_format(x, 8, 7)
    if not torch.equal(found, x):
        return (
            f"in bfloat16 3·2⁻¹³³ became {found[0].item():.3g} and 2⁻¹²⁶ became {found[1].item():.3g}, "
            f"expected "
            f"{x[0].item():.3g} and {x[1].item():.3g}: such numbers overflow or vanish in float32 when they "
            "are divided or multiplied. Compute in float64"
        )
    return None


# ---- large numbers --------------------------------------------------------------------------------------


@probe("no-overflow")
def no_overflow(a: Any, t: Trial) -> str | None:
    found = half(a, 70000.0, 1e6)
    if all(INF > f > 65504 for f in found):
        return (
            f"70000 became {found[0]:g} and 10⁶ became {found[1]:g}: half precision ends at 65504, what is "
            "larger becomes infinity. exp_bits limits the range"
        )
    return None


@probe("clamps-instead-of-overflowing")
def clamps(a: Any, t: Trial) -> str | None:
    if half(a, 70000.0, -70000.0) == [65504.0, -65504.0]:
        return "70000 became 65504: without saturate=True what is too large becomes infinity"
    return None


@probe("overflow-decided-before-rounding")
def before_rounding(a: Any, t: Trial) -> str | None:
    found = half(a, 65519.0, 65519.99, 65520.0)
    if found[0] == INF:
        return (
            "65519 became inf: it is larger than 65504, but rounds to 65504. Round first, and look "
            "afterwards whether the result is too large"
        )
    if found[2] == 65504.0 and half(a, 70000.0)[0] == INF:
        return (
            "65520 became 65504: it is the tie between 65504 and the next mark, 65536, and the even one "
            "of the "
            "two is 65536, which is beyond the end: inf"
        )
    if found[2] == 65536.0:
        return "65520 became 65536, which half precision does not have: what is above 65504 becomes inf"
    return None


@probe("saturate-ignored")
def saturate_ignored(a: Any, t: Trial) -> str | None:
    found = half(a, 70000.0, -70000.0, saturate=True)
    if found == [INF, -INF]:
        return "with saturate=True 70000 becomes 65504, the largest number of the format; yours is inf"
    if found != [65504.0, -65504.0]:
        return f"with saturate=True ±70000 become ±65504; yours are {found[0]:g} and {found[1]:g}"
    return None


@probe("saturate-leaves-infinity")
def saturate_leaves_infinity(a: Any, t: Trial) -> str | None:
    found = half(a, INF, -INF, saturate=True)
    if found != [65504.0, -65504.0]:
        return (
            f"with saturate=True ±infinity become ±65504 too; yours are {found[0]:g} and {found[1]:g}. (Then "
            "nothing infinite ever leaves the function)"
        )
    return None


@probe("saturate-at-anothers-maximum")
def saturate_elsewhere(a: Any, t: Trial) -> str | None:
    found = a.round_to_format(torch.tensor([1e30, 239.0]), 4, 3, saturate=True).tolist()
    if found[0] != 240.0:
        return (
            f"with (4, 3) and saturate=True 10³⁰ became {found[0]:g}; the largest number of that format is "
            "(2 − 2⁻³) · 2⁷ = 240"
        )
    return None


@probe("other-formats-are-rounded-wrong")
def only_known(a: Any, t: Trial) -> str | None:
    if half(a, 2049.0, 1.0009) == [2048.0, 1 + 2.0**-10] and eight_bits(a, 17.0, 1.3, 300.0) != [
        16.0,
        1.25,
        INF,
    ]:
        return (
            f"(5, 10) is right, but with (4, 3) 17, 1.3, 300 became {eight_bits(a, 17.0, 1.3, 300.0)}, "
            "expected [16, 1.25, inf]: everything must follow from exp_bits and man_bits"
        )
    return None
