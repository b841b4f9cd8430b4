"""Wrong answers to E1."""

import torch
from torch import nn

from courseware.check import misconception
from phase2_intermediate.lab2_transformer_encoder.solution import LearnedPositions as Sound
from phase2_intermediate.lab2_transformer_encoder.solution import angles
from phase2_intermediate.lab2_transformer_encoder.solution import rope as right_rope
from phase2_intermediate.lab2_transformer_encoder.solution import sinusoidal as right_waves


def parts(x, positions, base):
    if x.shape[-1] % 2:
        raise ValueError("d must be even")
    wide = torch.promote_types(x.dtype, torch.float32)
    return x.to(wide), angles(positions.to(wide), x.shape[-1], base)


def turned(first, second, angle):
    c, s = angle.cos(), angle.sin()
    return first * c - second * s, first * s + second * c


@misconception("E1", diagnosis="half-split-layout")
def pairs_of_halves():
    def rope(x, positions, base=10000.0):
        wide, angle = parts(x, positions, base)
        return torch.cat(turned(*wide.chunk(2, -1), angle), -1).to(x.dtype)

    return {"rope": rope}


@misconception("E1", diagnosis="not-interleaved-again")
def concatenates_the_results():
    def rope(x, positions, base=10000.0):
        wide, angle = parts(x, positions, base)
        return torch.cat(turned(wide[..., 0::2], wide[..., 1::2], angle), -1).to(x.dtype)

    return {"rope": rope}


@misconception("E1", diagnosis="exponent-without-the-two")
def exponent_i_over_d():
    def sinusoidal(T, d, base=10000.0):
        if d % 2:
            raise ValueError("d must be even")
        angle = torch.arange(T)[:, None] * base ** (-torch.arange(d // 2) / d)
        return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)

    return {"sinusoidal": sinusoidal}


@misconception("E1", diagnosis="halves-not-interleaved")
def sines_first():
    def sinusoidal(T, d, base=10000.0):
        waves = right_waves(T, d, base)
        return torch.cat((waves[:, 0::2], waves[:, 1::2]), -1)

    return {"sinusoidal": sinusoidal}


@misconception("E1", diagnosis="sine-and-cosine-swapped")
def cosines_at_even_places():
    def sinusoidal(T, d, base=10000.0):
        return right_waves(T, d, base).unflatten(-1, (-1, 2)).flip(-1).flatten(-2)

    return {"sinusoidal": sinusoidal}


@misconception("E1", diagnosis="turned-twice")
def applies_it_twice():
    return {
        "rope": lambda x, positions, base=10000.0: right_rope(right_rope(x, positions, base), positions, base)
    }


@misconception("E1", diagnosis="angles-in-half-precision")
def angles_in_the_dtype_of_x():
    def rope(x, positions, base=10000.0):
        if x.shape[-1] % 2:
            raise ValueError("d must be even")
        angle = angles(
            positions.to(x.dtype).to(torch.promote_types(x.dtype, torch.float32)), x.shape[-1], base
        )
        first, second = turned(x[..., 0::2], x[..., 1::2], angle)
        return torch.stack((first, second), -1).flatten(-2).to(x.dtype)

    return {"rope": rope}


@misconception("E1", diagnosis="base-to-the-plus")
def speeds_that_grow():
    def rope(x, positions, base=10000.0):
        wide, angle = parts(x, positions, 1 / base)
        return torch.stack(turned(wide[..., 0::2], wide[..., 1::2], angle), -1).flatten(-2).to(x.dtype)

    return {"rope": rope}


@misconception("E1", diagnosis="added-instead-of-turned")
def adds_the_waves():
    def rope(x, positions, base=10000.0):
        wide, angle = parts(x, positions, base)
        return (wide + torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)).to(x.dtype)

    return {"rope": rope}


@misconception("E1", diagnosis="positions-not-used")
def counts_by_itself():
    def rope(x, positions, base=10000.0):
        return right_rope(x, torch.arange(x.shape[-2]), base)

    return {"rope": rope}


@misconception("E1", diagnosis="float64-in-float32")
def always_float32():
    def rope(x, positions, base=10000.0):
        return right_rope(x.float(), positions, base).to(x.dtype)

    return {"rope": rope}


@misconception("E1", diagnosis="odd-width")
def drops_the_last_number():
    def sinusoidal(T, d, base=10000.0):
        return right_waves(T, d + d % 2, base)[:, :d]

    return {"sinusoidal": sinusoidal}


@misconception("E1", diagnosis="table-not-a-parameter")
def a_plain_tensor():
    class LearnedPositions(nn.Module):
        def __init__(self, max_len, d):
            super().__init__()
            self.table = 0.02 * torch.randn(max_len, d)

        def forward(self, x, offset=0):
            return x + self.table[offset : offset + x.shape[1]]

    return {"LearnedPositions": LearnedPositions}


@misconception("E1", diagnosis="past-the-table")
def goes_on_with_what_is_left():
    class LearnedPositions(Sound):
        def forward(self, x, offset=0):
            rows = torch.arange(offset, offset + x.shape[1]).clamp(max=len(self.table) - 1)
            if offset < 0:
                raise ValueError("offset")
            return x + self.table[rows].to(x.dtype)

    return {"LearnedPositions": LearnedPositions}


@misconception("E1", diagnosis="offset-ignored")
def starts_at_zero_always():
    class LearnedPositions(Sound):
        def forward(self, x, offset=0):
            super().forward(x, offset)
            return super().forward(x)

    return {"LearnedPositions": LearnedPositions}
