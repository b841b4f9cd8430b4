"""The known mistakes of E4: first the values, then what is counted, then the gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial, forbid
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it
from courseware.check.observe import observe
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_formula import (
    FORWARD,
    forward_with,
    right_lse,
    work,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import right_attention

probe = Probes()
NO_AUTOGRAD = forbid(
    autograd=True,
    why="`backward` is to be your own formula, block by block, not torch's backward inside it",
)


def draw(
    t: Trial, lead: tuple[int, ...], queries: int, keys: int, width: int = 4, out: int = 3
) -> list[Tensor]:
    return [t.randn(*lead, n, w) for n, w in ((queries, width), (keys, width), (keys, out))]


def both(a: Any, t: Trial, *inputs: Tensor, **how: Any) -> tuple[Tensor, Tensor]:
    pair = a.blockwise_attention(*inputs, **how)
    t.that(
        len(pair) == 2 and all(isinstance(x, Tensor) for x in pair),
        f"blockwise_attention returns the pair (out, lse), two tensors; yours returned "
        f"{', '.join(type(x).__name__ for x in pair)}",
        diagnosis="not-a-pair",
    )
    return pair


def apply(
    a: Any, t: Trial, q: Tensor, k: Tensor, v: Tensor, block_q: int, block_k: int, is_causal: bool
) -> Tensor:
    out = a.BlockwiseAttention.apply(q, k, v, block_q, block_k, is_causal)
    t.that(
        isinstance(out, Tensor),
        f"BlockwiseAttention.apply returns one tensor, `out`; yours returned a {type(out).__name__}",
        diagnosis="apply-returns-something-else",
    )
    return out


def rising(t: Trial, queries: int, keys: int) -> list[Tensor]:
    """Inputs whose scores grow from key to key, so that every block brings a new maximum."""
    q, k, v = draw(t, (1, 1), queries, keys)
    k = k + 1.5 * torch.arange(keys)[:, None] * q.mean(-2, keepdim=True).sign()
    return [q.abs() * q.mean(-2, keepdim=True).sign(), k, v]


@probe("the-forward-pass")
def forward(a: Any, t: Trial) -> None:
    values = [name for name in FORWARD if not name.startswith("lse")]
    for queries, keys, block_q, block_k, is_causal in (
        (4, 4, 2, 2, False),
        (6, 6, 2, 2, True),
        (5, 7, 2, 3, False),
        (5, 7, 2, 3, True),
        (7, 5, 2, 2, True),
    ):
        q, k, v = rising(t, queries, keys)
        out, lse = both(a, t, q, k, v, block_q=block_q, block_k=block_k, is_causal=is_causal)
        right, right_sum = right_attention(q, k, v, is_causal=is_causal), right_lse(q, k, is_causal=is_causal)
        if same((out, lse), (right, right_sum)):
            continue
        made = {
            name: forward_with(name, q, k, v, block_q, block_k, is_causal)
            for name in (*FORWARD, "nothing wrong")
        }
        assert same(made["nothing wrong"], (right, right_sum))
        name_it(t, out, right, [(name.split(",")[0], made[name][0], FORWARD[name]) for name in values])
        name_it(t, lse, right_sum, [(name.split(",")[0], made[name][1], FORWARD[name]) for name in FORWARD])
        if same(out, right) and lse.shape == (*right_sum.shape, 1):
            t.fail("lse has an axis of size 1 at the end: [B, H, T_q] is asked for", diagnosis="lse-shape")


@probe("the-update")
def first_things_first(a: Any, t: Trial) -> None:
    """What no known mistake explains: one block, the step to the next, or causality?"""
    q, k, v = rising(t, 4, 4)
    right = right_attention(q, k, v), right_lse(q, k)
    one = t.tried(lambda: both(a, t, q, k, v, block_q=4, block_k=4))
    for part, name in ((0, "out"), (1, "lse")):
        if one.error is None and not same(one.value[part], right[part]):
            t.fail(
                f"`{name}` is wrong even if one block holds everything (T = 4, blocks of 4)",
                diagnosis=f"{name}-is-wrong-in-one-block",
                observed=one.value[part],
                expected=right[part],
            )
    for block_q, block_k, which in ((4, 2, "keys"), (2, 4, "queries")):
        two = both(a, t, q, k, v, block_q=block_q, block_k=block_k)
        for part, name in ((0, "out"), (1, "lse")):
            t.that(
                same(two[part], right[part]),
                f"with one block `{name}` is right, with two blocks of {which} it is not: "
                + (
                    "look at the three lines that update m, l and o"
                    if which == "keys"
                    else "is each row written once?"
                ),
                diagnosis=f"blocks-of-{which}-do-not-add-up",
                observed=two[part],
                expected=right[part],
            )
    for queries, keys in ((4, 4), (4, 6), (6, 4)):
        q, k, v = rising(t, queries, keys)
        seen = both(a, t, q, k, v, block_q=2, block_k=2, is_causal=True)
        expected = right_attention(q, k, v, is_causal=True)
        t.that(
            same(seen[0], expected),
            f"without is_causal the output is right, with it (T_q = {queries}, T_k = {keys}, blocks of 2) it "
            "is not: query i sees the keys 0 … i, counted from the beginning of the sequence",
            diagnosis="causal-is-wrong",
            observed=seen[0],
            expected=expected,
        )


@probe("block-sizes")
def block_sizes(a: Any, t: Trial) -> str | None:
    for queries, keys, block_q, block_k in (
        (5, 5, 2, 2),
        (3, 4, 8, 8),
        (4, 6, 4, 1),
        (4, 6, 1, 6),
        (2, 2, 64, 64),
    ):
        q, k, v = draw(t, (1, 2), queries, keys)
        attempt = t.tried(lambda x=(q, k, v), m=block_q, n=block_k: both(a, t, *x, block_q=m, block_k=n))
        shown = f"T_q = {queries}, T_k = {keys}, block_q = {block_q}, block_k = {block_k}"
        if attempt.error is not None:
            return f"{shown}: {type(attempt.error).__name__}: {attempt.error}. The last block may be shorter"
        if not same(attempt.value[0], right_attention(q, k, v)):
            return f"{shown} gives another output: it must not depend on the blocks. The last one may be "
            "shorter"
    return None


@probe("large-scores")
def large(a: Any, t: Trial) -> str | None:
    v = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).reshape(1, 1, 4, 1)
    q = torch.tensor([1.0, -1.0, 0.001], dtype=torch.float64).reshape(1, 1, 3, 1)
    for scores in (
        (-1e4, -5e3, 1e3, 1e4),
        (1e4, 1e3, -5e3, -1e4),
        (-1e4, 1e4, -5e3, 1e3),
        (-2e3, -2001.0, -2003.0, -2004.0),
        (2004.0, 2003.0, 2001.0, 2e3),
    ):
        k = torch.tensor(scores, dtype=torch.float64).reshape(1, 1, 4, 1)
        right, right_sum = right_attention(q, k, v), right_lse(q, k)
        for block in (1, 2):
            out, lse = both(a, t, q, k, v, block_q=3, block_k=block)
            if same((out, lse), (right, right_sum)):
                continue
            wrong = ~torch.isclose(out[0, 0, :, 0], right[0, 0, :, 0]) | ~torch.isclose(
                lse[0, 0], right_sum[0, 0]
            )
            row = int(wrong.int().argmax())
            return (
                f"a query with the scores {numbers(q[0, 0, row, 0] * k.flatten())}, in blocks of {block}, "
                f"got out {out[0, 0, row].item():.4g} and lse {lse[0, 0, row].item():.6g}, expected "
                f"{right[0, 0, row].item():.4g} and {right_sum[0, 0, row].item():.6g}. Every exponent must "
                "be at most 0, and one of them 0: m is the largest score of *this row* so far, and begins at "
                "−∞"
            )
    return None


@probe("future-hidden-by-a-finite-number")
def finite_fill(a: Any, t: Trial) -> str | None:
    for low, shown in ((-1e4, "−10⁴"), (-1e12, "−10¹²")):
        q, k, v = (torch.tensor(x).double().reshape(1, 1, 2, 1) for x in ([1, 1], [low, 0], [1, 5]))
        out, _ = both(a, t, q, k, v, block_q=2, block_k=2, is_causal=True)
        if not same(out[0, 0, 0], torch.ones(1)):
            return (
                f"with is_causal, query 0 sees key 0 alone, whose score is {shown}; its output is "
                f"{float(out[0, 0, 0]):.3g}, expected 1, the value of key 0. The number that stands for "
                "“hidden” must be below every score, and only −∞ is"
            )
    return None


@probe("no-keys")
def no_keys(a: Any, t: Trial) -> str | None:
    q, k, v = draw(t, (1, 2), 3, 0)
    for is_causal in (False, True):
        attempt = t.tried(lambda c=is_causal: both(a, t, q, k, v, block_q=2, block_k=2, is_causal=c))
        if attempt.error is not None:
            return f"T_k = 0 raised {type(attempt.error).__name__}: {attempt.error}. There `out` is 0 and "
            "`lse` is −∞"
        out, lse = attempt.value
        if not same(out, torch.zeros(1, 2, 3, 3)) or not same(lse, torch.full((1, 2, 3), -torch.inf)):
            return (
                f"T_k = 0: out[0, 0, 0] is {numbers(out[0, 0, 0])} and lse {numbers(lse[0, 0])}. Without "
                "keys l is 0, and 0/0 is NaN: `out` is 0 there, and `lse` is −∞"
            )
    return None


@probe("accumulates-in-half")
def half(a: Any, t: Trial) -> None:
    q, k, v = (x.bfloat16() for x in draw(t, (1, 2), 8, 300, 16, 8))
    k = (k * 3).bfloat16()
    out, lse = both(a, t, q, k, v, block_q=8, block_k=32)
    t.that(out.dtype == torch.bfloat16, f"for bfloat16 inputs `out` is {out.dtype}", diagnosis="dtype-of-out")
    t.that(
        lse.dtype == torch.float32,
        f"for bfloat16 inputs `lse` is {str(lse.dtype).removeprefix('torch.')}, expected float32",
        diagnosis="dtype-of-lse",
    )
    wrong = float((lse.double() - right_lse(q, k)).abs().max())
    good = same(out, right_attention(q, k, v), rtol=2.0**-7, atol=2.0**-8)
    t.that(
        wrong < 1e-3 and good,
        f"in bfloat16 lse is off by {wrong:.2g}, out by "
        f"{float((out.double() - right_attention(q, k, v)).abs().max()):.2g}: compute the scores, m, l and o "
        "in float32, and convert `out` at the end",
        diagnosis="accumulates-in-half",
    )
    for dtype in (torch.float64, torch.float32):
        out, lse = both(a, t, *(x.to(dtype) for x in (q, k, v)))
        t.that(out.dtype == dtype, f"for {dtype} inputs `out` is {out.dtype}", diagnosis="dtype-of-out")
        t.that(lse.dtype == dtype, f"for {dtype} inputs `lse` is {lse.dtype}", diagnosis="dtype-of-lse")
    t.that(
        same(both(a, t, *(x.double() for x in (q, k, v)))[1], right_lse(q, k)),
        "float64 inputs are computed in float32: widen half precision only, `torch.promote_types(q.dtype, "
        "torch.float32)`",
        diagnosis="float64-computed-in-float32",
    )


LENGTH, BLOCK, WIDTH = 512, 64, 8
LIMIT = 2 * 2 * max(BLOCK * BLOCK, LENGTH * WIDTH)  # 2 · B · H · max(block_q · block_k, T · D)


def long_inputs(t: Trial) -> list[Tensor]:
    return [t.randn(1, 2, LENGTH, WIDTH, dtype=torch.float32) for _ in range(3)]


@probe("a-tensor-of-size-t-squared")
def memory_forward(a: Any, t: Trial) -> str | None:
    q, k, v = long_inputs(t)
    for is_causal in (False, True):
        with observe() as seen:
            both(a, t, q, k, v, block_q=BLOCK, block_k=BLOCK, is_causal=is_causal)
        if seen.largest > LIMIT:
            return too_large("the forward pass", seen.largest, is_causal)
    return None


def too_large(what: str, size: int, is_causal: bool) -> str:
    guess = {
        2 * LENGTH * LENGTH: "all T × T scores at once",
        LENGTH * LENGTH: "a mask or a score matrix of T × T",
        2
        * BLOCK
        * LENGTH: "the scores of a block of queries with *all* keys: go over the keys in blocks, too",
        2 * BLOCK * BLOCK * WIDTH: "the products of a block before they are summed: use a matrix product",
    }.get(size, "more than a block")
    return (
        f"T = {LENGTH}, blocks of {BLOCK}, is_causal={is_causal}: {what} allocates a tensor of {size:,} "
        f"elements, at most {LIMIT:,} are allowed. That is {guess}"
    )


@probe("future-blocks-not-skipped")
def skips(a: Any, t: Trial) -> str | None:
    q, k, v = long_inputs(t)
    full, causal = (
        work(lambda c=c: both(a, t, q, k, v, block_q=BLOCK, block_k=BLOCK, is_causal=c))
        for c in (False, True)
    )
    by_products = full[0] >= LENGTH * LENGTH * WIDTH  # half of what must be there
    part = causal[0] / full[0] if by_products else causal[1] / max(full[1], 1)
    if part > 0.62 or (by_products and causal[1] > 0.75 * full[1]):
        return (
            f"with is_causal the forward pass still does {part:.2f} of the work of the full one: a block of "
            "keys that begins after the last query of the block is wholly in the future. Skip it before you "
            "compute its scores"
        )
    return None


@probe("block-sizes-ignored")
def ignores_blocks(a: Any, t: Trial) -> str | None:
    q, k, v = (t.randn(1, 1, 64, 4) for _ in range(3))
    with observe() as seen:
        both(a, t, q, k, v, block_q=8, block_k=8)
    if seen.largest > 2 * 64 * 4:
        return (
            f"T = 64, D = 4, blocks of 8: a tensor of {seen.largest:,} elements, at most 512 are allowed. "
            "Are block_q and block_k used?"
        )
    return None
