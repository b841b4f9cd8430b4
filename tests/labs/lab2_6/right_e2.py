"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import numpy as np
import torch

from tests.labs.answers import Answers

right = Answers()


@right("E2")
def qparams_in_float32():
    def choose_qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        if symmetric and not signed:
            raise ValueError("no")
        if not torch.isfinite(x_min).all() or not torch.isfinite(x_max).all() or (x_min > x_max).any():
            raise ValueError("bad range")
        lo, hi = (
            torch.minimum(x_min.float(), torch.tensor(0.0)),
            torch.maximum(x_max.float(), torch.tensor(0.0)),
        )
        if symmetric:
            s = torch.max(lo.abs(), hi.abs()) / (2 ** (bits - 1) - 1)
            s = s.masked_fill(s == 0, 1.0)
            return s, torch.zeros(s.shape, dtype=torch.int32)
        qmin = -(2 ** (bits - 1)) if signed else 0
        s = (hi - lo) / float(2**bits - 1)
        s = s.masked_fill(s == 0, 1.0)
        z = torch.round(qmin - lo / s).clamp(qmin, qmin + 2**bits - 1)
        return s, z.to(torch.int32)

    return {"choose_qparams": choose_qparams}


@right("E2")
def qparams_by_numpy():
    def choose_qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True):
        lo, hi = np.asarray(x_min, dtype=np.float64), np.asarray(x_max, dtype=np.float64)
        if (
            (symmetric and not signed)
            or not (np.isfinite(lo).all() and np.isfinite(hi).all())
            or np.any(lo > hi)
        ):
            raise ValueError("range")
        lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
        qmin, qmax = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        s = np.maximum(-lo, hi) / qmax if symmetric else (hi - lo) / (qmax - qmin)
        s = np.where(s == 0, 1.0, s)
        z = np.zeros_like(s) if symmetric else np.clip(np.rint(qmin - lo / s), qmin, qmax)
        return torch.as_tensor(s, dtype=torch.float32), torch.as_tensor(z, dtype=torch.int32)

    return {"choose_qparams": choose_qparams}


def spread(v, x, axis):
    if axis is None:
        return v
    shape = [1] * x.dim()
    shape[axis] = v.numel()
    return v.view(shape)


@right("E2")
def zero_point_inside_the_rounding():
    def quantize(x, scale, zp, *, bits=8, signed=True, axis=None):
        if torch.isnan(x).any():
            raise ValueError("nan")
        low = -(2 ** (bits - 1)) if signed else 0
        y = x.double() / spread(scale, x, axis).double()
        q = torch.round(y) + spread(zp, x, axis)
        return torch.clamp(q, low, low + 2**bits - 1).to(torch.int8 if signed else torch.uint8)

    return {"quantize": quantize}


@right("E2")
def multiplies_by_the_inverse():
    def quantize(x, scale, zp, *, bits=8, signed=True, axis=None):
        if bool((x != x).any()):
            raise ValueError("NaN cannot be quantised")
        inverse = 1.0 / spread(scale, x, axis)
        q = torch.round(x.float() * inverse).add(spread(zp, x, axis).float())
        bounds = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        return q.clamp(*bounds).to(torch.int8 if signed else torch.uint8)

    return {"quantize": quantize}


@right("E2")
def moves_the_axis():
    def quantize(x, scale, zp, *, bits=8, signed=True, axis=None):
        if x.isnan().any():
            raise ValueError("NaN")
        low = -(2 ** (bits - 1)) if signed else 0
        y = x.float() if x.dtype != torch.float64 else x
        y = y if axis is None else y.movedim(axis, -1)
        q = ((y / scale).round() + zp).clamp(low, low + 2**bits - 1)
        q = q if axis is None else q.movedim(-1, axis)
        return q.to(torch.int8 if signed else torch.uint8)

    def dequantize(q, scale, zp, axis=None):
        y = q.to(torch.int32) if axis is None else q.to(torch.int32).movedim(axis, -1)
        y = (y - zp) * scale
        return y if axis is None else y.movedim(-1, axis)

    return {"quantize": quantize, "dequantize": dequantize}


@right("E2")
def in_numpy():
    def quantize(x, scale, zp, *, bits=8, signed=True, axis=None):
        a = x.detach().to(torch.float64).numpy()
        if np.isnan(a).any():
            raise ValueError("NaN")
        s, z = (spread(v, x, axis).to(torch.float64).numpy() for v in (scale, zp))
        low = -(2 ** (bits - 1)) if signed else 0
        q = np.clip(np.rint(a / s) + z, low, low + 2**bits - 1)
        return torch.as_tensor(np.asarray(q)).to(torch.int8 if signed else torch.uint8)

    return {"quantize": quantize}


@right("E2")
def dequantize_in_float64():
    def dequantize(q, scale, zp, axis=None):
        return ((q.double() - spread(zp, q, axis)) * spread(scale, q, axis).double()).float()

    return {"dequantize": dequantize}


@right("E2")
def saves_x_and_asks_again():
    class FakeQuant(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale, zp, bits, signed, axis):
            low = -(2 ** (bits - 1)) if signed else 0
            high = low + 2**bits - 1
            s, z = spread(scale, x, axis), spread(zp, x, axis)
            ctx.save_for_backward(x, s, z)
            ctx.ends = low, high
            q = torch.clamp(torch.round(x / s) + z, low, high)
            return ((q - z) * s).to(x.dtype)

        @staticmethod
        def backward(ctx, gradient):
            x, s, z = ctx.saved_tensors
            low, high = ctx.ends
            q = torch.round(x / s) + z
            return (
                torch.where((q < low) | (q > high), torch.zeros_like(gradient), gradient),
                None,
                None,
                None,
                None,
                None,
            )

    return {"FakeQuant": FakeQuant}


@right("E2")
def setup_context():
    class FakeQuant(torch.autograd.Function):
        @staticmethod
        def forward(x, scale, zp, bits, signed, axis):
            low = -(2 ** (bits - 1)) if signed else 0
            s, z = spread(scale, x, axis).to(x.dtype), spread(zp, x, axis).to(x.dtype)
            q = (x / s).round() + z
            return (q.clamp(low, low + 2**bits - 1) - z) * s

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, scale, zp, bits, signed, axis = inputs
            low = -(2 ** (bits - 1)) if signed else 0
            q = (x / spread(scale, x, axis)).round() + spread(zp, x, axis)
            ctx.save_for_backward(q.ge(low) & q.le(low + 2**bits - 1))

        @staticmethod
        def backward(ctx, gradient):
            return gradient.masked_fill(~ctx.saved_tensors[0], 0.0), *[None] * 5

    return {"FakeQuant": FakeQuant}
