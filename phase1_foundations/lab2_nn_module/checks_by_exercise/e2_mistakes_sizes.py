"""The known mistakes of E2, second part: the law, and how large the numbers are."""

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e2_tools import (
    DEFAULTS,
    DENSE,
    KAIMING,
    TAKES_GAIN,
    fill,
    generator,
    near,
    spread,
)

probe = Probes()


@probe("not-centred")
def not_centred(a: Any, t: Trial) -> str | None:
    for name in DENSE:
        weight = torch.full((300, 200), math.nan)
        fill(a, name, weight, generator=generator(t))
        mean, deviation = float(weight.mean()), float(weight.std())
        if abs(mean) > 0.3 * deviation:
            return (
                f"`{name}` of [300, 200] has mean {mean:.3g} and lies between {float(weight.min()):.3g} and "
                f"{float(weight.max()):.3g}: both laws are centred at 0, U(−b, b) and N(0, std²)"
            )
    return None


@probe("another-law")
def another_law(a: Any, t: Trial) -> str | None:
    for name in DENSE:
        weight = torch.full((300, 200), math.nan)
        fill(a, name, weight, generator=generator(t))
        scaled = weight.double() / weight.double().std()
        fourth, uniform = (
            float((scaled**4).mean()),
            "uniform" in name,
        )  # 1.8 for a uniform law, 3 for a normal
        if uniform and abs(fourth - 3) < 0.15:
            return (
                f"`{name}` gives normal numbers; asked for is a uniform law on (−b, b) with the same "
                "deviation"
            )
        if not uniform and abs(fourth - 1.8) < 0.1:
            return f"`{name}` gives uniform numbers; asked for is a normal law"
        if not uniform and float(scaled.abs().max()) < 3.2:
            return (
                f"`{name}` never goes beyond {float(scaled.abs().max()):.1f} deviations: the law is cut off"
            )
    return None


