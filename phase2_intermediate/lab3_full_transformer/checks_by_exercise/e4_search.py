"""E4: greedy, beam and sampling. What must hold: the oracle enumerates everything."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Exercise, Trial
from courseware.check.naming import family
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import (
    e4_edge_mistakes,
    e4_mistakes,
    e4_sample_mistakes,
    pictures,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_mistakes import CLOSE, greedily
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_sample_mistakes import (
    distance,
    drawn,
    truncated,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_tables import (
    BOS,
    EOS,
    Table,
    best_of_all,
    everything,
    search,
)

e4 = Exercise(
    "E4",
    takes={"greedy": tuple, "beam_search": list, "sample": list},
    hints=(
        "A hypothesis is a list and a sum. All continuations of all live ones go into one list of "
        "candidates; the best stay.",
        "candidates = (tokens + [v], sum + log p_v) for all live and all v; sort by the sum; keep `beam`; "
        "those that end go aside. At the end sum / ((5 + n) / 6)^α. top_p: keep a token if the mass "
        "*before* it is < p.",
        "`live = [([], 0.0)]`; `rows = step(torch.tensor([[bos, *y] for y, _ in live])).tolist()`; `best = "
        "sorted(candidates, key=lambda c: -c[1])[:beam]`. Sampling: `before = p.cumsum(0) - p; p[before >= "
        "top_p] = 0`.",
    ),
)
e4_mistakes.probe.add_to(e4)
e4_edge_mistakes.probe.add_to(e4)
e4_sample_mistakes.probe.add_to(e4)


@e4.property("greedy search", points=4)
def greedy(a: Any, t: Trial) -> None:
    for number in range(12):
        table, max_len = Table(f"{t.seed}/G{number}", 2 + number % 4, impossible=0.3), 1 + number % 5
        with family("greedy-at-the-edge", f"{table.vocabulary} tokens, max_len={max_len}"):
            t.equal(a.greedy(table, BOS, EOS, max_len), greedily(table, max_len), **CLOSE)
            one = a.beam_search(table, BOS, EOS, beam=1, max_len=max_len, alpha=0.0)
            t.equal(one, [greedily(table, max_len)], "a beam of 1 is greedy search", **CLOSE)


@e4.property("a beam as wide as all sequences finds the best of all", points=5)
def exhaustive(a: Any, t: Trial) -> None:
    for number in range(8):
        table, max_len = (
            Table(f"{t.seed}/E{number}", 3 + number % 2, impossible=(0.0, 0.3)[number % 2]),
            2 + number % 3,
        )
        alpha, wide = (0.0, 0.6, 1.0, 3.0)[number % 4], table.vocabulary**max_len
        n_best = min(5, len(list(everything(table, max_len))))
        with family("not-the-best-of-all", f"{table.vocabulary} tokens, max_len={max_len}, alpha={alpha}"):
            found = a.beam_search(table, BOS, EOS, beam=wide, max_len=max_len, alpha=alpha, n_best=n_best)
            t.equal(found, best_of_all(table, max_len, alpha, n_best), **CLOSE)


@e4.property("narrow beams keep to the rules", points=6)
def narrow(a: Any, t: Trial) -> None:
    for number in range(24):
        table = Table(
            f"{t.seed}/N{number}", 3 + number % 4, impossible=(0.0, 0.4)[number % 2], end=0.3 + number % 3
        )
        how = {
            "beam": 1 + number % 5,
            "max_len": 1 + number % 6,
            "alpha": (0.6, 0.0, 2.0)[number % 3],
            "n_best": 1 + number % (1 + number % 5),
        }
        with family("beam-at-the-edge", f"{table.vocabulary} tokens, {how}"):
            t.equal(a.beam_search(table, BOS, EOS, **how), search(table, **how), **CLOSE)
    table = Table(f"{t.seed}/default", 5)
    with family("defaults-of-the-beam", "beam=4, max_len=20, alpha=0.6, n_best=1 are the defaults"):
        t.equal(a.beam_search(table, BOS, EOS), search(table, 4, 20, 0.6, 1), **CLOSE)
    with family("other-numbers-for-bos-and-eos", "bos=3, eos=0"):
        swap = {0: 3, 1: 0, 2: 1, 3: 2}
        inner = Table(f"{t.seed}/swap", 4)
        back = {new: old for old, new in swap.items()}

        def step(prefixes: torch.Tensor) -> torch.Tensor:
            rows = inner(torch.tensor([[back[x] for x in row] for row in prefixes.tolist()]))
            return rows[:, [back[i] for i in range(4)]]

        tokens, total = search(inner, 3, 5, 0.6, 1)[0]
        found = a.beam_search(step, 3, 0, beam=3, max_len=5)
        t.equal(found, [([swap[x] for x in tokens], total)], **CLOSE)


@e4.property("sampling draws from the truncated distribution", points=5)
def sampling(a: Any, t: Trial) -> None:
    for number, how in enumerate(
        ({}, {"temperature": 0.5, "top_k": 3}, {"top_p": 0.8}, {"top_k": 4, "top_p": 0.5})
    ):
        weights = [t.random.uniform(0.1, 1.0) for _ in range(6)]
        p = tuple(x / sum(weights) for x in weights)
        right = truncated(p, **how)
        with family("wrong-distribution", f"sample with {how or 'the defaults'}, table {number}"):
            found = drawn(a, t, how, p)
            t.that(
                all(x == 0 for x, y in zip(found, right, strict=True) if y == 0),
                f"a token that should be cut off was drawn: shares {found}, expected "
                f"{[round(x, 2) for x in right]}",
            )
            t.that(distance(found, right) < 0.15, f"shares {found}, expected {[round(x, 2) for x in right]}")


e4.reward(pictures.beam_tree)
