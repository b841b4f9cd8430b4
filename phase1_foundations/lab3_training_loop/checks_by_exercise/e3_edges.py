"""The known mistakes of E3 at zero, below it, with gaps between epochs, and in the defaults."""

import math
from typing import Any

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_memory import answers, rates
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()


@probes("a-best-of-zero-is-forgotten")
def best_of_zero(a: Any, t: Trial) -> str | None:
    stopping = a.EarlyStopping()
    stopping.update(0.0, 0)
    stopping.update(1.0, 1)
    if stopping.best == 1.0 and stopping.best_epoch == 1:
        return (
            "EarlyStopping: after metrics 0 and 1 the best is 1: a best of 0 counts as none. Ask `best is "
            "None`, not `not best`"
        )
    if rates(a, (0.0, 5.0, 5.0, 5.0))[-1] == 1.0 and rates(a, (1.0, 5.0, 5.0, 5.0))[-1] < 1.0:
        return (
            "Plateau: after a best of 0 the metrics 5, 5, 5 are bad, and with patience 2 the rate falls; "
            "yours does not: a best of 0 counts as none. Ask `best is None`, not `not best`"
        )
    return None


@probes("maximum-begins-at-zero")
def begins_at_zero(a: Any, t: Trial) -> str | None:
    rising = (-5.0, -4.0, -3.0, -2.0)
    stopping = a.EarlyStopping(mode="max")
    stopping.update(-5.0, 0)
    if stopping.best != -5.0 or rates(a, rising, mode="max")[-1] < 1.0:
        return (
            'mode "max": the metrics −5, −4, −3, −2 get better all the time, and yours counts them as bad: '
            "the first metric that is a number is better in any case, also a negative one"
        )
    return None


@probes("negative-best-otherwise")
def negative_best(a: Any, t: Trial) -> str | None:
    found = rates(a, (-10.0, -9.5, -9.4, -9.3), threshold=0.1)
    if close(found, [1.0, 1.0, 1.0, 0.5]) and close(rates(a, (10.0, 9.5, 9.4, 9.3), threshold=0.1)[-1], 0.5):
        return (
            "with a negative best the formula is taken as it stands: metric < best · (1 − threshold). From "
            "−10 with threshold 0.1 every metric below −9 is better, so the rate stays at 1 for −9.5, −9.4, "
            f"−9.3; yours goes {numbers(found)}"
        )
    return None


@probes("counts-epochs-not-evaluations")
def counts_epochs(a: Any, t: Trial) -> str | None:
    stopping = a.EarlyStopping(patience=3)
    found = [stopping.update(1.0, epoch) for epoch in (0, 5, 10, 15)]
    if any(found[:3]):
        return (
            "EarlyStopping, patience 3, equal metrics in epochs 0, 5, 10, 15: the third bad evaluation is "
            f"the one in epoch 15; yours says {found}. Count evaluations: `epoch` may jump"
        )
    return None


@probes("best-forgotten-at-a-cut")
def forgotten_at_a_cut(a: Any, t: Trial) -> str | None:
    found = rates(a, (1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0))
    if close(found[:6], [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]) and found[6] == 0.5:
        return (
            "Plateau, patience 2: after a best of 1 six metrics of 2 make two cuts, yours makes one: the "
            "best is forgotten at a cut. It stays; only `bad` begins anew"
        )
    return None


@probes("no-best-while-cooling")
def cooling_without_best(a: Any, t: Trial) -> str | None:
    metrics = (5.0, 5.0, 1.0, 3.0)
    found = rates(a, metrics, patience=0, cooldown=1)
    if close(found, [1.0, 0.5, 0.5, 0.5]) and close(rates(a, (5.0, 5.0), patience=0)[-1], 0.5):
        return (
            f"Plateau, patience 0, cooldown 1: metrics {numbers(metrics)} should give 1, 0.5, 0.5, 0.25; "
            f"yours gives {numbers(found)}. The 1 comes while it cools down and is the best all the same"
        )
    return None


@probes("default-option-differs")
def defaults(a: Any, t: Trial) -> str | None:
    plateau = a.Plateau(1.0)
    found = [plateau.step(1.0) for _ in range(12)]
    if (own := [rate for rate in found if rate < 1.0]) and not close(own[0], 0.1):
        return f"Plateau(1.0) cuts to {own[0]:.4g}: the default of factor is 0.1"
    cut = next((i for i, rate in enumerate(found) if rate < 1.0), None)
    if cut != 11 and close(rates(a, (1.0,) * 12, patience=10), [1.0] * 11 + [0.5]):
        when = "does not cut" if cut is None else f"cuts after {cut}"
        return f"Plateau(1.0) {when} bad evaluations: the default of patience is 10, the 11th cuts"
    plateau = a.Plateau(1.0, patience=0)
    if [plateau.step(metric) for metric in (1.0, 1.0 - 5e-5)][-1] == 1.0:
        return "Plateau(1.0): 0.99995 after 1 is not better, as the default of threshold is 1e-4"
    stopping = a.EarlyStopping()
    stops = [stopping.update(1.0, epoch) for epoch in range(11)]
    if stops != [False] * 10 + [True] and answers(a, (1.0,) * 11, patience=10) == [False] * 10 + [True]:
        return f"EarlyStopping() says {stops} to eleven equal metrics: the default of patience is 10"
    full = {"pct_start": 0.3, "div": 25.0, "final_div": 1e4}
    right = [a.one_cycle(step, 20, 1.0, **full) for step in (0, 5, 12, 19)]
    if not close([a.one_cycle(step, 20, 1.0) for step in (0, 5, 12, 19)], right):
        for name, value in full.items():
            others = {each: full[each] for each in full if each != name}
            if not close([a.one_cycle(step, 20, 1.0, **others) for step in (0, 5, 12, 19)], right):
                return f"one_cycle: the default of {name} should be {value:g}"
    if math.isclose(a.cosine(9, 9, 1.0), 0.0, abs_tol=1e-12):
        return None
    return "cosine: the default of eta_min is 0"
