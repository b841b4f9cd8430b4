"""E1: scaled dot-product attention. What must hold; the known mistakes stand in `e1_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.edges import layouts
from courseware.check.naming import family
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.e1_mistakes import attend
from phase2_intermediate.lab1_attention.checks_by_exercise.e1_mistakes_edges import probe
from phase2_intermediate.lab1_attention.checks_by_exercise.e1_mistakes_first import probe as first
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import (
    READY_MADE,
    random_mask,
    right_attention,
    right_weights,
)

e1 = Exercise(
    "E1",
    takes={"sdpa": tuple},
    forbids=READY_MADE,
    hints=(
        "Similarities become probabilities, probabilities make an average. Whatever forbids a key, a mask of "
        "either kind or the causal rule, does so by a score of −∞ before the softmax.",
        "scores = s · Q Kᵀ, −∞ where not allowed, plus the floating mask; weights = softmax over the keys; "
        "out = weights · V. A row of nothing but −∞ gets harmless scores before the softmax and weights 0 "
        "after it.",
        "`wide = torch.promote_types(q.dtype, torch.float32)`; `scores = scale * q.to(wide) @ "
        "k.to(wide).transpose(-1, -2)`; `scores.masked_fill(~mask, -inf)`; `blind = (scores == -inf).all(-1, "
        "keepdim=True)`; `weights = scores.masked_fill(blind, 0).softmax(-1).masked_fill(blind, 0)`",
    ),
)
first.add_to(e1)
probe.add_to(e1)


def compare(
    a: Any, t: Trial, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, **how: Any
) -> None:
    """Both results against the definition, in float64."""
    out, weights = attend(a, t, q, k, v, mask, **how)
    t.equal(weights, right_weights(q, k, mask, **how).to(q.dtype), where="the weights")
    t.equal(out, right_attention(q, k, v, mask, **how).to(q.dtype), where="the output")


@e1.property("the output is torch's, in float64", points=4)
def as_torch(a: Any, t: Trial) -> None:
    for case in range(40):
        lead = ((), (2,), (2, 3))[case % 3]
        queries, keys, width, value_width = (t.random.randint(1, 6) for _ in range(4))
        q, k = t.randn(*lead, queries, width), t.randn(*lead, keys, width)
        v = t.randn(*lead, keys, value_width)
        mask = random_mask(t, queries, keys) if case % 4 in (1, 3) else None
        if case % 8 == 3 and mask is not None:
            mask = t.randn(queries, keys)
        how = {"is_causal": True} if case % 4 == 2 else {}
        how |= {"scale": t.random.uniform(0.1, 2)} if case % 5 == 4 else {}
        with t.oracle():
            expected = F.scaled_dot_product_attention(q, k, v, mask, **how)
        with family("differs-from-torch", f"q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)}"):
            out, weights = attend(a, t, q, k, v, mask, **how)
            t.equal(out, expected, where="the output")
            t.equal(
                weights.sum(-1), torch.ones(*lead, queries).double(), where="the sum of each row of weights"
            )


@e1.property("masks of every shape, alone and together", points=3)
def masks(a: Any, t: Trial) -> None:
    for shape in ((3, 4), (4,), (1, 4), (3, 1), (2, 1, 1, 4), (2, 1, 3, 4), (1, 2, 3, 4), (2, 2, 3, 4)):
        q, k, v = t.randn(2, 2, 3, 5), t.randn(2, 2, 4, 5), t.randn(2, 2, 4, 2)
        mask = random_mask(t, *shape) if shape[-1] > 1 else torch.ones(*shape, dtype=torch.bool)
        with family("shape-of-the-mask", f"a mask {shape} for weights (2, 2, 3, 4)"):
            compare(a, t, q, k, v, mask)
            compare(a, t, q, k, v, mask, is_causal=True)
            compare(a, t, q, k, v, t.randn(*shape), is_causal=True)
    with family("differs-from-torch", "a negative scale"):
        compare(a, t, t.randn(3, 5), t.randn(4, 5), t.randn(4, 2), scale=-0.7)
    with family("additive-mask-in-another-dtype", "a float32 mask for float64 inputs"):
        compare(a, t, t.randn(3, 5), t.randn(4, 5), t.randn(4, 5), t.randn(3, 4, dtype=torch.float32))


@e1.property("queries that may see nothing", points=2)
def blind_queries(a: Any, t: Trial) -> None:
    q, k, v = t.randn(2, 3, 5), t.randn(2, 4, 5), t.randn(2, 4, 2)
    mask = random_mask(t, 2, 3, 4)
    mask[0, 1] = mask[1, 0] = False
    additive = torch.zeros(2, 3, 4, dtype=torch.float64).masked_fill(~mask, -torch.inf)
    with family("blind-row", "some queries may see nothing"):
        compare(a, t, q, k, v, mask)
        compare(a, t, q, k, v, additive)
        compare(a, t, q, k, v, torch.zeros(3, 4, dtype=torch.bool))
        compare(a, t, q, k[:, :0], v[:, :0])
        compare(a, t, q, k, v, torch.tensor([False, False, True, True]), is_causal=True)
    gradients(a, t, q, k, v, mask, {}, "some queries may see nothing")


@e1.property("gradients flow to q, k and v", points=3)
def gradients_flow(a: Any, t: Trial) -> None:
    for how in ({}, {"is_causal": True}, {"scale": 0.7}):
        q, k, v = t.randn(2, 3, 5), t.randn(2, 4, 5), t.randn(2, 4, 2)
        gradients(a, t, q, k, v, random_mask(t, 3, 4) if not how else None, how, "with ordinary numbers")
    q, k, v = t.randn(2, 3), t.randn(3, 3), t.randn(3, 2)
    q.requires_grad_()
    with family("weights-without-gradient", "the gradient of the weights themselves"):
        _, weights = attend(a, t, q, k, v)
        t.that(weights.requires_grad, "the weights are cut off from autograd")
        weights[0, 0].backward()
        t.that(q.grad is not None and bool(q.grad.any()), "no gradient of a weight arrives at q")


def gradients(
    a: Any, t: Trial, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, how: dict[str, Any], words: str
) -> None:
    """Of a random sum of outputs, against autograd through the definition."""
    mine, theirs = ([x.clone().requires_grad_() for x in (q, k, v)] for _ in range(2))
    with family("gradients-are-wrong", words):
        out, _ = attend(a, t, *mine, mask, **how)
        along = t.randn(*out.shape)
        t.that(out.requires_grad, "the output is cut off from autograd: no .detach(), .item() or no_grad")
        (out * along).sum().backward()
        with t.oracle():
            seen = None if mask is None else mask | ~mask.any(-1, keepdim=True)
            expected = F.scaled_dot_product_attention(*theirs, seen, **how)
            if mask is not None:
                expected = expected.masked_fill(~mask.any(-1, keepdim=True), 0.0)
            (expected * along).sum().backward()
        for name, x, y in zip("qkv", mine, theirs, strict=True):
            t.that(x.grad is not None, f"no gradient arrives at {name}")
            t.equal(x.grad, y.grad, where=f"the gradient of {name}")


@e1.property("any leading axes, sizes and layouts", points=2)
def edges(a: Any, t: Trial) -> None:
    for shapes in (
        ((1, 1), (1, 1), (1, 1)),
        ((1, 3), (4, 3), (4, 2)),
        ((3, 2), (1, 2), (1, 5)),
        ((0, 2), (3, 2), (3, 2)),
        ((0, 3, 2), (0, 4, 2), (0, 4, 2)),
        ((2, 2, 2, 3, 4), (2, 2, 2, 5, 4), (2, 2, 2, 5, 1)),
    ):
        with family("some-shapes-fail", f"q, k, v of the shapes {shapes}"):
            compare(a, t, *(t.randn(*shape) for shape in shapes))
    for shapes in (
        ((2, 1, 3, 4), (5, 2, 4), (5, 2, 3)),
        ((3, 4), (2, 5, 4), (2, 5, 4)),
        ((2, 3, 4), (5, 4), (5, 4)),
        ((3, 4), (5, 4), (2, 5, 2)),
    ):
        with family("leading-axes-do-not-broadcast", f"q, k, v of the shapes {shapes}"):
            compare(a, t, *(t.randn(*shape) for shape in shapes))
    for layout, q in layouts(t, 2, 3, 4):
        with family("layout", f"a q that is {layout}"):
            compare(a, t, q, t.randn(2, 5, 4), t.randn(2, 5, 4))
            compare(a, t, t.randn(2, 5, 4), q, q)


@e1.property("large scores, single and half precision", points=1)
def precision(a: Any, t: Trial) -> None:
    with family("large-scores", "scores around ±10⁴"):
        compare(a, t, 100 * t.randn(3, 4), 200 * t.randn(5, 4), t.randn(5, 2))
        compare(a, t, 100 * t.randn(3, 4), 200 * t.randn(5, 4), t.randn(5, 2), random_mask(t, 3, 5))
        big = 1e4 + t.randn(2, 3)
        compare(a, t, t.randn(2, 2), t.randn(3, 2), t.randn(3, 2), big)
    for dtype, coarse in ((torch.float32, 2e-5), (torch.bfloat16, 2.0**-7), (torch.float16, 2.0**-9)):
        with family("precision", f"in {dtype}"):
            q, k, v = (t.randn(2, n, 16, dtype=dtype) for n in (3, 5, 5))
            out, weights = attend(a, t, q, k, v, random_mask(t, 3, 5), is_causal=False)
            t.that(out.dtype == weights.dtype == dtype, f"the results are {out.dtype} and {weights.dtype}")
            out, weights = attend(a, t, q, k, v)
            t.equal(out, right_attention(q, k, v).to(dtype), where="the output", rtol=coarse, atol=coarse)
            t.equal(weights, right_weights(q, k).to(dtype), where="the weights", rtol=2 * coarse, atol=coarse)


e1.reward(pictures.sentence)
