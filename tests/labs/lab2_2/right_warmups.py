"""Right answers to W1 to W4 in other styles."""

from __future__ import annotations

import math

import torch
from torch import nn

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def with_a_matrix():
    def rotate(x, angle):
        c, s = torch.cos(angle), torch.sin(angle)
        matrix = torch.stack((torch.stack((c, -s), -1), torch.stack((s, c), -1)), -2)
        wide = torch.promote_types(x.dtype, matrix.dtype)
        return (matrix.to(wide) @ x.to(wide).unsqueeze(-1)).squeeze(-1).to(x.dtype)

    return {"rotate": rotate}


@right("W1")
def with_complex_numbers():
    def rotate(x, angle):
        z = torch.complex(x[..., 0].double(), x[..., 1].double()) * torch.exp(1j * angle.double())
        return torch.view_as_real(z).to(x.dtype)

    return {"rotate": rotate}


@right("W1")
def with_cat_and_a_sign():
    def rotate(x, angle):
        other = torch.cat((-x[..., 1:], x[..., :1]), dim=-1)
        return (x * angle.cos().unsqueeze(-1) + other * angle.sin().unsqueeze(-1)).type_as(x)

    return {"rotate": rotate}


@right("W1")
def into_a_new_tensor():
    def rotate(x, angle):
        out = torch.zeros_like(x)
        out[..., 0] = x[..., 0] * torch.cos(angle) - x[..., 1] * torch.sin(angle)
        out[..., 1] = x[..., 0] * torch.sin(angle) + x[..., 1] * torch.cos(angle)
        return out

    return {"rotate": rotate}


@right("W2")
def with_exp_and_log():
    def angles(positions, d, base=10000.0):
        dtype = torch.float64 if positions.dtype is torch.float64 else torch.float32
        speeds = torch.exp(torch.arange(0, d, 2, dtype=torch.float64) * (-math.log(base) / d))
        return (positions.to(torch.float64).unsqueeze(-1) * speeds).to(dtype)

    return {"angles": angles}


@right("W2")
def with_a_list():
    def angles(positions, d, base=10000.0):
        p = positions if positions.dtype == torch.float64 else positions.float()
        return torch.stack([p * base ** (-2 * i / d) for i in range(d // 2)], dim=-1)

    return {"angles": angles}


@right("W2")
def divides_by_a_power():
    def angles(positions, d, base=10000.0):
        wide = positions.double()
        table = wide.reshape(*wide.shape, 1) / torch.pow(
            torch.tensor(base, dtype=torch.float64), torch.arange(0, d, 2, dtype=torch.float64) / d
        )
        return table if positions.dtype == torch.float64 else table.float()

    return {"angles": angles}


@right("W2")
def with_einsum():
    def angles(positions, d, base=10000.0):
        dtype = torch.promote_types(torch.float32, positions.dtype)
        speeds = torch.tensor([base ** -(k / d) for k in range(0, d, 2)], dtype=dtype)
        return torch.einsum("...,i->...i", positions.to(dtype), speeds)

    return {"angles": angles}


@right("W3")
def with_var_and_rsqrt():
    def layer_norm(x, eps=1e-5):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
        return (x - mean) * torch.rsqrt(var + eps)

    def rms_norm(x, eps=1e-5):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)

    return {"layer_norm": layer_norm, "rms_norm": rms_norm}


@right("W3")
def one_through_the_other():
    def rms_norm(x, eps=1e-5):
        return x / torch.sqrt((x * x).sum(-1, keepdim=True) / x.shape[-1] + eps)

    def layer_norm(x, eps=1e-5):
        return rms_norm(x - x.mean(dim=-1, keepdim=True), eps)

    return {"layer_norm": layer_norm, "rms_norm": rms_norm}


@right("W3")
def with_norm_and_unsqueeze():
    def rms_norm(x, eps=1e-5):
        return x / (torch.linalg.norm(x, dim=-1).square() / x.size(-1) + eps).sqrt().unsqueeze(-1)

    return {"rms_norm": rms_norm}


@right("W3")
def with_std_mean():
    def layer_norm(x, eps=1e-5):
        deviation, mean = torch.std_mean(x, dim=-1, correction=0, keepdim=True)
        return (x - mean) / torch.sqrt(deviation**2 + eps)

    return {"layer_norm": layer_norm}


@right("W4")
def with_pad_sequence():
    def pad_batch(sequences):
        tokens = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        real = nn.utils.rnn.pad_sequence([torch.ones_like(s, dtype=torch.bool) for s in sequences], True)
        return tokens, real

    return {"pad_batch": pad_batch}


@right("W4")
def with_lists():
    def pad_batch(sequences):
        T = max(len(s) for s in sequences)
        rows = [s.tolist() + [0] * (T - len(s)) for s in sequences]
        real = [[True] * len(s) + [False] * (T - len(s)) for s in sequences]
        shape = (len(sequences), T)
        return (
            torch.tensor(rows, dtype=sequences[0].dtype).reshape(shape),
            torch.tensor(real, dtype=torch.bool).reshape(shape),
        )

    return {"pad_batch": pad_batch}


@right("W4")
def with_cat():
    def pad_batch(sequences):
        T = max(s.numel() for s in sequences)
        tokens = torch.stack([torch.cat((s, torch.zeros(T - s.numel(), dtype=s.dtype))) for s in sequences])
        lengths = torch.tensor([s.numel() for s in sequences])
        return tokens, lengths.unsqueeze(1) > torch.arange(T).unsqueeze(0)

    return {"pad_batch": pad_batch}


@right("W4")
def fills_by_the_mask():
    def pad_batch(sequences):
        lengths = torch.tensor([len(s) for s in sequences])
        real = torch.arange(lengths.max().item())[None] < lengths[:, None]
        tokens = torch.zeros(real.shape, dtype=sequences[0].dtype)
        tokens[real] = torch.cat(sequences)
        return (tokens, real)

    return {"pad_batch": pad_batch}
