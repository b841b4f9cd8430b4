"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.labs.answers import Answers

right = Answers()


@right("E1")
def integers_on_the_bits():
    """Add half of the last place kept and the parity bit; subnormals by a number whose ulp is their step."""

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        bias = 2 ** (exp_bits - 1) - 1
        largest = (2 - 2.0**-man_bits) * 2.0**bias
        bits = x.contiguous().view(torch.int32).to(torch.int64) & 0xFFFFFFFF
        sign, size = bits >> 31, bits & 0x7FFFFFFF
        drop = 23 - man_bits
        if drop:
            size = size + (1 << (drop - 1)) - 1 + ((size >> drop) & 1)
            size = (size >> drop) << drop
        normal = size.clamp(max=0x7F800000).to(torch.int32).view(torch.float32)
        magic = 1.5 * 2.0 ** (
            52 + 1 - bias - man_bits
        )  # adding it leaves whole multiples of the smallest number
        small = (x.abs().double() + magic) - magic
        result = torch.where(x.abs() < 2.0 ** (1 - bias), small, normal.double())
        beyond = result > largest
        result = torch.where(beyond, largest if saturate else math.inf, result)
        result = torch.where(sign.reshape(x.shape) == 1, -result, result).float()
        return torch.where(x.isnan(), x, result)

    return {"round_to_format": round_to_format}


@right("E1")
def numpy_in_float64():
    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        with np.errstate(all="ignore"):
            a = x.numpy().astype(np.float64)
            bias = (1 << (exp_bits - 1)) - 1
            _, e = np.frexp(np.where(np.isfinite(a), a, 1.0))
            q = np.maximum(e - 1, 1 - bias) - man_bits
            r = np.where(np.isfinite(a), np.ldexp(np.rint(np.ldexp(a, -q)), q), a)
            top = (2.0 - 2.0**-man_bits) * 2.0**bias
            r = np.where(np.abs(r) > top, np.copysign(top if saturate else np.inf, a), r)
            return torch.from_numpy(np.asarray(np.copysign(r, a), dtype=np.float32))

    def format_info(exp_bits, man_bits):
        b = (1 << (exp_bits - 1)) - 1
        tiny = math.ldexp(1.0, 1 - b)
        top = math.ldexp(2.0 - math.ldexp(1.0, -man_bits), b)
        eps = math.ldexp(1.0, -man_bits)
        return {"max": top, "min_normal": tiny, "min_subnormal": tiny * eps, "eps": eps}

    return {"round_to_format": round_to_format, "format_info": format_info}


@right("E1")
def magic_number():
    """Adding and subtracting 1.5 · 2⁵² · step rounds to a multiple of step, by the hardware's own rule."""

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        bias = 2 ** (exp_bits - 1) - 1
        w = x.double()
        finite = torch.where(w.isfinite(), w, torch.ones_like(w))
        e = torch.frexp(finite).exponent - 1
        step = torch.exp2((e.clamp(min=1 - bias) - man_bits).double())
        magic = step * 2.0**52 * 1.5
        r = (finite.abs() + magic) - magic
        top = (2 - 2**-man_bits) * 2.0**bias
        r[r > top] = top if saturate else math.inf
        r = torch.where(w.isinf(), torch.full_like(r, top if saturate else math.inf), r)
        r = torch.where(w.isnan(), w, torch.copysign(r, w))
        return r.to(torch.float32)

    return {"round_to_format": round_to_format}


@right("E1")
def own_rounding_of_halves():
    def half_even(v):
        low = v.floor()
        rest = v - low
        odd = (low % 2) == 1
        return torch.where((rest > 0.5) | ((rest == 0.5) & odd), low + 1, low)

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        emax = 2 ** (exp_bits - 1) - 1
        emin = 1 - emax
        v = x.detach().to(torch.float64)
        e = torch.frexp(v.abs())[1]
        shift = (man_bits - torch.clamp(e - 1, min=emin)).double()
        r = half_even(v.abs() * 2.0**shift) / 2.0**shift
        limit = 2.0**emax * (2.0 - 2.0 ** (-man_bits))
        r = torch.where(r > limit, torch.tensor(limit if saturate else float("inf"), dtype=torch.float64), r)
        r = torch.where(v.isinf(), torch.tensor(limit if saturate else float("inf"), dtype=torch.float64), r)
        r = torch.where(v.isnan(), v, r)
        return torch.copysign(r, v).to(x.dtype)

    return {"round_to_format": round_to_format}