@probe("only-part-is-written")
def part(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        view = torch.full((7, 6), math.nan).T
        attempt = t.attempt(lambda name=name, view=view: fill(a, name, view))
        if attempt.raised(RuntimeError) and "view" in str(attempt.error):
            return f"`{name}` of a transposed tensor raised “{attempt.error}”: `view` needs contiguous memory"
        if attempt.error is None and bool(view.isnan().any()):
            return (
                f"`{name}` of a transposed tensor leaves {int(view.isnan().sum())} of 42 elements as they "
                "were: `flatten` and `reshape` copy where memory is not contiguous. Write into t itself"
            )
    return None


@probe("empty-tensors-fail")
def empty(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        for shape in ((0, 5), (5, 0), (0, 0)):
            attempt = t.tried(lambda name=name, shape=shape: fill(a, name, torch.zeros(shape)))
            if attempt.error is not None:
                return (
                    f"`{name}` of shape {shape} raised {type(attempt.error).__name__}: {attempt.error}. A "
                    "tensor without elements comes back as it is"
                )
    return None


@probe("bound-is-the-deviation")
def bound_is_std(a: Any, t: Trial) -> str | None:
    for name, std in (("xavier_uniform_", math.sqrt(2 / 500)), ("kaiming_uniform_", math.sqrt(2 / 200))):
        found = spread(a, t, name, 300, 200)
        if near(found, std / math.sqrt(3)):
            return (
                f"`{name}` of [300, 200] has deviation {found:.4f}, expected {std:.4f}: U(−std, std) has "
                "variance std²/3, so multiply the bound by √3"
            )
        if near(found, std * math.sqrt(3)):
            return (
                f"`{name}` of [300, 200] has deviation {found:.4f}, √3 times too much; expected {std:.4f}: "
                "the bound is √3·std, the variance of U(−b, b) is b²/3"
            )
        if near(found, std / math.sqrt(12)) or near(found, std / 2):
            return (
                f"`{name}` of [300, 200] has deviation {found:.4f}, expected {std:.4f}: U(−b, b) is 2b "
                "wide and has variance b²/3"
            )
    return None


@probe("variance-is-taken-for-the-deviation")
def variance_as_std(a: Any, t: Trial) -> str | None:
    for name, variance in (("xavier_normal_", 2 / 500), ("kaiming_normal_", 2 / 200)):
        found = spread(a, t, name, 300, 200)
        if near(found, variance):
            return (
                f"`{name}` of [300, 200] has deviation {found:.4f}, which is the *variance* asked for; "
                f"`normal_` takes the deviation, its root {math.sqrt(variance):.4f}"
            )
    return None


@probe("fan-of-the-wrong-side")
def wrong_side(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        found, expected = spread(a, t, name, 300, 130), math.sqrt(2 / 130)
        for fan, why in ((300, "the default is fan_in, which is t.shape[1]"), (215, "you take both fans")):
            if near(found, math.sqrt(2 / fan)):
                return (
                    f"`{name}` of [300, 130] has deviation {found:.4f}, expected √(2/130) = {expected:.4f}: "
                    f"{why}"
                )
    for name in TAKES_GAIN:
        found, expected = spread(a, t, name, 300, 130), math.sqrt(2 / 430)
        for fan in (130, 300):
            if near(found, math.sqrt(2 / fan)) or near(found, math.sqrt(1 / fan)):
                return (
                    f"`{name}` of [300, 130] has deviation {found:.4f}, expected √(2/(130 + 300)) = "
                    f"{expected:.4f}: Xavier takes both fans"
                )
        if near(found, math.sqrt(1 / 430)):
            return (
                f"`{name}` of [300, 130] has deviation {found:.4f}, expected √(2/430) = {expected:.4f}: "
                "the 2 is missing"
            )
    return None


@probe("mode-ignored")
def mode_ignored(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        found = spread(a, t, name, 300, 100, mode="fan_out")
        if near(found, math.sqrt(2 / 100)):
            return (
                f"`{name}` with mode='fan_out' has the deviation of fan_in, {found:.4f}; expected "
                "√(2/300) = 0.0816"
            )
    return None


@probe("relu-gain-forgotten")
def relu_gain(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        for how in ({}, {"nonlinearity": "relu"}):
            found = spread(a, t, name, 300, 200, **how)
            if near(found, math.sqrt(1 / 200)):
                return (
                    f"`{name}` of [300, 200] with {how or 'its defaults'} has deviation {found:.4f} = "
                    "1/√fan_in: a relu throws half away, so activation variance halves every layer. The gain "
                    "is √2 (the default is leaky_relu with slope 0, which is a relu)"
                )
    return None


@probe("gain-ignored")
def gain_ignored(a: Any, t: Trial) -> str | None:
    for name in TAKES_GAIN:
        found = spread(a, t, name, 300, 100, gain=3.0)
        if near(found, math.sqrt(2 / 400)):
            return (
                f"`{name}` with gain=3 has the same deviation as with gain=1, {found:.4f}: multiply by "
                "the gain"
            )
        if near(found, math.sqrt(3 * 2 / 400)) or near(found, 9 * math.sqrt(2 / 400)):
            return (
                f"`{name}` with gain=3 has deviation {found:.4f}, expected 3 · √(2/400) = "
                f"{3 * math.sqrt(2 / 400):.4f}"
            )
    weight = a.orthogonal_(torch.zeros(8, 5), gain=3.0)
    length = float(weight[:, 0].norm())
    if near(length, 1.0):
        return "`orthogonal_` with gain=3 has columns of length 1: multiply Q by the gain"
    return None


@probe("slope-ignored")
def slope_ignored(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        found, expected = spread(a, t, name, 300, 200, a=2.0), math.sqrt(2 / 5 / 200)
        if near(found, math.sqrt(2 / 200)):
            return (
                f"`{name}` with a=2 has the same deviation as with a=0, {found:.4f}; the gain is √(2 / "
                "(1 + a²))"
            )
        if near(found, math.sqrt(2 / 3 / 200)):
            return (
                f"`{name}` with a=2 has deviation {found:.4f}, expected {expected:.4f}: the gain is √(2 "
                "/ (1 + a²)), a is squared"
            )
        relu = spread(a, t, name, 300, 200, a=2.0, nonlinearity="relu")
        if near(relu, expected):
            return f"`{name}` with nonlinearity='relu' depends on a: the slope matters for leaky_relu alone"
    return None


@probe("gain-of-another-nonlinearity")
def other_gain(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        for word, gain in (("tanh", 5 / 3), ("linear", 1.0), ("relu", math.sqrt(2))):
            attempt = t.attempt(
                lambda name=name, word=word: spread(a, t, name, 300, 200, nonlinearity=word, generator=None)
            )
            if attempt.raised(ValueError, KeyError):
                return f"`{name}` does not know the nonlinearity {word!r}: its gain is {gain:.4g}"
            if attempt.error is None and not near(attempt.value, gain / math.sqrt(200)):
                return (
                    f"`{name}` of [300, 200] with nonlinearity={word!r} has deviation {attempt.value:.4f}, "
                    f"expected {gain:.4g} / √200 = {gain / math.sqrt(200):.4f}"
                )
    return None


@probe("default-of-an-argument")
def defaults(a: Any, t: Trial) -> str | None:
    for name, values in DEFAULTS.items():
        for argument, value in values.items():
            plain, said = (
                fill(a, name, torch.zeros(6, 4), generator=torch.Generator().manual_seed(3), **how).clone()
                for how in ({}, {argument: value})
            )
            again = fill(a, name, torch.zeros(6, 4), generator=torch.Generator().manual_seed(3))
            if torch.equal(plain, again) and not torch.equal(plain, said):
                return (
                    f"`{name}` with {argument}={value!r} gives other numbers than without, and this is the "
                    "default that is asked for"
                )
    return None


@probe("size-off-by-a-factor")
def off_by_a_factor(a: Any, t: Trial) -> str | None:
    for name in DENSE:
        formula, std = ("2/(300 + 100)", 2 / 400) if name in TAKES_GAIN else ("2/100", 2 / 100)
        found, expected = spread(a, t, name, 300, 100), math.sqrt(std)
        if not near(found, expected):
            return (
                f"`{name}` of [300, 100] has deviation {found:.4f}, expected √({formula}) = {expected:.4f}: "
                f"it is off by a factor {found / expected:.3g}"
            )
    return None


@probe("unknown-word-accepted")
def unknown_word(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        for how in ({"mode": "fan_middle"}, {"nonlinearity": "rleu"}):
            attempt = t.attempt(lambda name=name, how=how: getattr(a, name)(torch.zeros(4, 3), **how))
            if attempt.error is None or attempt.raised(KeyError, UnboundLocalError):
                what = "was accepted" if attempt.error is None else f"raised {type(attempt.error).__name__}"
                return f"`{name}` with {how} {what}: a typing error must not pass silently; raise ValueError"
    return None
