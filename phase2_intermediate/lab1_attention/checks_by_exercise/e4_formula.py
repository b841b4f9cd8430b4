"""Blockwise attention in float64, with a switch for each known mistake, and what is counted of an answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from phase2_intermediate.lab1_attention.checks_by_exercise.tools import (
    right_attention,
    right_weights,
    visible,
)


def right_lse(q: Tensor, k: Tensor, *, is_causal: bool = False, scaled: bool = True) -> Tensor:
    """The logarithm of the sum of all exp(score), by torch.logsumexp in float64."""
    scores = q.double() @ k.double().transpose(-1, -2) * (q.shape[-1] ** -0.5 if scaled else 1.0)
    seen = visible(scores.shape[-2], scores.shape[-1], is_causal=is_causal)
    return torch.where(seen, scores, -torch.inf).logsumexp(-1)


def forward_with(
    mistake: str, q: Tensor, k: Tensor, v: Tensor, block_q: int, block_k: int, is_causal: bool = False
) -> tuple[Tensor, Tensor]:
    """(out, lse) of an answer that makes this mistake."""
    scale = {"no-scale": 1.0, "scale-by-d": 1 / q.shape[-1]}.get(mistake, q.shape[-1] ** -0.5)
    queries, keys = q.shape[-2], k.shape[-2]
    out, lse = q.new_zeros(*q.shape[:-1], v.shape[-1]), q.new_zeros(q.shape[:-1])
    whole = mistake == "last-block-dropped"
    for i in range(0, queries - queries % block_q if whole else queries, block_q):
        rows = slice(i, min(i + block_q, queries))
        m = torch.full((*q.shape[:-2], rows.stop - i, 1), -math.inf, dtype=q.dtype)
        l, o, blocks = torch.zeros_like(m), out[..., rows, :] * 0, []
        end = min(rows.stop, keys) if is_causal and "skipped" in mistake else keys
        for j in range(0, keys - keys % block_k if whole else end, block_k):
            s = scale * q[..., rows, :] @ k[..., j : j + block_k, :].transpose(-1, -2)
            values = v[..., j : j + block_k, :]
            key, query = torch.arange(j, j + s.shape[-1]), torch.arange(i, rows.stop)[:, None]
            if mistake.startswith("causal-inside-each-block"):
                key, query = key - j, query - i
            if mistake == "causal-bottom-right":
                query = query + keys - queries
            if mistake == "causal-by-blocks" and is_causal:
                s = s if j < i + block_q else s - math.inf
            elif is_causal and mistake != "causal-ignored":
                s = torch.where(
                    key < query if mistake == "causal-without-itself" else key <= query, s, -math.inf
                )
            top = s.amax(-1, keepdim=True)
            m_new = torch.maximum(m, top)
            safe = torch.where(m_new.isinf(), 0.0, m_new)
            r = (m - safe).exp()
            if mistake == "correction-inverted":
                r = torch.where(m.isinf(), 0.0, (safe - m).exp())
            p = (s - safe).exp()
            blocks.append((p / p.sum(-1, keepdim=True)).nan_to_num() @ values)
            l = l * 0 if mistake == "l-not-accumulated" else l
            l = l * (1 if mistake in ("not-rescaled", "only-o-rescaled") else r) + p.sum(-1, keepdim=True)
            o = o * (1 if mistake in ("not-rescaled", "only-l-rescaled") else r) + p @ values
            m = m_new
        out[..., rows, :] = {
            "not-divided": o,
            "each-block-normalised": sum(blocks) / max(len(blocks), 1),
            "each-block-normalised-and-added": sum(blocks),
            "last-block-only": blocks[-1] if blocks else o,
        }.get(mistake, o / l)
        lse[..., rows] = {
            "lse-without-m": l.log(),
            "lse-is-m": m,
            "lse-is-l": l,
            "lse-without-log": m + l,
            "lse-in-base-2": (m + l.log()) / math.log(2),
            "lse-in-two-bases": m + l.log2(),
        }.get(mistake, m + l.log())[..., 0]
    return out, lse


FORWARD = {
    "not-rescaled": "the answer is wrong as soon as a later block has a larger maximum: multiply o and l by "
    "exp(m_old − m_new) before you add the new block",
    "only-l-rescaled": "l is brought up to date when the maximum grows, o is not: multiply both by "
    "exp(m_old − m_new)",
    "only-o-rescaled": "o is brought up to date when the maximum grows, l is not: multiply both by "
    "exp(m_old − m_new)",
    "correction-inverted": "the correction is exp(m_old − m_new), at most 1; yours is its inverse",
    "not-divided": "the final division by l is missing",
    "each-block-normalised": "each block was normalised by itself, and the blocks averaged: a block with "
    "large "
    "scores must weigh more. Divide once, at the end",
    "each-block-normalised-and-added": "each block was normalised by itself: divide once, at the end",
    "last-block-only": "only the last block of keys counts: add up o and l over the blocks",
    "no-scale": "the scores are not divided by √D",
    "last-block-dropped": "block sizes that do not divide T: the rest at the end is missing. The last "
    "block is "
    "shorter",
    "causal-ignored": "is_causal has no effect",
    "causal-inside-each-block": "is_causal compares positions *inside* a block. The keys of a block begin "
    "at j, its "
    "queries at i: compare j + 0, 1, … with i + 0, 1, …",
    "causal-bottom-right": "is_causal aligns the last query with the last key here: query i sees keys 0 … i, "
    "also where T_q and T_k differ",
    "causal-without-itself": "with is_causal a query does not see the key at its own place: j ≤ i, not j < i",
    "causal-by-blocks": "is_causal skips future blocks, but on the diagonal a query still sees the later "
    "keys of its "
    "own block",
    "lse-without-m": "lse is log l alone; the maximum m was taken out of every exponent: add it again",
    "lse-is-m": "lse is m alone: add log l",
    "lse-is-l": "lse is l, the sum itself: m + log l is asked for",
    "lse-without-log": "lse is m + l: m + log l is asked for",
    "lse-in-two-bases": "lse is m + log₂ l: the natural logarithm is asked for",
    "scale-by-d": "the scores are divided by D: divide by √D",
    "l-not-accumulated": "l is the sum of the last block alone: l' = exp(m − m') l + the new sum",
    "lse-in-base-2": "lse has base 2: the natural logarithm is asked for",
}


FORWARD["causal-inside-each-block, future skipped"] = FORWARD["causal-inside-each-block"]


def right_gradients(
    q: Tensor, k: Tensor, v: Tensor, grad: Tensor, *, is_causal: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ, dK, dV by autograd through the definition, in float64."""
    wide = [x.detach().double().requires_grad_() for x in (q, k, v)]
    scores = wide[0] @ wide[1].transpose(-1, -2) * q.shape[-1] ** -0.5
    if is_causal:
        scores = torch.where(visible(*scores.shape[-2:], is_causal=True), scores, -torch.inf)
    out = scores.softmax(-1) @ wide[2]
    found = torch.autograd.grad((out * grad.double()).sum(), wide)
    return found[0], found[1], found[2]


