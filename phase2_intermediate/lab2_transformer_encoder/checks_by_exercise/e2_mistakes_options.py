"""The known mistakes of E2 in its options, its dropout and `from_torch`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_formula import (
    formula,
    made,
    normed,
    result,
    torch_layer,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_mistakes import probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import attention


@probe("the-activations")
def activations(a: Any, t: Trial) -> None:
    x = t.randn(2, 3, 8)
    layer = made(a, t, act="relu")
    right, gelu = formula(layer, x, act="relu"), formula(layer, x)
    name_it(t, result(t, layer, x), right, [("act-ignored", gelu, "act='relu' computes GELU")])
    layer = made(a, t, act="swiglu")
    first = x + attention(layer.attention, normed(layer.norm1, x, "ln"))
    h = normed(layer.norm2, first, "ln")
    up, gate = layer.up(h), layer.gate(h)
    cases = [
        ("gate-and-up-exchanged", first + layer.down(F.silu(up) * gate), "SiLU acts on `up` in your answer: "
                                                                         "it acts on "
         "`gate`, silu(gate(x)) · up(x)"),
        ("swiglu-with-another-gate", first + layer.down(gate.sigmoid() * up), "the gate is a plain sigmoid "
                                                                              "(GLU): "
         "SwiGLU has silu(gate(x)) = gate(x) · sigmoid(gate(x))"),
        ("swiglu-with-another-gate", first + layer.down(F.gelu(gate) * up), "the gate bends with GELU "
                                                                            "(GEGLU): SwiGLU "
         "has SiLU"),
        ("swiglu-with-another-gate", first + layer.down(gate * up), "nothing bends: SwiGLU is silu(gate(x)) "
                                                                    "· up(x)"),
        ("swiglu-with-another-gate", first + layer.down(F.silu(gate) + up), "gate and up are added: "
                                                                            "multiply them"),
        ("swiglu-with-another-gate", first + layer.down(F.silu(gate * up)), "SiLU acts on the product: it "
                                                                            "acts on "
         "`gate` alone"),
        ("swiglu-with-another-gate", first + layer.down(F.silu(gate) * gate), "`up` is not used: "
         "silu(gate(x)) multiplies up(x)"),
        ("swiglu-with-another-gate", first + layer.down(F.silu(up) * up), "`gate` is not used: silu(gate(x)) "
         "multiplies up(x)"),
        ("act-ignored", first + layer.down(F.gelu(up)), "act='swiglu' computes a plain GELU network"),
        ("act-ignored", first + layer.down(F.silu(up)), "act='swiglu' does not use its gate"),
    ]  # fmt: skip
    name_it(t, result(t, layer, x), formula(layer, x, act="swiglu"), cases)


@probe("the-norm-types")
def norm_types(a: Any, t: Trial) -> None:
    for norm in ("pre", "post"):
        layer, x = made(a, t, norm=norm, norm_type="rms"), t.randn(2, 3, 8) + 1
        with torch.no_grad():
            found, right = result(t, layer, x), formula(layer, x, norm=norm, norm_type="rms")
        tiny = made(a, t, norm=norm, norm_type="rms")
        small = 1e-3 * x
        exact = formula(tiny, small, norm=norm, norm_type="rms")
        default = formula(tiny, small, norm=norm, norm_type="rms", eps=torch.finfo(torch.float64).eps)
        centred = x - x.mean(-1, keepdim=True)
        cases = [
            (
                "norm-type-ignored",
                formula(layer, centred, norm=norm, norm_type="rms"),
                "the mean is subtracted",
            ),
            ("norm-type-ignored", formula(layer, x, norm=norm), "norm_type='rms' computes LayerNorm: the "
             "mean is subtracted"),
        ]  # fmt: skip
        name_it(t, found, right, cases)
        eps = "`nn.RMSNorm(d)` without eps takes the dtype's own: pass eps=1e-5"
        name_it(t, result(t, tiny, small), exact, [("eps-of-rms", default, eps)])
    layer, small = made(a, t, shaken=False), 1e-3 * t.randn(2, 3, 8)
    name_it(
        t,
        result(t, layer, small),
        formula(layer, small),
        [
            ("eps-of-ln", formula(layer, small, eps=eps), f"LayerNorm's ε is {eps:g}: it is 1e-5")
            for eps in (1e-6, 1e-8, 1e-12, 1e-3)
        ],
    )


@probe("unknown-words")
def unknown(a: Any, t: Trial) -> None:
    for how in ({"norm": "middle"}, {"act": "tanh"}, {"norm_type": "batch"}):
        shown = ", ".join(f"{k}={v!r}" for k, v in how.items())
        t.raises(
            ValueError, lambda how=how: a.EncoderLayer(8, 2, 12, **how), shown, diagnosis="unknown-words"
        )


@probe("defaults")
def defaults(a: Any, t: Trial) -> str | None:
    layer, x = made(a, t), t.randn(2, 3, 8)
    layer.train()
    if not same(layer(x), layer(x)):
        return "without `dropout=` the layer drops numbers in training: the default is 0.0"
    if not same(layer(x), formula(layer, x)):
        if same(layer(x), formula(layer, x, norm="post")):
            return "without `norm=` the layer is post-norm: the default is 'pre'"
        if same(layer(x), formula(layer, x, act="relu")):
            return "without `act=` the layer computes a ReLU: the default is 'gelu'"
    return None


def only(layer: Any, branch: str) -> None:
    """Silence the other branch: its last map gives 0."""
    silent = layer.down if branch == "attention" else layer.attention.out
    with torch.no_grad():
        silent.weight.zero_()
        silent.bias.zero_()


@probe("detached")
def flows(a: Any, t: Trial) -> str | None:
    layer, x = made(a, t), t.randn(2, 3, 8).requires_grad_()
    if not layer.train()(x).requires_grad:
        return "the result is cut off from autograd: no .detach(), .data or no_grad in the forward pass"
    return None


@probe("dropout")
def dropout(a: Any, t: Trial) -> None:
    x = t.randn(40, 5, 8)
    layer = made(a, t, norm="pre", dropout=0.5)
    if not same(layer(x), formula(layer, x)) and same(layer(x), layer(x)):
        return  # wrong without any dropout: the other probes and the properties say so
    t.that(
        same(layer(x), layer(x)),
        "in evaluation mode the layer still drops numbers: two calls differ",
        diagnosis="dropout-in-evaluation",
    )
    layer.train()
    t.that(
        not same(layer(x), layer(x)),
        "in training with dropout=0.5 two calls are the same: nothing is dropped",
        diagnosis="dropout-missing",
    )
    for branch in ("attention", "network"):
        layer = made(a, t, norm="pre", dropout=0.5)
        only(layer, branch)
        with torch.no_grad():
            layer.train()
            found = layer(x)
            added = found - x
        lost, stream = float((added == 0).double().mean()), float((found == 0).double().mean())
        t.that(
            stream < 0.2,
            f"a share of {stream:.2f} of the layer's *output* is 0: dropout was applied after the addition, "
            "and drops "
            "the stream. It acts on what a branch gives, before it is added",
            diagnosis="dropout-after-the-addition",
        )
        t.that(
            0.4 < lost < 0.6,
            f"with dropout=0.5 a share of {lost:.2f} of what the {branch} branch adds is 0, expected about "
            "a half: "
            "drop what the branch gives, before it is added",
            diagnosis="dropout-missing-on-a-branch" if lost < 0.4 else "dropout-twice",
        )
    for act in ("gelu", "swiglu"):
        layer = made(a, t, norm="pre", dropout=0.5, act=act)
        seen = inputs_of(layer.train(), x)
        share = float((seen["down"] == 0).double().mean()) if "down" in seen else 0.5
        t.that(
            0.4 < share < 0.6,
            f"with dropout=0.5 and act={act!r} a share of {share:.2f} of what goes into `down` is 0, "
            "expected about a half: as in torch, the hidden numbers are dropped too",
            diagnosis="dropout-missing-on-the-hidden",
        )
    t.that(
        layer.attention.dropout == 0.5,
        f"`attention` was built with dropout={layer.attention.dropout}: hand the layer's on",
        diagnosis="dropout-missing-on-the-weights",
    )


def inputs_of(layer: Any, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What goes into each part of the layer in one pass, as far as the parts are called as modules."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        part.register_forward_pre_hook(
            lambda _, args, n=name: seen.update({n: args[0].detach()}) if args else None
        )
        for name, part in layer.named_children()
    ]
    layer(x)
    for handle in handles:
        handle.remove()
    return seen


@probe("dropout-at-another-place")
def other_places(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 3, 8)
    layer = made(a, t, dropout=0.5)
    if not same(result(t, layer, x), formula(layer, x)):
        return None
    seen = inputs_of(layer.train(), x)
    pairs = {"norm1": x, "attention": normed(layer.norm1, x, "ln")}
    if "norm2" in seen:
        pairs["up"] = normed(layer.norm2, seen["norm2"], "ln")
    for name, wanted in pairs.items():
        if name in seen and not same(seen[name], wanted):
            return (
                f"in training other numbers go into `{name}` than in evaluation: dropout acts on the "
                "attention weights, on the hidden numbers and on what the branches give, nowhere else"
            )
    return None


def copied(a: Any, t: Trial, **how: Any) -> tuple[Any, nn.TransformerEncoderLayer]:
    theirs = torch_layer(t, **how)
    words = f"from_torch(nn.TransformerEncoderLayer({', '.join(f'{k}={v!r}' for k, v in how.items())}))"
    t.given(words)
    mine = value_of(t, lambda: a.EncoderLayer.from_torch(theirs), "from-torch-fails", words)
    t.that(
        isinstance(mine, a.EncoderLayer),
        f"from_torch returned a {type(mine).__name__}, expected an EncoderLayer",
        diagnosis="from-torch-fails",
    )
    return mine, theirs


@probe("from-torch-copies")
def copies(a: Any, t: Trial) -> None:
    mine, theirs = copied(a, t)
    t.that(
        theirs.training,
        "from_torch put torch's layer into evaluation mode: it only reads that layer",
        diagnosis="from-torch-changes-its-layer",
    )
    q, k, v = theirs.self_attn.in_proj_weight.chunk(3)
    bias = theirs.self_attn.in_proj_bias.chunk(3)
    block = mine.attention
    t.that(
        block.query.weight.dtype == torch.float64,
        f"a float64 layer became {block.query.weight.dtype}: the dtype is copied too",
        diagnosis="from-torch-dtype",
    )
    pairs = {
        "query": (block.query, q, bias[0]), "key": (block.key, k, bias[1]),
        "value": (block.value, v, bias[2]),
        **{name: (own, other.weight, other.bias) for name, own, other in (
            ("out", block.out, theirs.self_attn.out_proj), ("up", mine.up, theirs.linear1),
            ("down", mine.down, theirs.linear2), ("norm1", mine.norm1, theirs.norm1),
            ("norm2", mine.norm2, theirs.norm2))},
    }  # fmt: skip
    for name, (own, weight, offset) in pairs.items():
        t.that(
            own.weight.requires_grad,
            f"the weight of `{name}` is frozen after from_torch: the new layer can be trained",
            diagnosis="from-torch-frozen",
        )
        if not same(own.weight, weight):
            t.that(
                not same(own.weight, weight, rtol=1e-5, atol=1e-6),
                f"the float64 weight of `{name}` went through float32 and lost its last digits: give the "
                "layer its dtype first, then copy",
                diagnosis="from-torch-dtype",
            )
            wrong = next((n for n, (_, w, _) in pairs.items() if same(own.weight, w)), None)
            words = f"holds that of {wrong}" if wrong else "is not that of torch's layer"
            if name in ("query", "key", "value"):
                words += "; in_proj_weight is query, key, value from top to bottom"
            t.fail(
                f"after from_torch the weight of `{name}` {words}",
                diagnosis="from-torch-in-another-order" if wrong else "from-torch-forgets-weights",
            )
        t.that(
            same(own.bias, offset),
            f"after from_torch the bias of `{name}` is not that of torch's layer",
            diagnosis="from-torch-forgets-biases",
        )
        memory = own.weight.untyped_storage().data_ptr()
        t.that(
            memory not in {p.untyped_storage().data_ptr() for p in theirs.parameters()},
            f"`{name}` and torch's layer share their memory: a step of one changes the other. Copy",
            diagnosis="from-torch-shares-memory",
        )


@probe("from-torch-options")
def copied_options(a: Any, t: Trial) -> None:
    x = t.randn(2, 3, 8)
    for norm in ("pre", "post"):
        layer = made(a, t, norm=norm)
        if not same(result(t, layer, x), formula(layer, x, norm=norm)):
            return  # wrong without from_torch: the other probes and the properties say so
    mine, _ = copied(a, t, heads=4)
    heads = getattr(mine.attention, "heads", 4)
    t.that(
        heads == 4,
        f"`self_attn` has 4 heads, `attention` has {heads} after from_torch",
        diagnosis="from-torch-ignores-heads",
    )
    for how, diagnosis, words in (
        ({"norm_first": False}, "from-torch-ignores-norm-first", "`norm_first` was not copied"),
        ({"norm_first": True}, "from-torch-ignores-norm-first", "`norm_first` was not copied"),
        ({"activation": "relu"}, "from-torch-ignores-the-activation", "the activation was not copied"),
        ({"layer_norm_eps": 0.1}, "from-torch-ignores-eps", "ε was not copied"),
        ({"heads": 4}, "from-torch-ignores-heads", "the number of heads was not copied"),
        ({"d_ff": 20}, "from-torch-fails", "with d_ff = 20"),
    ):
        mine, theirs = copied(a, t, **how)
        with t.oracle(), torch.no_grad():
            expected = theirs.train()(x)
            found = result(t, mine.eval(), x)
        given = how.get("activation", "gelu")
        other, norm = "relu" if given == "gelu" else "gelu", "pre" if theirs.norm_first else "post"
        t.that(
            same(found, expected) or not same(found, formula(mine, x, norm=norm, act=other)),
            f"an activation={given!r} of torch's layer became {other!r}",
            diagnosis="from-torch-ignores-the-activation",
        )
        t.equal(found, expected, words, diagnosis=diagnosis)
    mine, _ = copied(a, t, dropout=0.3)
    rate = {m.p for m in mine.modules() if isinstance(m, nn.Dropout)} | {mine.attention.dropout}
    mine.train()
    t.that(
        0.3 in rate and not same(mine(x), mine(x)),
        "the dropout probability was not copied: in training nothing is dropped",
        diagnosis="from-torch-ignores-dropout",
    )
