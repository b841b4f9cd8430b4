"""Wrong answers to E3: a step that computes something else, a cache that is wrong at its borders."""

from __future__ import annotations

from phase2_intermediate.lab3_full_transformer.solution import KVCache, decode_step
from shared.nn import attend, key_mask
from tests.labs.answers import Answers

wrong = Answers()


def heads(attention, y):
    return attention.query(y).unflatten(-1, (attention.heads, -1)).transpose(1, 2)


def stepping(*, norms=(0, 1, 2), together=lambda x: x.transpose(1, 2).flatten(2), newest=False):
    def step(model, token, cache, memory, memory_mask):
        x = model.embed(token[:, -1:] if newest else token, cache.length)
        mask = None if memory_mask is None else key_mask(memory_mask)
        for i, layer in enumerate(model.layers):
            y = layer.norms[norms[0]](x)
            keys, values = cache.append(i, *layer.attention.project(y))
            seen = attend(heads(layer.attention, y), keys, values, causal=True)
            x = x + layer.attention.out(together(seen))
            y = layer.norms[norms[1]](x)
            keys, values = cache.remember(i, lambda layer=layer: layer.cross.project(memory))
            x = x + layer.cross.out(together(attend(heads(layer.cross, y), keys, values, mask)))
            x = x + layer.feedforward(layer.norms[norms[2]](x))
        return model.head(x[:, -1:])[:, 0]

    return {"decode_step": step}


@wrong("E3")
def switches_to_training():
    def step(model, *rest):
        model.train()
        return decode_step(model, *rest)

    return {"decode_step": step}


@wrong("E3")
def norms_in_another_order():
    return stepping(norms=(1, 0, 2))


@wrong("E3")
def heads_flattened_as_they_lie():
    return stepping(together=lambda x: x.reshape(x.shape[0], x.shape[2], -1))


@wrong("E3")
def only_the_newest_token():
    return stepping(newest=True)


@wrong("E3")
def crop_refuses_nothing_and_everything():
    class Cache(KVCache):
        def crop(self, n):
            if not 0 < n < self.length:
                raise ValueError(n)
            super().crop(n)

    return {"KVCache": Cache}


@wrong("E3")
def rows_written_in_place():
    class Cache(KVCache):
        def reorder(self, idx):
            if any(pair is not None and len(idx) != len(pair[0]) for pair in self._own):
                return super().reorder(idx)
            for pair in (*self._own, *self._cross):
                for x in pair or ():
                    for i, j in enumerate(idx.tolist()):
                        x[i] = x[j]
            return None

    return {"KVCache": Cache}
