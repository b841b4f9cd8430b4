"""E3: masks that compose. What must hold; the known mistakes stand in `e3_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.naming import family
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.e3_mistakes import (
    causal_grid,
    documents_grid,
    padding_grid,
    window_grid,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.e3_mistakes_combine import probe
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import right_attention

e3 = Exercise(
    "E3",
    takes={
        "causal": Tensor,
        "padding": Tensor,
        "window": Tensor,
        "documents": Tensor,
        "combine": (Tensor, type(None)),
        "to_additive": Tensor,
    },
    hints=(
        "Every mask compares two grids: a column of query positions i and a row of key positions j. True "
        "always means “may attend”, so masks are combined by “and”.",
        "causal: j ≤ i + offset. window: −left ≤ j − i ≤ right. padding: j < length. documents: id_i = id_j "
        "≥ 0. additive: 0 where True, −∞ elsewhere.",
        "`i = torch.arange(Tq)[:, None]`, `j = torch.arange(Tk)`; `(j < lengths[:, None])[:, None, None, "
        ":]`; `(ids[:, :, None] == ids[:, None, :]) & (ids >= 0)[:, :, None]`, then `[:, None]`; "
        "`torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, -torch.inf)`",
    ),
)
probe.add_to(e3)


@e3.property("causal, with an offset", points=3)
def causal(a: Any, t: Trial) -> None:
    for queries, keys in ((0, 0), (1, 1), (1, 4), (4, 1), (3, 3), (2, 5), (5, 2), (0, 3), (3, 0)):
        for offset in (0, 1, 4, -1, -4):
            with family("causal-mask", f"causal({queries}, {keys}, offset={offset})"):
                t.equal(a.causal(queries, keys, offset=offset), causal_grid(queries, keys, offset))


@e3.property("window", points=3)
def window(a: Any, t: Trial) -> None:
    for queries, keys in ((0, 0), (1, 1), (4, 4), (3, 6), (6, 3), (0, 2)):
        for left, right in ((0, 0), (1, 0), (0, 2), (2, 1), (9, 9)):
            with family("window-mask", f"window({queries}, {keys}, {left}, {right})"):
                t.equal(a.window(queries, keys, left, right), window_grid(queries, keys, left, right))


@e3.property("padding", points=3)
def padding(a: Any, t: Trial) -> None:
    for batch, time in ((1, 1), (3, 4), (5, 5), (2, 0), (0, 3)):
        lengths = t.randint(0, time + 1, batch)
        for dtype in (torch.int64, torch.int32):
            with family("padding-mask", f"padding({lengths.tolist()}, {time})"):
                t.equal(a.padding(lengths.to(dtype), time), padding_grid(lengths, time))
    with family("padding-mask", "padding([1, 2, 0], 4): T is what is given, not the longest sequence"):
        t.equal(a.padding(torch.tensor([1, 2, 0]), 4), padding_grid(torch.tensor([1, 2, 0]), 4))


@e3.property("documents", points=3)
def documents(a: Any, t: Trial) -> None:
    for batch, time in ((1, 1), (2, 4), (3, 7), (1, 0), (0, 3)):
        ids = t.randint(-1, 3, batch, time)
        with family("documents-mask", f"documents({ids.tolist()})"):
            t.equal(a.documents(ids), documents_grid(ids))
    with family("documents-mask", "a row of nothing but padding"):
        ids = torch.full((1, 3), -1)
        t.equal(a.documents(ids), torch.zeros(1, 1, 3, 3, dtype=torch.bool))


@e3.property("combine", points=3)
def combine(a: Any, t: Trial) -> None:
    shapes = ((4, 5), (1, 5), (4, 1), (2, 1, 1, 5), (2, 1, 4, 5), (1, 3, 4, 5), (2, 3, 4, 5))
    for count in (1, 2, 3, 4):
        for _ in range(4):
            masks = [t.rand(*t.random.choice(shapes)) < 0.7 for _ in range(count)]
            right = torch.ones((), dtype=torch.bool)
            for mask in masks:
                right = right & mask
            with family("combined-mask", f"masks of the shapes {[tuple(m.shape) for m in masks]}"):
                observed = a.combine(*masks)
                t.that(observed is not None, "the result is None")
                t.equal(observed, right)
    with family("combine-of-nothing", "combine(), combine(None)"):
        t.that(a.combine() is None and a.combine(None) is None, "the result is not None")


@e3.property("to_additive does what the boolean mask does", points=3)
def additive(a: Any, t: Trial) -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        for shape in ((3, 4), (2, 1, 1, 4), (0, 3), (1, 1)):
            mask = t.rand(*shape) < 0.5
            right = torch.zeros(shape, dtype=dtype)
            right[~mask] = -torch.inf
            with family("additive-mask", f"to_additive of a mask {shape} in {dtype}"):
                t.equal(a.to_additive(mask, dtype), right)
    with family("additive-mask", "a mask without a False"):
        t.equal(a.to_additive(torch.ones(2, 3, dtype=torch.bool), torch.float16), torch.zeros(2, 3).half())


@e3.property("texts that are packed into one row stay apart", points=2)
def packed(a: Any, t: Trial) -> None:
    sizes = [t.random.randint(1, 4) for _ in range(3)]
    total = sum(sizes) + 2
    ids = torch.tensor([[n for n, size in enumerate(sizes) for _ in range(size)] + [-1, -1]])
    q, k, v = (t.randn(1, 2, total, 4) for _ in range(3))
    t.given(f"attention over packed texts of {sizes} positions, with your masks")
    with family("packed-differs-from-separate", "causal and documents combined"):
        mask = a.combine(a.causal(total, total), a.documents(ids), a.padding(torch.tensor([total]), total))
        scores = q @ k.transpose(-1, -2) / 2 + a.to_additive(mask, torch.float64)
        out = scores.softmax(-1) @ v
        start = 0
        for size in sizes:
            part = slice(start, start + size)
            alone = right_attention(q[:, :, part], k[:, :, part], v[:, :, part], is_causal=True)
            t.equal(out[:, :, part], alone, where=f"the text at {start} … {start + size - 1}")
            start += size
        t.that(bool(scores[:, :, start:].isinf().all()), "padding sees something")


e3.reward(pictures.mosaic)
