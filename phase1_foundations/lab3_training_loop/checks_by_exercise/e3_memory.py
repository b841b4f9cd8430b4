"""The known mistakes of E3's Plateau and EarlyStopping."""

import math
from collections.abc import Sequence
from typing import Any

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_formulas import stopped
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()


def rates(a: Any, metrics: Sequence[float], **how: Any) -> list[float]:
    """The rate after each metric, from 1, halved at each cut."""
    plateau = a.Plateau(**{"lr": 1.0, "factor": 0.5, "patience": 2, "threshold": 0.0, **how})
    return [plateau.step(metric) for metric in metrics]


def answers(a: Any, metrics: Sequence[float], **how: Any) -> list[bool]:
    stopping = a.EarlyStopping(**{"patience": 2, **how})
    return [stopping.update(metric, epoch) for epoch, metric in enumerate(metrics)]


# ---- Plateau -----------------------------------------------------------------------------------------------


@probes("plateau-returns-nothing")
def returns_nothing(a: Any, t: Trial) -> str | None:
    found = rates(a, (1.0,))[0]
    if not isinstance(found, float | int):
        return (
            f"Plateau.step(metric) returned {found!r:.40}: it returns the learning rate from now on, a float"
        )
    return None


@probes("nan-becomes-the-best")
def nan_best(a: Any, t: Trial) -> str | None:
    metrics = (1.0, math.nan, 0.9, 0.8, 0.7, 0.6)
    if rates(a, metrics)[-1] < 1:
        return (
            "Plateau: metrics 1, nan, 0.9, 0.8, 0.7, 0.6 improve all the time, and yet the rate "
            "falls: NaN became "
            "the best metric, and nothing is smaller than NaN. Ask `metric < best`, never `not metric "
            ">= best`"
        )
    stopping = a.EarlyStopping(patience=10)
    for epoch, metric in enumerate((1.0, math.nan)):
        stopping.update(metric, epoch)
    if not close(stopping.best, 1.0):
        return (
            f"EarlyStopping: after 1 and nan the best is {stopping.best}, expected 1: a NaN metric "
            "became the best. "
            "Ask `metric < best`, which is False for NaN, never `not metric >= best`"
        )
    return None


@probes("nan-at-the-beginning")
def nan_first(a: Any, t: Trial) -> str | None:
    found = rates(a, (math.nan, 1.0, 0.9, 0.8, 0.7))
    stopping = a.EarlyStopping(patience=10)
    stopping.update(math.nan, 0)
    if stopping.best is not None or stopping.best_epoch is not None:
        return (
            "EarlyStopping: after a first NaN there is no best yet: `.best` and `.best_epoch` are "
            "None, yours are "
            f"{stopping.best!r} and {stopping.best_epoch!r}"
        )
    stopping.update(1.0, 1)
    if not close(stopping.best, 1.0) or stopping.best_epoch != 1 or found[-1] < 1:
        return (
            "a NaN at the very beginning blocks everything after it: the first metric that is a "
            "number is the best"
        )
    return None


@probes("cut-of-another-size")
def cut_size(a: Any, t: Trial) -> str | None:
    found = rates(a, (1.0,) * 6, factor=0.25)
    below = [rate for rate in found if rate < 1]
    if below and not close(below[0], 0.25):
        return f"with factor 0.25 the first cut leads from 1 to {below[0]:.4g}, expected 0.25: lr · factor"
    return None


@probes("nan-does-not-count-as-bad")
def nan_is_bad(a: Any, t: Trial) -> str | None:
    holes, level = (1.0, *(math.nan,) * 8), (1.0,) * 9
    plateau = rates(a, holes)[-1] == 1.0 and rates(a, level)[-1] < 1
    if plateau or (not any(answers(a, holes)) and any(answers(a, level))):
        return "metrics of 1, nan, nan, nan … never count as bad: a NaN is an evaluation that is not better"
    return None


@probes("patience-counted-otherwise")
def patience_counts(a: Any, t: Trial) -> str | None:
    found = rates(a, (1.0, 1.0, 1.0, 1.0, 1.0))
    cut = next((i for i, rate in enumerate(found) if rate < 1), None)
    if cut != 3:
        when = "never" if cut is None else f"after {cut}"
        return (
            f"Plateau with patience 2 reduces {when} bad evaluations in a row; torch reduces after "
            "patience + 1 "
            "= 3 (`bad > patience`)"
        )
    return None


