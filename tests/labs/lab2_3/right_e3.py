"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from shared.nn import attend, combine, key_mask
from tests.labs.answers import Answers

right = Answers()


class Doubling:
    """Buffers that double, one object a layer."""

    class Layer:
        def __init__(self):
            self.n, self.k, self.v, self.cross = 0, None, None, None

        def grow(self, old, like, need):
            if old is not None and old.shape[2] >= need:
                return old
            size = max(need, 2 * (old.shape[2] if old is not None else 0), 1)
            new = torch.zeros(like.shape[0], like.shape[1], size, like.shape[3], dtype=like.dtype)
            if old is not None:
                new[:, :, : self.n] = old[:, :, : self.n]
            return new

    def __init__(self, layers, max_length):
        self.limit, self.layers = max_length, [self.Layer() for _ in range(layers)]

    def append(self, layer, k, v):
        part, t = self.layers[layer], k.size(2)
        if part.n + t > self.limit:
            raise ValueError(f"{part.n + t} > {self.limit}")
        part.k, part.v = part.grow(part.k, k, part.n + t), part.grow(part.v, v, part.n + t)
        part.k.narrow(2, part.n, t).copy_(k)
        part.v.narrow(2, part.n, t).copy_(v)
        part.n += t
        return part.k.narrow(2, 0, part.n), part.v.narrow(2, 0, part.n)

    def remember(self, layer, project):
        part = self.layers[layer]
        part.cross = project() if part.cross is None else part.cross
        return part.cross

    def reorder(self, idx):
        for part in self.layers:
            if part.k is not None:
                part.k, part.v = part.k.index_select(0, idx), part.v.index_select(0, idx)
            if part.cross is not None:
                part.cross = tuple(x.index_select(0, idx) for x in part.cross)

    def crop(self, n):
        if n < 0 or n > self.length:
            raise ValueError("cannot crop")
        for part in self.layers:
            part.n = n

    @property
    def length(self):
        return self.layers[-1].n

    def nbytes(self):
        total = 0
        for part in self.layers:
            for x in (part.k, part.v):
                if x is not None:
                    total += x[:, :, : part.n].numel() * x.element_size()
            total += sum(x.numel() * x.element_size() for x in part.cross or ())
        return total


@right("E3")
def buffers_that_double():
    return {"KVCache": Doubling}


class OneTensor:
    """Keys and values of all layers in one buffer [L, 2, B, H, T, D_h]."""

    def __init__(self, layers, max_length):
        self.count, self.max_length = layers, max_length
        self.buffer, self.filled, self.kept = None, [0] * layers, {}

    @property
    def length(self):
        return self.filled[0]

    def append(self, layer, k, v):
        begin, end = self.filled[layer], self.filled[layer] + k.shape[2]
        if end > self.max_length:
            raise ValueError("full")
        if self.buffer is None:
            b, h, _, d = k.shape
            self.buffer = torch.empty(self.count, 2, b, h, self.max_length, d, dtype=k.dtype)
        self.buffer[layer, 0, :, :, begin:end] = k
        self.buffer[layer, 1, :, :, begin:end] = v
        self.filled[layer] = end
        return tuple(self.buffer[layer, :, :, :, :end])

    def remember(self, layer, project):
        if layer not in self.kept:
            self.kept[layer] = list(project())
        return tuple(self.kept[layer])

    def reorder(self, idx):
        if self.buffer is not None:
            self.buffer = self.buffer[:, :, idx]
        self.kept = {layer: [x[idx].clone() for x in pair] for layer, pair in self.kept.items()}

    def crop(self, n):
        if not (0 <= n <= self.length):
            raise ValueError(n)
        self.filled = [n for _ in self.filled]

    def nbytes(self):
        own = 0
        if self.buffer is not None:
            own = sum(self.buffer[i, :, :, :, :n].numel() for i, n in enumerate(self.filled))
            own *= self.buffer.element_size()
        return own + sum(x.nbytes for pair in self.kept.values() for x in pair)


@right("E3")
def one_buffer_for_everything():
    return {"KVCache": OneTensor}


