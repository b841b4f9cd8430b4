"""The known mistakes of E5, each by its signature on a few rows; nothing is trained for long."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial

probe = Probes()

LABELS = torch.tensor([0, 1, 2] * 40 + [2] * 60)  # 40 zeros, 40 ones, 100 twos
RATIO = 9.5
RIGHT = [40, 12, 10]  # 40, 40/√9.5, 100/9.5


# ---- long_tail ----------------------------------------------------------------------------------------


def counts_of(rows: Tensor, y: Tensor = LABELS) -> list[int]:
    return torch.bincount(y[rows], minlength=int(y.max()) + 1).tolist()


@probe("indices-are-asked-for")
def indices(a: Any, t: Trial) -> str | None:
    rows = a.long_tail(LABELS, RATIO)
    if rows.dtype != torch.int64 or rows.dim() != 1:
        return (
            f"long_tail returned {rows.dtype} of shape {tuple(rows.shape)}, expected int64 indices into "
            f"y, one axis: "
            "a mask becomes indices by `.nonzero()[:, 0]`"
        )
    if (len(rows) == len(LABELS) and bool((rows == LABELS).all())) or (len(rows) and int(rows.max()) < 3):
        return "long_tail returned labels, expected the *indices* of the rows that are kept"
    return None


@probe("rows-of-other-classes")
def counted_from_the_largest(a: Any, t: Trial) -> str | None:
    found = counts_of(a.long_tail(LABELS, RATIO))
    if found == RIGHT:
        return None
    wrong = {
        (4, 12, 100): "the tail is upside down: class 0 keeps all its rows, the last class a ratio-th",
        (40, 13, 11): "the counts are rounded up or to the nearest; they are rounded down",
        (40, 12, 4): "the counts start from those of class 0; each class starts from its *own* n_c",
        (40, 18, 22): "the exponent is −c/K; the last class must have exponent −1, so −c/(K − 1)",
        (40, 22, 10): "the counts fall along a line; asked for is a power, ratio^(−c/(K−1))",
        (40, 40, 100): "nothing was left out",
        (40, 4, 1): "the exponent is −c; it is −c/(K − 1), so that the last class keeps a ratio-th",
    }
    why = wrong.get(tuple(found), "of class c keep n_c · ratio^(−c/(K−1)), rounded down, at least 1")
    return f"classes of 40, 40 and 100 rows with ratio=9.5 keep {found}, expected {RIGHT}: {why}"


@probe("ratio-ignored")
def ratio_ignored(a: Any, t: Trial) -> str | None:
    y = torch.tensor([0] * 60 + [1] * 60)
    for ratio, wanted in ((2.1, [60, 28]), (19.0, [60, 3]), (1000.0, [60, 1])):
        attempt = t.tried(lambda ratio=ratio: a.long_tail(y, ratio))
        if attempt.error is not None:
            return f"two classes with ratio={ratio:g}: it raised {type(attempt.error).__name__}"
        found = counts_of(attempt.value, y)
        if found != wanted:
            return (
                f"two classes of 60 rows with ratio={ratio:g} keep {found}, expected {wanted} (at least "
                f"1 each)"
            )
    return None


@probe("rows-drawn-twice")
def drawn_twice(a: Any, t: Trial) -> str | None:
    rows = a.long_tail(LABELS, RATIO)
    if len(rows.unique()) < len(rows):
        return (
            f"{len(rows)} indices, but only {len(rows.unique())} different ones: draw without repetition "
            f"(randperm)"
        )
    return None


@probe("not-drawn-from-the-seed")
def not_from_seed(a: Any, t: Trial) -> str | None:
    torch.manual_seed(11)
    first, other = (set(a.long_tail(LABELS, RATIO, seed=seed).tolist()) for seed in (3, 4))
    torch.manual_seed(12)
    again = set(a.long_tail(LABELS, RATIO, seed=3).tolist())
    if first == other:
        return "seeds 3 and 4 keep the same rows: *which* rows are kept is drawn at random from the seed"
    if first != again:
        return "seed=3 twice keeps different rows: draw from a generator of your own, seeded with `seed`"
    return None


@probe("neighbours-kept")
def neighbours(a: Any, t: Trial) -> str | None:
    ranks = []
    for seed in (3, 4, 5):
        rows = a.long_tail(LABELS, RATIO, seed=seed)
        kept = sorted(row // 3 for row in rows.tolist() if row < 120 and row % 3 == 1)
        ranks.append([(after - before) % 40 for before, after in pairwise(kept)])
    if all(steps.count(1) >= len(steps) - 1 for steps in ranks):
        return (
            "of class 1 you keep rows that stand next to each other, whatever the seed: neighbours in a "
            "data set are often alike (one writer, one day). Draw them at random (randperm)"
        )
    return None


# ---- hold_out -----------------------------------------------------------------------------------------

POOL = torch.tensor([0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 1, 4, 7, 10, 2, 2, 2, 5, 5, 5, 5, 3, 3])
Y = torch.tensor([0, 1, 2] * 10)  # class 0: ten distinct rows, class 1: four, class 2: 2 and 5, oversampled


@probe("leaks-into-validation")
def leaks(a: Any, t: Trial) -> str | None:
    fit, held = a.hold_out(POOL, Y, 0.3, 1)
    both = sorted(set(fit.tolist()) & set(held.tolist()))
    if both:
        return (
            f"rows {both[:4]} stand in both parts: oversampled copies were split like different digits. "
            f"Split the "
            "*distinct* indices (`rows.unique()`), then put every copy where its index went"
        )
    if set(held.tolist()) - set(POOL.tolist()) or set(fit.tolist()) - set(POOL.tolist()):
        return (
            "hold_out returned numbers that are not in `rows`: give the indices into y, not positions in "
            "`rows`"
        )
    return None


@probe("copies-lost-or-kept")
def copies(a: Any, t: Trial) -> str | None:
    fit, held = a.hold_out(POOL, Y, 0.3, 1)
    if len(held.unique()) < len(held):
        return "an index stands in `held` more than once: a validation set counts nothing twice"
    expected = sorted(x for x in POOL.tolist() if x not in set(held.tolist()))
    if sorted(fit.tolist()) != expected:
        return (
            f"`fit` has {len(fit)} entries, expected {len(expected)}: every entry of `rows` whose index "
            f"is not held, "
            "with all its copies"
        )
    return None


@probe("not-class-by-class")
def class_by_class(a: Any, t: Trial) -> str | None:
    for seed in range(4):
        _, held = a.hold_out(POOL, Y, 0.3, seed)
        found = counts_of(held, Y) if len(held) else [0, 0, 0]
        if found != [3, 1, 1]:
            return (
                f"ten, four and two distinct rows with share=0.3 hold out {found}, expected [3, 1, 1]: "
                f"class by "
                "class, rounded down, but at least 1 where there are two (and copies do not count)"
            )
    _, held = a.hold_out(torch.tensor([0, 3, 6, 1, 1]), Y, 0.5, 0)
    if 1 in held.tolist():
        return "the only row of a class was held out: then nothing is left to learn it from. n = 1 holds none"
    return None


@probe("held-rows-not-drawn-from-the-seed")
def held_seed(a: Any, t: Trial) -> str | None:
    pool = torch.arange(len(LABELS))
    first, other, again = (set(a.hold_out(pool, LABELS, 0.5, seed)[1].tolist()) for seed in (3, 4, 3))
    if first == other:
        return "seeds 3 and 4 hold out the same rows: which ones is drawn at random from the seed"
    if first != again:
        return "seed=3 twice holds out different rows: draw from a generator seeded with `seed`"
    return None
