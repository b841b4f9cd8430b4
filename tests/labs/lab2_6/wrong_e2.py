"""Wrong answers to E2."""

from __future__ import annotations

import torch

from phase2_intermediate.lab6_model_export.solution import (
    FakeQuant,
    along,
    choose_qparams,
    dequantize,
    levels,
    quantize,
)
from tests.labs.answers import Answers

wrong = Answers()


def choosing(change):
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        found = choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric, signed=signed)
        return change(*found, x_min, x_max, bits, symmetric, signed)

    return {"choose_qparams": qparams}


@wrong("E2")
def zero_point_of_the_other_sign():
    return choosing(lambda s, z, *_: (s, -z))


@wrong("E2")
def unsigned_whatever_is_asked():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        if symmetric:
            return choose_qparams(x_min, x_max, bits=bits, symmetric=True, signed=signed)
        return choose_qparams(x_min, x_max, bits=bits, signed=False)

    return {"choose_qparams": qparams}


@wrong("E2")
def eight_bits_always():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        return choose_qparams(x_min, x_max, symmetric=symmetric, signed=signed)

    return {"choose_qparams": qparams}


@wrong("E2")
def symmetric_by_the_maximum():
    def change(s, z, low, high, bits, symmetric, signed):
        return (high.clamp(min=1e-9) / (2 ** (bits - 1) - 1) if symmetric else s), z

    return choosing(change)


@wrong("E2")
def one_range_for_all():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        return choose_qparams(x_min.min(), x_max.max(), bits=bits, symmetric=symmetric, signed=signed)

    return {"choose_qparams": qparams}


@wrong("E2")
def zero_point_in_int64():
    return choosing(lambda s, z, *_: (s, z.long()))


@wrong("E2")
def float64_scale():
    return choosing(lambda s, z, *_: (s.double(), z))


@wrong("E2")
def zero_point_truncated():
    def change(s, z, low, high, bits, symmetric, signed):
        if symmetric:
            return s, z
        qmin, qmax = levels(bits, signed)
        return s, (qmin - low.clamp(max=0) / s).int().clamp(qmin, qmax)

    return choosing(change)


@wrong("E2")
def python_numbers():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        s, z = choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric, signed=signed)
        return s.item(), z.item()

    return {"choose_qparams": qparams}


def quantising(change):
    def quantise(x, scale, zp, *, bits=8, signed=True, axis=None):
        return change(x, scale, zp, bits, signed, axis)

    return {"quantize": quantise}


@wrong("E2")
def floor():
    return quantising(
        lambda x, s, z, b, g, a: quantize(
            (x / along(s, x, a)).floor() * along(s, x, a), s, z, bits=b, signed=g, axis=a
        )
    )


@wrong("E2")
def half_away_from_zero():
    def change(x, s, z, bits, signed, axis):
        if x.isnan().any():
            raise ValueError("NaN")
        steps = x.float() / along(s, x, axis)
        q = (steps.abs() + 0.5).floor().copysign(steps) + along(z, x, axis)
        return q.clamp(*levels(bits, signed)).to(torch.int8 if signed else torch.uint8)

    return quantising(change)


@wrong("E2")
def clamps_to_eight_bits():
    return quantising(lambda x, s, z, b, g, a: quantize(x, s, z, signed=g, axis=a))


@wrong("E2")
def subtracts_the_zero_point():
    return quantising(lambda x, s, z, b, g, a: quantize(x, s, -z, bits=b, signed=g, axis=a))


@wrong("E2")
def multiplies_by_the_scale():
    return quantising(
        lambda x, s, z, b, g, a: quantize(x * along(s, x, a) ** 2, s, z, bits=b, signed=g, axis=a)
    )


@wrong("E2")
def always_int8():
    return quantising(lambda x, s, z, b, g, a: quantize(x, s, z, bits=b, signed=g, axis=a).to(torch.int8))


@wrong("E2")
def nan_becomes_zero():
    return quantising(
        lambda x, s, z, b, g, a: quantize(x.nan_to_num(nan=0.0), s, z, bits=b, signed=g, axis=a)
    )


