"""Wrong answers to E3, as strangers would make them."""

from __future__ import annotations

import torch

from shared.nn import KVCache as Library
from shared.nn import attend, key_mask
from tests.labs.answers import Answers
from tests.labs.lab2_3.right_e3 import Doubling, OneTensor, View, merge, split

wrong = Answers()


def cache(base=OneTensor, **methods):
    return {"KVCache": type("KVCache", (base,), methods)}


def stepping(*, start=None, layer_of=None, final=None, before=None):
    def decode_step(model, token, cache, memory, memory_mask):
        x = model.embed(token, cache.length if start is None else start(cache, token))
        mask = None if memory_mask is None else key_mask(memory_mask)
        for i, layer in enumerate(model.layers):
            x = (layer_of or right_layer)(x, layer, View(cache, i), memory, mask)
        return final(model, x) if final else model.head(x)[:, -1]

    return {"decode_step": decode_step}


def right_layer(x, layer, view, memory, mask):
    x = x + layer.attention(layer.norms[0](x), causal=True, cache=view)
    x = x + layer.cross(layer.norms[1](x), memory, mask=mask, cache=view)
    return x + layer.feedforward(layer.norms[2](x))


@wrong("E3")
def length_after_the_step():
    return stepping(start=lambda cache, token: cache.length + token.shape[1])


@wrong("E3")
def position_of_the_last():
    return stepping(start=lambda cache, token: max(cache.length - 1, 0))


@wrong("E3")
def padding_of_the_source_seen():
    def layer_of(x, layer, view, memory, mask):
        return right_layer(x, layer, view, memory, None)

    return stepping(layer_of=layer_of)


@wrong("E3")
def mask_upside_down():
    def layer_of(x, layer, view, memory, mask):
        return right_layer(x, layer, view, memory, None if mask is None else ~mask)

    return stepping(layer_of=layer_of)


@wrong("E3")
def norms_forgotten():
    def layer_of(x, layer, view, memory, mask):
        x = x + layer.attention(x, causal=True, cache=view)
        x = x + layer.cross(x, memory, mask=mask, cache=view)
        return x + layer.feedforward(x)

    return stepping(layer_of=layer_of)


@wrong("E3")
def no_cross_attention():
    def layer_of(x, layer, view, memory, mask):
        x = x + layer.attention(layer.norms[0](x), causal=True, cache=view)
        return x + layer.feedforward(layer.norms[2](x))

    return stepping(layer_of=layer_of)


@wrong("E3")
def no_network():
    def layer_of(x, layer, view, memory, mask):
        x = x + layer.attention(layer.norms[0](x), causal=True, cache=view)
        return x + layer.cross(layer.norms[1](x), memory, mask=mask, cache=view)

    return stepping(layer_of=layer_of)


@wrong("E3")
def first_layer_only():
    def decode_step(model, token, cache, memory, memory_mask):
        x = model.embed(token, cache.length)
        mask = None if memory_mask is None else key_mask(memory_mask)
        x = right_layer(x, model.layers[0], View(cache, 0), memory, mask)
        for i in range(1, len(model.layers)):
            cache.append(i, *model.layers[i].attention.project(x))
        return model.head(x)[:, -1]

    return {"decode_step": decode_step}


@wrong("E3")
def all_layers_in_one_place():
    def decode_step(model, token, cache, memory, memory_mask):
        x = model.embed(token, cache.length)
        mask = None if memory_mask is None else key_mask(memory_mask)
        for layer in model.layers:
            x = right_layer(x, layer, View(cache, 0), memory, mask)
        return model.head(x)[:, -1]

    return {"decode_step": decode_step}


@wrong("E3")
def probabilities():
    return stepping(final=lambda model, x: model.head(x)[:, -1].softmax(-1))


@wrong("E3")
def the_token_itself():
    return stepping(final=lambda model, x: model.head(x)[:, -1].argmax(-1))


@wrong("E3")
def first_of_the_prompt():
    return stepping(final=lambda model, x: model.head(x)[:, 0])


@wrong("E3")
def logits_of_all():
    return stepping(final=lambda model, x: model.head(x))


@wrong("E3")
def keeps_the_stream_instead():
    def decode_step(model, token, cache, memory, memory_mask):
        logits = model.decode(memory, memory_mask, token)[:, -1]
        for i, _ in enumerate(model.layers):
            cache.append(i, *model.layers[i].attention.project(model.embed(token)))
        return logits

    return {"decode_step": decode_step}


@wrong("E3")
def head_first_attention():
    """Splits without a transposition."""

    def layer_of(x, layer, view, memory, mask):
        y = layer.norms[0](x)
        k, v = view.append(*layer.attention.project(y))
        b, t, _ = y.shape
        q = layer.attention.query(y).reshape(b, layer.attention.heads, t, -1)
        x = x + layer.attention.out(merge(attend(q, k, v, causal=True)))
        x = x + layer.cross(layer.norms[1](x), memory, mask=mask, cache=view)
        return x + layer.feedforward(layer.norms[2](x))

    return stepping(layer_of=layer_of)


