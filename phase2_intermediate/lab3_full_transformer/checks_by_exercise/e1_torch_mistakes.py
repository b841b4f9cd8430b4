"""The known mistakes of `DecoderLayer.from_torch`: what it forgets, exchanges or shares."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from courseware.check.observe import same_storage
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_layer_mistakes import (
    HEADS,
    HIDDEN,
    D,
    formula,
    run,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import F64, shake

probe = Probes()


def torchs(t: Trial, *, norm_first: bool, dropout: float = 0.0) -> nn.TransformerDecoderLayer:
    layer = nn.TransformerDecoderLayer(
        D, HEADS, HIDDEN, dropout, batch_first=True, norm_first=norm_first, dtype=F64
    )
    return shake(layer, t)


@probe("from-torch")
def from_torch(a: Any, t: Trial) -> None:
    theirs = torchs(t, norm_first=False, dropout=0.25)
    t.given("DecoderLayer.from_torch(nn.TransformerDecoderLayer(8, 2, 12, 0.25)), random weights")
    own = value_of(
        t, lambda: a.DecoderLayer.from_torch(theirs), "from-torch-raises", "DecoderLayer.from_torch"
    )
    t.that(
        isinstance(own, a.DecoderLayer),
        f"from_torch returned {'None' if own is None else f'a {type(own).__name__}'}, expected a "
        "DecoderLayer",
        diagnosis="from-torch-returns-something-else",
    )
    t.that(
        own.norms[0].weight.dtype == F64,
        f"from a float64 layer came one in {own.norms[0].weight.dtype}: copy the dtype too",
        diagnosis="from-torch-loses-the-dtype",
    )
    weights_of_attention(t, own, theirs)
    for index, norm in enumerate((theirs.norm1, theirs.norm2, theirs.norm3)):
        t.that(
            same(own.norms[index].weight.detach(), norm.weight.detach())
            and same(own.norms[index].bias.detach(), norm.bias.detach()),
            f"norms[{index}] has not the weight and bias of torch's norm{index + 1}",
            diagnosis="from-torch-forgets-the-norms",
        )
    x = t.randn(3, D)
    with torch.no_grad():
        right = theirs.linear2(theirs.linear1(x).relu())
        found = own.eval().feedforward(x)
    name_it(
        t,
        found,
        right,
        [
            (
                "network-with-another-activation",
                theirs.linear2(bend(theirs.linear1(x))).detach(),
                f"the network bends with {bend.__name__}: this lab's has ReLU, like torch's default",
            )
            for bend in (nn.functional.gelu, torch.tanh, nn.functional.silu, torch.sigmoid)
        ],
    )
    t.that(
        same(found, right),
        "`feedforward` is not linear2(relu(linear1(x))) with torch's weights",
        diagnosis="from-torch-forgets-the-network",
    )
    shared = [n for n, p in own.named_parameters() for q in theirs.parameters() if same_storage(p, q)]
    t.that(
        not shared,
        f"{', '.join(shared[:2])} shares memory with torch's layer: training one changes the other. Copy",
        diagnosis="from-torch-shares-memory",
    )
    frozen = [name for name, p in own.named_parameters() if not p.requires_grad or not p.is_leaf]
    t.that(
        not frozen,
        f"{', '.join(frozen[:2])} cannot be trained any more: copy into the parameters under torch.no_grad()",
        diagnosis="from-torch-freezes",
    )


def weights_of_attention(t: Trial, own: Any, theirs: nn.TransformerDecoderLayer) -> None:
    given = {"attention": theirs.self_attn, "cross": theirs.multihead_attn}
    for name, other in (("attention", "cross"), ("cross", "attention")):
        mine = [getattr(getattr(own, name), part).weight.detach() for part in ("query", "key", "value")]
        right = [w.detach() for w in given[name].in_proj_weight.chunk(3)]
        if all(same(x, y) for x, y in zip(mine, right, strict=True)):
            continue
        swapped = [w.detach() for w in given[other].in_proj_weight.chunk(3)]
        t.that(
            not same(mine[0], swapped[0]),
            f"`{name}` got the weights of torch's {'multihead_attn' if name == 'attention' else 'self_attn'}",
            diagnosis="from-torch-exchanges-the-attentions",
        )
        t.that(
            not any(same(x, y) for x in mine for y in right),
            f"in `{name}` query, key and value are in another order: in_proj_weight has query, key, value",
            diagnosis="from-torch-order",
        )
        t.fail(f"`{name}` has not the weights of torch's layer", diagnosis="from-torch-forgets-weights")
    for name, attention in given.items():
        mine = getattr(own, name)
        biases = [getattr(mine, part).bias for part in ("query", "key", "value")]
        fine = all(
            b is not None and same(b.detach(), c.detach())
            for b, c in zip(biases, attention.in_proj_bias.chunk(3), strict=True)
        )
        t.that(
            fine and same(mine.out.bias.detach(), attention.out_proj.bias.detach()),
            f"the biases of `{name}` were not copied",
            diagnosis="from-torch-forgets-biases",
        )
        t.that(
            same(mine.out.weight.detach(), attention.out_proj.weight.detach()),
            f"`{name}.out` has not the weight of torch's out_proj",
            diagnosis="from-torch-forgets-weights",
        )


@probe("from-torch-forgets-the-placement")
def from_torch_placement(a: Any, t: Trial) -> str | None:
    y, memory = t.randn(2, 3, D), t.randn(2, 4, D)
    for norm_first in (False, True):
        theirs = torchs(t, norm_first=norm_first)
        own = a.DecoderLayer.from_torch(theirs).eval()
        with t.oracle(), torch.no_grad():
            right = theirs(y, memory)
        found = run(t, own, y, memory)
        if same(found, right):
            continue
        if same(found, formula(own, y, memory, pre=not norm_first)):
            return (
                f"with norm_first={norm_first} the copy is {'post' if norm_first else 'pre'}-norm: "
                "norm_first=True is pre, False is post"
            )
        for index, norm in enumerate(own.norms):
            t.that(
                getattr(norm, "eps", 1e-5) == 1e-5,
                f"norms[{index}] has eps={getattr(norm, 'eps', 0.0):g}, torch's layer 1e-05, nn.LayerNorm's "
                "default",
                diagnosis="from-torch-other-eps",
            )
    return None


@probe("from-torch-forgets-dropout")
def from_torch_dropout(a: Any, t: Trial) -> str | None:
    own = a.DecoderLayer.from_torch(torchs(t, norm_first=True, dropout=0.5)).train()
    y, memory = t.randn(1, 6, D), t.randn(1, 4, D)
    if same(run(t, own, y, memory), run(t, own, y, memory)):
        return "torch's layer had dropout=0.5, the copy drops nothing in training: copy the probability"
    return None
