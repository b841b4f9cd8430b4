"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import functools
import operator

import numpy as np
import torch

from tests.labs.answers import Answers

right = Answers()


@right("E3")
def lists_and_loops():
    def causal(Tq, Tk, offset=0):
        m = torch.zeros((Tq, Tk), dtype=torch.bool)
        for i in range(Tq):
            for j in range(Tk):
                m[i, j] = j <= i + offset
        return m

    def window(Tq, Tk, left, right):
        m = torch.zeros((Tq, Tk), dtype=torch.bool)
        for i in range(Tq):
            m[i, max(0, i - left) : max(0, i + right + 1)] = True
        return m

    def padding(lengths, T):
        m = torch.zeros(len(lengths), 1, 1, T, dtype=torch.bool)
        for b, n in enumerate(lengths.tolist()):
            m[b, ..., :n] = True
        return m

    def documents(ids):
        b, t = ids.shape
        m = torch.zeros(b, 1, t, t, dtype=torch.bool)
        for n in range(b):
            for i in range(t):
                for j in range(t):
                    m[n, 0, i, j] = bool(ids[n, i] == ids[n, j]) and int(ids[n, i]) != -1
        return m

    def combine(*masks):
        given = [m for m in masks if m is not None]
        return functools.reduce(operator.and_, given) if given else None

    def to_additive(mask, dtype):
        out = torch.empty(mask.shape, dtype=dtype)
        out[mask] = 0.0
        out[~mask] = float("-inf")
        return out

    return {
        "causal": causal,
        "padding": padding,
        "window": window,
        "documents": documents,
        "combine": combine,
        "to_additive": to_additive,
    }


@right("E3")
def triangles():
    def causal(Tq, Tk, offset=0):
        return torch.ones(Tq, Tk).tril(diagonal=offset).bool()

    def window(Tq, Tk, left, right):
        return torch.ones(Tq, Tk, dtype=torch.bool).tril(right).triu(-left)

    def to_additive(mask, dtype):
        return torch.where(mask, 0.0, float("-inf")).to(dtype)

    return {"causal": causal, "window": window, "to_additive": to_additive}


@right("E3")
def numpy_inside():
    def causal(Tq, Tk, offset=0):
        return torch.from_numpy(np.tri(Tq, Tk, offset, dtype=bool))

    def window(Tq, Tk, left, right):
        i, j = np.indices((Tq, Tk))
        return torch.from_numpy((i - left <= j) & (j <= i + right))

    def padding(lengths, T):
        return torch.from_numpy(np.arange(T)[None, None, None] < lengths.numpy()[:, None, None, None])

    return {"causal": causal, "window": window, "padding": padding}


@right("E3")
def meshgrids():
    def causal(Tq, Tk, offset=0):
        i, j = torch.meshgrid(torch.arange(Tq), torch.arange(Tk), indexing="ij")
        return (i + offset).ge(j)

    def documents(ids):
        x = ids.unsqueeze(1)
        return torch.logical_and(x.unsqueeze(-1) == x.unsqueeze(-2), (x != -1).unsqueeze(-2))

    def combine(*masks):
        result = None
        for m in masks:
            if m is None:
                continue
            result = m.clone() if result is None else torch.logical_and(result, m)
        return result

    return {"causal": causal, "documents": documents, "combine": combine}


@right("E3")
def one_hot_documents():
    def documents(ids):
        if ids.numel() == 0:
            return torch.zeros(ids.shape[0], 1, ids.shape[1], ids.shape[1], dtype=torch.bool)
        hot = torch.nn.functional.one_hot(ids + 1)[..., 1:].float()
        return (hot @ hot.transpose(1, 2)).bool().unsqueeze(1)

    def combine(*masks):
        if all(m is None for m in masks):
            return None
        return torch.stack(torch.broadcast_tensors(*[m for m in masks if m is not None])).all(dim=0)

    return {"documents": documents, "combine": combine}


@right("E3")
def products_and_logarithms():
    def padding(lengths, T):
        return torch.arange(T).expand(lengths.shape[0], 1, 1, T) < lengths.view(-1, 1, 1, 1)

    def combine(*masks):
        out = None
        for m in masks:
            if m is not None:
                out = m if out is None else (out * m).bool()
        return out

    def to_additive(mask, dtype):
        return mask.to(dtype).log()

    return {"padding": padding, "combine": combine, "to_additive": to_additive}


@right("E3")
def windows_from_two_causal_masks():
    def causal(Tq, Tk, offset=0):
        return torch.arange(Tk).unsqueeze(0) < (torch.arange(Tq) + offset + 1).unsqueeze(1)

    def window(Tq, Tk, left, right):
        return causal(Tq, Tk, right) & ~causal(Tq, Tk, -left - 1)

    def documents(ids):
        shifted = ids.masked_fill(ids < 0, -1)
        pairs = shifted[:, None, :, None] == shifted[:, None, None, :]
        return pairs.masked_fill((ids < 0)[:, None, None, :], False)

    def to_additive(mask, dtype):
        return torch.full(mask.shape, -torch.inf, dtype=dtype).masked_fill(mask, 0)

    return {"causal": causal, "window": window, "documents": documents, "to_additive": to_additive}


@right("E3")
def recursive_combination():
    def combine(*masks):
        if not masks:
            return None
        first, rest = masks[0], combine(*masks[1:])
        if first is None or rest is None:
            return rest if first is None else first
        return first.minimum(rest) if first.shape == rest.shape else first & rest

    def padding(lengths, T):
        rows = [torch.cat([torch.ones(int(n)), torch.zeros(T - int(n))]) for n in lengths]
        return torch.stack(rows)[:, None, None].bool() if rows else torch.zeros(0, 1, 1, T, dtype=torch.bool)

    return {"combine": combine, "padding": padding}
