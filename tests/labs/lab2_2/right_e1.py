"""Right answers to E1 in other styles."""

from __future__ import annotations

import math

import torch
from torch import nn

from tests.labs.answers import Answers

right = Answers()


def even(d):
    if d % 2 != 0:
        raise ValueError(f"odd width {d}")


@right("E1")
def the_annotated_transformers_way():
    def sinusoidal(T, d, base=10000.0):
        even(d)
        pe = torch.zeros(T, d)
        position = torch.arange(0, T, dtype=torch.float64).unsqueeze(1)
        div = torch.exp(torch.arange(0, d, 2).double() * -(math.log(base) / d))
        pe[:, 0::2] = torch.sin(position * div).float()
        pe[:, 1::2] = torch.cos(position * div).float()
        return pe

    return {"sinusoidal": sinusoidal}


@right("E1")
def sinusoids_in_float32():
    def sinusoidal(T, d, base=10000.0):
        even(d)
        angle = torch.arange(T).float()[:, None] / base ** (torch.arange(0, d, 2).float() / d)
        return torch.stack([torch.sin(angle), torch.cos(angle)], dim=2).reshape(T, d)

    return {"sinusoidal": sinusoidal}


@right("E1")
def sinusoids_in_loops():
    def sinusoidal(T, d, base=10000.0):
        even(d)
        out = torch.empty(T, d)
        for p in range(min(T, 60)):
            for i in range(d // 2):
                a = p / base ** (2 * i / d)
                out[p, 2 * i], out[p, 2 * i + 1] = math.sin(a), math.cos(a)
        if T > 60:
            p = torch.arange(60, T, dtype=torch.float64)
            for i in range(d // 2):
                out[60:, 2 * i] = (p / base ** (2 * i / d)).sin().float()
                out[60:, 2 * i + 1] = (p / base ** (2 * i / d)).cos().float()
        return out

    return {"sinusoidal": sinusoidal}


@right("E1")
def sines_with_a_phase():
    def sinusoidal(T, d, base=10000.0):
        even(d)
        k = torch.arange(d, dtype=torch.float64)
        angle = torch.arange(T, dtype=torch.float64)[:, None] * base ** (-(k - k % 2) / d)
        return torch.sin(angle + (k % 2) * (math.pi / 2)).float()

    return {"sinusoidal": sinusoidal}


@right("E1")
def an_embedding_as_the_table():
    class LearnedPositions(nn.Module):
        def __init__(self, max_len, d):
            super().__init__()
            self.embedding = nn.Embedding(max_len, d)
            nn.init.normal_(self.embedding.weight, std=0.02)

        def forward(self, x, offset=0):
            T = x.shape[1]
            if offset < 0 or offset + T > self.embedding.num_embeddings:
                raise ValueError("too long")
            places = torch.arange(offset, offset + T)
            return (x + self.embedding(places).to(x.dtype)).to(x.dtype)

    return {"LearnedPositions": LearnedPositions}


@right("E1")
def a_table_with_its_own_names():
    class LearnedPositions(nn.Module):
        def __init__(self, max_len: int, d: int):
            super().__init__()
            self.max_len = max_len
            self.pos_emb = nn.Parameter(torch.empty(max_len, d).normal_(mean=0.0, std=0.02))

        def forward(self, x, offset: int = 0):
            T = x.size(1)
            if not (0 <= offset <= self.max_len - T):
                raise ValueError(f"positions up to {offset + T}, but max_len is {self.max_len}")
            return x + self.pos_emb.narrow(0, offset, T).unsqueeze(0).type_as(x)

    return {"LearnedPositions": LearnedPositions}


@right("E1")
def rope_in_complex_numbers():
    def rope(x, positions, base=10000.0):
        even(x.shape[-1])
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        freqs = 1.0 / base ** (torch.arange(0, x.shape[-1], 2, dtype=wide) / x.shape[-1])
        angle = positions.to(wide)[..., None] * freqs
        z = torch.view_as_complex(x.to(wide).reshape(*x.shape[:-1], x.shape[-1] // 2, 2).contiguous())
        turned = z * torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(turned).reshape(x.shape).to(x.dtype)

    return {"rope": rope}


@right("E1")
def rope_by_rotating_pairs():
    def every_two(x):
        return torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).reshape(x.shape)

    def rope(x, positions, base=10000.0):
        even(x.shape[-1])
        wide = torch.promote_types(x.dtype, torch.float32)
        inverse = base ** (-torch.arange(0, x.shape[-1], 2).to(wide) / x.shape[-1])
        angle = (positions.to(wide).unsqueeze(-1) * inverse).repeat_interleave(2, dim=-1)
        y = x.to(wide)
        return (y * angle.cos() + every_two(y) * angle.sin()).to(x.dtype)

    return {"rope": rope}


@right("E1")
def rope_by_matrices():
    def rope(x, positions, base=10000.0):
        d = x.shape[-1]
        if d & 1:
            raise ValueError("d must be even")
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        speeds = torch.tensor([base ** (-2 * i / d) for i in range(d // 2)], dtype=wide)
        a = positions.to(wide).unsqueeze(-1) * speeds
        turn = torch.stack((a.cos(), -a.sin(), a.sin(), a.cos()), -1).unflatten(-1, (2, 2))
        return (turn @ x.to(wide).unflatten(-1, (-1, 2)).unsqueeze(-1)).flatten(-3).to(x.dtype)

    return {"rope": rope}


@right("E1")
def rope_pair_after_pair():
    def rope(x, positions, base=10000.0):
        even(x.shape[-1])
        d, wide = x.shape[-1], torch.float64
        columns = []
        for i in range(d // 2):
            a = positions.to(wide) * base ** (-2 * i / d)
            u, v = x[..., 2 * i].to(wide), x[..., 2 * i + 1].to(wide)
            columns += [u * torch.cos(a) - v * torch.sin(a), u * torch.sin(a) + v * torch.cos(a)]
        return torch.stack(columns, dim=-1).to(x.dtype)

    return {"rope": rope}