@wrong("E2")
def infinity_is_an_error():
    def change(x, s, z, bits, signed, axis):
        if not x.isfinite().all():
            raise ValueError("not finite")
        return quantize(x, s, z, bits=bits, signed=signed, axis=axis)

    return quantising(change)


@wrong("E2")
def clamps_before_the_zero_point():
    def change(x, s, z, bits, signed, axis):
        if x.isnan().any():
            raise ValueError("NaN")
        q = (x.float() / along(s, x, axis)).round().clamp(*levels(bits, signed)) + along(z, x, axis)
        return q.to(torch.int64).to(torch.int8 if signed else torch.uint8)

    return quantising(change)


@wrong("E2")
def adds_the_zero_point_back():
    return {"dequantize": lambda q, s, z, axis=None: (q.float() + along(z, q, axis)) * along(s, q, axis)}


@wrong("E2")
def divides_back():
    return {"dequantize": lambda q, s, z, axis=None: (q.float() - along(z, q, axis)) / along(s, q, axis)}


@wrong("E2")
def negative_axis_fails():
    def back(q, s, z, axis=None):
        if axis is not None and axis < 0:
            raise ValueError("axis")
        return dequantize(q, s, z, axis)

    return {"dequantize": back}


def faking(**methods):
    return {"FakeQuant": type("FakeQuant", (FakeQuant,), {k: staticmethod(f) for k, f in methods.items()})}


@wrong("E2")
def gradient_times_scale():
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0] * 0.5, None, None, None, None, None

    return faking(backward=backward)


@wrong("E2")
def gradient_of_ones():
    def backward(ctx, grad):
        return ctx.saved_tensors[0].to(grad.dtype), None, None, None, None, None

    return faking(backward=backward)


@wrong("E2")
def gradient_outside_only():
    def backward(ctx, grad):
        return grad * ~ctx.saved_tensors[0], None, None, None, None, None

    return faking(backward=backward)


@wrong("E2")
def strictly_inside():
    def forward(ctx, x, scale, zp, bits, signed, axis):
        qmin, qmax = levels(bits, signed)
        s, z = along(scale, x, axis).to(x.dtype), along(zp, x, axis)
        q = (x / s).round() + z
        ctx.save_for_backward((q > qmin) & (q < qmax))
        return (q.clamp(qmin, qmax) - z) * s

    return faking(forward=forward)


@wrong("E2")
def mask_after_the_clamp():
    def forward(ctx, x, scale, zp, bits, signed, axis):
        qmin, qmax = levels(bits, signed)
        s, z = along(scale, x, axis).to(x.dtype), along(zp, x, axis)
        q = ((x / s).round() + z).clamp(qmin, qmax)
        ctx.save_for_backward((q >= qmin) & (q <= qmax))
        return (q - z) * s

    return faking(forward=forward)


@wrong("E2")
def whole_numbers_come_out():
    def forward(ctx, x, scale, zp, bits, signed, axis):
        y = FakeQuant.forward(ctx, x, scale, zp, bits, signed, axis)
        return y / along(scale, x, axis)

    return faking(forward=forward)


@wrong("E2")
def always_signed():
    def forward(ctx, x, scale, zp, bits, signed, axis):
        return FakeQuant.forward(ctx, x, scale, zp, bits, True, axis)

    return faking(forward=forward)


@wrong("E2")
def torchs_own():
    class Own:
        @staticmethod
        def apply(x, scale, zp, bits, signed, axis):
            low, high = levels(bits, signed)
            if axis is None:
                return torch.fake_quantize_per_tensor_affine(x, scale, zp, low, high)
            return torch.fake_quantize_per_channel_affine(x, scale, zp, axis, low, high)

    return {"FakeQuant": Own}


@wrong("E2")
def detaches():
    class Detached:
        @staticmethod
        def apply(x, scale, zp, bits, signed, axis):
            return dequantize(
                quantize(x.detach(), scale, zp, bits=bits, signed=signed, axis=axis), scale, zp, axis
            )

    return {"FakeQuant": Detached}
