"""Right answers to W1 to W4, written otherwise than the reference."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def one_query_at_a_time():
    def kernel_average(query, keys, values, bandwidth):
        out = torch.empty(len(query), dtype=values.dtype)
        for n, q in enumerate(query):
            e = -((q - keys) ** 2) / (2 * bandwidth**2)
            w = (e - e.max()).exp()
            out[n] = (w * values).sum() / w.sum()
        return out

    return {"kernel_average": kernel_average}


@right("W1")
def distances_by_cdist():
    def kernel_average(query, keys, values, bandwidth):
        d = torch.cdist(
            query.double()[:, None], keys.double()[:, None], compute_mode="donot_use_mm_for_euclid_dist"
        )
        return (torch.softmax(-0.5 * (d / bandwidth) ** 2, -1) @ values.double()).to(values.dtype)

    return {"kernel_average": kernel_average}


@right("W1")
def scaled_first():
    def kernel_average(query, keys, values, bandwidth):
        z = (keys[None] - query[:, None]) / bandwidth
        lse = torch.logsumexp(-z.square() / 2, 1, keepdim=True)
        return torch.einsum("nm,m->n", torch.exp(-z.square() / 2 - lse), values)

    return {"kernel_average": kernel_average}


@right("W1")
def keys_as_rows():
    def kernel_average(query, keys, values, bandwidth):
        e = -(keys[:, None] - query).pow(2).div(2 * bandwidth**2)
        return (e.softmax(0) * values[:, None]).sum(0)

    return {"kernel_average": kernel_average}


@right("W2")
def by_einsum():
    return {"scaled_scores": lambda q, k: torch.einsum("...id,...jd->...ij", q, k) / q.size(-1) ** 0.5}


@right("W2")
def scaled_before():
    return {"scaled_scores": lambda q, k: torch.matmul(q * q.shape[-1] ** -0.5, k.mT)}


@right("W2")
def by_broadcasting():
    return {
        "scaled_scores": lambda q, k: (q.unsqueeze(-2) * k.unsqueeze(-3)).sum(-1).div(math.sqrt(k.shape[-1]))
    }


@right("W2")
def fourth_roots():
    def scaled_scores(q, k):
        s = q.shape[-1] ** -0.25
        return (q * s) @ (k * s).swapaxes(-1, -2)

    return {"scaled_scores": scaled_scores}


@right("W3")
def where_and_softmax():
    return {"masked_weights": lambda scores, mask: torch.softmax(torch.where(mask, scores, -torch.inf), -1)}


@right("W3")
def by_hand():
    def masked_weights(scores, mask):
        wide = scores.float() if scores.dtype.itemsize == 2 else scores
        top = wide.masked_fill(~mask, -torch.inf).amax(-1, keepdim=True)
        e = torch.where(mask, wide - top, -torch.inf).exp()
        return (e / e.sum(-1, keepdim=True)).to(scores.dtype)

    return {"masked_weights": masked_weights}


@right("W3")
def most_negative_number():
    def masked_weights(scores, mask):
        hidden = torch.finfo(scores.dtype).min
        return scores.masked_fill(mask.logical_not(), hidden).softmax(-1)

    return {"masked_weights": masked_weights}


@right("W3")
def an_additive_mask():
    def masked_weights(scores, mask):
        bias = torch.zeros(mask.shape, dtype=scores.dtype)
        bias[~mask] = -math.inf
        return torch.nn.functional.softmax(scores + bias, dim=-1)

    return {"masked_weights": masked_weights}


@right("W4")
def chunks_and_stacks():
    def split_heads(x, n_heads):
        return torch.stack(x.chunk(n_heads, -1), 1)

    def merge_heads(x):
        return torch.cat([x[:, h] for h in range(x.shape[1])], dim=-1)

    return {"split_heads": split_heads, "merge_heads": merge_heads}


@right("W4")
def unflatten_and_flatten():
    def split_heads(x, n_heads):
        return x.unflatten(2, (n_heads, x.shape[2] // n_heads)).permute(0, 2, 1, 3)

    def merge_heads(x):
        return x.permute(0, 2, 1, 3).flatten(2)

    return {"split_heads": split_heads, "merge_heads": merge_heads}


@right("W4")
def slice_by_slice():
    def split_heads(x, n_heads):
        b, t, d = x.shape
        out = x.new_empty(b, n_heads, t, d // n_heads)
        for h in range(n_heads):
            out[:, h] = x[:, :, h * (d // n_heads) : (h + 1) * (d // n_heads)]
        return out

    def merge_heads(x):
        b, h, t, w = x.shape
        out = x.new_empty(b, t, h * w)
        for n in range(h):
            out[:, :, n * w : (n + 1) * w] = x[:, n]
        return out

    return {"split_heads": split_heads, "merge_heads": merge_heads}


@right("W4")
def contiguous_views():
    def split_heads(x, n_heads):
        x = x.contiguous()
        return x.view(x.size(0), x.size(1), n_heads, x.size(2) // n_heads).transpose(1, 2).contiguous()

    def merge_heads(x):
        x = x.transpose(1, 2).contiguous()
        return x.view(x.size(0), x.size(1), x.size(2) * x.size(3))

    return {"split_heads": split_heads, "merge_heads": merge_heads}
