"""The known mistakes of E2 in the fake quantisation and its gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import family

ZERO = torch.tensor(0, dtype=torch.int32)
probe = Probes()


def applied(
    a: Any, values: list[float], scale: float = 1.0, zero: int = 0, bits: int = 3, signed: bool = True
) -> Any:
    """(output, gradient of 2·sum of the output) for a vector."""
    x = torch.tensor(values, requires_grad=True)
    y = a.FakeQuant.apply(x, torch.tensor(scale), torch.tensor(zero, dtype=torch.int32), bits, signed, None)
    if y.requires_grad:
        (2 * y).sum().backward()
    return y.detach(), x.grad


@probe("fake-values")
def values(a: Any, t: Trial) -> str | None:
    y, _ = applied(a, [0.9, -0.3, 9.0, -9.0], scale=0.5)
    right = torch.tensor([1.0, -0.5, 1.5, -2.0])
    if same(y, right / 0.5):
        return (
            f"forward gives the whole numbers {numbers(y)}; it must dequantise them again: {numbers(right)}"
        )
    if same(y, torch.tensor([1.0, -0.5, 9.0, -9.0])):
        return (
            f"forward does not clamp: 9 became {y[2]:g}, but with 3 bits and scale 0.5 the largest value is "
            f"1.5"
        )
    y, _ = applied(a, [3.0, -3.0], scale=1.0, zero=2)
    if not same(y, torch.tensor([1.0, -3.0])):
        return (
            f"3 bits, scale 1, zero point 2: levels stand for −6 … 1, so [3, −3] becomes [1, −3], you give "
            f"{numbers(y)}"
        )
    y, _ = applied(a, [3.0, -3.0, 9.0], signed=False)
    if not same(y, torch.tensor([3.0, 0.0, 7.0])):
        return f"3 bits, unsigned: [3, −3, 9] becomes [3, 0, 7], you give {numbers(y)}"
    y, _ = applied(a, [100.0, -100.0], bits=8, scale=1.0, zero=-128)
    if not same(y, torch.tensor([100.0, 0.0])):
        return (
            f"8 bits, zero point −128: levels stand for 0 … 255, [100, −100] becomes [100, 0], you give "
            f"{numbers(y)}"
        )
    return None


@probe("no-gradient")
def dead(a: Any, t: Trial) -> str | None:
    _, gradient = applied(a, [0.4, 1.2])
    if gradient is None or not gradient.any():
        return (
            "the gradient inside the range is 0 everywhere, or missing: that is the true derivative of "
            "rounding, and "
            "nothing could be learned. Let it pass straight through"
        )
    return None


@probe("gradient-outside")
def outside(a: Any, t: Trial) -> str | None:
    _, gradient = applied(a, [0.4, 30.0, -30.0])
    if gradient.tolist() == [2.0, 2.0, 2.0]:
        return (
            "the gradient at x = 30, ten times the largest level, is to be 0: there the output does not move"
        )
    if gradient.tolist()[1:] != [0.0, 0.0]:
        return f"outside the range the gradient is 0, yours is {numbers(gradient[1:])}"
    return None


@probe("gradient-not-the-incoming-one")
def incoming(a: Any, t: Trial) -> str | None:
    for scale in (1.0, 0.5, 2.0):
        _, gradient = applied(a, [0.4, 0.6], scale=scale)
        if gradient.tolist() != [2.0, 2.0]:
            return (
                f"the incoming gradient is 2 for each element, and with scale {scale} yours is "
                f"{numbers(gradient)}: "
                "inside the range it passes unchanged, without the scale"
            )
    return None


@probe("edge-of-the-range")
def edges(a: Any, t: Trial) -> str | None:
    # 3 bits signed, scale 1: levels −4 … 3, so everything that rounds to them is inside
    x = [3.0, 3.4, 3.6, -4.0, -4.4, -4.6]
    _, gradient = applied(a, x)
    if gradient.tolist() != [2.0, 2.0, 0.0, 2.0, 2.0, 0.0]:
        more = ""
        if gradient.tolist() == [2.0, 0.0, 0.0, 2.0, 0.0, 0.0]:
            more = " You ask whether x itself lies between the levels; the condition is on round(x/s) + z."
        if gradient.tolist() == [0.0] * 6:
            more = " The first and the last level are inside: ≤, not <."
        return (
            f"levels −4 … 3, x = {numbers(x)}: what *rounds* to a level is inside. The gradient is [2, 2, "
            f"0, 2, 2, 0], "
            f"yours {numbers(gradient)}.{more}"
        )
    _, gradient = applied(a, [0.0, 2.0, -5.0, -7.0], zero=2)
    if gradient.tolist() != [2.0, 0.0, 2.0, 0.0]:
        return (
            "3 bits, scale 1, zero point 2: x from −6 to 1 is inside. For x = [0, 2, −5, −7] the gradient is "
            f"[2, 0, 2, 0], yours {numbers(gradient)}: the zero point counts"
        )
    return None


@probe("fake-along-an-axis")
def per_channel(a: Any, t: Trial) -> str | None:
    with family("fake-along-an-axis", "FakeQuant with one scale for each row or column"):
        for axis in (0, 1, -1):
            x = torch.tensor([[0.9, 1.4, 40.0], [0.9, 1.4, -40.0]], requires_grad=True)
            count = x.shape[axis]
            scale = torch.tensor([1.0, 0.5, 10.0])[:count]
            zero = torch.zeros(count, dtype=torch.int32)
            y = a.FakeQuant.apply(x, scale, zero, 3, True, axis)
            y.sum().backward()
            z = x.detach().clone().requires_grad_()
            with t.oracle():
                right = torch.fake_quantize_per_channel_affine(z, scale, zero, axis % 2, -4, 3)
            right.sum().backward()
            t.equal(y.detach(), right.detach(), f"axis={axis}: the values")
            t.equal(x.grad, z.grad, f"axis={axis}: the gradient")
    return None


@probe("fake-dtype")
def dtype(a: Any, t: Trial) -> str | None:
    with family("fake-dtype", "FakeQuant of a float64 tensor"):
        x = torch.tensor([0.9, -0.3], dtype=torch.float64, requires_grad=True)
        y: Tensor = a.FakeQuant.apply(x, torch.tensor(0.5), ZERO, 8, True, None)
        t.that(y.dtype == torch.float64, f"gives {y.dtype}, expected x's dtype, float64")
        y.sum().backward()
        t.that(x.grad is not None and x.grad.dtype == torch.float64, "the gradient is not float64")
    return None


@probe("one-mask-for-all-calls")
def two_calls(a: Any, t: Trial) -> str | None:
    inside, outside = (torch.tensor([v, v], requires_grad=True) for v in (0.4, 30.0))
    one, two = (a.FakeQuant.apply(x, torch.tensor(1.0), ZERO, 3, True, None) for x in (inside, outside))
    (one + two).sum().backward()
    if (inside.grad.tolist(), outside.grad.tolist()) != ([1.0, 1.0], [0.0, 0.0]):
        return (
            "two calls before one backward, x = 0.4 (inside the range) and x = 30 (outside): the gradients "
            f"are {numbers(inside.grad)} and {numbers(outside.grad)}, expected [1, 1] and [0, 0]. What a "
            "call remembers belongs into its `ctx`"
        )
    return None
