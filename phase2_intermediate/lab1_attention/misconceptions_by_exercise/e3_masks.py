"""Wrong answers to E3."""

import torch

from courseware.check import misconception


@misconception("E3", diagnosis="padding-hides-queries")
def padding_of_queries():
    def padding(lengths, T):
        return (torch.arange(T) < lengths[:, None])[:, None, :, None]

    return {"padding": padding}


@misconception("E3", diagnosis="padding-shape")
def padding_as_a_table():
    def padding(lengths, T):
        return torch.arange(T) < lengths[:, None]

    return {"padding": padding}


@misconception("E3", diagnosis="padding-one-too-long")
def padding_includes_the_end():
    def padding(lengths, T):
        return (torch.arange(T) <= lengths[:, None])[:, None, None, :]

    return {"padding": padding}


@misconception("E3", diagnosis="causal-without-itself")
def strictly_before():
    def causal(Tq, Tk, offset=0):
        return torch.ones(Tq, Tk, dtype=torch.bool).tril(offset - 1)

    return {"causal": causal}


@misconception("E3", diagnosis="offset-ignored")
def no_cache():
    def causal(Tq, Tk, offset=0):
        return torch.ones(Tq, Tk, dtype=torch.bool).tril()

    return {"causal": causal}


@misconception("E3", diagnosis="aligned-at-the-last-key")
def last_with_last():
    def causal(Tq, Tk, offset=0):
        return torch.ones(Tq, Tk, dtype=torch.bool).tril(Tk - Tq)

    return {"causal": causal}


@misconception("E3", diagnosis="window-counts-wrongly")
def window_without_its_ends():
    def window(Tq, Tk, left, right):
        d = torch.arange(Tk) - torch.arange(Tq)[:, None]
        return (d > -left) & (d < right)

    return {"window": window}


@misconception("E3", diagnosis="window-sides-exchanged")
def window_mirrored():
    def window(Tq, Tk, left, right):
        d = torch.arange(Tq)[:, None] - torch.arange(Tk)
        return (d >= -left) & (d <= right)

    return {"window": window}


@misconception("E3", diagnosis="padding-sees-padding")
def same_number():
    def documents(ids):
        return (ids[:, :, None] == ids[:, None, :])[:, None]

    return {"documents": documents}


@misconception("E3", diagnosis="documents-shape")
def documents_without_heads():
    def documents(ids):
        return (ids[:, :, None] == ids[:, None, :]) & (ids >= 0)[:, None, :]

    return {"documents": documents}


@misconception("E3", diagnosis="combine-with-or")
def either_mask():
    def combine(*masks):
        result = None
        for mask in masks:
            if mask is not None:
                result = mask if result is None else result | mask
        return result

    return {"combine": combine}


@misconception("E3", diagnosis="none-among-the-masks")
def trips_over_none():
    def combine(*masks):
        result = masks[0]
        for mask in masks[1:]:
            result = result & mask
        return result

    return {"combine": combine}


@misconception("E3", diagnosis="additive-zero-and-one")
def mask_as_numbers():
    def to_additive(mask, dtype):
        return mask.to(dtype)

    return {"to_additive": to_additive}


@misconception("E3", diagnosis="additive-finite")
def most_negative_number():
    def to_additive(mask, dtype):
        return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)

    return {"to_additive": to_additive}


@misconception("E3", diagnosis="additive-nan")
def zero_times_infinity():
    def to_additive(mask, dtype):
        return (~mask).to(dtype) * -torch.inf

    return {"to_additive": to_additive}


@misconception("E3", diagnosis="not-boolean")
def mask_of_floats():
    def causal(Tq, Tk, offset=0):
        return torch.ones(Tq, Tk).tril(offset)

    return {"causal": causal}
