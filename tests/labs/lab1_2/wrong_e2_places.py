"""Wrong answers to E2, second part: orthogonal and sparse."""

from __future__ import annotations

import math

import torch

from phase1_foundations.lab2_nn_module import solution
from tests.labs.answers import Answers

wrong = Answers()


def one(name, key, function, named=True):
    wrong.add("E2", name, lambda: {key: function}, named=named)


# ---- orthogonal -----------------------------------------------------------------------------------------


def orthogonal(make):
    def orthogonal_(t, gain=1.0, generator=None):
        solution.fans(t)
        if t.numel() == 0:
            return t
        rows, rest = t.shape[0], t.numel() // t.shape[0]
        with torch.no_grad():
            return t.copy_((gain * make(rows, rest, t.dtype, generator)).reshape(t.shape))

    return orthogonal_


def signed(rows, rest, dtype, generator):
    q, r = torch.linalg.qr(torch.randn(max(rows, rest), min(rows, rest), generator=generator, dtype=dtype))
    q = q * r.diagonal().sign()
    return q if rows >= rest else q.T


def left_singular(rows, rest, dtype, generator):
    m = torch.randn(max(rows, rest), min(rows, rest), generator=generator, dtype=dtype)
    u = torch.linalg.svd(m, full_matrices=False).U
    return u if rows >= rest else u.T


def identity(rows, rest, dtype, generator):
    return torch.eye(rows, rest, dtype=dtype)


def unit_rows(rows, rest, dtype, generator):
    m = torch.randn(rows, rest, generator=generator, dtype=dtype)
    return m / m.norm(dim=1, keepdim=True)


def uniform_numbers(rows, rest, dtype, generator):
    m = torch.rand(max(rows, rest), min(rows, rest), generator=generator, dtype=dtype)
    q, r = torch.linalg.qr(m)
    q = q * r.diagonal().sign()
    return q if rows >= rest else q.T


def rotations_only(rows, rest, dtype, generator):
    q = signed(rows, rest, dtype, generator)
    if rows == rest and torch.linalg.det(q) < 0:
        q[:, 0] *= -1
    return q


def single_precision(rows, rest, dtype, generator):
    return signed(rows, rest, torch.float32, generator).to(dtype)


def scaled_like_kaiming(rows, rest, dtype, generator):
    return signed(rows, rest, dtype, generator) * math.sqrt(2)


def gain_forgotten(t, gain=1.0, generator=None):
    return solution.orthogonal_(t, 1.0, generator)


def kernels_one_by_one(t, gain=1.0, generator=None):
    if t.dim() <= 2 or t.numel() == 0:
        return solution.orthogonal_(t, gain, generator)
    with torch.no_grad():
        for i in range(t.shape[2]):
            for j in range(t.shape[3]):
                t[:, :, i, j] = solution.orthogonal_(torch.empty(t.shape[:2], dtype=t.dtype), gain, generator)
    return t


def matrices_only(t, gain=1.0, generator=None):
    if t.dim() != 2:
        raise ValueError("orthogonal_ fills matrices")
    return solution.orthogonal_(t, gain, generator)


def last_axis_is_rows(t, gain=1.0, generator=None):
    if t.dim() < 3 or t.numel() == 0:
        return solution.orthogonal_(t, gain, generator)
    flat = torch.empty(t.numel() // t.shape[-1], t.shape[-1], dtype=t.dtype)
    with torch.no_grad():
        return t.copy_(solution.orthogonal_(flat, gain, generator).reshape(t.shape))


for make in (left_singular, identity, unit_rows, uniform_numbers, rotations_only):
    one(make.__name__, "orthogonal_", orthogonal(make))
one("single_precision", "orthogonal_", orthogonal(single_precision))
one("scaled_like_kaiming", "orthogonal_", orthogonal(scaled_like_kaiming))
one("gain_forgotten", "orthogonal_", gain_forgotten)
one("kernels_one_by_one", "orthogonal_", kernels_one_by_one)
one("matrices_only", "orthogonal_", matrices_only)
one("last_axis_is_rows", "orthogonal_", last_axis_is_rows)


# ---- sparse ---------------------------------------------------------------------------------------------


def sparse(change):
    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.dim() != 2:
            raise ValueError("matrices only")
        with torch.no_grad():
            change(t, sparsity, std, generator)
        return t

    return sparse_


def zero_columns(t, count, generator):
    for j in range(t.shape[1]):
        t[torch.randperm(t.shape[0], generator=generator)[:count], j] = 0


def rows_instead(t, s, std, g):
    t.normal_(0, std, generator=g)
    for i in range(t.shape[0]):
        t[i, torch.randperm(t.shape[1], generator=g)[: math.ceil(s * t.shape[1])]] = 0


def share_kept(t, s, std, g):
    t.normal_(0, std, generator=g)
    zero_columns(t, t.shape[0] - math.ceil(s * t.shape[0]), g)


def floor(t, s, std, g):
    t.normal_(0, std, generator=g)
    zero_columns(t, int(s * t.shape[0]), g)


def first_rows(t, s, std, g):
    t.normal_(0, std, generator=g)
    t[: math.ceil(s * t.shape[0])] = 0


def with_replacement(t, s, std, g):
    t.normal_(0, std, generator=g)
    for j in range(t.shape[1]):
        if t.shape[0]:
            t[torch.randint(t.shape[0], (math.ceil(s * t.shape[0]),), generator=g), j] = 0


def std_ignored(t, s, std, g):
    t.normal_(0, 0.01, generator=g)
    zero_columns(t, math.ceil(s * t.shape[0]), g)


def std_one(t, s, std, g):
    t.normal_(0, 1, generator=g)
    zero_columns(t, math.ceil(s * t.shape[0]), g)


def zeros_then_numbers(t, s, std, g):
    zero_columns(t, math.ceil(s * t.shape[0]), g)
    t.normal_(0, std, generator=g)


def total_count(t, s, std, g):
    t.normal_(0, std, generator=g)
    flat = t.clone().reshape(-1)
    flat[torch.randperm(t.numel(), generator=g)[: math.ceil(s * t.numel())]] = 0
    t.copy_(flat.reshape(t.shape))


def uniform_rest(t, s, std, g):
    t.uniform_(-std * 3**0.5, std * 3**0.5, generator=g)
    zero_columns(t, math.ceil(s * t.shape[0]), g)


for change in (rows_instead, share_kept, floor, first_rows, with_replacement, std_ignored, std_one):
    one(change.__name__, "sparse_", sparse(change))
one("zeros_then_numbers", "sparse_", sparse(zeros_then_numbers))
one("total_count", "sparse_", sparse(total_count))
one("uniform_rest", "sparse_", sparse(uniform_rest))
