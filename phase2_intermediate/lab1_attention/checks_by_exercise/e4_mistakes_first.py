"""The known mistakes of E4 that are asked for first, and those that are asked for last."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.observe import observe
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_formula import right_gradients, right_lse
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_mistakes import apply, both, draw
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import right_attention

first, later = Probes(), Probes()


@first("the-pair-spoilt")
def spoilt(a: Any, t: Trial) -> None:
    q, k, v = draw(t, (1, 2), 6, 6)
    out, lse = both(a, t, q, k, v, block_q=6, block_k=6)
    right = right_attention(q, k, v)
    if same(lse, right) and same(out, right_lse(q, k)):
        t.fail("the pair came as (lse, out); it is (out, lse)", diagnosis="pair-in-the-wrong-order")
    if same(out, right, rtol=1e-4, atol=1e-5) and not same(out, right):
        t.fail(
            "float64 inputs are computed in float32: `out` is off by "
            f"{float((out - right).abs().max()):.1e}. m, l and o are *at least* float32: "
            "torch.promote_types(q.dtype, torch.float32)",
            diagnosis="float64-computed-in-float32",
        )
    for size, what in ((3, "D_v"), (6, "T")):
        if same(out, right_attention(q, k, v, scale=size**-0.5)) and not same(out, right):
            t.fail(
                f"the scale is 1/√{what}; it is 1/√D, with D the width of q and k",
                diagnosis="scale-from-the-wrong-axis",
            )
    out, lse = both(a, t, q, k, v, block_q=2, block_k=2, is_causal=True)
    if same(out, right_attention(q, k, v, is_causal=True)) and same(lse, right_lse(q, k)):
        t.fail(
            "with is_causal `out` is right, and `lse` still counts the future keys",
            diagnosis="lse-counts-the-future",
        )


@later("gradients-in-another-order")
def exchanged(a: Any, t: Trial) -> str | None:
    leaves = [x.requires_grad_() for x in draw(t, (1, 1), 5, 5, 4, 4)]
    out = apply(a, t, leaves[0], leaves[1], leaves[2], 2, 2, False)
    grad = t.randn(*out.shape)
    out.backward(grad)
    found = [x.grad for x in leaves]
    right = right_gradients(leaves[0], leaves[1], leaves[2], grad)
    for i, j in ((0, 1), (1, 2), (0, 2)):
        if same(found[i], right[j]) and same(found[j], right[i]):
            names = "dQ", "dK", "dV"
            return f"{names[i]} and {names[j]} are exchanged: backward returns dQ, dK, dV in this order"
    return None


@later("another-scale-in-the-backward-pass")
def other_scale(a: Any, t: Trial) -> str | None:
    q, k, v = (x.requires_grad_() for x in draw(t, (1, 1), 4, 4))
    out = apply(a, t, q, k, v, 4, 4, False)
    grad = t.randn(*out.shape)
    out.backward(grad)
    scores = q.detach() @ k.detach().transpose(-1, -2)
    for scale, words in ((1.0, "without any scale"), (0.25, "with the scale 1/D")):
        p = (scale * scores - right_lse(q, k).detach()[..., None]).exp()
        if same(v.grad, p.transpose(-1, -2) @ grad) and not same(v.grad, right_gradients(q, k, v, grad)[2]):
            return (
                f"the backward pass computes P = exp(S − lse) from scores {words}; the forward pass divides "
                "by √D, and P must be the same there and here"
            )
    return None


@later("calls-share-their-state")
def two_calls(a: Any, t: Trial) -> None:
    """Two calls before the first backward pass."""
    calls = [[x.requires_grad_() for x in draw(t, (1, 1), 4, 4)] for _ in range(2)]
    outs = [apply(a, t, *x, 2, 2, causal) for x, causal in zip(calls, (True, False), strict=True)]
    for x, out, causal, which in zip(calls, outs, (True, False), ("first", "second"), strict=True):
        grad = t.randn(*out.shape)
        sent = grad.clone()
        out.backward(sent)
        right = right_gradients(x[0], x[1], x[2], grad, is_causal=causal)
        t.that(
            same(sent, grad),
            "backward writes into the gradient that arrives: others may still need it",
            diagnosis="changes-the-gradient-that-arrives",
        )
        t.that(
            all(same(leaf.grad, wanted) for leaf, wanted in zip(x, right, strict=True)),
            f"two calls, then their backward passes: the gradients of the {which} are wrong. What a call "
            "needs later belongs into its own ctx",
            diagnosis="calls-share-their-state",
        )


@later("block-sizes-ignored-in-the-backward-pass")
def blocks_ignored(a: Any, t: Trial) -> str | None:
    leaves = [t.randn(1, 1, 64, 4).requires_grad_() for _ in range(3)]
    out = apply(a, t, leaves[0], leaves[1], leaves[2], 8, 8, False)
    with observe() as seen:
        out.backward(torch.ones_like(out))
    if seen.largest > 2 * 64 * 4:
        return (
            f"T = 64, D = 4, blocks of 8: the backward pass makes a tensor of {seen.largest:,} elements, at "
            "most 512 are allowed. Does it know the block sizes of its forward pass?"
        )
    return None
