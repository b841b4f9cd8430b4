"""Wrong answers to E2."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase2_intermediate.lab1_attention.solution import MultiHeadAttention as Sound


class Pieces(Sound):
    """A right answer in small pieces; each misconception replaces one of them."""

    def split(self, x, heads):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    def merge(self, x):
        return x.transpose(1, 2).flatten(2)

    def repeat(self, x):
        return x.repeat_interleave(self.n_heads // self.n_kv_heads, dim=1)

    def scale(self, q):
        return q.shape[-1] ** -0.5

    def drop(self, weights):
        return F.dropout(weights, self.dropout, self.training)

    def project(self, merged):
        return self.out(merged)

    def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
        context = x if context is None else context
        q = self.split(self.query(x), self.n_heads)
        k = self.repeat(self.split(self.key(context), self.n_kv_heads))
        v = self.repeat(self.split(self.value(context), self.n_kv_heads))
        scores = q @ k.transpose(-1, -2) * self.scale(q)
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool)
        seen = (seen.tril() if is_causal else seen) & (True if mask is None else mask)
        blind = ~seen.any(-1, keepdim=True)
        weights = scores.masked_fill(~(seen | blind), -math.inf).softmax(-1).masked_fill(blind, 0.0)
        y = self.project(self.merge(self.drop(weights) @ v))
        return y, self.report(weights) if need_weights else None

    def report(self, weights):
        return weights.mean(1)


@misconception("E2", diagnosis="heads-mix-time-and-channels")
def views_as_heads_at_once():
    class MultiHeadAttention(Pieces):
        def split(self, x, heads):
            return x.reshape(x.shape[0], heads, x.shape[1], x.shape[2] // heads)

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="merges-without-transposing")
def merges_at_once():
    class MultiHeadAttention(Pieces):
        def merge(self, x):
            return x.reshape(x.shape[0], x.shape[2], -1)

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="scale-from-the-model-width")
def root_of_d_model():
    class MultiHeadAttention(Pieces):
        def scale(self, q):
            return (q.shape[-1] * self.n_heads) ** -0.5

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="no-output-projection")
def forgets_out():
    class MultiHeadAttention(Pieces):
        def project(self, merged):
            return merged

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="key-heads-interleaved")
def repeats_the_whole_list_of_heads():
    class MultiHeadAttention(Pieces):
        def repeat(self, x):
            return x.repeat(1, self.n_heads // self.n_kv_heads, 1, 1)

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="dropout-in-evaluation")
def always_drops():
    class MultiHeadAttention(Pieces):
        def drop(self, weights):
            return F.dropout(weights, self.dropout)

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="dropout-on-the-output")
def drops_numbers_of_the_output():
    class MultiHeadAttention(Pieces):
        def drop(self, weights):
            return weights

        def project(self, merged):
            return F.dropout(self.out(merged), self.dropout, self.training)

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="from-torch-in-another-order")
def key_query_value():
    class MultiHeadAttention(Sound):
        @classmethod
        def from_torch(cls, mha):
            layer = super().from_torch(mha)
            layer.query, layer.key = layer.key, layer.query
            return layer

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="from-torch-shares-memory")
def takes_the_parameters():
    class MultiHeadAttention(Sound):
        @classmethod
        def from_torch(cls, mha):
            layer = super().from_torch(mha)
            layer.out = mha.out_proj
            return layer

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="from-torch-forgets-the-biases")
def weights_alone():
    class MultiHeadAttention(Sound):
        @classmethod
        def from_torch(cls, mha):
            layer = super().from_torch(mha)
            for linear in (layer.query, layer.key, layer.value):
                if linear.bias is not None:
                    nn.init.zeros_(linear.bias)
            return layer

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="weights-of-every-head")
def returns_all_maps():
    class MultiHeadAttention(Pieces):
        def report(self, weights):
            return weights

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="indivisible-heads")
def rounds_the_head_width():
    class MultiHeadAttention(Sound):
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            if d_model % n_heads:
                n_heads = 1
            super().__init__(d_model, n_heads, n_kv_heads, bias, dropout)

    return {"MultiHeadAttention": MultiHeadAttention}


@misconception("E2", diagnosis="forbidden")
def heads_in_the_kernel():
    class MultiHeadAttention(Sound):
        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            context = x if context is None else context
            q = self.query(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            k, v = (
                f(context).unflatten(-1, (self.n_kv_heads, -1)).transpose(1, 2)
                for f in (self.key, self.value)
            )
            y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=is_causal, enable_gqa=True)
            return self.out(y.transpose(1, 2).flatten(2)), None

    return {"MultiHeadAttention": MultiHeadAttention}
