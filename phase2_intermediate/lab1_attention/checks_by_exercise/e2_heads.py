"""E2: multi-head and grouped-query attention. What must hold; the known mistakes are in `e2_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Exercise, Trial
from courseware.check.edges import layouts
from courseware.check.naming import family
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_formula import LINEARS, formula, made, result
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_mistakes import ones_layer, probe, torch_layer
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_mistakes_more import changed_by_from_torch
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_mistakes_more import probe as more
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import READY_MADE, random_mask

e2 = Exercise(
    "E2",
    takes={"MultiHeadAttention": None},
    forbids=READY_MADE,
    hints=(
        "Write the shape behind each line: x [B, T, D] → query [B, T, D] → cut [B, H, T, D_h] → `sdpa` → "
        "merge [B, T, D] → out. Nothing else happens.",
        "Key and value are narrower with fewer key heads: H_kv · D_h. Cut them into H_kv heads, then repeat "
        "each one H / H_kv times, neighbours together: 0, 0, 1, 1.",
        "`k = split_heads(self.key(context), self.n_kv_heads).repeat_interleave(H // H_kv, dim=1)`; `heads, "
        "weights = sdpa(q, k, v, mask, is_causal=is_causal)`; `self.out(merge_heads(heads))`; in from_torch: "
        "`for linear, w in zip((layer.query, layer.key, layer.value), mha.in_proj_weight.chunk(3)): "
        "linear.weight.copy_(w)` under `torch.no_grad()`",
    ),
)
probe.add_to(e2)
more.add_to(e2)


@e2.property("with torch's weights, torch's result", points=5)
def like_torch(a: Any, t: Trial) -> None:
    for heads, bias in ((1, True), (3, True), (12, False), (4, False)):
        mha = torch_layer(t, bias=bias, heads=heads)
        layer = a.MultiHeadAttention.from_torch(mha).eval()
        x, context = t.randn(2, 5, 12), t.randn(2, 3, 12)
        t.given(f"from_torch(nn.MultiheadAttention(12, {heads}, bias={bias}))")
        for others in (x, context):
            with t.oracle():
                expected, weights = mha(x, others, others, need_weights=True)
            with family("differs-from-torch", "with the weights of nn.MultiheadAttention"):
                y, own = result(t, layer(x, None if others is x else others, need_weights=True))
                t.equal(y, expected, where="y")
                t.equal(own, weights, where="the weights")
    check_subclass(a, t)
    changed = changed_by_from_torch(a, t)
    t.that(not changed, changed or "")


def check_subclass(a: Any, t: Trial) -> None:
    class Special(a.MultiHeadAttention):  # type: ignore[misc, name-defined]
        pass

    with family("from-torch-ignores-cls", "a subclass's from_torch"):
        made_by = type(Special.from_torch(torch_layer(t, bias=True)))
        t.that(made_by is Special, f"made a {made_by.__name__}: build `cls(…)`")


@e2.property("grouped queries: neighbours share a key head", points=4)
def grouped_queries(a: Any, t: Trial) -> None:
    for heads, shared in ((4, 1), (4, 2), (6, 3), (6, 2), (4, 4), (1, 1)):
        layer, x = made(a, t, 24, heads, shared), t.randn(2, 5, 24)
        t.given(f"MultiHeadAttention(24, {heads}, {shared})")
        with family("grouped-queries", f"{heads} query heads and {shared} key heads"):
            y, _ = result(t, layer(x))
            with t.oracle():
                q, k, v = (
                    getattr(layer, name)(x).unflatten(-1, (-1, 24 // heads)).transpose(1, 2)
                    for name in LINEARS[:3]
                )
                merged = F.scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2).flatten(2)
                expected = layer.out(merged)
            t.equal(y, expected, where="y")


@e2.property("other sequences, masks, and queries that see nothing", points=4)
def masks_and_contexts(a: Any, t: Trial) -> None:
    layer, x, context = made(a, t, 24, 4, 2), t.randn(2, 3, 24), t.randn(2, 5, 24)
    t.given("MultiHeadAttention(24, 4, 2), x [2, 3, 24], context [2, 5, 24]")
    for shape in ((3, 5), (5,), (2, 1, 1, 5), (4, 3, 5), (2, 1, 3, 5), (1, 4, 3, 5), (2, 4, 3, 5)):
        for is_causal in (False, True):
            mask = random_mask(t, *shape)
            with family("masks-of-other-shapes", f"a mask {shape}, is_causal={is_causal}"):
                y, _ = result(t, layer(x, context, mask=mask, is_causal=is_causal))
                wide = mask.expand(2, 4, 3, 5)
                t.equal(y, formula(layer, 4, x, context, wide, is_causal=is_causal)[0], where="y")
    for words, other in (("of the same shape as x", t.randn(2, 3, 24)), ("of nothing but zeros", x * 0)):
        with family("context-as-long-as-x", f"a context {words}"):
            t.equal(result(t, layer(x, other))[0], formula(layer, 4, x, other)[0], where="y")
    with family("remembers-an-earlier-call", "without a mask, after calls with one"):
        t.equal(result(t, layer(x, context))[0], formula(layer, 4, x, context)[0], where="y")
    mask = torch.zeros(3, 5, dtype=torch.bool)
    mask[1, 2] = True
    with family("blind-row", "queries 0 and 2 may see nothing, so their y is the bias of `out`"):
        y, weights = result(t, layer(x, context, mask=mask, need_weights=True))
        t.equal(y[:, 0], layer.out.bias.expand(2, 24), where="y of query 0")
        t.equal(weights.sum(-1)[0], torch.tensor([0.0, 1.0, 0.0]).double(), where="the sum of the weights")


@e2.property("the weights are the mean over the heads", points=2)
def mean_weights(a: Any, t: Trial) -> None:
    for shared in (None, 1):
        layer, x = made(a, t, 24, 4, shared), t.randn(2, 5, 24)
        with family("returned-weights", "need_weights=True"):
            y, weights = result(t, layer(x, need_weights=True, is_causal=True))
            expected, each = formula(layer, 4, x, is_causal=True)
            t.equal(weights, each.mean(1), where="the weights")
            t.equal(y, expected, where="y")


@e2.property("dropout: on the weights, in training", points=2)
def dropout_of_weights(a: Any, t: Trial) -> None:
    layer, x = ones_layer(a, 0.25, training=True), t.randn(60, 10, 8)
    with family("dropout", "dropout=0.25 in training"):
        y, _ = result(t, layer(x))
        t.that(
            0.9 < float(y.mean()) < 1.1, f"the weights add up to {float(y.mean()):.3f} on average, expected 1"
        )
        kept = y * 0.75 * 10  # with equal scores each kept weight adds 1
        t.equal(kept, kept.round(), where="the number of kept weights", atol=1e-6)
        t.that(not torch.equal(result(t, layer(x))[0], y), "two calls dropped the same weights")
    layer = made(a, t, 24, 4, training=True)
    with family("dropout", "dropout=0.0 in training"):
        x = t.randn(2, 5, 24)
        t.equal(result(t, layer(x))[0], formula(layer, 4, x)[0], where="y")


@e2.property("gradients, small sizes, layouts, float32", points=3)
def edges(a: Any, t: Trial) -> None:
    layer = made(a, t, 24, 4, 2)
    for shape in ((1, 1, 24), (0, 3, 24), (3, 1, 24), (1, 7, 24)):
        x = t.randn(*shape)
        t.given(f"MultiHeadAttention(24, 4, 2), x {shape}")
        with family("small-sizes", f"x of shape {shape}"):
            t.equal(result(t, layer(x))[0], formula(layer, 4, x)[0], where="y")
    for layout, x in layouts(t, 2, 3, 24):
        with family("layouts", f"an x that is {layout}"):
            before = x.clone()
            t.equal(result(t, layer(x))[0], formula(layer, 4, x)[0], where="y")
            t.equal(x, before, where="x after the call")
    x = t.randn(2, 5, 24)
    with family("gradients-are-wrong", "gradients of all parameters"):
        along = t.randn(2, 5, 24)
        gradients = [
            torch.autograd.grad((y * along).sum(), list(layer.parameters())) for y in outputs(t, layer, x)
        ]
        for (name, _), own, right in zip(layer.named_parameters(), *gradients, strict=True):
            t.equal(own, right, where=f"the gradient of {name}")
    single = a.MultiHeadAttention(24, 4)
    with family("float32", "in float32"):
        x32 = t.randn(2, 5, 24, dtype=torch.float32)
        expected = formula(made_double(single), 4, x32.double())[0].float()
        t.equal(result(t, single.eval()(x32))[0], expected, where="y", rtol=1e-4, atol=1e-5)


def outputs(t: Trial, layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return result(t, layer(x))[0], formula(layer, 4, x)[0]


def made_double(layer: Any) -> Any:
    """The same four maps in float64, in a holder of ours."""
    holder = torch.nn.Module()
    for name in LINEARS:
        linear = getattr(layer, name)
        wide = torch.nn.Linear(linear.in_features, linear.out_features, dtype=torch.float64)
        with torch.no_grad():
            wide.weight.copy_(linear.weight)
            wide.bias.copy_(linear.bias)
        holder.add_module(name, wide)
    return holder


e2.reward(pictures.maps_of_heads)
