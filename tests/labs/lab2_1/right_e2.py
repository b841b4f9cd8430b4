"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab1_attention.solution import sdpa
from tests.labs.answers import Answers

right = Answers()


class Base(nn.Module):
    """What several answers share: the four maps."""

    def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
        super().__init__()
        kv = n_kv_heads or n_heads
        if d_model % n_heads != 0 or n_heads % kv != 0:
            raise ValueError("these numbers of heads do not fit")
        self.h, self.kv, self.d = n_heads, kv, d_model // n_heads
        self.query = nn.Linear(d_model, d_model, bias=bias)
        self.key = nn.Linear(d_model, kv * self.d, bias=bias)
        self.value = nn.Linear(d_model, kv * self.d, bias=bias)
        self.out = nn.Linear(d_model, d_model, bias=bias)
        self.drop = nn.Dropout(dropout)

    @classmethod
    def from_torch(cls, mha):
        new = cls(mha.embed_dim, mha.num_heads, bias=mha.in_proj_bias is not None, dropout=mha.dropout)
        new = new.to(mha.out_proj.weight.dtype)
        d = mha.embed_dim
        state = {
            f"{name}.weight": mha.in_proj_weight[n * d : (n + 1) * d]
            for n, name in enumerate(("query", "key", "value"))
        }
        state["out.weight"] = mha.out_proj.weight
        if mha.in_proj_bias is not None:
            for n, name in enumerate(("query", "key", "value")):
                state[f"{name}.bias"] = mha.in_proj_bias[n * d : (n + 1) * d]
            state["out.bias"] = mha.out_proj.bias
        new.load_state_dict(state)
        return new

    def weigh(self, scores, mask, is_causal):
        keep = torch.ones(scores.shape[-2:], dtype=torch.bool)
        keep = keep.tril() if is_causal else keep
        keep = keep if mask is None else keep & mask
        scores = torch.where(keep, scores, -math.inf)
        some = keep.any(-1, keepdim=True)
        return torch.where(some, scores, 0.0).softmax(-1) * some


@right("E2")
def a_loop_over_heads():
    class MultiHeadAttention(Base):
        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            context = x if context is None else context
            q, k, v = self.query(x), self.key(context), self.value(context)
            heads, maps = [], []
            for h in range(self.h):
                own = slice(h * self.d, (h + 1) * self.d)
                g = h * self.kv // self.h
                shared = slice(g * self.d, (g + 1) * self.d)
                here = mask
                if mask is not None and mask.dim() >= 3:
                    here = mask[..., h if mask.shape[-3] > 1 else 0, :, :]
                w = self.weigh(q[..., own] @ k[..., shared].mT / self.d**0.5, here, is_causal)
                heads.append(self.drop(w) @ v[..., shared])
                maps.append(w)
            return self.out(torch.cat(heads, -1)), sum(maps) / self.h if need_weights else None

    return {"MultiHeadAttention": MultiHeadAttention}


@right("E2")
def groups_by_broadcasting():
    class MultiHeadAttention(Base):
        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            context = context if context is not None else x
            b, tq, tk = x.size(0), x.size(1), context.size(1)
            group = self.h // self.kv
            q = self.query(x).view(b, tq, self.kv, group, self.d).permute(0, 2, 3, 1, 4)
            k = self.key(context).view(b, tk, self.kv, 1, self.d).permute(0, 2, 3, 4, 1)
            v = self.value(context).view(b, tk, self.kv, 1, self.d).permute(0, 2, 3, 1, 4)
            scores = (q @ k / math.sqrt(self.d)).reshape(b, self.h, tq, tk)
            w = self.weigh(scores, mask, is_causal)
            y = self.drop(w).reshape(b, self.kv, group, tq, tk) @ v
            y = y.permute(0, 3, 1, 2, 4).reshape(b, tq, self.h * self.d)
            return self.out(y), w.mean(1) if need_weights else None

    return {"MultiHeadAttention": MultiHeadAttention}


