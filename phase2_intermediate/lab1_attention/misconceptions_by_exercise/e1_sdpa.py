"""Wrong answers to E1."""

import math

import torch

from courseware.check import misconception


def variant(
    *,
    scores=lambda q, k, scale: scale * q @ k.transpose(-1, -2),
    default=lambda q, k, v: q.shape[-1] ** -0.5,
    causal=lambda queries, keys: torch.ones(queries, keys, dtype=torch.bool).tril(),
    hide=lambda s, mask: s.masked_fill(~mask, -math.inf),
    weigh=None,
    wide=lambda dtype: torch.promote_types(dtype, torch.float32),
):
    """A right answer in pieces; each misconception replaces one of them."""

    def guarded(s):
        blind = (s == -math.inf).all(-1, keepdim=True)
        return s.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        dtype = wide(q.dtype)
        s = scores(q.to(dtype), k.to(dtype), default(q, k, v) if scale is None else scale)
        if is_causal:
            s = hide(s, causal(*s.shape[-2:]))
        if mask is not None:
            s = hide(s, mask) if mask.dtype == torch.bool else s + mask.to(dtype)
        weights = (weigh or guarded)(s)
        return (weights @ v.to(dtype)).to(q.dtype), weights.to(q.dtype)

    return {"sdpa": sdpa}


@misconception("E1", diagnosis="no-scale")
def no_scale():
    return variant(default=lambda q, k, v: 1.0)


@misconception("E1", diagnosis="scale-by-d")
def divides_by_the_width():
    return variant(default=lambda q, k, v: 1 / q.shape[-1])


@misconception("E1", diagnosis="scale-from-the-wrong-axis")
def root_of_the_number_of_keys():
    return variant(default=lambda q, k, v: k.shape[-2] ** -0.5)


@misconception("E1", diagnosis="softmax-over-queries")
def softmax_over_queries():
    return variant(weigh=lambda s: s.softmax(-2))


@misconception("E1", diagnosis="mask-inverted")
def true_means_ignore():
    return variant(
        hide=lambda s, mask: s.masked_fill(mask, -math.inf),
        causal=lambda queries, keys: ~torch.ones(queries, keys, dtype=torch.bool).tril(),
    )


@misconception("E1", diagnosis="mask-after-softmax")
def multiplies_weights_by_the_mask():
    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        scale = q.shape[-1] ** -0.5 if scale is None else scale
        s = q @ k.transpose(-1, -2) * scale
        if mask is not None and mask.dtype != torch.bool:
            s = s + mask
        weights = s.softmax(-1)
        if mask is not None and mask.dtype == torch.bool:
            weights = weights * mask
        if is_causal:
            weights = weights.tril()
        return weights @ v, weights

    return {"sdpa": sdpa}


@misconception("E1", diagnosis="fill-value-overflows-in-half")
def minus_a_billion_in_half():
    def weigh(s):
        blind = (s <= -1e9).all(-1, keepdim=True)
        return s.softmax(-1).masked_fill(blind, 0.0)

    return variant(hide=lambda s, mask: s.masked_fill(~mask, -1e9), weigh=weigh, wide=lambda dtype: dtype)


@misconception("E1", diagnosis="blind-row-is-nan")
def softmax_of_nothing():
    return variant(weigh=lambda s: s.softmax(-1))


@misconception("E1", diagnosis="blind-row-attends-evenly")
def large_negative_number():
    return variant(
        hide=lambda s, mask: s.masked_fill(~mask, -1e9), weigh=lambda s: s.softmax(-1).nan_to_num()
    )


@misconception("E1", diagnosis="blind-row-gradient")
def nan_mended_afterwards():
    return variant(weigh=lambda s: s.softmax(-1).nan_to_num(0.0))


@misconception("E1", diagnosis="causal-bottom-right")
def last_query_with_last_key():
    return variant(
        causal=lambda queries, keys: torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    )


@misconception("E1", diagnosis="causal-without-itself")
def sees_only_what_is_before():
    return variant(causal=lambda queries, keys: torch.ones(queries, keys, dtype=torch.bool).tril(-1))


@misconception("E1", diagnosis="boolean-mask-added")
def adds_the_booleans():
    return variant(hide=lambda s, mask: s + mask)


@misconception("E1", diagnosis="scale-zero-taken-for-none")
def scale_or_default():
    sound = variant()["sdpa"]

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        return sound(q, k, v, mask, is_causal=is_causal, scale=scale or q.shape[-1] ** -0.5)

    return {"sdpa": sdpa}


@misconception("E1", diagnosis="mask-and-causal-together")
def one_or_the_other():
    sound = variant()["sdpa"]

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        return sound(q, k, v, mask, is_causal=is_causal and mask is None, scale=scale)

    return {"sdpa": sdpa}


@misconception("E1", diagnosis="half-computed-in-half")
def stays_in_half():
    return variant(wide=lambda dtype: dtype)


@misconception("E1", diagnosis="forbidden")
def calls_the_kernel():
    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        out = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, mask, is_causal=is_causal, scale=scale
        )
        return out, (q @ k.transpose(-1, -2)).softmax(-1)

    return {"sdpa": sdpa}
