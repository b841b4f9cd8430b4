"""The known mistakes of E4 in the observers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.naming import family

probe = Probes()
MODES = ("minmax", "ema", "percentile", "mse")


def scale_of(low: float, high: float, bits: int = 8) -> float:
    """The affine scale of a range that is extended to 0."""
    return (max(high, 0.0) - min(low, 0.0)) / (2**bits - 1) or 1.0


def width(observer: Any) -> float:
    """How wide the chosen range is."""
    found = observer.qparams()
    return float(found.scale) * (2**found.bits - 1)


def watched(a: Any, mode: str, *batches: Any, **how: Any) -> Any:
    observer = a.Observer(mode, **how)
    for batch in batches:
        observer.observe(torch.as_tensor(batch, dtype=torch.float32))
    return observer


def close(found: float, expected: float) -> bool:
    return abs(found - expected) <= 1e-4 * abs(expected)


@probe("not-qparams")
def fields(a: Any, t: Trial) -> str | None:
    with family("not-qparams", "qparams() after one tensor"):
        for mode in MODES:
            found = watched(a, mode, [-1.0, 0.5, 3.0]).qparams()
            for name in ("scale", "zero_point"):
                value = getattr(found, name)
                t.that(
                    isinstance(value, Tensor) and value.ndim == 0,
                    f"{mode}: `{name}` is {value!r}, not a 0-d tensor",
                )
            t.that(found.bits == 8, f"{mode}: `bits` is {found.bits}")
        t.that(
            watched(a, "minmax", [1.0], bits=4).qparams().bits == 4,
            "with bits=4 the QParams say another number",
        )
    return None


@probe("shared-between-observers")
def shared(a: Any, t: Trial) -> str | None:
    for mode in MODES:
        one, two = a.Observer(mode), a.Observer(mode)
        one.observe(torch.tensor([-100.0, 100.0]))
        two.observe(torch.tensor([-1.0, 1.0]))
        if width(two) > 100:
            return (
                f'two observers ("{mode}") share what they saw: state belongs to the instance, in `__init__`'
            )
    return None


@probe("sign-lost")
def signs(a: Any, t: Trial) -> str | None:
    for low, high, mirrored in ((-1.0, 3.0, 6.0), (-4.0, 0.5, 8.0)):
        found = width(watched(a, "minmax", [low, high, 0.1]))
        if close(found, high - low):
            continue
        if close(found, max(-low, high)):
            return (
                f"values from {low:g} to {high:g} have a range of width {found:g} in yours: the sign was "
                f"lost (`abs`)"
            )
        if close(found, mirrored) or close(found, mirrored * 255 / 254):
            return (
                f"values from {low:g} to {high:g} have a symmetric range in yours; lo and hi are found one "
                f"by one"
            )
    return None


@probe("accepts-nonsense")
def nonsense(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: watched(a, "median", [1.0]).qparams())
    if not isinstance(attempt.error, ValueError):
        return 'an unknown mode, Observer("median"), is a ValueError'
    for mode in MODES:
        attempt = t.tried(lambda mode=mode: a.Observer(mode).qparams())
        if not isinstance(attempt.error, ValueError):
            how = f"raised {type(attempt.error).__name__}" if attempt.error else f"gave {attempt.value}"
            return f'Observer("{mode}").qparams() before anything was seen {how}; a ValueError is asked for'
    return None


@probe("last-tensor-only")
def last_only(a: Any, t: Trial) -> str | None:
    for mode in ("minmax", "percentile", "mse"):
        for batches in (([-2.0, 4.0], [-1.0, 1.0]), ([-1.0, 1.0], [-2.0, 4.0])):
            found = width(watched(a, mode, *batches, bits=8, percentile=100.0))
            if close(found, 2.0):
                which = "last" if batches[1][1] == 1.0 else "first"
                return f'"{mode}" saw [−2, 4] and [−1, 1], and its range is that of the {which} tensor alone'
    found = width(watched(a, "minmax", [-2.0, 4.0], [-1.0, 8.0]))
    if close(found, 9.0) or close(found, 7.5):
        return '"minmax" averages over tensors; it is the smallest and the largest value of all'
    return None


@probe("ema-from-zero")
def ema_start(a: Any, t: Trial) -> str | None:
    found = width(watched(a, "ema", [-2.0, 4.0]))
    if close(found, 0.6) or close(found, 5.4):
        return "the moving average starts at 0: after one tensor the range must be that tensor's, −2 … 4"
    if not close(found, 6.0):
        return f'"ema" after one tensor from −2 to 4 has a range of width {found:.4g}, expected 6'
    return None


@probe("ema-momentum")
def ema_momentum(a: Any, t: Trial) -> str | None:
    found = width(watched(a, "ema", [-2.0, 4.0], [-4.0, 16.0], momentum=0.75))
    right = 0.75 * 6 + 0.25 * 20
    named = {
        0.25 * 6 + 0.75 * 20: "momentum weighs the *old* value, 1 − momentum the new one",
        0.9 * 6 + 0.1 * 20: "the argument `momentum` is ignored",
        20.0: "that is min–max, no average",
        13.0: "that is the plain mean",
    }
    if not close(found, right):
        why = next(
            (words for value, words in named.items() if close(found, value)), "lo ← m·lo + (1 − m)·min(x)"
        )
        return f"ranges of width 6 and 20 with momentum 0.75 give {right:g}, you have {found:.4g}: {why}"
    found = width(watched(a, "ema", [0.0, 4.0], [0.0, 14.0]))
    if not close(found, 5.0):
        return f"momentum is 0.9 by default: widths 4 and 14 give 5, you have {found:.4g}"
    return None


@probe("percentiles-averaged")
def averaged(a: Any, t: Trial) -> str | None:
    first, second = torch.arange(0.0, 1000.0), torch.arange(0.0, 100.0)
    found = width(watched(a, "percentile", first, second, percentile=90.0))
    together = np.percentile(torch.cat([first, second]).numpy(), 90.0)
    mean = (np.percentile(first.numpy(), 90.0) + np.percentile(second.numpy(), 90.0)) / 2
    largest = np.percentile(first.numpy(), 90.0)
    for value, words in (
        (mean, "that is the mean of each tensor's own percentile"),
        (np.percentile(second.numpy(), 90.0), "that is the last tensor's percentile"),
        (largest, "that is the largest of each tensor's own percentile"),
        (
            0.9 * largest + 0.1 * np.percentile(second.numpy(), 90.0),
            "that is a moving average of percentiles",
        ),
    ):
        if abs(found - value) < 0.5 and abs(value - together) > 2:
            return (
                f"0 … 999 and 0 … 99 together have the 90th percentile {together:.1f}, your range ends at "
                f"{found:.1f}: "
                f"{words}. Keep all values, or a histogram"
            )
    return None


@probe("percentile-ignored")
def percentile(a: Any, t: Trial) -> str | None:
    x = torch.linspace(-100, 100, 2001)
    found = width(watched(a, "percentile", x, percentile=90.0))
    named = {
        200.0: "`percentile` changes nothing: that is min–max",
        199.8: "`percentile` is ignored: that is the default of 99.9",
        180.0: "the lower end is the (100 − p)-th percentile, 10; you cut half of that, or one side only",
        199.6: "`percentile` is ignored",
    }
    if abs(found - 160.0) > 0.5:
        why = next(
            (words for value, words in named.items() if abs(found - value) < 0.5),
            "lo is the 10th, hi the 90th",
        )
        return f"−100 … 100 evenly, percentile=90: the range is −80 … 80, width 160, yours {found:.4g}: {why}"
    found = width(watched(a, "percentile", torch.linspace(0, 1000, 100_001)))
    if abs(found - 999.0) > 1.1 or found > 999.9:
        return (
            f"by default the 99.9th percentile counts: of 0 … 1000 evenly it is 999, your range ends at "
            f"{found:.5g}"
        )
    return None


def error(x: Tensor, observer: Any) -> float:
    found = observer.qparams()
    q = (x.double() / float(found.scale)).round() + float(found.zero_point)
    low, high = -(2 ** (found.bits - 1)), 2 ** (found.bits - 1) - 1
    return float(
        ((q.clamp(low, high) - float(found.zero_point)) * float(found.scale) - x.double()).square().mean()
    )


def smallest_error(x: Tensor, bits: int) -> float:
    """By a fine grid of clipped ranges, in float64."""
    x = x.double()
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    best = float("inf")
    for c in torch.linspace(0.005, 1, 200).tolist():
        s = max(float(high - low) * c, 1e-12) / (qmax - qmin)
        z = float((qmin - low * c / s).round().clamp(qmin, qmax))
        y = (((x / s).round() + z).clamp(qmin, qmax) - z) * s
        best = min(best, float((y - x).square().mean()))
    return best


def heavy(t: Trial, count: int = 3000) -> Tensor:
    """Numbers with heavy tails: at 4 bits it pays to cut them."""
    u = t.rand(count) - 0.5
    return (-u.sign() * (1 - 2 * u.abs()).clamp(min=1e-9).log()).float()


@probe("mse-without-a-search")
def searched(a: Any, t: Trial) -> str | None:
    x = heavy(t)
    observer = watched(a, "mse", x, bits=4)
    found, best, plain = error(x, observer), smallest_error(x, 4), error(x, watched(a, "minmax", x, bits=4))
    if found > 1.05 * best:
        more = ": that is the error of min–max" if abs(found / plain - 1) < 0.01 else ""
        return (
            f'"mse" with 4 bits on numbers with heavy tails: mean squared error {found:.4g}, the best '
            f"clipping has "
            f"{best:.4g}{more}. Try c·min … c·max for many c, with `bits` levels"
        )
    parts = watched(a, "mse", *x.split(700), bits=4)
    if error(x, parts) > 1.05 * best:
        return (
            '"mse" in parts: the error of *all* values seen counts, not that of the last tensor, nor of '
            "the best c of each"
        )
    return None


@probe("asking-changes-the-state")
def asking(a: Any, t: Trial) -> str | None:
    for mode in MODES:
        with family("asking-changes-the-state", f'"{mode}": asking twice, and observing after asking'):
            x, y = t.randn(50, dtype=torch.float32), 3 * t.randn(50, dtype=torch.float32)
            asked, silent = a.Observer(mode), a.Observer(mode)
            for observer in (asked, silent):
                observer.observe(x)
            first, second = (width(asked) for _ in range(2))
            t.that(first == second, f"two calls gave widths {first:.5g} and {second:.5g}")
            for observer in (asked, silent):
                observer.observe(y)
            t.that(close(width(asked), width(silent)), "a call between two tensors changed the result")
    return None


@probe("keeps-a-view")
def views(a: Any, t: Trial) -> str | None:
    for mode in MODES:
        buffer = torch.tensor([-1.0, 1.0])
        observer = watched(a, mode)
        observer.observe(buffer)
        buffer.mul_(50)
        if width(observer) > 10:
            return f'"{mode}" keeps a view of the tensor, which was changed later: clone it'
    return None


@probe("odd-tensors")
def odd(a: Any, t: Trial) -> str | None:
    for mode in MODES:
        with family("odd-tensors", f'"{mode}", a 3-d tensor that requires a gradient'):
            observer = a.Observer(mode)
            observer.observe((t.randn(2, 3, 4, dtype=torch.float32) + 5).requires_grad_())
            t.that(
                width(observer) > 4, "a positive 3-d tensor: the range must reach from 0 to its largest value"
            )
        with family("odd-tensors", f'"{mode}", an empty tensor after others'):
            observer = watched(a, mode, [-1.0, 3.0])
            before = width(observer)
            observer.observe(torch.empty(0, 3))
            t.that(width(observer) == before, "the range has changed")
        with family("odd-tensors", f'"{mode}", an empty tensor before others'):
            observer = a.Observer(mode)
            observer.observe(torch.empty(0))
            observer.observe(torch.tensor([-1.0, 3.0]))
            t.that(width(observer) == before, "the range is another than without it")
        with family("odd-tensors", f'"{mode}", a float16 tensor'):
            half = a.Observer(mode)
            half.observe(torch.ones(3, dtype=torch.float16))
            half.qparams()
        with family("odd-tensors", f'"{mode}", zeros only'):
            zeros = a.Observer(mode)
            zeros.observe(torch.zeros(4))
            t.that(float(zeros.qparams().scale) == 1.0, "the scale is 1.0")
    return None
