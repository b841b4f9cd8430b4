"""The known mistakes of E3's five formulas, each by a few values."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_formulas import RIGHT, half_cosine
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import apart, close

probes = Probes()
Wrong = Callable[[int], float]


def values(a: Any, name: str, steps: Sequence[int], how: dict[str, Any]) -> list[float]:
    return [getattr(a, name)(t, **how) for t in steps]


def as_asked(a: Any, name: str) -> bool:
    """Are the values right where nothing is special? Then only an edge is wrong."""
    steps = range(LATE[name])
    return close(values(a, name, steps, HOW[name]), [RIGHT[name](t, **HOW[name]) for t in steps], 1e-7, 1e-9)


def text(name: str, how: dict[str, Any]) -> str:
    return f"{name}(t, {', '.join(f'{key}={value}' for key, value in how.items())})"


def known(
    diagnosis: str, name: str, how: dict[str, Any], steps: Sequence[int], wrongs: Sequence[Wrong], words: str
) -> None:
    """A probe: are the values at these steps those of the mistake, and not the right ones?"""

    def run(a: Any, t: Trial) -> str | None:
        found, right = values(a, name, steps, how), [RIGHT[name](step, **how) for step in steps]
        if close(found, right):
            return None
        if any(close(found, [wrong(step) for step in steps]) for wrong in wrongs):
            yours, expected = apart(found, right)
            return f"{words} ({text(name, how)} at t = {list(steps)}: {yours}, expected {expected}.)"
        return None

    probes(diagnosis)(run)


STAIRS: dict[str, Any] = {"base": 0.8, "step_size": 3, "gamma": 0.5}
ARC: dict[str, Any] = {"T": 8, "base": 1.0, "eta_min": 0.2}
CYCLES: dict[str, Any] = {"T0": 4, "T_mult": 2, "base": 1.0, "eta_min": 0.2}
ONE: dict[str, Any] = {"total": 20, "max_lr": 1.0, "pct_start": 0.4, "div": 10.0, "final_div": 100.0}
RAMP: dict[str, Any] = {"warmup": 4, "total": 12, "base": 1.0, "eta_min": 0.2}
LATE = {"step_lr": 100, "cosine": 8, "warm_restarts": 60, "one_cycle": 19, "warmup_cosine": 12}
HOW = {"step_lr": STAIRS, "cosine": ARC, "warm_restarts": CYCLES, "one_cycle": ONE, "warmup_cosine": RAMP}


@probes("whole-numbers-only")
def whole_numbers(a: Any, t: Trial) -> str | None:
    for name, how in (
        ("cosine", ARC),
        ("warm_restarts", CYCLES),
        ("warmup_cosine", RAMP),
        ("one_cycle", ONE),
    ):
        found = values(a, name, range(1, 8), how)
        if len({round(value, 9) for value in found}) == 1 or all(
            close(value, round(value)) for value in found
        ):
            return (
                f"{text(name, how)} stays at {found[0]:.4g} for t = 1 … 7: `//` cuts the fraction "
                "off. Progress "
                "is t / T, a fraction"
            )
    return None


# ---- step_lr -----------------------------------------------------------------------------------------------

known(
    "decayed-too-early",
    "step_lr",
    STAIRS,
    range(9),
    (
        lambda t: 0.8 * 0.5 ** ((t + 1) // 3),
        lambda t: 0.8 * 0.5 ** (t // 3 + 1),
        lambda t: 0.8 * 0.5 ** math.ceil(t / 3),
    ),
    "you decay too early: lr(0) is base, and the first cut comes after `step_size` whole steps.",
)
known(
    "decays-at-every-step",
    "step_lr",
    STAIRS,
    range(9),
    (lambda t: 0.8 * 0.5 ** (t / 3), lambda t: 0.8 * 0.5**t, lambda t: 0.8 * 0.5 ** (t % 3)),
    "that is no staircase: the exponent is the whole number ⌊t / step_size⌋.",
)
known(
    "gamma-subtracted",
    "step_lr",
    STAIRS,
    range(9),
    (lambda t: 0.8 * (1 - 0.5 * (t // 3)), lambda t: 0.8 - 0.5 * (t // 3), lambda t: 0.8 * 0.5 * (t // 3)),
    "each cut multiplies by gamma: gamma to the power of the number of cuts.",
)

# ---- cosine ------------------------------------------------------------------------------------------------

known(
    "cosine-rises-again",
    "cosine",
    ARC,
    (0, 4, 8, 10, 12, 16),
    (lambda t: half_cosine(t / 8, 1.0, 0.2),),
    "after t = T the curve rises again (as torch's does): asked for is eta_min from T on.",
)
known(
    "eta-min-only-added",
    "cosine",
    ARC,
    range(8),
    (lambda t: 0.2 + half_cosine(t / 8, 1.0, 0.0), lambda t: 0.2 + 0.8 * (1 + math.cos(math.pi * t / 8))),
    "the arc should reach from base to eta_min: eta_min + ½ (base − eta_min)(1 + cos).",
)
known(
    "eta-min-ignored",
    "cosine",
    ARC,
    range(8),
    (lambda t: half_cosine(t / 8, 1.0, 0.0),),
    "eta_min makes no difference, the arc goes down to 0.",
)
known(
    "cosine-of-another-length",
    "cosine",
    ARC,
    range(8),
    (
        lambda t: half_cosine(t / 7, 1.0, 0.2),
        lambda t: half_cosine((t + 1) / 8, 1.0, 0.2),
        lambda t: half_cosine((t + 1) / 9, 1.0, 0.2),
        lambda t: half_cosine(2 * t / 8, 1.0, 0.2),
        lambda t: half_cosine(t / 16, 1.0, 0.2),
    ),
    "the arc begins at base at t = 0 and is done at t = T, half a cosine: cos(π t / T).",
)
known(
    "cosine-upside-down",
    "cosine",
    ARC,
    range(8),
    (lambda t: half_cosine(t / 8, 0.2, 1.0), lambda t: 0.2 + 0.4 * (1 - math.cos(math.pi * t / 8))),
    "the curve rises: 1 + cos falls from 2 to 0, 1 − cos rises.",
)
known(
    "degrees-or-no-pi",
    "cosine",
    ARC,
    range(8),
    (lambda t: 0.2 + 0.4 * (1 + math.cos(t / 8)), lambda t: 0.2 + 0.4 * (1 + math.cos(180 * t / 8))),
    "math.cos takes radians: half a turn is π.",
)
known(
    "straight-line",
    "cosine",
    ARC,
    range(8),
    (lambda t: 1.0 - 0.8 * t / 8,),
    "that is a straight line from base to eta_min, asked for is half a cosine.",
)

# ---- warm_restarts ------

known(
    "all-cycles-of-one-length",
    "warm_restarts",
    CYCLES,
    range(14),
    (lambda t: half_cosine((t % 4) / 4, 1.0, 0.2),),
    "the second cycle has length 8, you restarted at t = 8, after 4: each cycle is T_mult times as long.",
)
known(
    "never-restarts",
    "warm_restarts",
    CYCLES,
    range(14),
    (lambda t: half_cosine(min(t / 4, 1), 1.0, 0.2), lambda t: half_cosine(t / 4, 1.0, 0.2)),
    "at t = 4 the first cycle is over, and the rate jumps back to base: yours does not restart.",
)
known(
    "restarts-at-powers",
    "warm_restarts",
    CYCLES,
    range(14),
    (
        lambda t: half_cosine(t / 4 if t < 4 else (t - 4) / 4 if t < 8 else (t - 8) / 8, 1.0, 0.2),
        lambda t: half_cosine(t / 4 if t < 4 else t / 8 if t < 8 else t / 16, 1.0, 0.2),
    ),
    "the cycles' lengths are 4, 8, 16 …, so restarts come at 4, 12, 28: the lengths add up.",
)
known(
    "restart-one-step-late",
    "warm_restarts",
    CYCLES,
    (0, 2, 4, 5, 8, 12),
    (lambda t: 0.2 if t in (4, 12) else RIGHT["warm_restarts"](t, **CYCLES),),
    "at t = 4 the first cycle is over and the rate is base again; yours is still at the bottom.",
)
known(
    "cycle-length-without-the-last-step",
    "warm_restarts",
    CYCLES,
    (0, 1, 2, 3),
    (lambda t: half_cosine(t / 3, 1.0, 0.2),),
    "the last step of a cycle is still above eta_min: progress is t / T0, not t / (T0 − 1).",
)


@probes("t-mult-1-fails")
def one_fails(a: Any, t: Trial) -> str | None:
    how = {"T0": 4, "T_mult": 1, "base": 1.0}
    if not as_asked(a, "warm_restarts"):
        return None
    attempt = t.tried(lambda: values(a, "warm_restarts", range(10), how), seconds=0.5)
    right = [RIGHT["warm_restarts"](step, **how) for step in range(10)]
    if attempt.timed_out or attempt.raised(Exception) or not close(attempt.value, right):
        said = "does not end" if attempt.timed_out else str(attempt.error or "gives other values")
        return (
            f"with T_mult = 1 all cycles have length T0; yours {said}. (A formula with T_mult − 1 "
            "below the line, "
            "or a logarithm to base 1, needs a case of its own)"
        )
    return None


# ---- one_cycle ------

known(
    "peak-one-step-late",
    "one_cycle",
    ONE,
    range(20),
    (
        lambda t: half_cosine(t / 8, 0.1, 1.0) if t < 8 else half_cosine((t - 8) / 12, 1.0, 0.001),
        lambda t: half_cosine(t / 8, 0.1, 1.0) if t < 8 else half_cosine((t - 8) / 11, 1.0, 0.001),
    ),
    "the peak is at pct_start · total − 1 = 7 and the bottom at total − 1 = 19, since steps count from 0.",
)
known(
    "final-div-of-the-peak",
    "one_cycle",
    ONE,
    range(20),
    (lambda t: half_cosine(t / 7, 0.1, 1.0) if t < 7 else half_cosine((t - 7) / 12, 1.0, 0.01),),
    "the last rate is max_lr / div / final_div: final_div divides the *first* rate, not the peak.",
)
known(
    "straight-lines",
    "one_cycle",
    ONE,
    range(20),
    (lambda t: 0.1 + 0.9 * t / 7 if t < 7 else 1.0 - 0.999 * (t - 7) / 12,),
    "both ways are half cosines, not straight lines.",
)
known(
    "ends-at-the-first-rate",
    "one_cycle",
    ONE,
    range(20),
    (lambda t: half_cosine(t / 7, 0.1, 1.0) if t < 7 else half_cosine((t - 7) / 12, 1.0, 0.1),),
    "the way down ends at max_lr / div / final_div, far below where the way up began.",
)
known(
    "begins-at-zero",
    "one_cycle",
    ONE,
    range(7),
    (lambda t: half_cosine(t / 7, 0.0, 1.0),),
    "the way up begins at max_lr / div, not at 0.",
)

# ---- warmup_cosine ------

known(
    "cosine-over-the-total",
    "warmup_cosine",
    RAMP,
    range(12),
    (
        lambda t: (t + 1) / 5 if t < 4 else half_cosine((t - 4) / 12, 1.0, 0.2),
        lambda t: (t + 1) / 5 if t < 4 else half_cosine(t / 12, 1.0, 0.2),
    ),
    "after the warm-up only total − warmup steps are left, and the cosine begins at base: its progress is "
    "(t − warmup) / (total − warmup).",
)
known(
    "warm-up-begins-at-zero",
    "warmup_cosine",
    RAMP,
    range(4),
    (lambda t: t / 4, lambda t: t / 5, lambda t: t / 3),
    "the first rate is 0, a step for nothing: the ramp is base · (t + 1) / (warmup + 1).",
)
known(
    "warm-up-too-steep",
    "warmup_cosine",
    RAMP,
    range(4),
    (lambda t: (t + 1) / 4,),
    "base is reached in the last step of the ramp and again in the first one after it: the ramp is "
    "base · (t + 1) "
    "/ (warmup + 1).",
)
known(
    "warm-up-from-eta-min",
    "warmup_cosine",
    RAMP,
    range(4),
    (lambda t: 0.2 + 0.8 * (t + 1) / 5, lambda t: 0.2 + 0.8 * t / 4),
    "the ramp has nothing to do with eta_min: it is base · (t + 1) / (warmup + 1).",
)


@probes("warmup-0-fails")
def warmup_zero(a: Any, t: Trial) -> str | None:
    how = {"warmup": 0, "total": 8, "base": 1.0}
    if not as_asked(a, "warmup_cosine"):
        return None
    attempt = t.tried(lambda: values(a, "warmup_cosine", range(10), how))
    right = [RIGHT["warmup_cosine"](step, **how) for step in range(10)]
    if attempt.raised(Exception) or not close(attempt.value, right):
        said = f"raises {type(attempt.error).__name__}" if attempt.error else apart(attempt.value, right)[0]
        return f"without a warm-up (warmup = 0) the cosine begins at t = 0; yours {said}"
    return None


# ---- families: ends, edges, and whatever else is wrong with one of them ------


@probes("other-after-the-end")
def after_the_end(a: Any, t: Trial) -> str | None:
    for name in ("cosine", "one_cycle", "warmup_cosine"):
        steps = [LATE[name] + extra for extra in (0, 1, 2, 7, 500)]
        attempt = t.tried(lambda n=name, s=steps: values(a, n, s, HOW[n]))
        right = [RIGHT[name](step, **HOW[name]) for step in steps]
        if attempt.raised(Exception):
            return (
                f"{text(name, HOW[name])} raises {type(attempt.error).__name__} after its end: "
                f"{attempt.error}"
            )
        before = values(a, name, range(LATE[name]), HOW[name])
        if close(before, [RIGHT[name](step, **HOW[name]) for step in range(LATE[name])]) and not close(
            attempt.value, right
        ):
            yours, expected = apart(attempt.value, right)
            return (
                f"{text(name, HOW[name])} is right until its end and wrong from there: at t = {steps} "
                f"it is {yours}, "
                f"expected {expected}"
            )
    return None


@probes("fails-at-an-edge")
def edges(a: Any, t: Trial) -> str | None:
    cases: tuple[tuple[str, dict[str, Any], tuple[int, ...]], ...] = (
        ("one_cycle", {"total": 1, "max_lr": 1.0}, (0, 1, 5)),
        ("one_cycle", {"total": 10, "max_lr": 1.0, "pct_start": 0.1}, (0, 1, 5, 9)),
        ("one_cycle", {"total": 10, "max_lr": 1.0, "pct_start": 0.0}, (0, 1, 5, 9)),
        ("one_cycle", {"total": 7, "max_lr": 1.0, "pct_start": 0.3}, (0, 1, 2, 6)),
        ("warmup_cosine", {"warmup": 0, "total": 1, "base": 1.0}, (0, 1)),
        ("cosine", {"T": 1, "base": 1.0, "eta_min": 0.1}, (0, 1, 2)),
        ("warm_restarts", {"T0": 1, "T_mult": 3, "base": 1.0}, (0, 1, 3, 4, 13)),
        ("step_lr", {"base": 1.0, "step_size": 1, "gamma": 0.5}, (0, 1, 2)),
    )
    for name, how, steps in cases:
        if not as_asked(a, name):
            continue
        attempt = t.tried(lambda n=name, h=how, s=steps: values(a, n, s, h), seconds=0.5)
        right = [RIGHT[name](step, **how) for step in steps]
        if attempt.error is not None:
            said = (
                "does not end"
                if attempt.timed_out
                else f"raises {type(attempt.error).__name__}: {attempt.error}"
            )
            return f"{text(name, how)} at t = {list(steps)} {said}; expected {apart(right, 0)[0]}"
        if attempt.error is None and not close(attempt.value, right):
            yours, expected = apart(attempt.value, right)
            return f"{text(name, how)} at t = {list(steps)} is {yours}, expected {expected}"
    return None


def family(name: str) -> None:
    def run(a: Any, t: Trial) -> str | None:
        steps = range(40)
        found, right = values(a, name, steps, HOW[name]), [RIGHT[name](s, **HOW[name]) for s in steps]
        for step, (yours, expected) in enumerate(zip(found, right, strict=True)):
            if not close(yours, expected, 1e-7, 1e-9):
                texts = apart(yours, expected)
                return f"{text(name, HOW[name])} at t = {step} is {texts[0]}, expected {texts[1]}"
        return None

    probes(f"{name.replace('_', '-')}-differs")(run)


for each in RIGHT:
    family(each)
