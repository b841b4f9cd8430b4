"""E4: attention without the T² matrix. What must hold; the known mistakes stand in `e4_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.edges import layouts
from courseware.check.naming import family
from courseware.check.observe import observe, saved_bytes
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_formula import right_gradients, right_lse, work
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_mistakes import apply, both, draw
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_mistakes_backward import probe, with_gradients
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_mistakes_first import (
    first,
    later,
    two_calls,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import READY_MADE, right_attention

e4 = Exercise(
    "E4",
    takes={"blockwise_attention": tuple, "BlockwiseAttention": None},
    forbids=READY_MADE,
    hints=(
        "Two numbers a row are enough to compute a softmax piece by piece: the largest score so far, and the "
        "sum of exponentials so far. If the maximum grows, everything so far shrinks by one common factor.",
        "m' = max(m, max s), l' = e^(m−m') l + Σ e^(s−m'), o' = e^(m−m') o + e^(s−m') V. At the end o / l, "
        "and m + log l. Backward: P = exp(S − lse), Δ = rowsum(dO ⊙ out), dS = P ⊙ (dO Vᵀ − Δ).",
        "`for i in range(0, Tq, block_q):` m = −∞, l = o = 0; `for j in range(0, Tk, block_k):` `s = q_i @ "
        "k_j.T * scale`; `m_new = torch.maximum(m, s.amax(-1))`; `r = (m - m_new).exp()`; `p = (s - "
        "m_new[..., None]).exp()`; `l = r * l + p.sum(-1)`; `o = r[..., None] * o + p @ v_j`. With is_causal "
        "stop at `min(i + block_q, Tk)` and compare `torch.arange(j, …) > torch.arange(i, …)[:, None]`.",
    ),
)
first.add_to(e4)
probe.add_to(e4)
later.add_to(e4)
SIZES = (  # leading axes, T_q, T_k, block_q, block_k
    ((1, 1), 1, 1, 1, 1),
    ((1, 2), 4, 4, 2, 2),
    ((2, 1), 5, 7, 2, 3),
    ((2, 2), 7, 5, 3, 2),
    ((1, 1), 6, 6, 64, 64),
    ((1, 1), 6, 6, 2, 64),
    ((0, 2), 3, 4, 2, 2),
    ((1, 3), 9, 8, 4, 1),
)


@e4.property("the output and lse, whatever the blocks", points=5)
def values(a: Any, t: Trial) -> None:
    for lead, queries, keys, block_q, block_k in SIZES:
        for is_causal in (False, True):
            q, k, v = draw(t, lead, queries, keys)
            shown = f"T_q = {queries}, T_k = {keys}, blocks {block_q} and {block_k}, is_causal={is_causal}"
            with family("some-blocks-fail", shown):
                out, lse = both(a, t, q, k, v, block_q=block_q, block_k=block_k, is_causal=is_causal)
                t.equal(out, right_attention(q, k, v, is_causal=is_causal), where="out")
                t.equal(lse, right_lse(q, k, is_causal=is_causal), where="lse")
    with family("default-blocks", "without block sizes, T = 70"):
        q, k, v = draw(t, (1, 1), 70, 70)
        t.equal(both(a, t, q, k, v, is_causal=True)[0], right_attention(q, k, v, is_causal=True), where="out")


@e4.property("large scores, no keys, other layouts, other dtypes", points=3)
def edges(a: Any, t: Trial) -> None:
    with family("large-scores", "visible scores of −10,000, with is_causal"):
        low = [
            x.double() for x in (torch.ones(1, 1, 3, 1), torch.full((1, 1, 3, 1), -1e4), t.randn(1, 1, 3, 2))
        ]
        out, _ = both(a, t, *low, block_q=2, block_k=2, is_causal=True)
        t.equal(out, right_attention(*low, is_causal=True), where="out")
    for scale in (1e4, 1e-4):
        q, k, v = draw(t, (1, 2), 6, 8)
        with family("large-scores", f"scores of size {scale:g}"):
            out, lse = both(a, t, q * scale, k, v, block_q=2, block_k=3)
            t.equal(out, right_attention(q * scale, k, v), where="out", rtol=1e-7, atol=1e-9)
            t.equal(lse, right_lse(q * scale, k), where="lse")
    with family("no-keys", "T_k = 0"):
        q, k, v = draw(t, (2, 1), 3, 0)
        out, lse = both(a, t, q, k, v)
        t.equal(out, torch.zeros(2, 1, 3, 3).double(), where="out")
        t.equal(lse, torch.full((2, 1, 3), -torch.inf).double(), where="lse")
    for layout, q in layouts(t, 2, 2, 5, 4):
        with family("layouts", f"a q that is {layout}"):
            out, _ = both(a, t, q, q, q, block_q=2, block_k=2)
            t.equal(out, right_attention(q, q, q), where="out")
    for dtype, coarse in ((torch.float32, 1e-5), (torch.bfloat16, 2.0**-7), (torch.float16, 2.0**-9)):
        q, k, v = (x.to(dtype) for x in draw(t, (1, 2), 5, 9))
        with family("precision", f"in {dtype}"):
            out, lse = both(a, t, q, k, v, block_q=2, block_k=4)
            t.equal(out, right_attention(q, k, v).to(dtype), where="out", rtol=coarse, atol=coarse)
            t.equal(lse, right_lse(q, k).float(), where="lse", rtol=1e-4, atol=1e-4)


@e4.property("the gradients", points=5)
def gradients(a: Any, t: Trial) -> None:
    for lead, queries, keys, block_q, block_k in SIZES:
        for is_causal in (False, True):
            shown = f"T_q = {queries}, T_k = {keys}, blocks {block_q} and {block_k}, is_causal={is_causal}"
            with family("gradients-are-wrong", shown):
                compare(a, t, draw(t, lead, queries, keys), block_q, block_k, is_causal)
    with family("large-scores-in-backward", "scores around ±10⁴"):
        q, k, v = draw(t, (1, 1), 4, 6)
        compare(a, t, [q * 100, k * 100, v], 2, 2, False, rtol=1e-6, atol=1e-8)
    two_calls(a, t)
    with family("gradients-without-keys", "T_k = 0"):
        _, found, _ = with_gradients(a, t, draw(t, (1, 1), 2, 0), 2, 2, False)
        t.equal(found[0], torch.zeros(1, 1, 2, 4).double(), where="dQ")
    with family("gradients-in-other-dtypes", "in bfloat16"):
        inputs = [x.bfloat16() for x in draw(t, (1, 1), 5, 6)]
        _, found, grad = with_gradients(a, t, inputs, 2, 4, False)
        for name, x, y in zip(
            "qkv", found, right_gradients(inputs[0], inputs[1], inputs[2], grad), strict=True
        ):
            t.equal(x, y.bfloat16(), where=f"the gradient of {name}", rtol=2.0**-5, atol=2.0**-5)


def compare(
    a: Any, t: Trial, inputs: list[Tensor], block_q: int, block_k: int, is_causal: bool, **how: float
) -> None:
    _, found, grad = with_gradients(a, t, inputs, block_q, block_k, is_causal)
    right = right_gradients(inputs[0], inputs[1], inputs[2], grad, is_causal=is_causal)
    for name, x, y in zip("qkv", found, right, strict=True):
        t.that(x is not None, f"no gradient arrives at {name}")
        t.equal(x, y, where=f"the gradient of {name}", **how)


@e4.property("no tensor of size T²", points=4)
def memory(a: Any, t: Trial) -> None:
    for length, block, width in ((256, 32, 8), (320, 48, 4), (64, 8, 4)):
        inputs = [t.randn(2, 1, length, width, dtype=torch.float32) for _ in range(3)]
        limit = 2 * 2 * max(block * block, length * width)
        shown = f"T = {length}, D = {width}, blocks of {block}"
        with family("a-tensor-of-size-t-squared", shown):
            with observe() as seen:
                both(a, t, *inputs, block_q=block, block_k=block)
            t.that(seen.largest <= limit, f"a tensor of {seen.largest:,} elements, allowed are {limit:,}")
        leaves = [x.requires_grad_() for x in inputs]
        with family("backward-of-size-t-squared", shown):
            with observe() as seen:
                out = apply(a, t, leaves[0], leaves[1], leaves[2], block, block, True)
                out.backward(torch.ones_like(out))
            t.that(seen.largest <= limit, f"a tensor of {seen.largest:,} elements, allowed are {limit:,}")
        with family("saves-the-weights", shown):
            kept = saved_bytes(lambda x=leaves, b=block: apply(a, t, x[0], x[1], x[2], b, b, False))
            allowed = 2 * 4 * 2 * length * (4 * width + 1)
            t.that(kept <= allowed, f"{kept:,} bytes are kept for the backward pass, allowed are {allowed:,}")


@e4.property("future blocks cost nothing", points=3)
def skipped(a: Any, t: Trial) -> None:
    q, k, v = (t.randn(1, 1, 256, 8) for _ in range(3))
    with family("future-blocks-not-skipped", "T = 256, blocks of 16"):
        full, causal = (
            work(lambda c=c: both(a, t, q, k, v, block_q=16, block_k=16, is_causal=c)) for c in (False, True)
        )
        measured = 0 if full[0] >= 256 * 256 * 8 else 1
        t.that(full[measured] > 0, "neither products nor exponentials were computed")
        part = causal[measured] / full[measured]
        t.that(part <= 0.62, f"with is_causal {part:.2f} of the work is done, at most 0.62 is allowed")


e4.reward(pictures.bytes_against_length)