@probes("bad-not-reset-after-a-cut")
def not_reset(a: Any, t: Trial) -> str | None:
    found = rates(a, (1.0,) * 8)
    if found[4] < found[3]:
        return (
            f"after the first cut the rate falls at every evaluation: {numbers(found)}. Set the count "
            "of bad ones "
            "to 0 with each cut"
        )
    return None


@probes("bad-not-reset-by-a-better-one")
def not_reset_by_better(a: Any, t: Trial) -> str | None:
    if rates(a, (1.0, 1.0, 1.0, 0.5, 0.5, 0.5))[-1] < 1:
        return "Plateau: bad evaluations count only in a row: a better one sets the count to 0"
    if answers(a, (1.0, 1.0, 0.5, 0.5), patience=2)[-1]:
        return "EarlyStopping: bad evaluations count only in a row: a better one sets the count to 0"
    return None


@probes("compared-with-the-last")
def compared_with_last(a: Any, t: Trial) -> str | None:
    zigzag = (1.0, 3.0, 2.0, 3.0, 2.0, 3.0, 2.0)
    if rates(a, zigzag)[-1] == 1.0 or not any(answers(a, zigzag)):
        return (
            "metrics 1, 3, 2, 3, 2 … never count as bad in a row: you compare with the metric before. "
            "Compare with "
            "the *best* so far"
        )
    return None


@probes("mode-ignored")
def mode_ignored(a: Any, t: Trial) -> str | None:
    rising = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    if rates(a, rising, mode="max")[-1] < 1 or any(answers(a, rising, mode="max")):
        return 'with mode="max" a rising metric is better, and yours counts it as bad'
    falling = rising[::-1]
    if rates(a, falling)[-1] < 1 or any(answers(a, falling)):
        return 'with mode="min" (the default) a falling metric is better, and yours counts it as bad'
    return None


@probes("threshold-absolute")
def threshold_absolute(a: Any, t: Trial) -> str | None:
    falling = (100.0, 99.0, 98.0, 97.0, 96.0)  # by 1 each: 1 % of the best
    cuts = rates(a, falling, threshold=0.1)
    small = rates(a, (0.01, 0.008, 0.006, 0.004, 0.003), threshold=0.1)
    if cuts[-1] == 1.0 or small[-1] < 1:
        return (
            "the threshold is a *share* of the best: metric < best · (1 − threshold). From 100 to 99 "
            "is too little "
            "with threshold 0.1, from 0.01 to 0.008 is enough"
        )
    return None


@probes("threshold-of-maximum")
def threshold_of_max(a: Any, t: Trial) -> str | None:
    rising = (1.0, 1.05, 1.1, 1.15)
    if rates(a, rising, mode="max", threshold=0.2)[-1] == 1.0 or (
        rates(a, (1.0, 1.3, 1.7, 2.2), mode="max", threshold=0.2)[-1] < 1
    ):
        return 'mode "max" with a threshold: better means metric > best · (1 + threshold)'
    return None


@probes("best-creeps")
def best_creeps(a: Any, t: Trial) -> str | None:
    metrics = (1.0, 0.95, 0.90, 0.85, 0.80)
    if rates(a, metrics, threshold=0.12) != [1.0, 1.0, 1.0, 1.0, 1.0]:
        return (
            "metrics 1, 0.95, 0.90, 0.85 with threshold 0.12: the fourth is better than 1 · 0.88. You "
            "lower the "
            "best although a metric was not better by the threshold, or count otherwise"
        )
    found = answers(a, (1.0, 0.94, 0.88, 0.82), patience=3, min_delta=0.1)
    if found[-1]:
        return (
            "EarlyStopping: 0.88 is better than 1 − 0.1: the best stays what it is until something is better"
        )
    return None


@probes("cooldown-ignored")
def cooldown(a: Any, t: Trial) -> str | None:
    metrics = (1.0,) * 12
    found = rates(a, metrics, cooldown=3)
    right = [1.0] * 3 + [0.5] * 6 + [0.25] * 3
    if not close(found, right):
        plain = close(found, rates(a, metrics))
        return (
            f"with patience 2 and cooldown 3 the rates of twelve equal metrics are {numbers(found)}, "
            "expected "
            f"{numbers(right)}: "
            + (
                "cooldown makes no difference"
                if plain
                else "for 3 evaluations after a cut none counts as bad, then 3 more make the next cut"
            )
        )
    return None


