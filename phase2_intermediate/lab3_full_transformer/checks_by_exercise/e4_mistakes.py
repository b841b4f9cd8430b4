"""The known mistakes of E4's greedy and beam search, each by what it finds in small tables."""

from __future__ import annotations

import math
from typing import Any

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_names import BEAM_MISTAKES
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_tables import (
    BOS,
    EOS,
    Found,
    Table,
    search,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import another_default

probe = Probes()
CLOSE = {"rtol": 1e-6, "atol": 1e-8}
DEFAULTS = {
    "beam_search": {"beam": 4, "max_len": 20, "alpha": 0.6, "n_best": 1},
    "sample": {"max_len": 20, "temperature": 1.0, "top_k": 0, "top_p": 1.0},
}


def as_pair(t: Trial, found: Any, words: str) -> tuple[list[int], float]:
    t.that(
        isinstance(found, tuple | list) and len(found) == 2,
        f"{words} is a {type(found).__name__}, expected a pair (list of ints, float)",
        diagnosis="not-a-pair",
    )
    tokens, score = found
    t.that(
        isinstance(tokens, list) and all(type(x) is int for x in tokens),
        f"the hypothesis of {words} is {tokens!r}, expected a list of Python ints",
        diagnosis="tokens-are-not-ints",
    )
    t.that(
        isinstance(score, float),
        f"the score of {words} is a {type(score).__name__}, expected a float",
        diagnosis="score-is-no-float",
    )
    return tokens, score


def greedily(table: Table, max_len: int) -> tuple[list[int], float]:
    tokens: list[int] = []
    total = 0.0
    while len(tokens) < max_len and EOS not in tokens:
        row = table.log_p(tuple(tokens))
        tokens.append(row.index(max(row)))
        total += max(row)
    return tokens, total


@probe("greedy")
def greedy(a: Any, t: Trial) -> None:
    max_len = 6
    tables = [Table(f"{t.seed}/g{number}", 4, end=0.5 + number % 2) for number in range(8)]
    for table in sorted(tables, key=lambda table: len(greedily(table, max_len)[0])):
        right, total = greedily(table, max_len)
        words = f"greedy(step, {BOS}, {EOS}, {max_len})"
        found = as_pair(
            t,
            value_of(t, lambda table=table, n=max_len: a.greedy(table, BOS, EOS, n), "greedy-raises", words),
            words,
        )
        tokens, score = found
        name_it(
            t,
            tokens,
            right,
            [
                ("bos-kept", [BOS, *right], "the hypothesis begins with bos: it is no part of it"),
                (
                    ("eos-stripped", right[:-1], "the hypothesis lost its last token: it ends with eos")
                    if len(right) < max_len
                    else (
                        "max-len",
                        right[:-1],
                        f"with max_len={max_len} the hypothesis has {max_len - 1} tokens, one too few: "
                        "it counts the tokens of the list, without bos",
                    )
                ),
            ],
        )
        longer, shorter = greedily(table, max_len + 1)[0], greedily(table, max_len - 1)[0]
        t.that(
            tokens in (right, longer, shorter) or tokens[-1:] != [EOS] or EOS not in tokens[:-1],
            f"{tokens} goes on after eos: stop there",
            diagnosis="text-after-the-end",
        )
        if longer != shorter:
            for other, by in ((longer, "one too many"), (shorter, "one too few")):
                t.that(
                    tokens == right or tokens != other,
                    f"with max_len={max_len} the hypothesis has {len(tokens)} tokens, {by}: max_len counts "
                    "the tokens of the list, without bos",
                    diagnosis="max-len",
                )
        t.that(
            tokens == right or tokens not in ([*right[:-1], EOS], [*right, EOS]),
            f"{tokens} ends with an eos that is not the most probable token there: at max_len={max_len} a "
            "hypothesis stops as it is, unfinished",
            diagnosis="end-forced",
        )
        if tokens != right:
            return  # no mistake with a name: the property says what differs
        name_it(
            t,
            score,
            total,
            [
                (
                    "greedy-score",
                    math.exp(total),
                    "the score is a probability: the sum of the log-probabilities",
                ),
                ("greedy-score", -total, "the score has the wrong sign"),
                ("greedy-score", total / len(right), "the score is the mean: the sum is asked for"),
                (
                    "greedy-score",
                    total / ((5 + len(right)) / 6) ** 0.6,
                    "greedy's total has no length penalty",
                ),
                (
                    "greedy-score",
                    total - table.log_p(tuple(right[:-1]))[right[-1]],
                    "the last token's log-probability is missing in the total",
                ),
                (
                    "greedy-score",
                    table.log_p(tuple(right[:-1]))[right[-1]],
                    "only the last token's log-probability was returned: the sum",
                ),
            ],
            **CLOSE,
        )
        t.that(
            same(score, total, **CLOSE),
            f"the total is {score:.4f}, expected {total:.4f}",
            diagnosis="greedy-score",
        )


def results(t: Trial, call: Any, words: str) -> Found:
    found = value_of(t, call, "beam-raises", words)
    t.that(
        isinstance(found, list),
        f"beam_search returned a {type(found).__name__}, expected a list of pairs",
        diagnosis="not-a-list",
    )
    return [as_pair(t, one, words) for one in found]


def settings(t: Trial) -> list[tuple[Table, dict[str, Any]]]:
    cases = []
    for number in range(20):
        beam, max_len = 2 + number % 4, 3 + number % 3
        how = {
            "beam": beam,
            "max_len": max_len,
            "alpha": (0.6, 2.5, 0.0, 1.0)[number % 4],
            "n_best": 1 + number % beam,
        }
        cases.append((Table(f"{t.seed}/b{number}", 5, end=(0.4, 1.5)[number % 2]), how))
    for number in range(8):  # many ends, and all that is found is asked for
        how = {"beam": 2 + number % 3, "max_len": 6, "alpha": 2.5, "n_best": 2 + number % 3}
        cases.append((Table(f"{t.seed}/e{number}", 5, end=2.0), how))
    return cases


@probe("beam")
def beam(a: Any, t: Trial) -> None:
    cases = settings(t)
    mine, asked = [], []
    for table, how in cases:
        words = f"beam_search(step, {BOS}, {EOS}, {', '.join(f'{k}={v}' for k, v in how.items())})"
        mine.append(results(t, lambda table=table, how=how: a.beam_search(table, BOS, EOS, **how), words))
        wide = max(table.widths, default=0)
        asked.append([*table.widths])
        copies = table.widths[:1] != [1]
        t.that(
            not copies,
            f"the first call of `step` had {table.widths[:1]} prefixes: begin with one live hypothesis, or "
            "all beams are equal",
            diagnosis="identical-beams",
        )
        t.that(
            wide <= how["beam"],
            f"`step` got {wide} prefixes with beam={how['beam']}: at most `beam` live",
            diagnosis="beam-too-wide",
        )
        t.that(
            len(table.widths) <= how["max_len"],
            f"`step` was called {len(table.widths)} times with max_len={how['max_len']}: once a token",
            diagnosis="max-len" if len(table.widths) == how["max_len"] + 1 else "one-call-a-step",
        )
    right = [search(table, wrong="", **how) for table, how in cases]
    if all(same(x, y, **CLOSE) for x, y in zip(mine, right, strict=True)):
        return
    for wrong, (diagnosis, words) in BEAM_MISTAKES.items():
        theirs = [search(table, wrong=wrong, **how) for table, how in cases]
        if all(same(x, y, **CLOSE) for x, y in zip(mine, theirs, strict=True)):
            t.fail(words, diagnosis=diagnosis)
    by_how: dict[str, list[bool]] = {}
    for x, y, (_, how) in zip(mine, right, cases, strict=True):
        by_how.setdefault(f"alpha={how['alpha']}", []).append(same(x, y, **CLOSE))
    number = next(i for i, (x, y) in enumerate(zip(mine, right, strict=True)) if not same(x, y, **CLOSE))
    table, how = cases[number]
    steps: list[int] = []
    search(table, **how, widths=steps)
    taken = asked[number]
    t.that(
        len(taken) >= len(steps) or taken != steps[: len(taken)],
        f"in a random table with {how} the search ended after {len(taken)} steps, although what was alive "
        "then gets into the result: stop earlier only if nothing alive could still get into it",
        diagnosis="stops-too-early",
        observed=mine[number],
        expected=right[number],
    )
    if all(by_how["alpha=0.0"]):
        t.fail(
            "with alpha=0 the results are right, with a penalty they are not: score = sum / ((5 + n) / "
            "6)^alpha, applied at the end only",
            diagnosis="penalty-wrong",
            observed=mine[number],
            expected=right[number],
        )
    if all(
        same([x[0] for x in own], [x[0] for x in theirs]) for own, theirs in zip(mine, right, strict=True)
    ):
        t.fail(
            "the hypotheses are right, their scores are not: sum / ((5 + n) / 6)^alpha",
            diagnosis="score-wrong",
            observed=mine[number],
            expected=right[number],
        )


@probe("ties")
def ties(a: Any, t: Trial) -> str | None:
    level = Table("ties", 4, rows=lambda prefix: [1.0, 0.0, 1.0, 1.0])
    if a.greedy(level, BOS, EOS, 3)[0] != [0, 0, 0]:
        return "of equally probable tokens greedy takes another than the smallest"
    found = [tokens for tokens, _ in a.beam_search(level, BOS, EOS, beam=3, max_len=2, n_best=3)]
    if found != [[0, 0], [0, 2], [0, 3]] and all(len(x) == 2 and {*x} <= {0, 2, 3} for x in found):
        return (
            f"with equal probabilities everywhere the three best are {found}, expected [[0, 0], [0, 2], [0, "
            "3]]: of equals the better parent, then the smaller token"
        )
    ranks = {(): [0.25, 0.0, 0.5, 0.25], (2,): [0.5, 0.0, 0.0, 0.5]}
    ranked = Table("ranks", 4, rows=lambda prefix: ranks.get(prefix, [1.0, 0.0, 0.0, 0.0]))
    found = [tokens for tokens, _ in a.beam_search(ranked, BOS, EOS, beam=2, max_len=2, n_best=2)]
    if found != [[2, 0], [2, 3]] and all(x in ([2, 0], [2, 3], [0, 0], [3, 0]) for x in found):
        return (
            f"[2, 0], [2, 3] and [0, 0] have the same probability; the two best are {found}, expected "
            "[[2, 0], [2, 3]]: of equals the one whose parent ranked better, and [2] ranked above [0]"
        )
    rows = {(): [0.5, 0.0, 0.5, 0.0], (2,): [0.0, 0.25, 0.0, 0.75], (0,): [0.0, 0.0, 0.5, 0.5]}
    equals = Table("equals", 4, rows=lambda prefix: rows.get(prefix, [0.0, 0.5, 0.5, 0.0]))
    found = [
        tokens
        for tokens, score in a.beam_search(equals, BOS, EOS, beam=8, max_len=3, alpha=0.0, n_best=7)
        if same(score, math.log(0.125), **CLOSE)
    ]
    if [2, EOS] in found[1:]:
        return f"of the equal scores of {found} that of [2, {EOS}] was finished first, so it comes first"
    return None


@probe("empty-text")
def nothing(a: Any, t: Trial) -> str | None:
    rows = [0.2, 0.5, 0.2, 0.1]
    table = Table("nothing", 4, rows=lambda prefix: rows)
    found = a.greedy(table, BOS, EOS, 3)[0]
    if found != [EOS]:
        return f"greedy found {found} where eos is the most probable token from the start, expected [{EOS}]"
    return None


@probe("defaults")
def defaults(a: Any, t: Trial) -> str | None:
    return another_default(a, DEFAULTS)


@probe("n-best")
def n_best(a: Any, t: Trial) -> str | None:
    table = Table(f"{t.seed}/n", 4)
    attempt = t.tried(lambda: a.beam_search(table, BOS, EOS, beam=2, n_best=3))
    if not isinstance(attempt.error, ValueError):
        what = "nothing" if attempt.error is None else type(attempt.error).__name__
        return f"n_best=3 with beam=2 raised {what}: a ValueError is asked for"
    only = Table("only", 3, rows=lambda prefix: [0.0, 1.0, 0.0])
    found = results(
        t, lambda: a.beam_search(only, BOS, EOS, beam=3, n_best=3), "beam_search where only eos is possible"
    )
    if len(found) > 1:
        t.fail(
            f"where only eos is possible, the three best are {[tokens for tokens, _ in found]}, expected "
            f"[[{EOS}]]: candidates of probability 0 are none, and fewer than n_best may come",
            diagnosis="impossible-candidates",
        )
    return None
