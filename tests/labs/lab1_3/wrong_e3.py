"""Wrong answers to E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

wrong = Answers()


def half(done, high, low):
    return low + (high - low) * (1 + math.cos(math.pi * done)) / 2


def answer(function):
    """A wrong function, under its own name."""

    def register(name):
        def build():
            return {function: name}

        wrong.add("E3", f"{function}_{name.__name__}", build)
        return name

    return register


@answer("step_lr")
def linear_decay(t, base, step_size, gamma):
    return base * (1 - gamma * (t // step_size))


@answer("step_lr")
def decays_at_every_step(t, base, step_size, gamma):
    return base * gamma**t


@answer("step_lr")
def smooth(t, base, step_size, gamma):
    return base * gamma ** (t / step_size)


@answer("step_lr")
def divides(t, base, step_size, gamma):
    return base / gamma ** (t // step_size)


@answer("step_lr")
def once_only(t, base, step_size, gamma):
    return base if t < step_size else base * gamma


@answer("step_lr")
def rounded_up(t, base, step_size, gamma):
    return base * gamma ** math.ceil(t / step_size)


@answer("step_lr")
def one_step_late(t, base, step_size, gamma):
    return base * gamma ** (max(t - 1, 0) // step_size)


@answer("cosine")
def rising(t, T, base, eta_min=0.0):
    return eta_min + (base - eta_min) * (1 - math.cos(math.pi * min(t, T) / T)) / 2


@answer("cosine")
def without_pi(t, T, base, eta_min=0.0):
    return eta_min if t >= T else eta_min + (base - eta_min) * (1 + math.cos(t / T)) / 2


@answer("cosine")
def straight(t, T, base, eta_min=0.0):
    return max(eta_min, base - (base - eta_min) * t / T)


@answer("cosine")
def without_the_minimum(t, T, base, eta_min=0.0):
    return half(min(t, T) / T, base, 0.0)


@answer("cosine")
def minimum_added(t, T, base, eta_min=0.0):
    return eta_min + half(min(t, T) / T, base, 0.0)


@answer("cosine")
def clipped_at_the_minimum(t, T, base, eta_min=0.0):
    return max(eta_min, half(min(t, T) / T, base, 0.0))


@answer("cosine")
def one_less(t, T, base, eta_min=0.0):
    return eta_min if t >= T else half(t / max(T - 1, 1), base, eta_min)


@answer("cosine")
def quarter(t, T, base, eta_min=0.0):
    return eta_min + (base - eta_min) * math.cos(math.pi * min(t, T) / (2 * T))


@answer("cosine")
def full_turn(t, T, base, eta_min=0.0):
    return half(2 * min(t, T) / T, base, eta_min)


@answer("cosine")
def zero_after_the_end(t, T, base, eta_min=0.0):
    return 0.0 if t >= T else half(t / T, base, eta_min)


@answer("cosine")
def a_tensor(t, T, base, eta_min=0.0):
    return torch.tensor(half(min(t, T) / T, base, eta_min))


@answer("cosine")
def nothing_after_the_end(t, T, base, eta_min=0.0):
    if t <= T:
        return half(t / T, base, eta_min)


@answer("warm_restarts")
def no_restart(t, T0, T_mult, base, eta_min=0.0):
    return half(min(t, T0) / T0, base, eta_min)


@answer("warm_restarts")
def doubles_always(t, T0, T_mult, base, eta_min=0.0):
    length = T0
    while t >= length:
        t, length = t - length, length * 2
    return half(t / length, base, eta_min)


@answer("warm_restarts")
def cycles_of_equal_growth(t, T0, T_mult, base, eta_min=0.0):
    length = T0
    while t >= length:
        t, length = t - length, length + T0
    return half(t / length, base, eta_min)


@answer("warm_restarts")
def restarts_one_step_late(t, T0, T_mult, base, eta_min=0.0):
    length = T0
    while t > length:
        t, length = t - length, length * T_mult
    return half(t / length, base, eta_min)


@answer("warm_restarts")
def forgets_to_subtract(t, T0, T_mult, base, eta_min=0.0):
    length = T0
    while t >= length:
        length = length * T_mult + T0 * (T_mult == 1)
    return half(t / length, base, eta_min)


@answer("warm_restarts")
def lower_each_time(t, T0, T_mult, base, eta_min=0.0):
    length = T0
    while t >= length:
        t, length, base = t - length, length * T_mult, base * 0.5
    return half(t / length, base, eta_min)


@answer("one_cycle")
def linear(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    peak, first, last = pct_start * total - 1, max_lr / div, max_lr / div / final_div
    if t < peak:
        return first + (max_lr - first) * t / peak
    return max_lr - (max_lr - last) * min(1, (t - peak) / (total - 1 - peak))


@answer("one_cycle")
def triangle(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    peak, first = pct_start * total - 1, max_lr / div
    if t < peak:
        return half(t / peak, first, max_lr)
    return half(min(1, (t - peak) / (total - 1 - peak)), max_lr, first)


@answer("one_cycle")
def final_of_the_peak(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    peak, first, last = pct_start * total - 1, max_lr / div, max_lr / final_div
    if t < peak:
        return half(t / peak, first, max_lr)
    return half(min(1, (t - peak) / (total - 1 - peak)), max_lr, last)


@answer("one_cycle")
def from_zero(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    peak, last = pct_start * total - 1, max_lr / div / final_div
    if t < peak:
        return half(t / peak, 0.0, max_lr)
    return half(min(1, (t - peak) / (total - 1 - peak)), max_lr, last)


@answer("one_cycle")
def whole_peak(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    peak, first, last = int(pct_start * total) - 1, max_lr / div, max_lr / div / final_div
    if t < peak:
        return half(t / peak, first, max_lr)
    return half(min(1, (t - peak) / (total - 1 - peak)), max_lr, last)


@answer("one_cycle")
def fixed_share(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    return solution.one_cycle(t, total, max_lr, 0.3, div, final_div)


@answer("one_cycle")
def rises_again(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    peak, first, last = pct_start * total - 1, max_lr / div, max_lr / div / final_div
    if t < peak:
        return half(t / peak, first, max_lr)
    return half((t - peak) / (total - 1 - peak), max_lr, last)


@answer("one_cycle")
def divides_by_a_peak_of_zero(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
    peak, first, last = pct_start * total - 1, max_lr / div, max_lr / div / final_div
    if t <= peak:
        return half(t / peak, first, max_lr)
    return half(min(1, (t - peak) / (total - 1 - peak)), max_lr, last)


@answer("warmup_cosine")
def ramp_by_warmup(t, warmup, total, base, eta_min=0.0):
    if t < warmup:
        return base * (t + 1) / warmup
    return solution.cosine(t - warmup, total - warmup, base, eta_min)


@answer("warmup_cosine")
def no_ramp(t, warmup, total, base, eta_min=0.0):
    return solution.cosine(max(t - warmup, 0), total - warmup, base, eta_min)


@answer("warmup_cosine")
def without_shift(t, warmup, total, base, eta_min=0.0):
    if t < warmup:
        return base * (t + 1) / (warmup + 1)
    return solution.cosine(t, total, base, eta_min)


@answer("warmup_cosine")
def total_after_the_warmup(t, warmup, total, base, eta_min=0.0):
    if t < warmup:
        return base * (t + 1) / (warmup + 1)
    return solution.cosine(t - warmup, total, base, eta_min)


@answer("warmup_cosine")
def ramp_from_the_minimum(t, warmup, total, base, eta_min=0.0):
    if t < warmup:
        return eta_min + (base - eta_min) * (t + 1) / (warmup + 1)
    return solution.cosine(t - warmup, total - warmup, base, eta_min)


@answer("warmup_cosine")
def one_step_longer(t, warmup, total, base, eta_min=0.0):
    if t <= warmup:
        return base * (t + 1) / (warmup + 1)
    return solution.cosine(t - warmup - 1, total - warmup, base, eta_min)


def plateau(**changes):
    class Plateau(solution.Plateau):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            for name, change in changes.items():
                setattr(self, name, change(getattr(self, name)))

    return {"Plateau": Plateau}


@wrong("E3")
def plateau_one_late():
    return plateau(patience=lambda n: n + 1)


@wrong("E3")
def plateau_only_minimum():
    return plateau(mode=lambda mode: "min")


@wrong("E3")
def plateau_without_threshold():
    return plateau(threshold=lambda x: 0.0)


@wrong("E3")
def plateau_cooldown_one_longer():
    return plateau(cooldown=lambda n: n + 1)


@wrong("E3")
def plateau_cuts_always():
    class Plateau(solution.Plateau):
        def step(self, metric):
            before, lr = self.bad, super().step(metric)
            if self.bad == 0 and before >= self.patience:
                self.bad = before
            return lr

    return {"Plateau": Plateau}


@wrong("E3")
def plateau_returns_nothing():
    class Plateau(solution.Plateau):
        def step(self, metric):
            super().step(metric)

    return {"Plateau": Plateau}


@wrong("E3")
def plateau_compares_with_the_last():
    class Plateau(solution.Plateau):
        def step(self, metric):
            lr = super().step(metric)
            if not math.isnan(metric):
                self.best = metric
            return lr

    return {"Plateau": Plateau}


@wrong("E3")
def plateau_subtracts_the_factor():
    class Plateau(solution.Plateau):
        def step(self, metric):
            before, after = self.lr, super().step(metric)
            if after < before:
                self.lr = max(before - self.factor, self.min_lr)
            return self.lr

    return {"Plateau": Plateau}


@wrong("E3")
def plateau_ignores_nan():
    class Plateau(solution.Plateau):
        def step(self, metric):
            return self.lr if math.isnan(metric) else super().step(metric)

    return {"Plateau": Plateau}


@wrong("E3")
def plateau_of_torch():
    class Plateau(solution.Plateau):
        def __init__(self, lr, **options):
            self.optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
            self.inner = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, **options)

        def step(self, metric):
            self.inner.step(metric)
            return self.optimizer.param_groups[0]["lr"]

    return {"Plateau": Plateau}


def stopping(**changes):
    class EarlyStopping(solution.EarlyStopping):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            for name, change in changes.items():
                setattr(self, name, change(getattr(self, name)))

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_only_minimum():
    return stopping(mode=lambda mode: "min")


@wrong("E3")
def stopping_without_delta():
    return stopping(min_delta=lambda x: 0.0)


@wrong("E3")
def stopping_begins_at_infinity():
    return stopping(best=lambda best: math.inf, best_epoch=lambda epoch: 0)


@wrong("E3")
def stopping_takes_equal_for_better():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            if metric == self.best:
                self.best = None
            return super().update(metric, epoch)

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_counts_calls():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            super().update(metric, epoch)
            return epoch >= self.patience

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_keeps_no_epoch():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            stop = super().update(metric, epoch)
            self.best_epoch = epoch
            return stop

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_never():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            super().update(metric, epoch)
            return False

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_says_continue():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            return not super().update(metric, epoch)

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_relative_delta():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            delta, self.min_delta = self.min_delta, self.min_delta * abs(self.best or 0.0)
            stop = super().update(metric, epoch)
            self.min_delta = delta
            return stop

    return {"EarlyStopping": EarlyStopping}
