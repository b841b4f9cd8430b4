"""Wrong answers to E1."""

import torch

from courseware.check import misconception


def rounder(
    *,
    nearest=torch.round,
    bias_shift=0,
    subnormals=True,
    clamp=False,
    logarithm=False,
    copysign=True,
    keep_nan=True,
    before=False,
):
    """A sound `round_to_format` with parts to be exchanged."""

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        bias = 2 ** (exp_bits - 1) - 1 + bias_shift
        wide = x.double()
        k = torch.log2(x.abs()).floor().double() if logarithm else torch.frexp(wide)[1].double() - 1
        k = torch.where((wide == 0) | wide.isinf(), 0.0, k)
        step = torch.exp2(k.clamp(min=1 - bias) - man_bits)
        rounded = nearest(wide / step) * step
        if not subnormals:
            rounded = torch.where(wide.abs() < 2.0 ** (1 - bias), torch.zeros_like(wide), rounded)
        largest = (2 - 2.0**-man_bits) * 2.0**bias
        end = largest if saturate or clamp else torch.inf
        size = wide if before else rounded
        rounded = torch.where(size.abs() > largest, torch.full_like(wide, end).copysign(wide), rounded)
        if copysign:
            rounded = rounded.copysign(wide)
        if not keep_nan:
            rounded = rounded.nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf)
        return rounded.float()

    return round_to_format


@misconception("E1", diagnosis="truncates")
def cuts_bits_off():
    return {"round_to_format": rounder(nearest=torch.trunc)}


@misconception("E1", diagnosis="ties-away-from-even")
def half_is_rounded_up():
    return {"round_to_format": rounder(nearest=lambda v: (v.abs() + 0.5).floor().copysign(v))}


@misconception("E1", diagnosis="no-subnormals")
def flushes_subnormals():
    return {"round_to_format": rounder(subnormals=False)}


@misconception("E1", diagnosis="clamps-instead-of-overflowing")
def always_clamps():
    return {"round_to_format": rounder(clamp=True)}


@misconception("E1", diagnosis="bias-off-by-one")
def bias_is_a_power_of_two():
    return {"round_to_format": rounder(bias_shift=1)}


@misconception("E1", diagnosis="nan-lost")
def nan_becomes_zero():
    return {"round_to_format": rounder(keep_nan=False)}


@misconception("E1", diagnosis="overflow-decided-before-rounding")
def compares_before_rounding():
    return {"round_to_format": rounder(before=True)}


@misconception("E1", diagnosis="logarithm-rounds")
def exponent_by_logarithm():
    return {"round_to_format": rounder(logarithm=True)}


@misconception("E1", diagnosis="sign-of-zero-lost")
def adds_zero():
    sound = rounder()

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        return sound(x, exp_bits, man_bits, saturate=saturate) + 0.0

    return {"round_to_format": round_to_format}


@misconception("E1", diagnosis="carry-lost")
def mantissa_in_a_field_of_its_own():
    sound = rounder()

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        mantissa, exponent = torch.frexp(x.double())
        steps = 2.0**man_bits
        fraction = ((mantissa.abs() * 2 - 1) * steps).round() % steps  # the carry falls off here
        normal = ((1 + fraction / steps) * 2.0 ** (exponent.double() - 1)).copysign(x.double()).float()
        other = sound(x, exp_bits, man_bits, saturate=saturate)
        bias = 2 ** (exp_bits - 1) - 1
        plain = (x.abs() >= 2.0 ** (1 - bias)) & (x.abs() < 2.0**bias)
        return torch.where(plain, normal, other)

    return {"round_to_format": round_to_format}


@misconception("E1", diagnosis="saturate-leaves-infinity")
def infinity_is_no_overflow():
    sound = rounder()

    def round_to_format(x, exp_bits, man_bits, *, saturate=False):
        return torch.where(x.isinf(), x, sound(x, exp_bits, man_bits, saturate=saturate))

    return {"round_to_format": round_to_format}


@misconception("E1", diagnosis="info-max")
def power_of_two_as_maximum():
    def format_info(exp_bits, man_bits):
        bias = 2 ** (exp_bits - 1) - 1
        return {
            "max": 2.0 ** (bias + 1),
            "min_normal": 2.0 ** (1 - bias),
            "min_subnormal": 2.0 ** (1 - bias - man_bits),
            "eps": 2.0**-man_bits,
        }

    return {"format_info": format_info}


@misconception("E1", diagnosis="info-smallest")
def smallest_exponent_is_minus_the_bias():
    def format_info(exp_bits, man_bits):
        bias = 2 ** (exp_bits - 1) - 1
        return {
            "max": (2 - 2.0**-man_bits) * 2.0**bias,
            "min_normal": 2.0**-bias,
            "min_subnormal": 2.0 ** (-bias - man_bits),
            "eps": 2.0**-man_bits,
        }

    return {"format_info": format_info}
