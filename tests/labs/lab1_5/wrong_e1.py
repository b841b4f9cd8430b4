"""Wrong answers to E1 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

wrong = Answers()


rounding = wrong.stands_for("E1", "round_to_format")


info = wrong.stands_for("E1", "format_info")


def parts(x, exp_bits, man_bits):
    bias = 2 ** (exp_bits - 1) - 1
    w = x.double()
    k = torch.frexp(w)[1] - 1
    return w, k, bias, (2 - 2.0**-man_bits) * 2.0**bias


def finish(r, w, top, saturate):
    end = top if saturate else math.inf
    return torch.where(r.abs() > top, torch.full_like(r, end).copysign(w), r).float()


@rounding
def casts_to_half(x, exp_bits, man_bits, *, saturate=False):
    return x.half().float()


@rounding
def mantissa_only(x, exp_bits, man_bits, *, saturate=False):
    w, k, _, _ = parts(x, exp_bits, man_bits)
    step = torch.exp2((k - man_bits).double())
    return ((w / step).round() * step).float()


@rounding
def decimals(x, exp_bits, man_bits, *, saturate=False):
    w, _, _, top = parts(x, exp_bits, man_bits)
    scale = 2.0**man_bits
    return finish((w * scale).round() / scale, w, top, saturate)


@rounding
def exponent_of_frexp_is_k(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2(((k + 1).clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, saturate)


@rounding
def one_bit_too_many(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits - 1).double())
    return finish((w / step).round() * step, w, top, saturate)


@rounding
def smallest_exponent_is_minus_the_bias(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=-bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, saturate)


@rounding
def floors(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).floor() * step, w, top, saturate)


@rounding
def ceils(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).ceil() * step, w, top, saturate)


@rounding
def half_up(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step + 0.5).floor() * step, w, top, saturate)


@rounding
def bits_cut_off(x, exp_bits, man_bits, *, saturate=False):
    drop = 23 - man_bits
    bits = (x.view(torch.int32) >> drop) << drop
    w, _, _, top = parts(x, exp_bits, man_bits)
    return finish(bits.view(torch.float32).double(), w, top, saturate)


@rounding
def bits_rounded_no_subnormals(x, exp_bits, man_bits, *, saturate=False):
    drop = 23 - man_bits
    bits = x.view(torch.int32)
    if drop:
        bits = ((bits + (1 << (drop - 1)) - 1 + ((bits >> drop) & 1)) >> drop) << drop
    w, _, bias, top = parts(x, exp_bits, man_bits)
    r = bits.view(torch.float32).double()
    r = torch.where(w.abs() < 2.0 ** (1 - bias), torch.zeros_like(r).copysign(w), r)
    return torch.where(w.isfinite(), finish(r, w, top, saturate), x)


@rounding
def logarithm_of_zero(x, exp_bits, man_bits, *, saturate=False):
    bias = 2 ** (exp_bits - 1) - 1
    k = x.double().abs().log2().floor()
    step = 2.0 ** (k - man_bits)
    r = (x.double() / step).round() * step
    return finish(r, x.double(), (2 - 2.0**-man_bits) * 2.0**bias, saturate)


@rounding
def sign_given_back_by_multiplication(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x.abs(), exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, saturate) * torch.sign(x)


@rounding
def loses_the_sign(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x.abs(), exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, saturate)


@rounding
def saturates_to_plus(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    r = (w / step).round() * step
    return torch.where(r.abs() > top, top if saturate else math.inf, r).float()


@rounding
def ignores_saturate(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, False)


@rounding
def half_precisions_maximum(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, _ = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, 65504.0, saturate)


@rounding
def clamps_before(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return ((w.clamp(-top, top) / step).round() * step).float()


@rounding
def stays_in_half(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, saturate).half()


@rounding
def all_in_float32(x, exp_bits, man_bits, *, saturate=False):
    bias = 2 ** (exp_bits - 1) - 1
    k = torch.frexp(x)[1] - 1
    power = k.clamp(min=1 - bias) - man_bits
    r = (x * torch.exp2(-power.float())).round() * torch.exp2(power.float())
    return finish(r.double(), x.double(), (2 - 2.0**-man_bits) * 2.0**bias, saturate)


@rounding
def in_place(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    x.copy_(finish((w / step).round() * step, w, top, saturate))
    return x


@rounding
def only_four_formats(x, exp_bits, man_bits, *, saturate=False):
    formats = {
        (5, 10): torch.float16,
        (8, 7): torch.bfloat16,
        (5, 2): torch.float8_e5m2,
        (8, 23): torch.float32,
    }
    return x.to(formats[exp_bits, man_bits]).float()


@rounding
def e4m3_by_torch(x, exp_bits, man_bits, *, saturate=False):
    formats = {
        (5, 10): torch.float16,
        (8, 7): torch.bfloat16,
        (5, 2): torch.float8_e5m2,
        (4, 3): torch.float8_e4m3fn,
    }
    if (exp_bits, man_bits) in formats:
        return x.to(formats[exp_bits, man_bits]).float()
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, saturate)


@rounding
def through_half_first(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x.half().float() if exp_bits <= 5 and man_bits < 10 else x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    return finish((w / step).round() * step, w, top, saturate)


@rounding
def prints_and_returns_nothing(x, exp_bits, man_bits, *, saturate=False):
    print(x.half())


@rounding
def infinity_from_max_on(x, exp_bits, man_bits, *, saturate=False):
    w, k, bias, top = parts(x, exp_bits, man_bits)
    step = torch.exp2((k.clamp(min=1 - bias) - man_bits).double())
    r = (w / step).round() * step
    end = top if saturate else math.inf
    return torch.where(r.abs() >= top, torch.full_like(r, end).copysign(w), r).float()


@info
def largest_with_all_ones(exp_bits, man_bits):
    bias = 2 ** (exp_bits - 1) - 1
    return {
        "max": (2 - 2.0**-man_bits) * 2.0 ** (bias + 1),
        "min_normal": 2.0 ** (1 - bias),
        "min_subnormal": 2.0 ** (1 - bias - man_bits),
        "eps": 2.0**-man_bits,
    }


@info
def unit_roundoff(exp_bits, man_bits):
    bias = 2 ** (exp_bits - 1) - 1
    return {
        "max": (2 - 2.0**-man_bits) * 2.0**bias,
        "min_normal": 2.0 ** (1 - bias),
        "min_subnormal": 2.0 ** (1 - bias - man_bits),
        "eps": 2.0 ** -(man_bits + 1),
    }


@info
def torch_finfo(exp_bits, man_bits):
    f = torch.finfo({(5, 10): torch.float16, (8, 7): torch.bfloat16}[exp_bits, man_bits])
    return {"max": f.max, "min_normal": f.tiny, "min_subnormal": f.tiny * f.eps, "eps": f.eps}


@info
def finfo_names(exp_bits, man_bits):
    bias = 2 ** (exp_bits - 1) - 1
    return {"max": (2 - 2.0**-man_bits) * 2.0**bias, "tiny": 2.0 ** (1 - bias), "eps": 2.0**-man_bits}


@info
def tensors(exp_bits, man_bits):
    bias = 2 ** (exp_bits - 1) - 1
    values = {
        "max": (2 - 2.0**-man_bits) * 2.0**bias,
        "min_normal": 2.0 ** (1 - bias),
        "min_subnormal": 2.0 ** (1 - bias - man_bits),
        "eps": 2.0**-man_bits,
    }
    return {key: torch.tensor(value, dtype=torch.float64) for key, value in values.items()}
