"""E3: the cache and the step that uses it. What must hold; the known mistakes stand beside."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Exercise, Trial, forbid
from courseware.check.naming import family
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import (
    e3_mistakes,
    e3_reorder_mistakes,
    e3_step_mistakes,
    pictures,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e3_mistakes import appended, new
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e3_step_mistakes import (
    SRC,
    TGT,
    plain,
    step,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import (
    F64,
    LIBRARYS_CACHE,
    Plain,
    real,
)

e3 = Exercise(
    "E3",
    takes={"KVCache": None, "decode_step": torch.Tensor},
    forbids=forbid(
        python=LIBRARYS_CACHE, why="it is the answer itself. A buffer and a length are all it takes"
    ),
    hints=(
        "Of each new position compute query, key and value. Key and value go into the cache; the query asks "
        "everything that is in there.",
        "x = embed(token, length); per layer: keys, values = append(project(norm₀ x)); x += out(attend(q, "
        "keys, values)); then cross-attention with remembered keys; then the network. Logits: head of the "
        "last position.",
        "`buffer[:, :, length:end] = k`, return `buffer[:, :, :end]`; `keys, values = cache.append(i, "
        "*layer.attention.project(y))`; `attend(q, keys, values, causal=True)`; `cache.remember(i, lambda: "
        "layer.cross.project(memory))`.",
    ),
)
e3_mistakes.probe.add_to(e3)
e3_reorder_mistakes.probe.add_to(e3)
e3_step_mistakes.probe.add_to(e3)


@e3.property("keys and values are kept, reordered and cropped", points=8)
def keeping(a: Any, t: Trial) -> None:
    for batch, layers, dtype in ((1, 1, F64), (2, 3, torch.float32), (3, 2, F64)):
        with family("cache-at-the-edge", f"batch {batch}, {layers} layers, {dtype}"):
            cache, right = a.KVCache(layers, 12), [(torch.zeros(0), torch.zeros(0))] * layers
            for positions in (1, 3, 2, 1):
                for layer in range(layers):
                    pair = new(t, batch, positions, dtype)
                    old = right[layer]
                    right[layer] = tuple(
                        torch.cat((x, y), 2) if x.dim() == 4 else y for x, y in zip(old, pair, strict=True)
                    )
                    t.equal(appended(t, cache, layer, pair), right[layer])
            t.equal(cache.length, 7)
            t.equal(cache.nbytes(), sum(x.numel() * x.element_size() for pair in right for x in pair))
            idx = torch.randint(0, max(batch, 1), (2 * batch,), generator=t.generator)
            cache.reorder(idx)
            cache.crop(4)
            t.equal(cache.length, 4)
            for layer in range(layers):
                pair = new(t, 2 * batch, 8, dtype)
                wide = tuple(
                    torch.cat((x[idx][:, :, :4], y), 2) for x, y in zip(right[layer], pair, strict=True)
                )
                t.equal(appended(t, cache, layer, pair), wide)


@e3.property("each step gives the logits of a full pass", points=12)
def steps(a: Any, t: Trial) -> None:
    for batch, layers, heads, dtype in (
        (1, 1, 1, F64),
        (3, 2, 4, F64),
        (2, 1, 2, torch.float32),
        (2, 3, 2, F64),
    ):
        model: Plain = plain(t, layers=layers, heads=heads).to(dtype)
        memory, mask = t.randn(batch, 4, 16, dtype=dtype), real(t, *((4, 2, 1)[:batch]), size=4)
        tokens, cache = t.randint(0, TGT, batch, 10), a.KVCache(layers, 10)
        with (
            family("step-at-the-edge", f"batch {batch}, {layers} layers, {heads} heads, {dtype}"),
            torch.no_grad(),
        ):
            done = 0
            for size in (1, 1, 3, 1, 2, 1, 1):
                found = step(a, t, model, tokens[:, done : done + size], cache, memory, mask)
                done += size
                right = model.decode(memory, mask, tokens[:, :done])[:, -1]
                t.equal(found, right, f"after {done} tokens", rtol=1e-4 if dtype != F64 else 1e-8, atol=1e-5)
    with (
        family("step-at-the-edge", "a single source token, no mask, a model of another width"),
        torch.no_grad(),
    ):
        model = Plain(SRC, TGT, d=12, heads=3).double().eval()
        memory, tokens, cache = t.randn(2, 1, 12), t.randint(0, TGT, 2, 3), a.KVCache(1, 3)
        for now in range(3):
            found = step(a, t, model, tokens[:, now : now + 1], cache, memory)
            t.equal(found, model.decode(memory, None, tokens[:, : now + 1])[:, -1])


e3.reward(pictures.operations_per_token)
