"""Wrong answers to the warm-ups, as strangers would make them."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

wrong = Answers()


def tril(n, diagonal=0):
    return torch.ones(n, n, dtype=torch.bool).tril(diagonal)


@wrong("W1")
def upside_down():
    def decoder_masks(source_real, target_real):
        own = tril(target_real.shape[1]).T & target_real[:, None, None, :]
        return own, source_real[:, None, None, :]

    return {"decoder_masks": decoder_masks}


@wrong("W1")
def not_itself():
    def decoder_masks(source_real, target_real):
        own = tril(target_real.shape[1], -1) & target_real[:, None, None, :]
        return own, source_real[:, None, None, :]

    return {"decoder_masks": decoder_masks}


@wrong("W1")
def hides_queries():
    def decoder_masks(source_real, target_real):
        own = tril(target_real.shape[1]) & target_real[:, None, :, None]
        return own, source_real[:, None, None, :]

    return {"decoder_masks": decoder_masks}


@wrong("W1")
def without_heads():
    def decoder_masks(source_real, target_real):
        return tril(target_real.shape[1]) & target_real[:, None, :], source_real[:, None, :]

    return {"decoder_masks": decoder_masks}


@wrong("W1")
def floats():
    def decoder_masks(source_real, target_real):
        own = tril(target_real.shape[1]) & target_real[:, None, None, :]
        return own.float(), source_real[:, None, None, :].float()

    return {"decoder_masks": decoder_masks}


@wrong("W1")
def no_padding():
    def decoder_masks(source_real, target_real):
        size = target_real.shape[1]
        return tril(size).expand(len(target_real), 1, size, size), source_real[:, None, None, :]

    return {"decoder_masks": decoder_masks}


@wrong("W2")
def the_mean():
    def log_probability(logits, tokens, real):
        lp = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
        return torch.where(real, lp, 0.0).sum(1) / real.sum(1).clamp(min=1)

    return {"log_probability": log_probability}


@wrong("W2")
def the_probability():
    def log_probability(logits, tokens, real):
        lp = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
        return torch.where(real, lp, 0.0).sum(1).exp()

    return {"log_probability": log_probability}


@wrong("W2")
def positive():
    def log_probability(logits, tokens, real):
        lp = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
        return -torch.where(real, lp, 0.0).sum(1)

    return {"log_probability": log_probability}


@wrong("W2")
def softmax_over_time():
    def log_probability(logits, tokens, real):
        lp = logits.log_softmax(1).gather(-1, tokens[..., None])[..., 0]
        return torch.where(real, lp, 0.0).sum(1)

    return {"log_probability": log_probability}


@wrong("W2")
def log_of_softmax():
    def log_probability(logits, tokens, real):
        lp = (logits.softmax(-1) + 1e-9).log().gather(-1, tokens[..., None])[..., 0]
        return torch.where(real, lp, 0.0).sum(1)

    return {"log_probability": log_probability}


@wrong("W2")
def best_token_instead_of_the_given():
    def log_probability(logits, tokens, real):
        return torch.where(real, logits.log_softmax(-1).amax(-1), 0.0).sum(1)

    return {"log_probability": log_probability}


@wrong("W3")
def last_end():
    def until_end(tokens, end):
        rows = tokens.tolist()
        return [row[: len(row) - 1 - row[::-1].index(end)] if end in row else row for row in rows]

    return {"until_end": until_end}


@wrong("W3")
def tensors_in_lists():
    def until_end(tokens, end):
        return [row[: row.tolist().index(end)] if end in row.tolist() else row for row in tokens]

    return {"until_end": until_end}


@wrong("W3")
def find_gives_minus_one():
    def until_end(tokens, end):
        rows = tokens.tolist()
        return [row[: row.index(end) if end in row else -1] for row in rows]

    return {"until_end": until_end}


@wrong("W3")
def always_three():
    def until_end(tokens, end):
        return [row[: row.index(3)] if 3 in row else row for row in tokens.tolist()]

    return {"until_end": until_end}


@wrong("W3")
def argmax_of_nothing():
    def until_end(tokens, end):
        return [row[: int((row == end).int().argmax())].tolist() for row in tokens]

    return {"until_end": until_end}


@wrong("W4")
def no_two():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return math.prod([layers, kv_heads, head_width, positions, batch, bytes_per_number])

    return {"cache_bytes": cache_bytes}


@wrong("W4")
def three_of_them():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return 3 * layers * kv_heads * head_width * positions * batch * bytes_per_number

    return {"cache_bytes": cache_bytes}


@wrong("W4")
def four_bytes():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=4):
        return 2 * layers * kv_heads * head_width * positions * batch * bytes_per_number

    return {"cache_bytes": cache_bytes}


@wrong("W4")
def one_layer():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return 2 * kv_heads * head_width * positions * batch * bytes_per_number

    return {"cache_bytes": cache_bytes}


@wrong("W4")
def a_float():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return 2.0 * layers * kv_heads * head_width * positions * batch * bytes_per_number

    return {"cache_bytes": cache_bytes}


@wrong("W2")
def squeezes_every_axis():
    def log_probability(logits, tokens, real):
        chosen = logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze()
        return torch.where(real, chosen, 0.0).sum(-1)

    return {"log_probability": log_probability}


@wrong.stands_for("W1", "decoder_masks")
def a_row_for_every_query(source_real, target_real):
    length = target_real.shape[1]
    past = torch.ones(length, length, dtype=torch.bool).tril()
    memory = source_real[:, None, None, :].expand(-1, -1, length, -1)
    return past & target_real[:, None, None, :], memory


@wrong.stands_for("W2", "log_probability")
def the_next_token(logits, tokens, real):
    lp = logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return torch.where(real[:, 1:], lp, 0.0).sum(1)


@wrong.stands_for("W4", "cache_bytes")
def in_32_bits(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
    sizes = torch.tensor([2, layers, kv_heads, head_width, positions, batch, bytes_per_number])
    return int(sizes.int().prod(dtype=torch.int32))
