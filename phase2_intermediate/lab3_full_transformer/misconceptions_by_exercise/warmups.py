"""Wrong answers to the warm-ups."""

import torch

from courseware.check import misconception


def triangle(size):
    return torch.ones(size, size, dtype=torch.bool).tril()


@misconception("W1", diagnosis="no-future-hidden")
def padding_alone():
    def decoder_masks(source_real, target_real):
        size = target_real.shape[1]
        own = target_real[:, None, None, :].expand(-1, 1, size, size)
        return own, source_real[:, None, None, :]

    return {"decoder_masks": decoder_masks}


@misconception("W1", diagnosis="combined-with-or")
def one_of_both_is_enough():
    def decoder_masks(source_real, target_real):
        own = triangle(target_real.shape[1]) | target_real[:, None, None, :]
        return own, source_real[:, None, None, :]

    return {"decoder_masks": decoder_masks}


@misconception("W1", diagnosis="true-means-ignore")
def as_nn_multihead_attention_wants_it():
    def decoder_masks(source_real, target_real):
        own = triangle(target_real.shape[1]) & target_real[:, None, None, :]
        return ~own, ~source_real[:, None, None, :]

    return {"decoder_masks": decoder_masks}


@misconception("W2", diagnosis="logits-summed")
def logits_as_they_are():
    def log_probability(logits, tokens, real):
        return (logits.gather(-1, tokens[..., None])[..., 0] * real).sum(1)

    return {"log_probability": log_probability}


@misconception("W2", diagnosis="padding-counted")
def adds_the_padding():
    def log_probability(logits, tokens, real):
        return logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0].sum(1)

    return {"log_probability": log_probability}


@misconception("W2", diagnosis="underflow")
def log_of_the_product():
    def log_probability(logits, tokens, real):
        p = logits.softmax(-1).gather(-1, tokens[..., None])[..., 0]
        return torch.where(real, p, 1.0).prod(1).log()

    return {"log_probability": log_probability}


@misconception("W2", diagnosis="padding-leaks")
def times_the_mask():
    def log_probability(logits, tokens, real):
        return (logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0] * real).sum(1)

    return {"log_probability": log_probability}


@misconception("W3", diagnosis="only-removes-ends")
def filters():
    def until_end(tokens, end):
        return [[x for x in row if x != end] for row in tokens.tolist()]

    return {"until_end": until_end}


@misconception("W3", diagnosis="keeps-the-end")
def one_too_far():
    def until_end(tokens, end):
        return [row[: row.index(end) + 1] if end in row else row for row in tokens.tolist()]

    return {"until_end": until_end}


@misconception("W4", diagnosis="keys-only")
def keys_without_values():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return layers * kv_heads * head_width * positions * batch * bytes_per_number

    return {"cache_bytes": cache_bytes}


@misconception("W4", diagnosis="numbers-not-bytes")
def how_many_numbers():
    def cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2):
        return 2 * layers * kv_heads * head_width * positions * batch

    return {"cache_bytes": cache_bytes}
