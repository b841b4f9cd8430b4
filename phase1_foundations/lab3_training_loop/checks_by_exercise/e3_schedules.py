"""E3: schedules, a plateau, early stopping. Known mistakes stand in `e3_mistakes` and `e3_memory`."""

import math
from functools import partial
from typing import Any

from torch.optim import lr_scheduler

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_edges import probes as edge_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_first import probes as first_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_formulas import (
    RIGHT,
    plateau_of_torch,
    stopped,
    torchs,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_memory import probes as memory_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_mistakes import probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_picture import all_schedules
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import OPTIM

NUMBER = (float, int)

e3 = Exercise(
    "E3",
    takes={
        "step_lr": NUMBER,
        "cosine": NUMBER,
        "warm_restarts": NUMBER,
        "one_cycle": NUMBER,
        "warmup_cosine": NUMBER,
        "Plateau": None,
        "EarlyStopping": None,
    },
    forbids=forbid(python=OPTIM, why="torch.optim.lr_scheduler, and the optimizer it needs, are built here"),
    hints=(
        "A schedule needs no memory: t says it all. Ask first in which part of the curve t lies, then how "
        "much of this part is done, a fraction from 0 to 1.",
        "One half cosine serves four of the five: low + ½ (high − low)(1 + cos(π · done)). Restarts: the "
        "cycles' lengths T0, T0·m, T0·m² … add up; subtract them from t while it is at least that long. "
        "Plateau: better, else bad + 1; then cooldown; then the cut.",
        "`while t >= length: t -= length; length *= T_mult` and then `cosine(t, length, base, eta_min)`. "
        "one_cycle: `peak = pct_start * total - 1`; below it from max_lr/div up, above it `(t - peak) / "
        "(total - 1 - peak)` of the way down. Better: `self.best is None and not math.isnan(metric)`, or "
        "`metric < self.best - self.min_delta`.",
    ),
)
first_probes.add_to(e3)
probes.add_to(e3)
memory_probes.add_to(e3)
edge_probes.add_to(e3)


def like(a: Any, t: Trial, name: str, expected: list[float], **how: Any) -> None:
    for step, rate in enumerate(expected):
        t.equal(getattr(a, name)(step, **how), rate, f"t = {step}", rtol=1e-8, atol=1e-10)


@e3.property("step_lr and cosine like torch's, and constant after the end", points=4)
def step_and_cosine(a: Any, t: Trial) -> None:
    for size, gamma in ((1, 0.9), (7, 0.5), (30, 0.1)):
        with t.oracle():
            expected = torchs(200, 0.3, partial(lr_scheduler.StepLR, step_size=size, gamma=gamma))
        like(a, t, "step_lr", expected, base=0.3, step_size=size, gamma=gamma)
    for T, low in ((1, 0.0), (10, 0.01), (150, 0.0)):
        with t.oracle():
            scheduler = partial(lr_scheduler.CosineAnnealingLR, T_max=T, eta_min=low)
            expected = torchs(T, 0.3, scheduler) + [low] * (200 - T)
        like(a, t, "cosine", expected, T=T, base=0.3, eta_min=low)
        t.that(a.cosine(T, T, 0.3, low) == low, f"cosine at t = T = {T} is not exactly eta_min")
        t.that(a.cosine(0, T, 0.3, low) == 0.3, f"cosine at t = 0 (T = {T}) is not exactly base")


@e3.property("warm_restarts like torch's", points=3)
def restarts(a: Any, t: Trial) -> None:
    for T0, T_mult in ((4, 2), (5, 1), (1, 3), (10, 1), (3, 3), (1, 1)):
        with t.oracle():
            scheduler = partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=T0, T_mult=T_mult, eta_min=0.02)
            expected = torchs(200, 0.3, scheduler)
        like(a, t, "warm_restarts", expected, T0=T0, T_mult=T_mult, base=0.3, eta_min=0.02)
    for T0, m in ((4, 2), (3, 3), (7, 10)):
        start = sum(T0 * m**i for i in range(6))
        t.that(
            a.warm_restarts(start, T0, m, 0.3) == 0.3,
            f"at the sixth restart, t = {start}, the rate is not base",
        )


