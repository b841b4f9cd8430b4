"""Wrong answers to E3."""

import torch

from courseware.check import misconception
from phase2_intermediate.lab3_full_transformer.solution import KVCache as Right
from shared.nn import attend, key_mask


def cache(**methods):
    return {"KVCache": type("KVCache", (Right,), methods)}


def stepping(*, start=lambda cache: cache.length, own=None, cross=None, last=lambda x: x[:, -1]):
    """The right step in pieces; each misconception replaces one of them."""

    def heads(attention, y):
        return attention.query(y).unflatten(-1, (attention.heads, -1)).transpose(1, 2)

    def right_own(q, keys, values):
        return attend(q, keys, values, causal=True)

    def right_cross(cache, number, layer, memory):
        return cache.remember(number, lambda: layer.cross.project(memory))

    def decode_step(model, token, cache, memory, memory_mask):
        mask = None if memory_mask is None else key_mask(memory_mask)
        x = model.embed(token, start(cache))
        for number, layer in enumerate(model.layers):
            y = layer.norms[0](x)
            keys, values = cache.append(number, *layer.attention.project(y))
            seen = (own or right_own)(heads(layer.attention, y), keys, values)
            x = x + layer.attention.out(seen.transpose(1, 2).flatten(2))
            y = layer.norms[1](x)
            keys, values = (cross or right_cross)(cache, number, layer, memory)
            seen = attend(heads(layer.cross, y), keys, values, mask)
            x = x + layer.cross.out(seen.transpose(1, 2).flatten(2))
            x = x + layer.feedforward(layer.norms[2](x))
        return last(model.head(x))

    return {"decode_step": decode_step}


@misconception("E3", diagnosis="positions-restart")
def every_token_at_zero():
    return stepping(start=lambda cache: 0)


@misconception("E3", diagnosis="sees-the-first-key-only")
def square_mask():
    def own(q, keys, values):
        past = torch.ones(q.shape[2], keys.shape[2], dtype=torch.bool).tril()
        return attend(q, keys, values, past)

    return stepping(own=own)


@misconception("E3", diagnosis="prefill-not-causal")
def no_mask_at_all():
    return stepping(own=lambda q, keys, values: attend(q, keys, values))


@misconception("E3", diagnosis="memory-projected-again")
def projects_at_every_step():
    return stepping(cross=lambda cache, number, layer, memory: layer.cross.project(memory))


@misconception("E3", diagnosis="axis-of-positions-kept")
def keeps_an_axis_of_one():
    return stepping(last=lambda x: x[:, -1:])


@misconception("E3", diagnosis="recomputes")
def everything_again():
    seen = {}

    def decode_step(model, token, cache, memory, memory_mask):
        before = seen.get(id(cache)) if cache.length else None
        tokens = token if before is None else torch.cat((before, token), 1)
        seen[id(cache)] = tokens
        for number, _ in enumerate(model.layers):
            keys = torch.zeros(len(token), 1, token.shape[1], 1)
            cache.append(number, keys, keys)
        return model.decode(memory, memory_mask, tokens)[:, -1]

    return {"decode_step": decode_step}


@misconception("E3", diagnosis="copies-everything-each-time")
def cat_at_every_step():
    def append(self, layer, k, v):
        start = self._lengths[layer]
        if start + k.shape[2] > self.max_length:
            raise ValueError("full")
        if self._own[layer] is None:
            self._own[layer] = (k.clone(), v.clone())
        else:
            keys, values = self._own[layer]
            self._own[layer] = torch.cat((keys[:, :, :start], k), 2), torch.cat((values[:, :, :start], v), 2)
        self._lengths[layer] = start + k.shape[2]
        return self._own[layer]

    return cache(append=append)


@misconception("E3", diagnosis="reorder-ignored")
def beams_keep_their_places():
    return cache(reorder=lambda self, idx: None)


@misconception("E3", diagnosis="reorder-forgets-the-memory")
def only_self_attention_moves():
    def reorder(self, idx):
        self._own = [None if pair is None else (pair[0][idx], pair[1][idx]) for pair in self._own]

    return cache(reorder=reorder)


@misconception("E3", diagnosis="reorder-backwards")
def puts_instead_of_taking():
    def reorder(self, idx):
        def put(x):
            moved = x.clone()
            moved[idx] = x[: len(idx)]
            return moved

        for kept in (self._own, self._cross):
            for layer, pair in enumerate(kept):
                if pair is not None:
                    kept[layer] = (put(pair[0]), put(pair[1]))

    return cache(reorder=reorder)


@misconception("E3", diagnosis="length-counts-layers")
def counts_every_append():
    return cache(length=property(lambda self: sum(self._lengths)))


@misconception("E3", diagnosis="append-returns-the-new-ones")
def hands_back_what_came():
    def append(self, layer, k, v):
        Right.append(self, layer, k, v)
        return k, v

    return cache(append=append)


@misconception("E3", diagnosis="returns-the-whole-buffer")
def unused_places_too():
    def append(self, layer, k, v):
        Right.append(self, layer, k, v)
        return self._own[layer]

    return cache(append=append)


@misconception("E3", diagnosis="crop-ignored")
def forgets_nothing():
    def crop(self, n):
        if not 0 <= n <= self.length:
            raise ValueError(n)

    return cache(crop=crop)


@misconception("E3", diagnosis="nbytes-of-the-capacity")
def counts_whole_buffers():
    def nbytes(self):
        pairs = [pair for pair in (*self._own, *self._cross) if pair is not None]
        return sum(x.numel() * x.element_size() for pair in pairs for x in pair)

    return cache(nbytes=nbytes)


@misconception("E3", diagnosis="projects-again")
def remembers_nothing():
    def remember(self, layer, project):
        self._cross[layer] = project()
        return self._cross[layer]

    return cache(remember=remember)


@misconception("E3", diagnosis="keeps-a-reference")
def a_list_of_tensors():
    def append(self, layer, k, v):
        if self._lengths[layer] + k.shape[2] > self.max_length:
            raise ValueError("full")
        parts = getattr(self, "parts", None) or {}
        self.parts = parts
        parts.setdefault(layer, []).append((k, v))
        self._lengths[layer] += k.shape[2]
        return torch.cat([x for x, _ in parts[layer]], 2), torch.cat([x for _, x in parts[layer]], 2)

    return cache(append=append)
