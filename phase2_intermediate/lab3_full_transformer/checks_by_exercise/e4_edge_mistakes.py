"""The known mistakes of E4's searches at their edges: long texts, corners, float32."""

from __future__ import annotations

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_mistakes import results
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_tables import (
    BOS,
    EOS,
    Table,
    best_of_all,
    search,
)

probe = Probes()


@probe("underflow")
def underflow(a: Any, t: Trial) -> str | None:
    half = Table("half", 60, rows=lambda prefix: [0.0, 0.0, *([1.0] * 58)])
    found = results(t, lambda: a.beam_search(half, BOS, EOS, beam=1, max_len=200, alpha=0.0), "200 tokens")
    right = -200 * math.log(58)
    if not same(found[0][1], right, rtol=1e-4):
        return (
            f"200 tokens of probability 1/58 have the score {found[0][1]:.4g}, expected {right:.1f}: their "
            "product is 0 in floating point. Add logarithms"
        )
    return None


@probe("the-last-step")
def last_step(a: Any, t: Trial) -> str | None:
    """A bad start that pays, then a table in which only the width finds it."""
    rows = {(): [0.0, 0.0, 0.6, 0.4], (2,): [0.4, 0.2, 0.4, 0.0], (3,): [0.0, 0.99, 0.01, 0.0]}
    table = Table("corner", 4, rows=lambda prefix: rows.get(prefix, [0.3, 0.3, 0.4, 0.0]))
    found = results(t, lambda: a.beam_search(table, BOS, EOS, beam=2, max_len=3, alpha=0.0), "a corner")
    if found[0][0] == [2, 0, 1] or found[0][0][0] == 2:
        return (
            f"the best hypothesis is [3, {EOS}], which begins with the second best token; the search found "
            f"{found[0][0]}, what greedy search finds: a beam of 2 keeps both"
        )
    return None


@probe("not-deterministic-types")
def float32(a: Any, t: Trial) -> str | None:
    table = Table(f"{t.seed}/32", 4, dtype=torch.float32)
    found = results(t, lambda: a.beam_search(table, BOS, EOS, beam=3, max_len=4), "beam_search in float32")
    right = search(table, 3, 4, 0.6, 1)
    if not same(found, right, rtol=1e-4, atol=1e-5):
        return "with log-probabilities in float32 another hypothesis is found than in float64"
    best = best_of_all(table, 3, 0.6, 2)
    wide = results(t, lambda: a.beam_search(table, BOS, EOS, beam=64, max_len=3, n_best=2), "a beam of 64")
    if not same(wide, best, rtol=1e-4, atol=1e-5):
        t.fail("a beam as wide as all sequences does not find the best", diagnosis="wide-beam-misses")
    return None
