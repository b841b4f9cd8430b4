"""The known mistakes of E1's options, their defaults and their order, and of what must not be there."""

from __future__ import annotations

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import e1_layer_mistakes
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_layer_mistakes import formula, run
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_model_mistakes import (
    HEADS,
    SRC,
    TGT,
    D,
    built,
    logits_of,
    memory_of,
    sources,
    targets,
)

probe = Probes()


@probe("defaults")
def defaults(a: Any, t: Trial) -> str | None:
    layer = e1_layer_mistakes.built(a, t).train()
    y, memory = t.randn(1, 30, D), t.randn(1, 3, D)
    if not same(run(t, layer, y, memory), run(t, layer, y, memory)):
        return "a DecoderLayer made without `dropout` drops something in training: 0.0 is the default"
    t.given(f"Seq2Seq({SRC}, {TGT})")
    model = value_of(t, lambda: a.Seq2Seq(SRC, TGT), "model-cannot-be-built", f"Seq2Seq({SRC}, {TGT})")
    width = model.encode(torch.ones(1, 2, dtype=torch.int64)).shape[-1]
    if width != 64:
        return f"the memory of Seq2Seq({SRC}, {TGT}) is {width} wide: d=64 is the default"
    heads = model.layers[0].attention.heads
    return f"the decoder of Seq2Seq({SRC}, {TGT}) has {heads} heads: 4 is the default" if heads != 4 else None


@probe("options-in-another-order")
def positional(a: Any, t: Trial) -> str | None:
    words = f"Seq2Seq({SRC}, {TGT}, {D}, {HEADS}, 2, 0, False, True)"
    t.given(words)
    model = value_of(
        t, lambda: a.Seq2Seq(SRC, TGT, D, HEADS, 2, 0, False, True), "model-cannot-be-built", words
    )
    right = sum(p.numel() for p in built(a, t, enc=2, dec=0, tie=False, stem=True).parameters())
    found = sum(p.numel() for p in model.parameters())
    if found != right or len(model.layers):
        return (
            f"{words} has {found} parameters, with enc=2, dec=0, tie=False, stem=True by name it has "
            f"{right}: the options come in the order src_vocab, tgt_vocab, d, heads, enc, dec, tie, stem"
        )
    return None


@probe("dropout-in-the-model")
def dropout(a: Any, t: Trial) -> str | None:
    model = built(a, t, stem=True).train()
    src, tgt = sources(t, 2, 30), targets(t, 2, 30)
    words = "in training: nothing is dropped in a Seq2Seq, its layers have dropout 0"
    memory = memory_of(t, model, src)
    if not same(memory_of(t, model, src), memory):
        return f"`encode` gives two different memories of one source {words}"
    if not same(logits_of(t, model, memory, None, tgt), logits_of(t, model, memory, None, tgt)):
        return f"`decode` gives two different results of one target {words}"
    return None


@probe("keeps-the-first-memory")
def state(a: Any, t: Trial) -> str | None:
    layer, y = e1_layer_mistakes.built(a, t), t.randn(1, 2, D)
    memories = [t.randn(1, 3, D) for _ in range(2)]
    found = [run(t, layer, y, memory) for memory in memories]
    if same(found[1], found[0]) and not same(formula(layer, y, memories[1]), found[0]):
        return "with another memory a layer gives what it gave with the first one: it must not keep anything"
    model, tgt = built(a, t), targets(t, 1, 3)
    texts = [torch.tensor([[1, 2, 3]]), torch.tensor([[4, 5, 6]])]
    memory = [memory_of(t, model, text) for text in texts]
    fresh = logits_of(t, model, memory[0], None, tgt)
    logits_of(t, model, memory[1], None, tgt)
    if not same(logits_of(t, model, memory[0], None, tgt), fresh):
        return "the same memory and target give other logits after another memory was decoded: keep nothing"
    return None


@probe("logits-scaled")
def head(a: Any, t: Trial) -> None:
    model, x = built(a, t), t.randn(1, 3, D)
    table = next((p for p in model.parameters() if p.shape == (TGT, D)), None)
    if table is None:
        return
    right = (torch.nn.functional.layer_norm(x, (D,)) @ table.T).detach()
    found = value_of(t, lambda: model.head(x), "head-raises", "head(x)").detach()
    words = "`head` multiplies its logits by {}: it is a LayerNorm and a linear layer, and nothing else"
    name_it(
        t,
        found,
        right,
        [
            ("logits-scaled", factor * right, words.format(name))
            for factor, name in ((D**-0.5, "d^(−½)"), (math.sqrt(D), "√d"), (1 / D, "1/d"))
        ],
    )
