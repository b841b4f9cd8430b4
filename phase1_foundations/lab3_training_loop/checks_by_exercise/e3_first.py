"""The mistakes of E3 that another probe would take for something else: they are looked for first."""

import math
from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()


@probes("epoch-of-the-best-differs")
def best_epoch(a: Any, t: Trial) -> str | None:
    stopping = a.EarlyStopping(patience=5)
    for epoch, metric in ((3, 5.0), (7, 4.0), (8, 6.0)):
        stopping.update(metric, epoch)
    if stopping.best == 4.0 and stopping.best_epoch != 7:
        return (
            "EarlyStopping: the metrics 5, 4, 6 came with the epochs 3, 7, 8, so best_epoch is 7; yours is "
            f"{stopping.best_epoch}: keep the number that `update` was given"
        )
    return None


@probes("equal-counts-as-better")
def equal(a: Any, t: Trial) -> str | None:
    for mode in ("min", "max"):
        plateau = a.Plateau(1.0, mode=mode, patience=1, threshold=0.0, factor=0.5)
        if [plateau.step(metric) for metric in (2.0, 2.0, 2.0, 2.0, 2.0)] == [1.0] * 5:
            return (
                f'Plateau in mode "{mode}" with threshold 0 takes an equal metric for a better one, and '
                "never cuts: better means < (or >), not ≤"
            )
        stopping = a.EarlyStopping(patience=2, mode=mode)
        if not any(stopping.update(2.0, epoch) for epoch in range(5)):
            return (
                f'EarlyStopping in mode "{mode}" takes an equal metric for a better one, and never stops: '
                "better means < (or >), not ≤"
            )
    return None


@probes("stopped-for-ever")
def for_ever(a: Any, t: Trial) -> str | None:
    stopping = a.EarlyStopping(patience=2)
    if [stopping.update(m, e) for e, m in enumerate((5.0, 6.0, 6.0, 4.0))] == [False, False, True, True]:
        return (
            "EarlyStopping: after 5, 6, 6 it says stop, rightly, and after a 4, which is better than all, "
            "still: a better metric begins a new count"
        )
    return None


@probes("a-cut-changes-the-best")
def cut_changes_best(a: Any, t: Trial) -> str | None:
    plateau = a.Plateau(1.0, patience=0, factor=0.5, threshold=0.0)
    found = [plateau.step(metric) for metric in (1.0, 9.0, 5.0, 3.0)]
    if found == [1.0, 0.5, 0.5, 0.5]:
        return (
            "Plateau: after 1 and 9 the rate falls, and then 5 and 3 count as better, though 1 is the best: "
            "a cut changes the rate, not the best"
        )
    return None


@probes("restart-found-by-a-logarithm")
def by_logarithm(a: Any, t: Trial) -> str | None:
    begins = [(T0, T_mult, n) for T0 in (1, 5) for T_mult in (2, 3, 5, 10) for n in range(1, 6)]
    wrong = []
    for T0, T_mult, n in begins:
        at = T0 * (T_mult**n - 1) // (T_mult - 1)
        attempt = t.tried(lambda at=at, T0=T0, m=T_mult: a.warm_restarts(at, T0=T0, T_mult=m, base=1.0))
        if attempt.error is not None or not close(attempt.value, 1.0):
            wrong.append((at, T0, T_mult))
    if wrong and len(wrong) < len(begins) / 2:
        at, T0, T_mult = wrong[0]
        return (
            f"warm_restarts({at}, T0={T0}, T_mult={T_mult}, base=1) should be 1, a cycle begins there; most "
            "others are right: a logarithm may come out a hair below the whole number. Subtract whole cycles"
        )
    return None


@probes("peak-cut-to-a-whole-step")
def peak_whole(a: Any, t: Trial) -> str | None:
    right = 1 - 0.96 * (1 + math.cos(math.pi / 1.1)) / 2
    found = a.one_cycle(1, 7, 1.0, pct_start=0.3)
    if close(found, 1.0) and not close(right, 1.0):
        return (
            "one_cycle(1, total=7, max_lr=1, pct_start=0.3) is 1: the peak is at 0.3 · 7 − 1 = 1.1, between "
            f"two steps, and at t = 1 the rate is still {right:.4g}. Do not round the peak"
        )
    return None


@probes("one-cycle-ends-elsewhere")
def ends_elsewhere(a: Any, t: Trial) -> str | None:
    how = {"pct_start": 0.4, "div": 10.0, "final_div": 10.0}
    last, then = (a.one_cycle(step, 20, 1.0, **how) for step in (19, 20))
    if close(then, 0.01) and not close(last, 0.01):
        return (
            f"one_cycle with total = 20 comes to its lowest value at t = 20; the last step is t = 19 = total "
            f"− 1 and should have it already, yours is {last:.4g} there"
        )
    if last == 0 == then:
        return "one_cycle ends at 0: its lowest value is max_lr / div / final_div"
    return None


@probes("default-of-one-cycle")
def one_cycle_default(a: Any, t: Trial) -> str | None:
    for name, value in {"pct_start": 0.3, "div": 25.0, "final_div": 1e4}.items():
        left = [a.one_cycle(step, 20, 1.0) for step in range(20)]
        right = [a.one_cycle(step, 20, 1.0, **{name: value}) for step in range(20)]
        if any(not math.isclose(x, y, rel_tol=1e-9) for x, y in zip(left, right, strict=True)):
            return f"one_cycle with {name}={value:g} is another than without: {value:g} is the default"
    return None
