"""Right answers to the warm-ups, written otherwise than the reference."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def by_indices():
    def decoder_masks(source_real, target_real):
        i = torch.arange(target_real.size(1))
        causal = i[None, :] <= i[:, None]
        self_mask = torch.logical_and(causal[None, None], target_real.unsqueeze(1).unsqueeze(1))
        return self_mask, source_real.unsqueeze(1).unsqueeze(1)

    return {"decoder_masks": decoder_masks}


@right("W1")
def with_loops():
    def decoder_masks(source_real, target_real):
        batch, length = target_real.shape
        own = torch.zeros(batch, 1, length, length, dtype=torch.bool)
        for b in range(batch):
            for i in range(length):
                for j in range(i + 1):
                    own[b, 0, i, j] = target_real[b, j]
        return own, source_real.view(batch, 1, 1, -1).clone()

    return {"decoder_masks": decoder_masks}


@right("W1")
def not_the_upper_triangle():
    def decoder_masks(source_real, target_real):
        future = torch.triu(torch.ones(target_real.shape[1], target_real.shape[1]), diagonal=1).bool()
        hidden = future[None] | ~target_real[:, None, :]
        return (~hidden)[:, None], source_real[:, None, None]

    return {"decoder_masks": decoder_masks}


@right("W1")
def with_the_library():
    from shared.nn import causal_mask, combine, key_mask

    def decoder_masks(source_real, target_real):
        return combine(causal_mask(target_real.shape[1]), key_mask(target_real)), key_mask(source_real)

    return {"decoder_masks": decoder_masks}


@right("W2")
def cross_entropy_upside_down():
    def log_probability(logits, tokens, real):
        wide = torch.where(real[..., None], logits, 0.0)
        cost = F.cross_entropy(wide.flatten(0, 1), tokens.flatten(), reduction="none").view(tokens.shape)
        return -(cost * real).sum(-1)

    return {"log_probability": log_probability}


@right("W2")
def logsumexp_and_loops():
    def log_probability(logits, tokens, real):
        out = logits.new_zeros(len(logits))
        for b in range(logits.shape[0]):
            for t in range(logits.shape[1]):
                if real[b, t]:
                    out[b] += logits[b, t, tokens[b, t]] - torch.logsumexp(logits[b, t], 0)
        return out

    return {"log_probability": log_probability}


@right("W2")
def one_hot():
    def log_probability(logits, tokens, real):
        lp = F.log_softmax(logits, -1)
        hot = F.one_hot(tokens, logits.shape[-1]).bool() & real[..., None]
        return lp.masked_fill(~hot, 0.0).sum((1, 2))

    return {"log_probability": log_probability}


@right("W2")
def masked_fill():
    def log_probability(logits, tokens, real):
        picked = torch.take_along_dim(logits.log_softmax(2), tokens.unsqueeze(2), 2).squeeze(2)
        return picked.masked_fill(~real, 0).sum(dim=-1)

    return {"log_probability": log_probability}


@right("W3")
def takewhile():
    def until_end(tokens, end):
        return [list(itertools.takewhile(lambda x: x != end, row)) for row in tokens.tolist()]

    return {"until_end": until_end}


@right("W3")
def a_loop():
    def until_end(tokens, end):
        out = []
        for row in tokens:
            kept = []
            for x in row:
                if x.item() == end:
                    break
                kept.append(int(x))
            out.append(kept)
        return out

    return {"until_end": until_end}


@right("W3")
def by_counting():
    def until_end(tokens, end):
        before = (tokens == end).cumsum(1) == 0
        return [row[keep].tolist() for row, keep in zip(tokens, before, strict=True)]

    return {"until_end": until_end}


@right("W3")
def with_numpy():
    def until_end(tokens, end):
        rows = np.asarray(tokens)
        return [
            [int(x) for x in row[: np.argmax(row == end) if (row == end).any() else len(row)]] for row in rows
        ]

    return {"until_end": until_end}


@right("W4")
def math_prod():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return math.prod([2, layers, kv_heads, head_width, positions, batch, bytes_per_number])

    return {"cache_bytes": cache_bytes}


@right("W4")
def step_by_step():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        keys = batch * kv_heads * positions * head_width
        a_layer = (keys + keys) * bytes_per_number
        return sum(a_layer for _ in range(layers))

    return {"cache_bytes": cache_bytes}


@right("W4")
def rounded_to_int():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return int(2.0 * layers * kv_heads * head_width * positions * batch * bytes_per_number)

    return {"cache_bytes": cache_bytes}


@right("W4")
def meta_tensors():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        one = torch.empty(batch, kv_heads, positions, head_width, device="meta")
        return 2 * layers * one.numel() * bytes_per_number

    return {"cache_bytes": cache_bytes}