@wrong("E3")
def memory_projected_every_time():
    def layer_of(x, layer, view, memory, mask):
        x = x + layer.attention(layer.norms[0](x), causal=True, cache=view)
        x = x + layer.cross(layer.norms[1](x), memory, mask=mask)
        return x + layer.feedforward(layer.norms[2](x))

    return stepping(layer_of=layer_of)


@wrong("E3")
def windowed():
    def layer_of(x, layer, view, memory, mask):
        y = layer.norms[0](x)
        k, v = view.append(*layer.attention.project(y))
        q = split(layer.attention.query(y), layer.attention.heads)
        t = q.shape[2]
        x = x + layer.attention.out(merge(attend(q, k[:, :, -t - 1 :], v[:, :, -t - 1 :], causal=True)))
        x = x + layer.cross(layer.norms[1](x), memory, mask=mask, cache=view)
        return x + layer.feedforward(layer.norms[2](x))

    return stepping(layer_of=layer_of)


@wrong("E3")
def the_librarys_cache():
    class KVCache(Library):
        def append(self, layer, k, v):
            return self.own[layer].append(k, v)

        def remember(self, layer, project):
            return self.cross[layer].remember(project)

    return {"KVCache": KVCache}


@wrong("E3")
def a_method_called_length():
    return cache(length=lambda self: self.filled[0])


@wrong("E3")
def no_limit():
    def append(self, layer, k, v):
        if not hasattr(self, "inner"):
            self.inner = Doubling(self.count, 10**9)
        out = self.inner.append(layer, k, v)
        self.filled[layer] = self.inner.layers[layer].n
        return out

    return cache(append=append)


@wrong("E3")
def values_and_keys():
    return cache(append=lambda self, layer, k, v: OneTensor.append(self, layer, k, v)[::-1])


@wrong("E3")
def returns_nothing():
    return cache(append=lambda self, layer, k, v: OneTensor.append(self, layer, k, v) and None)


@wrong("E3")
def forgets_the_values_in_reorder():
    def reorder(self, idx):
        if self.buffer is not None:
            keys = self.buffer[:, 0][:, idx]
            values = self.buffer[:, 1][:, torch.arange(len(idx)) % self.buffer.shape[2]]
            self.buffer = torch.stack((keys, values), 1)
        self.kept = {layer: [x[idx] for x in pair] for layer, pair in self.kept.items()}

    return cache(reorder=reorder)


@wrong("E3")
def reorders_the_heads():
    def reorder(self, idx):
        if self.buffer is not None:
            self.buffer = self.buffer[:, :, :, idx % self.buffer.shape[3]]

    return cache(reorder=reorder)


@wrong("E3")
def crop_drops_the_source():
    def crop(self, n):
        OneTensor.crop(self, n)
        self.kept = {}

    return cache(crop=crop)


@wrong("E3")
def crop_off_by_one():
    return cache(crop=lambda self, n: OneTensor.crop(self, max(n - 1, 0) if 0 <= n <= self.length else n))


@wrong("E3")
def crop_from_the_front():
    def crop(self, n):
        drop = self.length - n
        OneTensor.crop(self, n)
        self.buffer[..., :n, :] = self.buffer[..., drop : drop + n, :].clone()

    return cache(crop=crop)


@wrong("E3")
def crop_without_a_word():
    def crop(self, n):
        OneTensor.crop(self, min(max(n, 0), self.length))

    return cache(crop=crop)


@wrong("E3")
def bytes_of_float32():
    def nbytes(self):
        own = (
            sum(self.buffer[i, :, :, :, :n].numel() for i, n in enumerate(self.filled))
            if self.buffer is not None
            else 0
        )
        return 4 * (own + sum(x.numel() for pair in self.kept.values() for x in pair))

    return cache(nbytes=nbytes)


@wrong("E3")
def bytes_without_the_source():
    def nbytes(self):
        if self.buffer is None:
            return 0
        return sum(self.buffer[i, :, :, :, :n].nbytes for i, n in enumerate(self.filled))

    return cache(nbytes=nbytes)


@wrong("E3")
def one_memory_for_all_layers():
    return cache(remember=lambda self, layer, project: OneTensor.remember(self, 0, project))


@wrong("E3")
def shared_by_all_caches():
    class KVCache(OneTensor):
        kept_by_all: dict = {}  # noqa: RUF012

        def __init__(self, layers, max_length):
            super().__init__(layers, max_length)
            self.kept = self.kept_by_all

        def reorder(self, idx):
            if self.buffer is not None:
                self.buffer = self.buffer[:, :, idx]
            for layer, pair in self.kept.items():
                self.kept[layer] = [x[idx] for x in pair]

    return {"KVCache": KVCache}


@wrong("E3")
def always_float32():
    def append(self, layer, k, v):
        return OneTensor.append(self, layer, k.float(), v.float())

    return cache(append=append)


@wrong("E3")
def length_is_the_capacity():
    class Roomy(OneTensor):
        def __init__(self, layers, max_length):
            super().__init__(layers, max_length)
            self.room = max_length

        @property
        def length(self):
            return self.room

    return {"KVCache": Roomy}
