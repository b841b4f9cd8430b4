"""E1: the decoder layer and the model around it. What must hold; the known mistakes stand beside."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Exercise, Trial, forbid
from courseware.check.naming import family
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import (
    e1_dropout_mistakes,
    e1_encoder_mistakes,
    e1_layer_mistakes,
    e1_model_mistakes,
    e1_option_mistakes,
    e1_parameter_mistakes,
    e1_torch_mistakes,
    pictures,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_layer_mistakes import (
    D,
    formula,
    run,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_layer_mistakes import built as layer_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_model_mistakes import (
    built,
    logits_of,
    memory_of,
    sources,
    targets,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_torch_mistakes import torchs
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import (
    LIBRARYS,
    TORCHS,
    real,
    shake,
)

e1 = Exercise(
    "E1",
    takes={"DecoderLayer": None, "Seq2Seq": None},
    forbids=forbid(
        python=TORCHS + LIBRARYS, why="it is the answer itself. Build it from attention, norms and a network"
    ),
    hints=(
        "Three branches: the target asks itself, then it asks the source, then each position thinks for "
        "itself. In the second one queries come from y, keys and values from the memory.",
        "y = y + attention(n₀(y)); y = y + cross(n₁(y), memory); y = y + network(n₂(y)). The model: encode "
        "= norm(layers(embed(src))), decode = head(layers(embed(tgt))) with a causal self_mask.",
        "`y = y + self.dropout(self.cross(self.norms[1](y), memory, mask=memory_mask))`; `self_mask = "
        "causal_mask(T)`, `memory_mask = key_mask(mask)`; `self.out.weight = self.target_table.weight`.",
    ),
)
e1_layer_mistakes.probe.add_to(e1)
e1_dropout_mistakes.probe.add_to(e1)
e1_torch_mistakes.probe.add_to(e1)
e1_model_mistakes.probe.add_to(e1)
e1_parameter_mistakes.probe.add_to(e1)
e1_encoder_mistakes.probe.add_to(e1)
e1_option_mistakes.probe.add_to(e1)


@e1.property("the layer's three branches, pre and post, with every mask", points=6)
def branches(a: Any, t: Trial) -> None:
    for norm in ("pre", "post"):
        for batch, own, source in ((1, 1, 1), (2, 1, 4), (2, 3, 1), (0, 2, 3), (3, 4, 5)):
            layer, y, memory = layer_of(a, t, norm=norm), t.randn(batch, own, D), t.randn(batch, source, D)
            some = t.rand(batch, 1, own, source) < 0.6  # rows without any True among them
            past = torch.ones(own, own, dtype=torch.bool).tril()
            for masks in ({}, {"memory_mask": some}, {"self_mask": past, "memory_mask": some[:, :, :1]}):
                with family(
                    "layer-at-the-edge", f"norm={norm!r}, y {tuple(y.shape)}, memory {tuple(memory.shape)}"
                ):
                    t.equal(
                        run(t, layer, y, memory, **masks),
                        formula(layer, y, memory, pre=norm == "pre", **masks),
                    )


@e1.property("the layer computes what torch's computes", points=3)
def parity(a: Any, t: Trial) -> None:
    for norm_first in (True, False):
        theirs = torchs(t, norm_first=norm_first)
        own, y, memory = a.DecoderLayer.from_torch(theirs).eval(), t.randn(2, 4, D), t.randn(2, 3, D)
        past, tokens = torch.ones(4, 4, dtype=torch.bool).tril(), real(t, 3, 2, size=3)
        with t.oracle(), torch.no_grad():
            right = theirs(y, memory, tgt_mask=~past, memory_key_padding_mask=~tokens)
        with family("not-torchs", f"from_torch, norm_first={norm_first}"):
            found = run(t, own, y, memory, self_mask=past, memory_mask=tokens[:, None, None, :])
            t.equal(found, right)
        y.requires_grad_(), memory.requires_grad_()
        own(y, memory).square().sum().backward()
        mine = y.grad, memory.grad
        with t.oracle():
            y.grad = memory.grad = None
            theirs(y, memory).square().sum().backward()
        with family("gradient-cut", "the gradient of the layer's inputs, compared with torch's"):
            t.equal(mine, (y.grad, memory.grad), rtol=1e-7, atol=1e-8)


@e1.property("the model is causal, and padding does not matter", points=6)
def model(a: Any, t: Trial) -> None:
    for how in ({}, {"enc": 2, "dec": 2}, {"tie": False}, {"stem": True}, {"enc": 0}, {"dec": 0}):
        net = shake(built(a, t, **how), t)
        src, tgt, mask = sources(t, 3, 6), targets(t, 3, 5), real(t, 6, 1, 4, size=6)
        with family("model-at-the-edge", f"Seq2Seq with {how or 'the defaults'}"):
            memory = memory_of(t, net, src, mask)
            full = logits_of(t, net, memory, mask, tgt)
            for length in (1, 3):
                t.equal(
                    logits_of(t, net, memory, mask, tgt[:, :length]), full[:, :length], "a shorter target"
                )
            for row, size in enumerate((6, 1, 4)):
                alone = memory_of(t, net, src[row : row + 1, :size], None)
                t.equal(alone[0], memory[row, :size], "a source without its padding")
                t.equal(logits_of(t, net, alone, None, tgt[row : row + 1])[0], full[row], "without padding")
    with family("model-at-the-edge", "no rows, no real token, 512 positions"):
        net = built(a, t)
        t.equal(
            tuple(logits_of(t, net, memory_of(t, net, sources(t, 0, 3)), None, targets(t, 0, 2)).shape),
            (0, 2, 7),
        )
        blind = torch.zeros(1, 3, dtype=torch.bool)
        memory = memory_of(t, net, sources(t, 1, 3), blind)
        found = logits_of(t, net, memory, blind, targets(t, 1, 2))
        t.that(bool(memory.isfinite().all() and found.isfinite().all()), "a source of padding alone gave NaN")
        logits_of(t, net, memory_of(t, net, sources(t, 1, 512)), None, targets(t, 1, 512))
    with family("parameters-without-gradient", "loss.backward() through encode and decode"):
        net = built(a, t, stem=True)
        net.train()
        net.decode(net.encode(sources(t, 2, 4)), None, targets(t, 2, 3)).square().sum().backward()
        idle = [name for name, p in net.named_parameters() if p.grad is None]
        t.that(not idle, f"{', '.join(idle[:3])} got no gradient")


e1.reward(pictures.where_it_looks)