def backward_with(
    mistake: str, q: Tensor, k: Tensor, v: Tensor, grad: Tensor, block_q: int, block_k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ, dK, dV of an answer that makes this mistake."""
    scale = q.shape[-1] ** -0.5
    p, out = right_weights(q, k), right_attention(q, k, v)
    if mistake == "weights-not-normalised":
        scores = scale * q @ k.transpose(-1, -2)
        p = (scores - scores.amax(-1, keepdim=True)).exp()
    if mistake == "grad-out-ignored":
        grad = torch.ones_like(grad)
    dp = grad @ v.transpose(-1, -2)
    delta = {
        "delta-forgotten": torch.zeros_like(dp[..., :1]),
        "delta-without-weights": dp.sum(-1, keepdim=True),
        "delta-averaged": (grad * out).mean(-1, keepdim=True),
        "delta-over-the-wrong-axis": (grad * out).sum(),
    }.get(mistake, (grad * out).sum(-1, keepdim=True))
    ds = p * (dp - delta)
    if mistake == "delta-added":
        ds = p * (dp + delta)
    if mistake == "softmax-derivative-elementwise":
        ds = dp * p * (1 - p)
    if mistake == "weights-forgotten-in-ds":
        ds = dp - delta
    s = {"scale-forgotten": 1.0, "scale-twice": scale * scale}.get(mistake, scale)
    dq, dk, dv = s * ds @ k, s * ds.transpose(-1, -2) @ q, p.transpose(-1, -2) @ grad
    if mistake == "blocks-overwritten":
        i, j = (len(x) - 1 for x in (range(0, q.shape[-2], block_q), range(0, k.shape[-2], block_k)))
        last = slice(i * block_q, None)
        dq = s * ds[..., j * block_k :] @ k[..., j * block_k :, :]
        dk = s * ds[..., last, :].transpose(-1, -2) @ q[..., last, :]
        dv = p[..., last, :].transpose(-1, -2) @ grad[..., last, :]
    return dq, dk, dv


BACKWARD = {
    "delta-forgotten": "Δ is missing: dS = P ⊙ (dP − Δ). The rows of dS must have the sum 0",
    "delta-without-weights": "Δ is the row sum of dO ⊙ out (or of P ⊙ dP), not of dP alone",
    "delta-averaged": "Δ is a sum over the row of dO ⊙ out, not a mean",
    "delta-over-the-wrong-axis": "Δ is one number a *row*: sum dO ⊙ out over the last axis",
    "delta-added": "Δ is added: dS = P ⊙ (dP − Δ)",
    "softmax-derivative-elementwise": "dS = dP · P · (1 − P) is the diagonal of the softmax's Jacobian "
    "alone: each "
    "weight depends on all scores of its row",
    "weights-forgotten-in-ds": "dS = P ⊙ (dP − Δ): the factor P is missing",
    "weights-not-normalised": "P = exp(S − lse) adds up to 1 in each row; yours does not: subtract lse, "
    "not the "
    "maximum",
    "grad-out-ignored": "the gradient that arrives is ignored: dO is not always 1",
    "scale-forgotten": "dQ and dK miss the factor s = 1/√D",
    "scale-twice": "dQ and dK have the factor s = 1/√D twice",
    "blocks-overwritten": "the gradients of the blocks overwrite each other: add them up (+=)",
}


class Work(TorchDispatchMode):
    """Counts multiplications in matrix products, and numbers that go through an exponential."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products, self.exponentials = 0, 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        name = operator.overloadpacket.__name__
        if name in ("mm", "bmm", "mv", "dot"):
            self.products += result.numel() * args[0].shape[-1]
        elif name in ("addmm", "baddbmm", "addmv"):
            self.products += result.numel() * args[1].shape[-1]
        elif name in ("exp", "exp_", "exp2", "_softmax", "logsumexp"):
            self.exponentials += args[0].numel()
        return result


def work(call: Callable[[], Any]) -> tuple[int, int]:
    """(multiplications in matrix products, exponentials)."""
    with Work() as count:
        call()
    return count.products, count.exponentials
