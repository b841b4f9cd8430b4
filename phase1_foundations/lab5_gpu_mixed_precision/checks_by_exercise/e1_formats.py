"""E1: rounding to any float format. What must hold; the known mistakes stand in `e1_mistakes`, `e1_info`."""

import math
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.edges import layouts
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise import e1_info, e1_mistakes, e1_range
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e1_picture import rulers

e1 = Exercise(
    "E1",
    takes={"round_to_format": Tensor, "format_info": dict},
    hints=(
        "Around x the numbers of the format lie on a grid with equal steps. So: find the step, divide by it, "
        "round to a whole number, multiply back. W4 found the step for numbers without limits of the "
        "exponent.",
        "step = 2^(max(k, 1 − bias) − man_bits), with k = floor(log₂|x|) exactly and bias = 2^(E−1) − 1: the "
        "max is all that subnormals need. After rounding, what is larger than (2 − 2^(−M)) · 2^bias becomes "
        "infinity, or that number with saturate.",
        "`wide = x.double()`; `_, e = torch.frexp(wide)`; `step = torch.exp2(((e - 1).clamp(min=1 - bias) - "
        "man_bits).double())`; `r = (wide / step).round() * step` (torch rounds halves to even); then "
        "`torch.where(r.abs() > largest, …)` with `copysign`, and `.float()`.",
    ),
)
e1_mistakes.probe.add_to(e1)
e1_range.probe.add_to(e1)
e1_info.probe.add_to(e1)
KNOWN = {(5, 10): torch.float16, (8, 7): torch.bfloat16, (5, 2): torch.float8_e5m2}


def all_halves() -> Tensor:
    """Every half-precision number, as float32."""
    return torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.float16).float()


def some_floats(t: Trial, count: int) -> Tensor:
    """Random bit patterns: every size, with infinities, NaN and subnormals among them."""
    return t.randint(-(2**31), 2**31, count).to(torch.int32).view(torch.float32)


def exact(t: Trial, a: Any, x: Tensor, fmt: tuple[int, int], expected: Tensor, **how: Any) -> None:
    """Equal to the last bit, the sign of zero included."""
    found = a.round_to_format(x, *fmt, **how)
    t.equal(found, expected, f"{fmt}", rtol=0, atol=0)
    numbers = ~expected.isnan()
    signs = torch.signbit(found)[numbers] == torch.signbit(expected)[numbers]
    t.that(bool(signs.all()), f"{fmt}: a zero came back with another sign")


@e1.property("half, bfloat16 and e5m2: equal to torch's casts, bit by bit", points=5)
def known_formats(a: Any, t: Trial) -> None:
    halves = all_halves()
    finite = halves[halves.isfinite()].unique()
    middles = (finite[1:] + finite[:-1]) / 2  # exact in float32
    for fmt, dtype in KNOWN.items():
        some = slice(None) if fmt == (5, 10) else slice(t.random.randrange(9), None, 9)
        for x in (
            halves[some],
            middles[some],
            middles[some].nextafter(torch.zeros(1)),
            some_floats(t, 20_000),
        ):
            exact(t, a, x, fmt, x.to(dtype).float())
    powers = 2.0 ** torch.arange(-126, 128)
    for x in (
        some_floats(t, 50_000),
        powers,
        powers.nextafter(torch.zeros(1)),
        -powers.nextafter(powers * 2),
    ):
        exact(t, a, x, (8, 23), x)


