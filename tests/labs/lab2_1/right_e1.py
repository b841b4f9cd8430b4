"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

right = Answers()
INF = float("inf")


@right("E1")
def one_query_after_another():
    def row(q, k, v, allowed, extra, scale):
        scores = torch.stack([(q * key).sum() * scale for key in k]) if len(k) else q.new_zeros(0)
        scores = scores + extra
        keep = allowed & ~torch.isneginf(scores)
        if not keep.any():
            return v.sum(0) * 0, scores.detach().nan_to_num(0, 0, 0) * 0
        top = scores[keep].max()
        e = torch.where(keep, (torch.where(keep, scores, top) - top).exp(), 0.0)
        w = e / e.sum()
        return (w[:, None] * v).sum(0), w

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        kind = q.dtype
        wide = torch.float32 if kind.itemsize == 2 else kind
        tq, tk = q.shape[-2], k.shape[-2]
        lead_w = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
        lead = torch.broadcast_shapes(lead_w, v.shape[:-2])
        s = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
        allowed, extra = torch.ones(tq, tk, dtype=torch.bool), torch.zeros(tq, tk, dtype=wide)
        if is_causal:
            allowed = torch.arange(tk)[None, :] <= torch.arange(tq)[:, None]
        if mask is not None and mask.dtype == torch.bool:
            allowed = allowed & mask
        elif mask is not None:
            extra = extra + mask.to(wide)
        Q, K, V = (
            x.to(wide).expand(*lead, *x.shape[-2:]).reshape(math.prod(lead), *x.shape[-2:]) for x in (q, k, v)
        )
        A, E = (x.expand(*lead, tq, tk).reshape(math.prod(lead), tq, tk) for x in (allowed, extra))
        outs, ws = [], []
        for b in range(Q.shape[0]):
            for i in range(tq):
                o, w = row(Q[b, i], K[b], V[b], A[b, i], E[b, i], s)
                outs.append(o)
                ws.append(w)
        out = torch.stack(outs) if outs else Q.new_zeros(0)
        w = torch.stack(ws) if ws else Q.new_zeros(0)
        out, w = out.reshape(*lead, tq, v.shape[-1]), w.reshape(*lead, tq, tk)
        while w.dim() > len(lead_w) + 2:
            w = w[0]
        return out.to(kind), w.expand(*lead_w, tq, tk).to(kind)

    return {"sdpa": sdpa}


@right("E1")
def einsum_and_exponentials():
    def sdpa(query, key, value, mask=None, *, is_causal=False, scale=None):
        dtype = query.dtype
        if dtype in (torch.float16, torch.bfloat16):
            query, key, value = query.float(), key.float(), value.float()
        if scale is None:
            scale = 1.0 / math.sqrt(query.size(-1))
        logits = torch.einsum("...qd,...kd->...qk", query, key) * scale
        allowed = torch.ones_like(logits, dtype=torch.bool)
        if is_causal:
            allowed = torch.tril(allowed)
        if mask is not None:
            if mask.dtype is torch.bool:
                allowed = torch.logical_and(allowed, mask)
            else:
                allowed = allowed & (mask > -INF)
                logits = logits + mask.masked_fill(mask == -INF, 0)
        if logits.shape[-1]:
            top = logits.masked_fill(~allowed, torch.finfo(logits.dtype).min).max(-1, keepdim=True).values
            e = torch.exp(torch.where(allowed, logits - top.detach(), 0.0)) * allowed
        else:
            e = logits
        total = e.sum(-1, keepdim=True)
        weights = e / torch.where(total > 0, total, torch.ones_like(total))
        return torch.einsum("...qk,...kd->...qd", weights, value).to(dtype), weights.to(dtype)

    return {"sdpa": sdpa}


@right("E1")
def everything_becomes_an_additive_mask():
    def as_bias(mask, like):
        if mask.dtype == torch.bool:
            return torch.zeros(mask.shape, dtype=like.dtype).masked_fill(mask.logical_not(), -INF)
        return mask.to(like.dtype)

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        Q = q.double()
        L, S = q.size(-2), k.size(-2)
        bias = torch.zeros(L, S, dtype=torch.float64)
        if is_causal:
            bias = bias + as_bias(torch.ones(L, S).tril().bool(), bias)
        if mask is not None:
            bias = bias + as_bias(mask, bias)
        logits = torch.matmul(Q, k.double().mT) * (q.size(-1) ** -0.5 if scale is None else scale) + bias
        dead = torch.isneginf(logits).all(-1, keepdim=True)
        weights = F.softmax(torch.where(dead, torch.zeros_like(logits), logits), dim=-1)
        weights = torch.where(dead, torch.zeros_like(weights), weights)
        return (weights @ v.double()).to(q.dtype), weights.to(q.dtype)

    return {"sdpa": sdpa}


