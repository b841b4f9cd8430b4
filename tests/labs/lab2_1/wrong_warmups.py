"""Wrong answers to W1 to W4 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

wrong = Answers()


def case(key, name, **objects):
    wrong.add(key, name, lambda: objects)


def weighted(exponents):
    return lambda query, keys, values, bandwidth: (
        exponents(query[:, None] - keys, bandwidth).softmax(-1) @ values
    )


def clamped(query, keys, values, bandwidth):
    exponents = -((query[:, None] - keys) ** 2) / (2 * bandwidth**2)
    weights = exponents.clamp(min=-80).exp()
    return weights @ values / weights.sum(-1)


case("W1", "no_two", kernel_average=weighted(lambda d, h: -(d**2) / h**2))
case("W1", "absolute_distance", kernel_average=weighted(lambda d, h: -d.abs() / (2 * h**2)))
case("W1", "no_bandwidth", kernel_average=weighted(lambda d, h: -(d**2) / 2))
case("W1", "bandwidth_multiplies", kernel_average=weighted(lambda d, h: -(d**2) * 2 * h**2))
case(
    "W1",
    "small_constant",
    kernel_average=lambda q, k, v, h: (lambda w: (w * v).sum(1) / (w.sum(1) + 1e-8))(
        torch.exp(-((q[:, None] - k) ** 2) / (2 * h * h))
    ),
)
case("W1", "plain_mean", kernel_average=lambda q, k, v, h: v.mean().expand(len(q)))
case("W1", "nearest", kernel_average=lambda q, k, v, h: v[(q[:, None] - k).abs().argmin(1)])
case(
    "W1",
    "over_queries",
    kernel_average=lambda q, k, v, h: (-((q[:, None] - k) ** 2) / (2 * h * h)).softmax(0) @ v,
)
case(
    "W1",
    "weights_only",
    kernel_average=lambda q, k, v, h: (-((q[:, None] - k) ** 2) / (2 * h * h)).softmax(-1),
)
case("W1", "returns_none", kernel_average=lambda q, k, v, h: None)
case("W1", "clamped_exponents", kernel_average=clamped)
case(
    "W1",
    "one_maximum_for_all",
    kernel_average=lambda q, k, v, h: (lambda e: ((e - e.max()).exp() @ v) / (e - e.max()).exp().sum(1))(
        -((q[:, None] - k) ** 2) / (2 * h * h)
    ),
)
case("W2", "whole_root", scaled_scores=lambda q, k: q @ k.transpose(-1, -2) / math.isqrt(q.shape[-1]))
case("W2", "size_of_axis_one", scaled_scores=lambda q, k: q @ k.transpose(-1, -2) / math.sqrt(q.size(1)))
case("W2", "multiplied", scaled_scores=lambda q, k: q @ k.transpose(-1, -2) * math.sqrt(q.shape[-1]))
case("W2", "exchanged", scaled_scores=lambda q, k: k @ q.transpose(-1, -2) / math.sqrt(q.shape[-1]))
case("W2", "number_of_keys", scaled_scores=lambda q, k: q @ k.transpose(-1, -2) / math.sqrt(k.shape[-2]))
case(
    "W2",
    "weights_already",
    scaled_scores=lambda q, k: (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1),
)
case("W2", "in_place", scaled_scores=lambda q, k: q.div_(math.sqrt(q.shape[-1])) @ k.transpose(-1, -2))
case("W2", "bmm", scaled_scores=lambda q, k: torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.shape[-1]))
case("W2", "elementwise", scaled_scores=lambda q, k: q * k / math.sqrt(q.shape[-1]))
case("W3", "the_kept_ones_alone", masked_weights=lambda s, m: s[m.expand_as(s)].softmax(-1))
case(
    "W3",
    "first_row_of_the_mask",
    masked_weights=lambda s, m: s.masked_fill(~m.reshape(-1, m.shape[-1])[0], -math.inf).softmax(-1),
)
case("W3", "multiplied_scores", masked_weights=lambda s, m: (s * m).softmax(-1))
case("W3", "added_mask", masked_weights=lambda s, m: (s + m).softmax(-1))
case("W3", "ignored", masked_weights=lambda s, m: s.softmax(-1))
case("W3", "first_axis", masked_weights=lambda s, m: s.masked_fill(~m, -1e30).softmax(0))
case("W3", "minus_ten", masked_weights=lambda s, m: s.masked_fill(~m, -10.0).softmax(-1))
case("W3", "in_place", masked_weights=lambda s, m: s.masked_fill_(~m, -math.inf).softmax(-1))
case("W3", "exponentials", masked_weights=lambda s, m: (s.exp() * m) / (s.exp() * m).sum(-1, keepdim=True))
case("W3", "no_softmax", masked_weights=lambda s, m: s.masked_fill(~m, -math.inf))
case("W3", "always_single", masked_weights=lambda s, m: s.float().masked_fill(~m, -math.inf).softmax(-1))
case("W4", "width_of_a_head", split_heads=lambda x, n: x.unflatten(-1, (-1, n)).transpose(1, 2))
case("W4", "positions_last", split_heads=lambda x, n: x.unflatten(-1, (n, -1)).permute(0, 2, 3, 1))
case("W4", "view_of_anything", split_heads=lambda x, n: x.view(x.shape[0], x.shape[1], n, -1).transpose(1, 2))
case("W4", "heads_first", split_heads=lambda x, n: x.unflatten(-1, (n, -1)).permute(2, 0, 1, 3))
case("W4", "a_list", split_heads=lambda x, n: list(x.chunk(n, -1)))
case("W4", "averaged", merge_heads=lambda x: x.mean(1))
case("W4", "interleaved_merge", merge_heads=lambda x: x.permute(0, 2, 3, 1).flatten(2))
case("W4", "view_after_transpose", merge_heads=lambda x: x.transpose(1, 2).view(x.shape[0], x.shape[2], -1))
