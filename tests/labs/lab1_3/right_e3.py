"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import math

import numpy as np

from tests.labs.answers import Answers

right = Answers()


@right("E3")
def loops_and_tables():
    def step_lr(t, base, step_size, gamma):
        lr = base
        for step in range(1, t + 1):
            if step % step_size == 0:
                lr = lr * gamma
        return lr

    def warm_restarts(t, T0, T_mult, base, eta_min=0.0):
        i = start = 0
        while start + T0 * T_mult**i <= t:
            start += T0 * T_mult**i
            i += 1
        length = T0 * T_mult**i
        return eta_min + (base - eta_min) * 0.5 * (1 + math.cos((t - start) / length * math.pi))

    return {"step_lr": step_lr, "warm_restarts": warm_restarts}


@right("E3")
def closed_form_restarts():
    def warm_restarts(t, T0, T_mult, base, eta_min=0.0):
        if T_mult == 1:
            done, length = t % T0, T0
        else:
            i = int(math.log(t / T0 * (T_mult - 1) + 1) / math.log(T_mult) + 1e-9)
            begin = T0 * (T_mult**i - 1) // (T_mult - 1)
            done, length = t - begin, T0 * T_mult**i
        return eta_min + (base - eta_min) * (1 + math.cos(math.pi * done / length)) / 2

    return {"warm_restarts": warm_restarts}


@right("E3")
def recursive_restarts():
    def warm_restarts(t, T0, T_mult, base, eta_min=0.0):
        if t >= T0:
            return (
                warm_restarts(t - T0, T0 * T_mult, T_mult, base, eta_min)
                if T_mult > 1
                else (warm_restarts(t % T0, T0, 1, base, eta_min))
            )
        return eta_min + (base - eta_min) * math.cos(math.pi * t / (2 * T0)) ** 2

    return {"warm_restarts": warm_restarts}


@right("E3")
def squared_cosines():
    def cosine(t, T, base, eta_min=0.0):
        if t == 0:
            return base
        done = 1.0 if t >= T else t / T
        return eta_min if done == 1.0 else eta_min + (base - eta_min) * math.cos(math.pi * done / 2) ** 2

    def one_cycle(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
        low, lowest = max_lr / div, max_lr / div / final_div
        up, down = pct_start * total - 1.0, float(total - 1)
        if up > 0 and t <= up:
            return low + (max_lr - low) * math.sin(math.pi * t / up / 2) ** 2
        done = min(1.0, (t - up) / (down - up))
        return lowest + (max_lr - lowest) * math.cos(math.pi * done / 2) ** 2

    return {"cosine": cosine, "one_cycle": one_cycle}


@right("E3")
def clamped_progress():
    def cosine(t, T, base, eta_min=0.0):
        t = min(t, T)
        return eta_min + (base - eta_min) * (1 + math.cos(math.pi * t / T)) / 2

    def warmup_cosine(t, warmup, total, base, eta_min=0.0):
        if t < warmup:
            return base / (warmup + 1) * (t + 1)
        if t >= total:
            return eta_min
        return cosine(t - warmup, total - warmup, base, eta_min)

    return {"cosine": cosine, "warmup_cosine": warmup_cosine}


@right("E3")
def numpy_inside():
    def cosine(t, T, base, eta_min=0.0):
        return float(np.where(t < T, eta_min + (base - eta_min) * (1 + np.cos(np.pi * t / T)) / 2, eta_min))

    def step_lr(t, base, step_size, gamma):
        return float(base * np.power(gamma, np.floor_divide(t, step_size)))

    return {"cosine": cosine, "step_lr": step_lr}


@right("E3")
def one_cycle_by_interpolation():
    def one_cycle(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
        def anneal(start, end, share):
            return end + (start - end) / 2.0 * (1 + math.cos(math.pi * share))

        first = max_lr / div
        last = first / final_div
        peak = pct_start * total - 1
        if t >= total - 1:
            return last
        if t < peak:
            return anneal(first, max_lr, t / peak)
        return anneal(max_lr, last, (t - peak) / (total - 1 - peak))

    return {"one_cycle": one_cycle}


@right("E3")
def infinity_for_no_best():
    class Plateau:
        def __init__(self, lr, mode="min", factor=0.1, patience=10, threshold=1e-4, cooldown=0, min_lr=0.0):
            self.__dict__.update(locals())
            self.best = math.inf if mode == "min" else -math.inf
            self.num_bad, self.wait = 0, 0

        def step(self, metric):
            if self.mode == "min":
                better = metric < self.best * (1 - self.threshold)
            else:
                better = metric > self.best * (1 + self.threshold)
            self.num_bad = 0 if better else self.num_bad + 1
            self.best = metric if better else self.best
            if self.wait:
                self.wait -= 1
                self.num_bad = 0
            if self.num_bad > self.patience:
                self.lr = max(self.factor * self.lr, self.min_lr)
                self.wait, self.num_bad = self.cooldown, 0
            return self.lr

    class EarlyStopping:
        def __init__(self, patience=10, min_delta=0.0, mode="min"):
            self.patience, self.min_delta, self.sign = patience, min_delta, 1 if mode == "min" else -1
            self._best, self.best_epoch, self.count = math.inf, None, 0

        @property
        def best(self):
            return None if self.best_epoch is None else self.sign * self._best

        def update(self, metric, epoch):
            value = self.sign * metric
            if value < self._best - self.min_delta:
                self._best, self.best_epoch, self.count = value, epoch, 0
                return False
            self.count += 1
            return self.count >= self.patience

    return {"Plateau": Plateau, "EarlyStopping": EarlyStopping}


@right("E3")
def keeps_the_whole_past():
    class EarlyStopping:
        def __init__(self, patience=10, min_delta=0.0, mode="min"):
            self.patience, self.min_delta, self.mode = patience, min_delta, mode
            self.past = []
            self.best = self.best_epoch = None

        def update(self, metric, epoch):
            better = metric == metric and (
                self.best is None
                or (
                    self.best - metric > self.min_delta
                    if self.mode == "min"
                    else metric - self.best > self.min_delta
                )
            )
            if better:
                self.best, self.best_epoch = metric, epoch
            self.past.append(better)
            return len(self.past) >= self.patience and not any(self.past[-self.patience :])

    return {"EarlyStopping": EarlyStopping}
