"""E3: padding must not matter. What must hold; the known mistakes stand in `e3_mistakes` and `…_packing`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.edges import layouts
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise import pictures
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e3_mistakes import by_rows
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e3_mistakes_packing import (
    Watched,
    probe,
    texts,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import case

e3 = Exercise(
    "E3",
    takes={"masked_mean": Tensor, "masked_max": Tensor, "pack": tuple, "encode_packed": list},
    forbids=forbid(
        python=("shared.nn.pooling.masked_mean", "shared.nn.pooling.masked_max", "shared.nn.pooling.pool"),
        why="it is the answer itself",
    ),
    hints=(
        "Replace what is padded before you compute: 0 is neutral for a sum, −∞ for a maximum. And a text's "
        "positions "
        "and neighbours are its own, wherever it stands in the row.",
        "mean = Σ real / max(1, number of real); max = amax with −∞ in the padding, 0 where nothing is "
        "real. positions "
        "= 0 … T_i − 1 for each text, doc_ids = i repeated T_i times; may attend where doc_ids are equal.",
        "`h.masked_fill(~mask[:, :, None], 0.0)`; `.amax(dim=1)`; `torch.cat([torch.arange(len(s)) for s in "
        "seqs])`; "
        "`torch.arange(len(seqs)).repeat_interleave(lengths)`; `model(flat[None], positions[None], "
        "document_mask(doc_ids[None]))`; `encoded[0].split(lengths)`.",
    ),
)
probe.add_to(e3)


@e3.property("mean and maximum over real tokens, whatever the padding holds", points=8)
def poolings(a: Any, t: Trial) -> None:
    for shape in ((1, 1, 1), (2, 3, 2), (5, 7, 3), (3, 1, 4)):
        for content in (0.0, 1e6, torch.nan, torch.inf):
            h, mask = t.randn(*shape), t.rand(*shape[:2]) < 0.6
            h = h.masked_fill(~mask[:, :, None], content)
            for kind in ("mean", "max"):
                with case(f"masked_{kind}, h {shape}, {content} in the padding"):
                    t.equal(getattr(a, f"masked_{kind}")(h, mask), by_rows(h, mask, kind))
    for layout, h in layouts(t, 3, 4, 2):
        mask = t.rand(3, 4) < 0.6
        for kind in ("mean", "max"):
            with case(f"masked_{kind}, an h that is {layout}"):
                t.equal(getattr(a, f"masked_{kind}")(h, mask), by_rows(h, mask, kind))
    h, mask = t.randn(2, 5, 3, dtype=torch.float32), torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    for kind in ("mean", "max"):
        pool = getattr(a, f"masked_{kind}")
        t.equal(pool(h, mask), by_rows(h, mask, kind).float(), f"masked_{kind} in float32")
        more = torch.cat((h, t.randn(2, 4, 3, dtype=torch.float32)), 1)
        wider = torch.cat((mask, torch.zeros(2, 4, dtype=torch.bool)), 1)
        t.equal(
            pool(more, wider),
            pool(h, mask),
            f"masked_{kind} with more padding",
            diagnosis="mean-over-padding",
        )


@e3.property("their gradients", points=3)
def gradients(a: Any, t: Trial) -> None:
    for kind in ("mean", "max"):
        h, mask, along = t.randn(3, 4, 2), t.rand(3, 4) < 0.5, t.randn(3, 2)
        mine, theirs = h.clone().requires_grad_(), h.clone().requires_grad_()
        with case(f"the gradient of masked_{kind}"):
            (getattr(a, f"masked_{kind}")(mine, mask) * along).sum().backward()
            (by_rows(theirs, mask, kind) * along).sum().backward()
            expected = torch.zeros_like(h) if theirs.grad is None else theirs.grad
            t.that(mine.grad is not None, "no gradient arrives")
            t.equal(mine.grad, expected)


@e3.property("packed texts", points=4)
def packed(a: Any, t: Trial) -> None:
    for lengths in ((1,), (4,), (0, 1), (2, 2, 2), (5, 0, 1, 3), (1,) * 6, (0,)):
        for shape in ((), (3,), (2, 3)):
            seqs = [t.randn(n, *shape) for n in lengths]
            with case(f"texts of the lengths {lengths}, each token of shape {shape}"):
                flat, positions, ids = a.pack(seqs)
                t.equal(flat, torch.cat(seqs), where="flat")
                counted = [i for n in lengths for i in range(n)]
                owners = [number for number, n in enumerate(lengths) for _ in range(n)]
                t.equal(positions, torch.tensor(counted, dtype=torch.long), where="positions")
                t.equal(ids, torch.tensor(owners, dtype=torch.long), where="doc_ids")


@e3.property("one pass gives what each text gets alone", points=5)
def as_alone(a: Any, t: Trial) -> None:
    for lengths in ((1,), (3, 4), (2, 2, 2), (5, 0, 1, 3), (0, 2), (1,) * 8):
        model, seqs = Watched(t), texts(t, *lengths)
        with case(f"texts of the lengths {lengths}"):
            found = a.encode_packed(model, seqs)
            t.that(len(model.calls) == 1, f"the model was called {len(model.calls)} times")
            rows = int(model.calls[0][0].shape[:2].numel())
            t.that(rows == sum(lengths), f"{rows} positions went through the model, expected {sum(lengths)}")
            t.equal(list(found), [model.alone(seq) for seq in seqs])
            changed = [t.randn(len(seqs[0]), 3), *seqs[1:]]
            t.equal(
                list(a.encode_packed(model, changed))[1:],
                list(found)[1:],
                "the others, if the first text changes",
            )


e3.reward(pictures.padded_and_packed)
