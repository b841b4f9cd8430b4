"""Known mistakes of the warm-ups W1 to W3 that need an input of their own."""

from __future__ import annotations

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it

of_mean, of_scores, of_weights = Probes(), Probes(), Probes()


@of_mean("far-query-gets-the-plain-mean")
def far_query(a: Any, t: Trial) -> str | None:
    keys, values = torch.tensor([0.0, 1.0]), torch.tensor([10.0, 20.0])
    found = a.kernel_average(torch.tensor([500.0]), keys, values, 0.5)
    if same(found, torch.tensor([15.0])):
        return (
            "the query 500, with keys 0 and 1 and a bandwidth of 0.5, gave 15, the plain mean, expected 20, "
            "the value of the nearest key: all weights became equally small there (a clamp, an ε?). Subtract "
            "the row's largest exponent first"
        )
    return None


@of_mean("one-largest-weight-for-all-queries")
def largest_of_all(a: Any, t: Trial) -> str | None:
    keys, values = torch.tensor([0.0, 1.0]), torch.tensor([10.0, 20.0])
    alone = a.kernel_average(torch.tensor([500.0]), keys, values, 0.5)
    beside = a.kernel_average(torch.tensor([500.0, 0.5]), keys, values, 0.5)
    if same(alone, torch.tensor([20.0])) and not same(beside[:1], alone):
        return (
            f"the query 500 gave 20 by itself and {numbers(beside[:1])} beside the query 0.5: the largest "
            "exponent is that of *all* queries in your answer. Each row has its own"
        )
    return None


@of_mean("dtype-of-the-mean")
def dtype_of_mean(a: Any, t: Trial) -> str | None:
    found = a.kernel_average(t.randn(2), t.randn(3), t.randn(3), 1.0)
    if found.dtype != torch.float64:
        return f"the values are torch.float64, the result is {found.dtype}: keep the dtype"
    return None


@of_scores("leading-axes")
def fixed_axes(a: Any, t: Trial) -> str | None:
    tried = {}
    for lead in ((), (2,), (2, 3)):
        q, k = t.randn(*lead, 3, 4), t.randn(*lead, 5, 4)
        right = torch.einsum("...id,...jd->...ij", q, k) / 2
        attempt = t.tried(lambda q=q, k=k: a.scaled_scores(q, k))
        tried[lead] = attempt.error is None and same(attempt.value, right)
    fine = [len(lead) + 2 for lead, good in tried.items() if good]
    if fine and len(fine) < 3:
        wrong = [str(len(lead) + 2) for lead, good in tried.items() if not good]
        return (
            f"right for q and k with {' or '.join(map(str, fine))} axes, wrong with {' or '.join(wrong)}: "
            "the last two axes are positions and numbers, before them there may be any number of axes. Count "
            "from the end: `transpose(-1, -2)`, `q.shape[-1]`"
        )
    return None


@of_scores("root-rounded")
def rounded_root(a: Any, t: Trial) -> None:
    q, k = t.randn(2, 8), t.randn(3, 8)
    raw = q @ k.T
    words = f"√8 is {math.sqrt(8):.4f}, you divide by {{}}: the root is no whole number"
    cases = [("root-rounded", raw / 2, words.format(2)), ("root-rounded", raw / 3, words.format(3))]
    name_it(t, a.scaled_scores(q, k), raw / math.sqrt(8), cases)


@of_weights("shape-of-the-weights")
def shape_of_weights(a: Any, t: Trial) -> str | None:
    found = a.masked_weights(t.randn(2, 2), torch.tensor([[True, False], [True, True]]))
    if found.shape != (2, 2):
        return (
            f"scores (2, 2) gave weights of shape {tuple(found.shape)}: hidden keys stay where they are, "
            "with weight 0"
        )
    return None


@of_weights("softmax-overflows")
def overflows(a: Any, t: Trial) -> str | None:
    found = a.masked_weights(torch.tensor([[0.0, 1000.0]]), torch.tensor([[True, True]]))
    if not bool(found.isfinite().all()):
        return (
            f"scores (0, 1000), nothing hidden, gave {numbers(found)}, expected (0, 1): exp(1000) overflows. "
            "Subtract the row's maximum first, or let `softmax` do it"
        )
    return None


@of_weights("mask-of-one-query-for-all")
def one_row(a: Any, t: Trial) -> None:
    scores = t.randn(3, 3)
    mask = torch.tensor([[True, True, False], [False, True, True], [True, False, True]])

    def weights(seen: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(~seen, -torch.inf).softmax(-1)

    words = "the {} row of the mask counts for all queries: row i belongs to query i"
    cases = [
        ("mask-of-one-query-for-all", weights(mask[i]), words.format(which))
        for i, which in ((0, "first"), (2, "last"))
    ]
    cases.append(("mask-transposed", weights(mask.T), "the mask is transposed: its rows are queries"))
    name_it(t, a.masked_weights(scores, mask), weights(mask), cases)