@right("E2")
def einsum_everywhere():
    class MultiHeadAttention(Base):
        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            memory = x if context is None else context
            q = self.query(x).unflatten(-1, (self.h, self.d))
            k = self.key(memory).unflatten(-1, (self.kv, self.d)).repeat_interleave(self.h // self.kv, 2)
            v = self.value(memory).unflatten(-1, (self.kv, self.d)).repeat_interleave(self.h // self.kv, 2)
            w = self.weigh(torch.einsum("bqhd,bkhd->bhqk", q, k) * self.d**-0.5, mask, is_causal)
            w = self.drop(w)
            y = torch.einsum("bhqk,bkhd->bqhd", w, v).flatten(2)
            return self.out(y), (w.sum(1) / self.h if need_weights else None)

    return {"MultiHeadAttention": MultiHeadAttention}


@right("E2")
def one_fused_product_from_the_three_weights():
    class MultiHeadAttention(Base):
        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            if context is None:
                maps = (self.query, self.key, self.value)
                weight = torch.cat([m.weight for m in maps])
                bias = None if self.query.bias is None else torch.cat([m.bias for m in maps])
                q, k, v = F.linear(x, weight, bias).split([m.out_features for m in maps], dim=-1)
            else:
                q, k, v = self.query(x), self.key(context), self.value(context)
            q, k, v = (
                z.reshape(*z.shape[:2], z.shape[2] // self.d, self.d).transpose(1, 2) for z in (q, k, v)
            )
            k, v = (z[:, torch.arange(self.h) // (self.h // self.kv)] for z in (k, v))
            _, w = sdpa(q, k, v, mask, is_causal=is_causal)
            y = self.drop(w) @ v
            return self.out(y.transpose(1, 2).contiguous().view(x.shape)), w.mean(1) if need_weights else None

    return {"MultiHeadAttention": MultiHeadAttention}


@right("E2")
def heads_folded_into_the_batch():
    class MultiHeadAttention(Base):
        def fold(self, z):
            b, t, width = z.shape
            heads = width // self.d
            z = z.view(b, t, heads, self.d).transpose(1, 2)
            if heads != self.h:
                z = z.unsqueeze(2).expand(b, heads, self.h // heads, t, self.d)
            return z.reshape(b * self.h, t, self.d)

        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            context = x if context is None else context
            b, tq, tk = x.shape[0], x.shape[1], context.shape[1]
            q, k, v = self.fold(self.query(x)), self.fold(self.key(context)), self.fold(self.value(context))
            scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(self.d)
            w = self.weigh(scores.view(b, self.h, tq, tk), mask, is_causal)
            y = torch.bmm(self.drop(w).reshape(b * self.h, tq, tk), v).view(b, self.h, tq, self.d)
            return self.out(y.transpose(1, 2).flatten(2)), w.mean(dim=1) if need_weights else None

    return {"MultiHeadAttention": MultiHeadAttention}


@right("E2")
def parameters_replaced_in_from_torch():
    class MultiHeadAttention(nn.Module):
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            super().__init__()
            if n_kv_heads is None:
                n_kv_heads = n_heads
            if d_model % n_heads:
                raise ValueError("n_heads must divide d_model")
            if n_heads % n_kv_heads:
                raise ValueError("n_kv_heads must divide n_heads")
            self.cfg = {"d": d_model, "h": n_heads, "g": n_kv_heads, "p": dropout}
            width = d_model // n_heads * n_kv_heads
            self.out = nn.Linear(d_model, d_model, bias)
            self.value = nn.Linear(d_model, width, bias)
            self.key = nn.Linear(d_model, width, bias)
            self.query = nn.Linear(d_model, d_model, bias)

        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            c = x if context is None else context
            h, g = self.cfg["h"], self.cfg["g"]
            q = torch.stack(self.query(x).chunk(h, -1), 1)
            k = torch.stack([z for z in self.key(c).chunk(g, -1) for _ in range(h // g)], 1)
            v = torch.stack([z for z in self.value(c).chunk(g, -1) for _ in range(h // g)], 1)
            y, w = sdpa(q, k, v, mask=mask, is_causal=is_causal)
            if self.training and self.cfg["p"] > 0:
                keep = (torch.rand(w.shape) >= self.cfg["p"]) / (1 - self.cfg["p"])
                y = (w * keep.to(w.dtype)) @ v
            return self.out(torch.cat(list(y.unbind(1)), -1)), (w.mean(1) if need_weights else None)

        @classmethod
        def from_torch(cls, mha):
            has_bias = mha.out_proj.bias is not None
            made = cls(mha.embed_dim, mha.num_heads, None, has_bias, mha.dropout)
            w = mha.in_proj_weight.detach().clone().chunk(3)
            for n, name in enumerate(("query", "key", "value")):
                linear = getattr(made, name)
                linear.weight = nn.Parameter(w[n].clone())
                if has_bias:
                    linear.bias = nn.Parameter(mha.in_proj_bias.detach().chunk(3)[n].clone())
            made.out = copy.deepcopy(mha.out_proj)
            made.train(mha.training)
            return made

    return {"MultiHeadAttention": MultiHeadAttention}


@right("E2")
def weights_written_through_data():
    class MultiHeadAttention(Base):
        @classmethod
        def from_torch(cls, mha):
            layer = cls(
                d_model=mha.embed_dim,
                n_heads=mha.num_heads,
                bias=mha.in_proj_bias is not None,
                dropout=mha.dropout,
            )
            d = mha.embed_dim
            for n, linear in enumerate([layer.query, layer.key, layer.value]):
                linear.weight.data = mha.in_proj_weight.data[n * d : (n + 1) * d].clone()
                if linear.bias is not None:
                    linear.bias.data = mha.in_proj_bias.data[n * d : (n + 1) * d].clone()
            layer.out.weight.data = mha.out_proj.weight.data.clone()
            if layer.out.bias is not None:
                layer.out.bias.data = mha.out_proj.bias.data.clone()
            return layer

        def forward(self, x, context=None, mask=None, is_causal=False, need_weights=False):
            src = x if context is None else context
            q, k, v = self.query(x), self.key(src), self.value(src)
            q = q.reshape(q.shape[0], q.shape[1], self.h, self.d).permute(0, 2, 1, 3)
            k = k.reshape(k.shape[0], k.shape[1], self.kv, self.d).permute(0, 2, 1, 3)
            v = v.reshape(v.shape[0], v.shape[1], self.kv, self.d).permute(0, 2, 1, 3)
            reps = self.h // self.kv
            k = k[:, :, None].expand(-1, -1, reps, -1, -1).flatten(1, 2)
            v = v[:, :, None].expand(-1, -1, reps, -1, -1).flatten(1, 2)
            w = F.dropout(self.weigh(q @ k.mT * self.d**-0.5, mask, is_causal), self.drop.p, self.training)
            y = self.out((w @ v).permute(0, 2, 1, 3).reshape(x.shape))
            return (y, w.mean(1)) if need_weights else (y, None)

    return {"MultiHeadAttention": MultiHeadAttention}


@right("E2")
def with_helper_modules_that_have_no_parameters():
    class Cut(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.width = width

        def forward(self, z):
            return (
                z.unflatten(-1, (-1, self.width)).transpose(1, 2)
                if z.numel()
                else z.reshape(z.shape[0], z.shape[2] // self.width, z.shape[1], self.width)
            )

    class MultiHeadAttention(Base):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.cut = Cut(self.d)

        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            c = x if context is None else context
            q, k, v = self.cut(self.query(x)), self.cut(self.key(c)), self.cut(self.value(c))
            k, v = (torch.repeat_interleave(z, self.h // self.kv, dim=1) for z in (k, v))
            w = self.weigh(q @ k.mT / math.sqrt(self.d), mask, is_causal)
            return self.out((self.drop(w) @ v).transpose(1, 2).flatten(2)), w.mean(
                1
            ) if need_weights else None

    return {"MultiHeadAttention": MultiHeadAttention}
