"""Where a token stands: attention itself cannot tell, because it treats its keys as a set.

Three ways to tell it. *Sinusoidal*: add a fixed wave of each frequency. *Learned*: add a trained vector per
position, up to a maximum. *Rotary*: rotate queries and keys, so that their product depends on their
distance alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shared.shapes import Sequence


def frequencies(
    width: int, base: float, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "half"]:
    """ω_i = base^(−2i/width) for i = 0 … width/2 − 1: from one radian a position down to nearly none."""
    if width % 2:
        raise ValueError(f"waves come in pairs of sine and cosine, so the width must be even, not {width}")
    exponent = torch.arange(0, width, 2, device=device, dtype=dtype) / width
    return torch.pow(base, -exponent)


def angles(x: Float[Tensor, "*N T width"], base: float, start: int) -> Float[Tensor, "T half"]:
    """position · ω_i for the positions and the width of ``x``.

    In float32 at least, whatever ``x`` is: in bfloat16 the positions 300 and 301 would be one and the same.
    """
    length, width = x.shape[-2:]
    dtype = torch.promote_types(x.dtype, torch.float32)
    positions = torch.arange(start, start + length, device=x.device, dtype=dtype)
    return positions[:, None] * frequencies(width, base, x.device, dtype)


class SinusoidalPositions(nn.Module):
    """x + PE with PE[p, 2i] = sin(p ω_i) and PE[p, 2i+1] = cos(p ω_i); no parameters, no longest length."""

    def __init__(self, d_model: int, base: float = 10_000.0) -> None:
        super().__init__()
        self.base = base
        frequencies(d_model, base)  # an odd width is refused here, not at the first call

    def forward(self, x: Sequence, start: int = 0) -> Sequence:
        """Add the waves of positions ``start``, ``start + 1``, …"""
        angle = angles(x, self.base, start)
        waves = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)  # T D, sine and cosine alternate
        return x + waves.to(x.dtype)


class LearnedPositions(nn.Module):
    """x + P[p] with a trained table P of ``max_length`` rows; longer input is refused."""

    def __init__(self, max_length: int, d_model: int, std: float = 0.02) -> None:
        super().__init__()
        self.max_length = max_length
        self.table = nn.Parameter(torch.empty(max_length, d_model).normal_(0.0, std))

    def forward(self, x: Sequence, start: int = 0) -> Sequence:
        """Add the vectors of positions ``start``, ``start + 1``, …"""
        end = start + x.shape[1]
        if end > self.max_length:
            raise ValueError(
                f"{end} positions, only {self.max_length} are learned: shorten the input or raise max_length"
            )
        return x + self.table[start:end]


class Rotary(nn.Module):
    """Rotate each pair (x_2i, x_2i+1) by the angle p ω_i: then ⟨q at m, k at n⟩ depends on m − n only.

    Position 0 is left as it is, and lengths are kept. Pairs are neighbours; some libraries pair i with i +
    D_h/2.
    """

    def __init__(self, head_width: int, base: float = 10_000.0) -> None:
        super().__init__()
        self.base = base
        frequencies(head_width, base)

    def forward(self, x: Float[Tensor, "*N T D_h"], start: int = 0) -> Float[Tensor, "*N T D_h"]:
        """Rotate the positions ``start``, ``start + 1``, … along the last dimension but one."""
        angle = angles(x, self.base, start)  # T D_h/2
        cos, sin = angle.cos(), angle.sin()
        even, odd = x[..., 0::2], x[..., 1::2]
        rotated = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
        return rotated.to(x.dtype)