def enumerated(x: Tensor, exp_bits: int, man_bits: int) -> Tensor:
    """The nearest number by looking through all of them: code 0, 1, 2, …; ties to the even code."""
    bias, steps = 2 ** (exp_bits - 1) - 1, 2**man_bits
    codes = range((2**exp_bits - 1) * steps + 1)  # the last one would be the first beyond the end
    values = [
        2.0 ** (1 - bias) * (c / steps) if c < steps else 2.0 ** (c // steps - bias) * (1 + c % steps / steps)
        for c in codes
    ]
    table, size = torch.tensor(values, dtype=torch.float64), x.double().abs()
    above = torch.searchsorted(table, size).clamp(1, len(table) - 1)
    up, down = (table[above] - size).abs(), (size - table[above - 1]).abs()
    code = torch.where((up < down) | ((up == down) & (above % 2 == 0)), above, above - 1)
    value = torch.where(code == len(table) - 1, math.inf, table[code])
    return torch.where(x.isnan(), x.double(), value.copysign(x.double())).float()


@e1.property("small formats: equal to the nearest of all their numbers", points=4)
def small_formats(a: Any, t: Trial) -> None:
    for fmt in ((4, 3), (2, 1), (3, 2), (2, 5), (5, 1), (6, 4), (3, 8)):
        scale = 2.0 ** t.randint(-fmt[1] - 2 ** (fmt[0] - 1) - 2, 2 ** (fmt[0] - 1) + 2, 3000)
        x = (t.randn(3000) * scale).float()
        ties = torch.round(x * 2.0 ** fmt[1]) / 2.0 ** (fmt[1] + 1)
        special = torch.tensor([0.0, -0.0, math.inf, -math.inf, math.nan, 3e38, 1e-45])
        for given in (x, ties, special):
            exact(t, a, given, fmt, enumerated(given, *fmt))


def by_fractions(value: float, exp_bits: int, man_bits: int) -> float:
    """The same in exact rational arithmetic; Python's round() takes halves to even."""
    bias = 2 ** (exp_bits - 1) - 1
    power = max(math.frexp(value)[1] - 1, 1 - bias) - man_bits
    rounded = round(Fraction(value) / Fraction(2) ** power) * Fraction(2) ** power
    too_large = abs(rounded) > (2 - Fraction(1, 2**man_bits)) * 2**bias
    return math.copysign(math.inf if too_large else float(abs(rounded)), value)


@e1.property("any other format", points=1)
def any_format(a: Any, t: Trial) -> None:
    for fmt in ((8, 10), (8, 22), (6, 15), (7, 12), (4, 20), (2, 23), (8, 1)):
        bias = 2 ** (fmt[0] - 1) - 1
        scale = 2.0 ** t.randint(-bias - 8, bias + 2, 60)
        x = (t.randn(60) * scale).float()
        x = x[x.isfinite()]
        exact(t, a, x, fmt, torch.tensor([by_fractions(v, *fmt) for v in x.tolist()]))


@e1.property("saturate, shapes and layouts", points=2)
def edges(a: Any, t: Trial) -> None:
    for fmt, largest in (((5, 10), 65504.0), ((4, 3), 240.0), ((8, 7), 3.3895313892515355e38)):
        x = torch.tensor([largest * 0.5, largest, 3.4e38, -3.4e38, math.inf, -math.inf, math.nan, -0.0])
        expected = torch.tensor([largest * 0.5, *[largest] * 2, -largest, largest, -largest, math.nan, -0.0])
        exact(t, a, x, fmt, expected, saturate=True)
    for words, x in layouts(t, 4, 6, dtype=torch.float32):
        t.equal(a.round_to_format(x, 5, 10), x.half().float(), words, rtol=0, atol=0)
    for x in (torch.tensor(2049.0), torch.empty(0), torch.empty(2, 0)):
        t.equal(a.round_to_format(x, 5, 10), x.half().float(), f"shape {tuple(x.shape)}")
    x = t.randn(50, dtype=torch.float32)
    t.equal(
        a.round_to_format(x=x, exp_bits=4, man_bits=3, saturate=False),
        enumerated(x, 4, 3),
        "arguments by name",
    )


@e1.property("rounding twice changes nothing, and order is kept", points=1)
def idempotent(a: Any, t: Trial) -> None:
    for fmt in ((5, 10), (4, 3), (8, 7)):
        x = some_floats(t, 2000)
        x = x[x.isfinite()].sort().values
        once = a.round_to_format(x, *fmt)
        t.equal(a.round_to_format(once, *fmt), once, f"{fmt}: rounded twice", rtol=0, atol=0)
        t.that(bool((once[1:] >= once[:-1]).all()), f"{fmt}: a larger number was rounded to a smaller one")


@e1.property("format_info", points=2)
def info(a: Any, t: Trial) -> None:
    for fmt, dtype in {**KNOWN, (8, 23): torch.float32}.items():
        facts, found = torch.finfo(dtype), a.format_info(*fmt)
        expected = {
            "max": facts.max,
            "min_normal": facts.smallest_normal,
            "min_subnormal": facts.smallest_normal * facts.eps,
            "eps": facts.eps,
        }
        for key, value in expected.items():
            t.equal(found[key], value, f"format_info{fmt}[{key!r}]", rtol=0, atol=0)
    for fmt, expected in {
        (4, 3): (240.0, 2.0**-6, 2.0**-9, 0.125),
        (2, 1): (3.0, 1.0, 0.5, 0.5),
        (6, 9): (2.0**31 * (2 - 2.0**-9), 2.0**-30, 2.0**-39, 2.0**-9),
    }.items():
        found = a.format_info(*fmt)
        for key, value in zip(("max", "min_normal", "min_subnormal", "eps"), expected, strict=True):
            t.equal(found[key], value, f"format_info{fmt}[{key!r}]", rtol=0, atol=0)


e1.reward(rulers)
