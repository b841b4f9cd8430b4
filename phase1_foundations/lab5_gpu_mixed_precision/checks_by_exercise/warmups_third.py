"""W4: the gap to the next number."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise import pictures

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
            "between 2⁰ and 2¹)"
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
            "0.00390625: in float32 the logarithm of that number is rounded to 3, and k comes out one too "
            "large. `frexp` (or the bits) is exact"
        )


@w4.probe("powers-of-two")
def powers(a, t):
    x = torch.tensor([1.0, 2.0, 4.0, 0.5])
    found, expected = a.gap(x, 10), x * 2.0**-10
    if same(found, expected / 2) and same(
        a.gap(torch.tensor([1.5, 3.0]), 10), torch.tensor([2.0**-10, 2.0**-9])
    ):
        return (
            "exactly at a power of two your gap is the one below it: 2ᵏ ≤ |x| includes the lower end, so at "
            "2 k is 1"
        )


@w4.probe("negative-powers-of-two")
def negative_powers(a, t):
    below, above = a.gap(torch.tensor([-2.0, 2.0]), 10).tolist()
    if above == 2.0**-9 and below in (2.0**-10, 2.0**-8):
        return (
            f"at −2 your gap is {below:g}, at 2 it is {above:g}: 2ᵏ ≤ |x| < 2ᵏ⁺¹ looks at the size "
            "alone. (The next number towards +∞ lies *nearer to 0* than −2, where the marks are closer.)"
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
            f"{numbers(GAPS, 8)}: 2^(k − man_bits), with 2ᵏ ≤ |x| < 2ᵏ⁺¹"
        )


@w4.property("2^(k − man_bits), exactly")
def exactly(a, t):
    from math import floor, frexp

    for man_bits in (1, 2, 7, 10, 23):
        x = torch.cat([t.randn(40) * 2.0 ** t.randint(-90, 90, 40), 2.0 ** t.randint(-99, 100, 6).double()])
        x = torch.cat([x, -x[-6:]])
        x = torch.cat([x, x[-12:-6].float().nextafter(torch.zeros(6)).double().clamp(min=2.0**-100)]).float()
        expected = [2.0 ** (floor(frexp(value)[1]) - 1 - man_bits) for value in x.tolist()]
        t.equal(a.gap(x, man_bits), torch.tensor(expected), f"man_bits={man_bits}", rtol=0, atol=0)
    for shape in ((), (0,), (2, 3)):
        x = t.rand(*shape, low=1, high=1.99, dtype=torch.float32)
        t.equal(a.gap(x, 10), torch.full(shape, 2.0**-10), f"shape {shape}")
    x = torch.tensor([[1.0, 5.0], [2.0, 40.0]]).T
    t.equal(a.gap(x, 3), 2.0 ** torch.tensor([[-3.0, -2.0], [-1.0, 2.0]]), "a transposed tensor")


w4.reward(pictures.staircase)