def split(x, heads):
    b, t, d = x.shape
    return x.reshape(b, t, heads, d // heads).permute(0, 2, 1, 3)


def merge(x):
    return x.permute(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def plain_attention(q, k, v, mask):
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v)


@right("E3")
def attention_by_hand():
    def decode_step(model, token, cache, memory, memory_mask):
        old, new = cache.length, token.shape[1]
        x = model.embed(token, old)
        for i, layer in enumerate(model.layers):
            h = layer.norms[0](x)
            q, k, v = (
                split(f(h), layer.attention.heads)
                for f in (layer.attention.query, layer.attention.key, layer.attention.value)
            )
            k, v = cache.append(i, k, v)
            seen = torch.arange(old + new)[None, :] <= torch.arange(old, old + new)[:, None]
            x = x + layer.attention.out(merge(plain_attention(q, k, v, seen)))
            h = layer.norms[1](x)
            mk, mv = cache.remember(
                i, lambda c=layer.cross: (split(c.key(memory), c.heads), split(c.value(memory), c.heads))
            )
            mask = None if memory_mask is None else memory_mask[:, None, None, :]
            q = split(layer.cross.query(h), layer.cross.heads)
            x = x + layer.cross.out(merge(plain_attention(q, mk, mv, mask)))
            x = x + layer.feedforward(layer.norms[2](x))
        return model.head(x)[:, -1, :]

    return {"decode_step": decode_step}


@right("E3")
def tokens_of_a_prompt_one_by_one():
    def single(model, token, cache, memory, memory_mask):
        x = model.embed(token, start=cache.length)
        for i, layer in enumerate(model.layers):
            h = layer.norms[0](x)
            k, v = cache.append(i, *layer.attention.project(h))
            q = split(layer.attention.query(h), layer.attention.heads)
            x = x + layer.attention.out(merge(attend(q, k, v)))
            q = split(layer.cross.query(layer.norms[1](x)), layer.cross.heads)
            k, v = cache.remember(i, lambda c=layer.cross: c.project(memory))
            mask = combine(None if memory_mask is None else key_mask(memory_mask))
            x = x + layer.cross.out(merge(attend(q, k, v, mask)))
            x = x + layer.feedforward(layer.norms[2](x))
        return model.head(x).squeeze(1)

    def decode_step(model, token, cache, memory, memory_mask):
        for one in token.split(1, dim=1):
            logits = single(model, one, cache, memory, memory_mask)
        return logits

    return {"decode_step": decode_step}


class View:
    """One layer of the learner's cache, in the shape that the library's attention asks for."""

    def __init__(self, cache, layer):
        self.cache, self.layer = cache, layer

    def append(self, keys, values):
        return self.cache.append(self.layer, keys, values)

    def remember(self, project):
        return self.cache.remember(self.layer, project)


@right("E3")
def through_the_librarys_attention():
    def decode_step(model, token, cache, memory, memory_mask):
        x = model.embed(token, cache.length)
        mask = None if memory_mask is None else key_mask(memory_mask)
        for i, layer in enumerate(model.layers):
            view = View(cache, i)
            x = x + layer.attention(layer.norms[0](x), causal=True, cache=view)
            x = x + layer.cross(layer.norms[1](x), memory, mask=mask, cache=view)
            x = x + layer.feedforward(layer.norms[2](x))
        return model.head(x)[:, -1]

    return {"decode_step": decode_step}


@right("E3")
def sdpa_with_a_mask():
    def decode_step(model, token, cache, memory, memory_mask):
        start, t = cache.length, token.size(1)
        x = model.embed(token, start)
        for i, layer in enumerate(model.layers):
            y = layer.norms[0](x)
            k, v = cache.append(i, *layer.attention.project(y))
            seen = torch.ones(t, k.shape[2], dtype=torch.bool).tril(diagonal=start)
            q = split(layer.attention.query(y), layer.attention.heads)
            x = x + layer.attention.out(merge(F.scaled_dot_product_attention(q, k, v, attn_mask=seen)))
            q = split(layer.cross.query(layer.norms[1](x)), layer.cross.heads)
            k, v = cache.remember(i, lambda layer=layer: layer.cross.project(memory))
            seen = None if memory_mask is None else memory_mask[:, None, None, :].expand(-1, 1, t, -1)
            x = x + layer.cross.out(merge(F.scaled_dot_product_attention(q, k, v, attn_mask=seen)))
            x = x + layer.feedforward(layer.norms[2](x))
        return model.head(x)[:, -1]

    return {"decode_step": decode_step}


@right("E3")
def everything_new():
    return {"KVCache": OneTensor, **through_the_librarys_attention()}


class Rows:
    """Another class inside, to which everything is handed on."""

    def __init__(self, layers, max_length):
        self.inner, self.max_length = Doubling(layers, max_length), max_length

    def __getattr__(self, name):
        return getattr(self.inner, name)


@right("E3")
def a_wrapper():
    return {"KVCache": Rows, **attention_by_hand()}
