"""Wrong answers to E2."""

import torch

from courseware.check import misconception
from phase2_intermediate.lab6_model_export.solution import (
    FakeQuant,
    along,
    choose_qparams,
    dequantize,
    levels,
    quantize,
)


@misconception("E2", diagnosis="zero-is-not-exact")
def the_range_as_it_is():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        if symmetric or not bool((x_min <= x_max).all()) or not bool((x_max - x_min).isfinite().all()):
            return choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric, signed=signed)
        qmin, qmax = levels(bits, signed)
        scale = (x_max - x_min) / (qmax - qmin)
        scale = torch.where(scale == 0, 1.0, scale)
        return scale, (qmin - x_min / scale).round().clamp(qmin, qmax).int()

    return {"choose_qparams": qparams}


@misconception("E2", diagnosis="one-level-too-many")
def two_to_the_b_steps():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        scale, zero = choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric, signed=signed)
        if symmetric:
            return scale, zero
        qmin, qmax = levels(bits, signed)
        low, high = x_min.clamp(max=0), x_max.clamp(min=0)
        scale = (high - low) / 2**bits
        scale = torch.where(scale == 0, 1.0, scale)
        return scale, (qmin - low / scale).round().clamp(qmin, qmax).int()

    return {"choose_qparams": qparams}


@misconception("E2", diagnosis="symmetric-uses-the-odd-level")
def divides_by_128():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        scale, zero = choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric, signed=signed)
        return (scale * (2 ** (bits - 1) - 1) / 2 ** (bits - 1) if symmetric else scale), zero

    return {"choose_qparams": qparams}


@misconception("E2", diagnosis="qparams-not-rounded-or-clamped")
def a_zero_point_with_digits():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        scale, zero = choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric, signed=signed)
        return scale, zero.float()

    return {"choose_qparams": qparams}


@misconception("E2", diagnosis="nothing-but-zero")
def divides_by_nothing():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        scale, zero = choose_qparams(x_min, x_max, bits=bits, symmetric=symmetric, signed=signed)
        return torch.where((x_min == 0) & (x_max == 0), 0.0, scale), zero

    return {"choose_qparams": qparams}


@misconception("E2", diagnosis="accepts-a-bad-range")
def takes_any_range():
    def qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        low, high = x_min.clamp(max=0), x_max.clamp(min=0)
        qmin, qmax = levels(bits, signed)
        scale = torch.maximum(-low, high) / qmax if symmetric else (high - low) / (qmax - qmin)
        scale = torch.where(scale == 0, 1.0, scale)
        zero = torch.zeros_like(scale) if symmetric else (qmin - low / scale).round().clamp(qmin, qmax)
        return scale, zero.int()

    return {"choose_qparams": qparams}


@misconception("E2", diagnosis="no-clamp")
def wraps_round():
    def quantise(x, scale, zp, *, bits=8, signed=True, axis=None):
        if x.isnan().any():
            raise ValueError("NaN")
        q = (x.float() / along(scale, x, axis)).round() + along(zp, x, axis)
        return q.to(torch.int64).to(torch.int8 if signed else torch.uint8)

    return {"quantize": quantise}


@misconception("E2", diagnosis="ties-or-truncation")
def truncates():
    def quantise(x, scale, zp, *, bits=8, signed=True, axis=None):
        wide = (x.float() / along(scale, x, axis)).trunc() * along(scale, x, axis)
        return quantize(wide, scale, zp, bits=bits, signed=signed, axis=axis)

    return {"quantize": quantise}


@misconception("E2", diagnosis="difference-wraps")
def subtracts_in_eight_bits():
    def back(q, scale, zp, axis=None):
        z = along(zp, q, axis).to(q.dtype)
        return (q - z).float() * along(scale, q, axis)

    return {"dequantize": back}


@misconception("E2", diagnosis="wrong-axis")
def always_the_last_axis():
    def quantise(x, scale, zp, *, bits=8, signed=True, axis=None):
        q = quantize(x, scale, zp, bits=bits, signed=signed, axis=None if axis is None else -1)
        return q

    return {"quantize": quantise, "dequantize": lambda q, s, z, axis=None: dequantize(q, s, z, None)}


class Fake(FakeQuant):
    """To be changed in one place."""


@misconception("E2", diagnosis="gradient-outside")
def straight_through_everywhere():
    class FakeQuant(Fake):
        @staticmethod
        def backward(ctx, grad):
            return grad, None, None, None, None, None

    return {"FakeQuant": FakeQuant}


@misconception("E2", diagnosis="no-gradient")
def autograd_through_round():
    class FakeQuant:
        @staticmethod
        def apply(x, scale, zp, bits, signed, axis):
            qmin, qmax = levels(bits, signed)
            s, z = along(scale, x, axis).to(x.dtype), along(zp, x, axis)
            return (((x / s).round() + z).clamp(qmin, qmax) - z) * s

    return {"FakeQuant": FakeQuant}


@misconception("E2", diagnosis="edge-of-the-range")
def asks_for_x_instead_of_its_level():
    class FakeQuant(Fake):
        @staticmethod
        def forward(ctx, x, scale, zp, bits, signed, axis):
            y = Fake.forward(ctx, x, scale, zp, bits, signed, axis)
            qmin, qmax = levels(bits, signed)
            s, z = along(scale, x, axis), along(zp, x, axis)
            ctx.save_for_backward((x >= (qmin - z) * s) & (x <= (qmax - z) * s))
            return y

    return {"FakeQuant": FakeQuant}
