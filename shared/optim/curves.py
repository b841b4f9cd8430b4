"""Learning-rate curves as pure functions of the step, as factors of the peak learning rate.

t counts optimizer steps from 0. Past its end a curve keeps its last value.
"""

import math


def step_decay(t: int, *, every: int, factor: float) -> float:
    """factor^⌊t / every⌋: a staircase."""
    return factor ** (t // every)


def cosine(t: int, *, total: int, floor: float = 0.0) -> float:
    """From 1 to ``floor`` along half a cosine, in ``total`` steps."""
    done = min(t / total, 1.0) if total > 0 else 1.0
    return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2


def warm_restarts(t: int, *, first: int, growth: int = 2, floor: float = 0.0) -> float:
    """Cosine, again and again: the first takes ``first`` steps, each next one ``growth`` times as many."""
    length, start = first, 0
    while t - start >= length:
        start += length
        length *= growth
    return cosine(t - start, total=length, floor=floor)


def one_cycle(t: int, *, total: int, rise: float = 0.3, start: float = 1 / 25, end: float = 4e-6) -> float:
    """Up from ``start`` to 1 in the first ``rise`` of ``total`` steps, then down to ``end``, on cosines."""
    peak, last = rise * total - 1, total - 1
    if t <= peak:
        return 1 - (1 - start) * (1 + math.cos(math.pi * t / peak)) / 2 if peak > 0 else 1.0
    done = min((t - peak) / (last - peak), 1.0) if last > peak else 1.0
    return end + (1 - end) * (1 + math.cos(math.pi * done)) / 2


def stable_decay(t: int, *, total: int, share: float = 0.2, floor: float = 0.0) -> float:
    """1, and then linearly to ``floor`` over the last ``share`` of ``total`` steps.

    The plateau has no plan: a run may be prolonged from any point of it, and decay later.
    """
    decay = share * total
    remaining = max(total - t, 0)
    return 1.0 if remaining >= decay else floor + (1 - floor) * remaining / decay


def warmup(t: int, *, steps: int) -> float:
    """(t + 1) / (steps + 1): never zero, and 1 when the warm-up is over."""
    return min((t + 1) / (steps + 1), 1.0)