@right("E1")
def log_softmax_and_exp():
    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        up = (lambda x: x.float()) if q.element_size() == 2 else (lambda x: x)
        scale = scale if scale is not None else 1 / q.shape[-1] ** 0.5
        s = (up(q) * scale) @ up(k).swapaxes(-2, -1)
        if mask is not None and mask.is_floating_point():
            s = s + mask
            mask = None
        ok = ~torch.isneginf(s)
        if mask is not None:
            ok = ok & mask
        if is_causal:
            i, j = torch.meshgrid(torch.arange(s.shape[-2]), torch.arange(s.shape[-1]), indexing="ij")
            ok = ok & (j <= i)
        has_any = ok.any(-1, keepdim=True)
        s = s.masked_fill(~ok & has_any, -INF).masked_fill(~has_any, 0)
        w = s.log_softmax(-1).exp() * has_any
        out = w @ up(v)
        return out.type_as(q), w.type_as(q)

    return {"sdpa": sdpa}


@right("E1")
def large_negative_number_with_a_guard():
    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        wide = torch.promote_types(q.dtype, torch.float32)
        scores = torch.matmul(q.to(wide), k.to(wide).transpose(-2, -1))
        scores = scores / math.sqrt(q.shape[-1]) if scale is None else scores * scale
        hidden = torch.zeros_like(scores, dtype=torch.bool)
        if mask is not None:
            if mask.dtype == torch.bool:
                hidden = hidden | ~mask
            else:
                hidden = hidden | (mask == -INF)
                scores = scores + mask.clamp(min=-1e30)
        if is_causal:
            hidden = hidden | torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(hidden, -1e35)
        weights = scores.softmax(-1) * ~hidden.all(-1, keepdim=True)
        return (weights @ v.to(wide)).to(q.dtype), weights.to(q.dtype)

    return {"sdpa": sdpa}


@right("E1")
def a_class_with_methods():
    class Attention:
        def __init__(self, is_causal, scale):
            self.is_causal, self.scale = is_causal, scale

        def visible(self, shape, mask):
            seen = torch.ones(shape, dtype=torch.bool)
            if self.is_causal:
                seen = seen.tril()
            return seen if mask is None or mask.dtype != torch.bool else seen & mask

        def __call__(self, q, k, v, mask):
            s = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if self.scale is None else self.scale)
            if mask is not None and mask.dtype != torch.bool:
                s = s + mask
            s = torch.where(self.visible(s.shape, mask), s, -INF)
            blind = (s == -INF).all(-1, keepdim=True).expand_as(s)
            s = s.clone()
            s[blind] = 0.0
            w = torch.softmax(s, -1)
            w = w.masked_fill(blind, 0)
            return w @ v, w

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        wide = {torch.float16: torch.float32, torch.bfloat16: torch.float32}.get(q.dtype, q.dtype)
        found = Attention(is_causal, scale)(q.to(wide), k.to(wide), v.to(wide), mask)
        return tuple(x.to(q.dtype) for x in found)

    return {"sdpa": sdpa}


@right("E1")
def queries_in_chunks():
    def safe(q, k, v, mask, start, is_causal, scale):
        s = scale * q @ k.mT
        hide = torch.zeros_like(s, dtype=torch.bool)
        if mask is not None and mask.dtype == torch.bool:
            hide = hide | ~mask
        elif mask is not None:
            hide, s = hide | mask.isneginf(), s + mask.nan_to_num(neginf=0.0)
        if is_causal:
            place = torch.arange(start, start + q.shape[-2]).unsqueeze(-1)
            hide = hide | (torch.arange(k.shape[-2]) > place)
        blind = hide.all(-1, keepdim=True)
        return s.masked_fill(hide & ~blind, -INF).softmax(-1).masked_fill(blind, 0)

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        wide = torch.promote_types(q.dtype, torch.float32)
        scale = q.shape[-1] ** -0.5 if scale is None else scale
        rows = []
        for i in range(q.shape[-2]):
            m = mask if mask is None or mask.dim() < 2 or mask.shape[-2] == 1 else mask[..., i : i + 1, :]
            rows.append(safe(q[..., i : i + 1, :].to(wide), k.to(wide), v, m, i, is_causal, scale))
        lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
        w = torch.cat(rows, -2) if rows else torch.zeros(*lead, 0, k.shape[-2], dtype=wide)
        return (w @ v.to(wide)).to(q.dtype), w.to(q.dtype)

    return {"sdpa": sdpa}


@right("E1")
def gather_the_blind_rows_at_the_end():
    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        out_type = q.dtype
        q, k, v = (x if x.dtype.itemsize >= 4 else x.to(torch.float32) for x in (q, k, v))
        att = torch.matmul(q, k.transpose(-2, -1)).mul(q.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            att = att + torch.full(att.shape[-2:], -INF, dtype=att.dtype).triu(1)
        if mask is not None:
            att = att + mask if mask.is_floating_point() else att.masked_fill(mask == 0, -INF)
        seen = torch.isfinite(att).any(-1, keepdim=True)
        att = torch.where(seen, att, torch.zeros((), dtype=att.dtype))
        att = F.softmax(att, dim=-1) * seen.to(att.dtype)
        return torch.matmul(att, v).to(out_type), att.to(out_type)

    return {"sdpa": sdpa}