@e3.property("one_cycle like torch's, with its edges", points=3)
def cycles(a: Any, t: Trial) -> None:
    for total, share in ((200, 0.3), (50, 0.45), (13, 0.2), (3, 0.5)):
        with t.oracle():
            scheduler = partial(lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=total, pct_start=share)
            expected = torchs(total, 0.3, scheduler)
        like(a, t, "one_cycle", expected, total=total, max_lr=0.3, pct_start=share)
    for how in ({"total": 1}, {"total": 10, "pct_start": 0.1}, {"total": 10, "pct_start": 0.0}, {"total": 2}):
        how = {"max_lr": 0.3, "div": 10.0, "final_div": 100.0, **how}
        like(a, t, "one_cycle", [RIGHT["one_cycle"](step, **how) for step in range(15)], **how)


@e3.property("warmup_cosine", points=3)
def warmup(a: Any, t: Trial) -> None:
    for _ in range(6):
        ramp = int(t.randint(0, 20, 1))
        how = {"warmup": ramp, "total": ramp + int(t.randint(1, 60, 1)), "base": 0.3, "eta_min": 0.01}
        like(a, t, "warmup_cosine", [RIGHT["warmup_cosine"](s, **how) for s in range(100)], **how)
        t.that(a.warmup_cosine(ramp, **how) == 0.3, f"at t = warmup = {ramp} the rate is not exactly base")
        end = a.warmup_cosine(how["total"], **how)
        t.that(end == 0.01, f"at t = total = {how['total']} the rate is {end}, not exactly eta_min")


def noisy(t: Trial, count: int, hole: bool) -> list[float]:
    metrics = (2 + t.randn(count) / (1 + t.rand(count, high=20.0))).tolist()
    if hole:
        metrics[int(t.randint(0, count, 1))] = math.nan
    return metrics


@e3.property("Plateau like torch's ReduceLROnPlateau", points=4)
def plateau(a: Any, t: Trial) -> None:
    for case in range(30):
        how = {
            "mode": ("min", "max")[case % 2],
            "factor": 0.5,
            "patience": case % 4,
            "threshold": (0.0, 1e-4, 0.05)[case % 3],
            "cooldown": case % 3,
        }
        below = (0.0, 4.0, 2.0)[case // 2 % 3]  # some negative, some around 0
        metrics = [metric - below for metric in noisy(t, 60, case % 5 == 4)]
        t.given(f"Plateau(1.0, {how}, min_lr=0.01)")
        mine = a.Plateau(1.0, **how, min_lr=0.01)
        with t.oracle():
            expected = plateau_of_torch(metrics, 1.0, 0.01, **how)
        t.equal([mine.step(metric) for metric in metrics], expected, "the rate after each evaluation")
        t.equal(mine.lr, expected[-1], "lr")
    t.given("Plateau(1.0), ten equal metrics, then one more")
    default = a.Plateau(1.0)
    t.equal([default.step(1.0) for _ in range(12)], [1.0] * 11 + [0.1], "with the default options")
    t.given("Plateau(1.0, patience=0): 1, then 0.99995")
    default = a.Plateau(1.0, patience=0)
    t.equal([default.step(metric) for metric in (1.0, 0.99995)], [1.0, 0.1], "with the default threshold")
    t.given("Plateau(1.0, patience=2), a best of exactly 0, then 5, 5, 5")
    level = a.Plateau(1.0, patience=2)
    t.equal([level.step(metric) for metric in (0.0, 5.0, 5.0, 5.0)], [1.0, 1.0, 1.0, 0.1], "the rates")


@e3.property("EarlyStopping", points=3)
def early_stopping(a: Any, t: Trial) -> None:
    for case in range(30):
        mode, patience, delta = ("min", "max")[case % 2], 1 + case % 4, (0.0, 0.1)[case % 3 == 1]
        metrics = noisy(t, 30, case % 5 == 4)
        t.given(f'EarlyStopping({patience}, {delta}, "{mode}")')
        mine = a.EarlyStopping(patience=patience, min_delta=delta, mode=mode)
        answers, bests = stopped(metrics, patience, delta, mode)
        for i, metric in enumerate(metrics):
            found = mine.update(metric, 1 + 2 * i)  # evaluated after every other epoch
            best, when = bests[i]
            t.equal(bool(found), answers[i], f"after {i + 1} evaluations, the last {metric:.4g}: stop?")
            t.equal(
                (mine.best, mine.best_epoch),
                (best, None if when is None else 1 + 2 * when),
                f"best and best_epoch after {i + 1} evaluations",
            )
    t.given("EarlyStopping(), a best of exactly 0, then ten times 1")
    default = a.EarlyStopping()
    found = [default.update(float(epoch > 0), epoch) for epoch in range(11)]
    t.equal(found, [False] * 10 + [True], "with the default options: stop?")


e3.reward(all_schedules)