@right("E1")
def casts_for_known_formats():
    def general(x, exp_bits, man_bits):
        bias = 2 ** (exp_bits - 1) - 1
        w = x.double()
        step = 2.0 ** ((torch.frexp(w)[1] - 1).clamp(min=1 - bias) - man_bits).double()
        r = torch.round(w / step) * step
        top = (2 - 2.0**-man_bits) * 2.0**bias
        return torch.where(r.abs() > top, torch.copysign(torch.full_like(r, math.inf), r), r).float()

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        known = {(5, 10): torch.float16, (8, 7): torch.bfloat16, (8, 23): torch.float32}
        dtype = known.get((exp_bits, man_bits))
        r = x.to(dtype).to(torch.float32) if dtype else general(x, exp_bits, man_bits)
        if saturate:
            top = (2 - 2.0**-man_bits) * 2.0 ** (2 ** (exp_bits - 1) - 1)
            r = r.clamp(-top, top)
        return r.clone()

    def format_info(exp_bits, man_bits):
        known = {(5, 10): torch.float16, (8, 7): torch.bfloat16, (8, 23): torch.float32}
        if (exp_bits, man_bits) in known:
            f = torch.finfo(known[exp_bits, man_bits])
            return {
                "eps": f.eps,
                "max": f.max,
                "min_normal": f.tiny,
                "min_subnormal": f.tiny * f.eps,
                "bits": f.bits,
            }
        b = 2 ** (exp_bits - 1) - 1
        return {
            "max": (2 - 2.0**-man_bits) * 2.0**b,
            "min_normal": 2.0 ** (1 - b),
            "min_subnormal": 2.0 ** (1 - b - man_bits),
            "eps": 2.0**-man_bits,
        }

    return {"round_to_format": round_to_format, "format_info": format_info}


@right("E1")
def three_regions_by_masks():
    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        bias = 2 ** (exp_bits - 1) - 1
        smallest, top = 2.0 ** (1 - bias), (2 - 2.0**-man_bits) * 2.0**bias
        result = x.double().clone()
        size = x.double().abs()
        subnormal = size < smallest
        unit = smallest * 2.0**-man_bits
        result[subnormal] = torch.round(result[subnormal] / unit) * unit
        normal = (size >= smallest) & x.isfinite()
        m, e = torch.frexp(result[normal])
        scale = 2.0 ** (man_bits + 1)
        result[normal] = torch.ldexp(torch.round(m * scale) / scale, e.double())
        end = top if saturate else math.inf
        result[result > top] = end
        result[result < -top] = -end
        return result.float()

    return {"round_to_format": round_to_format}


@right("E1")
def table_of_all_numbers():
    """Small formats by looking the nearest number up, large ones by Veltkamp's splitting in float64."""

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        bias = 2 ** (exp_bits - 1) - 1
        v = x.to(torch.float64)
        factor = 2.0 ** (52 - man_bits) + 1
        v_safe = torch.where(v.isfinite(), v, torch.zeros_like(v))
        g = v_safe * factor
        high = g - (g - v_safe)
        unit = 2.0 ** (1 - bias - man_bits)
        low = torch.round(v_safe / unit) * unit
        r = torch.where(v.abs() < 2.0 ** (1 - bias), low, high)
        r = torch.where(v.isfinite(), r, v)
        top = (2 - 2.0**-man_bits) * 2.0**bias
        r = torch.where(r.abs() > top, torch.sign(r) * (top if saturate else torch.inf), r)
        return r.copysign(v).float()

    return {"round_to_format": round_to_format}


@right("E1")
def a_class_behind_it():
    class Spec:
        def __init__(self, exp_bits, man_bits):
            self.e, self.m = exp_bits, man_bits
            self.bias = 2 ** (exp_bits - 1) - 1

        @property
        def top(self):
            return 2.0**self.bias * (2 - 2.0**-self.m)

        def quantum(self, w):
            k = torch.frexp(w).exponent.sub(1)
            return torch.pow(
                torch.tensor(2.0, dtype=torch.float64), torch.maximum(k, torch.tensor(1 - self.bias)) - self.m
            )

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        spec, w = Spec(exp_bits, man_bits), x.to(dtype=torch.double)
        q = spec.quantum(w)
        r = torch.round(w.div(q)).mul(q)
        if saturate:
            return r.clamp(-spec.top, spec.top).to(torch.float)
        over = r.abs().gt(spec.top)
        return r.masked_fill(over & (r > 0), math.inf).masked_fill(over & (r < 0), -math.inf).to(torch.float)

    def format_info(exp_bits, man_bits):
        s = Spec(exp_bits, man_bits)
        n = 2.0 ** (1 - s.bias)
        return {"max": s.top, "min_normal": n, "min_subnormal": n / 2**man_bits, "eps": 1 / 2**man_bits}

    return {"round_to_format": round_to_format, "format_info": format_info}