@probes("below-min-lr")
def below_min(a: Any, t: Trial) -> str | None:
    found = rates(a, (1.0,) * 12, min_lr=0.3)
    if min(found) < 0.3 or not close(found[-1], 0.3):
        return f"min_lr = 0.3 is the lowest rate, max(lr · factor, min_lr); yours ends at {found[-1]:.4g}"
    return None


@probes("lr-attribute")
def lr_attribute(a: Any, t: Trial) -> str | None:
    plateau = a.Plateau(0.5)
    first = getattr(plateau, "lr", None)
    plateau.step(1.0)
    if first != 0.5 or plateau.lr != 0.5:
        return f"Plateau(0.5).lr should be 0.5 at once, yours is {first!r}"
    return None


# ---- EarlyStopping ------


@probes("stops-at-another-evaluation")
def stops_elsewhere(a: Any, t: Trial) -> str | None:
    found = answers(a, (1.0, 1.0, 1.0, 1.0, 1.0), patience=2)
    if [bool(each) for each in found] != [False, False, True, True, True]:
        first = found.index(True) if True in found else None
        when = "never" if first is None else f"at bad evaluation number {first}"
        return (
            f"EarlyStopping with patience 2 stops {when} ({found}): asked for is the 2nd in a row, "
            "and every one "
            "after it"
        )
    return None


@probes("not-a-bool")
def not_a_bool(a: Any, t: Trial) -> str | None:
    found = a.EarlyStopping().update(1.0, 0)
    if not isinstance(found, bool):
        return f"update returned {found!r:.40}, expected False: a bool that says whether to stop"
    return None


@probes("best-not-kept")
def best_not_kept(a: Any, t: Trial) -> str | None:
    stopping = a.EarlyStopping(patience=5)
    if (getattr(stopping, "best", 0), getattr(stopping, "best_epoch", 0)) != (None, None):
        return "before the first update `.best` and `.best_epoch` are both None"
    for epoch, metric in zip((3, 5, 7, 9), (2.0, 1.0, 1.5, 1.0), strict=True):
        stopping.update(metric, epoch)
    if not close(stopping.best, 1.0) or stopping.best_epoch != 5:
        return (
            "after metrics 2, 1, 1.5, 1 in epochs 3, 5, 7, 9 the best is 1 in epoch 5 (an equal one "
            "is not better); "
            f"yours is {stopping.best} in epoch {stopping.best_epoch}"
        )
    return None


@probes("min-delta-ignored")
def min_delta(a: Any, t: Trial) -> str | None:
    for mode, metrics in (("min", [5.0, 4.8, 4.6, 4.5]), ("max", [5.0, 5.2, 5.4, 5.5])):
        found = answers(a, metrics, patience=3, min_delta=1.0, mode=mode)
        if [bool(each) for each in found] != [False, False, False, True]:
            return (
                f'mode "{mode}" with min_delta 1: none of {numbers(metrics)} beats 5 by more than 1, '
                "so the third in "
                f"a row stops; yours says {found}"
            )
        enough = answers(
            a,
            [5.0, 3.0, 1.5, 0.2] if mode == "min" else [5.0, 7.0, 8.5, 9.8],
            patience=2,
            min_delta=1.0,
            mode=mode,
        )
        if any(enough):
            return f'mode "{mode}" with min_delta 1: steps of more than 1 are improvements, yours stops'
    return None


@probes("min-delta-is-a-share")
def min_delta_share(a: Any, t: Trial) -> str | None:
    if any(answers(a, [0.5, 0.3, 0.1], patience=1, min_delta=0.15)):
        return "EarlyStopping's min_delta is a difference, not a share: metric < best − min_delta"
    return None


@probes("plateau-differs")
def plateau_differs(a: Any, t: Trial) -> str | None:
    metrics = (3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    right = [1.0] * 4 + [0.5] * 5 + [0.25] * 3
    found = rates(a, metrics)
    if not close(found, right):
        return (
            f"Plateau, patience 2, factor 0.5: the metrics {numbers(metrics)} give {numbers(found)}, "
            f"expected {numbers(right)}"
        )
    return None


@probes("early-stopping-differs")
def stopping_differs(a: Any, t: Trial) -> str | None:
    metrics = [3.0, 2.0, 2.5, 1.9, 1.95, math.nan, 1.8, 1.8, 1.8, 1.8]
    found = [bool(each) for each in answers(a, metrics, patience=3)]
    right, _ = stopped(metrics, 3)
    if found != right:
        return f"EarlyStopping, patience 3: the metrics {numbers(metrics)} give {found}, expected {right}"
    return None
