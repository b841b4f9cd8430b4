"""Wrong answers to E2: the order of operations, numbers of too few digits, gradients for too many."""

from __future__ import annotations

import torch

from phase2_intermediate.lab6_model_export.solution import FakeQuant, along, choose_qparams, levels
from tests.labs.answers import Answers

wrong = Answers()


def quantising(steps):
    """A `quantize` with its own arithmetic: steps(x, scale, zero point, qmin, qmax)."""

    def quantize(x, scale, zp, *, bits=8, signed=True, axis=None):
        if x.isnan().any():
            raise ValueError("NaN")
        found = steps(x, along(scale, x, axis), along(zp, x, axis), *levels(bits, signed))
        return found.to(torch.int8 if signed else torch.uint8)

    return {"quantize": quantize}


def wide(x):
    return x if x.dtype == torch.float64 else x.float()


@wrong("E2")
def clamped_before_the_zero_point():
    return quantising(
        lambda x, s, z, low, high: ((wide(x) / s).round().clamp(low, high) + z).clamp(low, high)
    )


@wrong("E2")
def rounded_after_the_zero_point():
    return quantising(lambda x, s, z, low, high: (wide(x) / s + z).round().clamp(low, high))


@wrong("E2")
def divided_in_the_dtype_of_x():
    return quantising(lambda x, s, z, low, high: ((x / s.to(x.dtype)).round() + z).clamp(low, high))


@wrong("E2")
def the_most_negative_level_is_never_used():
    return quantising(lambda x, s, z, low, high: ((wide(x) / s).round() + z).clamp(low + (low < 0), high))


@wrong("E2")
def dequantised_in_half():
    def dequantize(q, scale, zp, axis=None):
        return ((q.half() - along(zp, q, axis)) * along(scale, q, axis).half()).float()

    return {"dequantize": dequantize}


@wrong("E2")
def zeros_for_the_scale():
    def backward(ctx, grad):
        x, *others = FakeQuant.backward(ctx, grad)
        return (x, torch.zeros(()), *others[1:]) if ctx.needs_input_grad[1] else (x, *others)

    kind = type(
        "FakeQuant",
        (torch.autograd.Function,),
        {"forward": staticmethod(FakeQuant.forward), "backward": staticmethod(backward)},
    )
    return {"FakeQuant": kind}


@wrong("E2")
def small_ranges_have_the_scale_one():
    def choose(x_min, x_max, **how):
        scale, zero = choose_qparams(x_min, x_max, **how)
        return torch.where(scale < 1e-6, torch.ones_like(scale), scale), zero

    return {"choose_qparams": choose}


@wrong("E2")
def symmetric_by_default():
    def choose(x_min, x_max, *, bits=8, symmetric=True, signed=True):
        return choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric and signed, signed=signed)

    return {"choose_qparams": choose}


@wrong("E2")
def the_last_mask_for_every_call():
    kept = {}

    def forward(ctx, x, scale, zp, bits, signed, axis):
        low, high = levels(bits, signed)
        s, z = along(scale, x, axis).to(x.dtype), along(zp, x, axis)
        q = (x / s).round() + z
        kept["inside"] = (q >= low) & (q <= high)
        return (q.clamp(low, high) - z) * s

    def backward(ctx, grad):
        return grad * kept["inside"], None, None, None, None, None

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return {"FakeQuant": type("FakeQuant", (torch.autograd.Function,), methods)}
