"""E3's schedules in plain words of arithmetic, right and with known mistakes, and torch's own."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch

Formula = Callable[..., float]


def half_cosine(done: float, high: float, low: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * done)) / 2


def step_lr(t: int, base: float, step_size: int, gamma: float) -> float:
    return base * math.prod([gamma] * len(range(step_size, t + 1, step_size)))


def cosine(t: int, T: int, base: float, eta_min: float = 0.0) -> float:
    return half_cosine(t / T, base, eta_min) if t < T else eta_min


def warm_restarts(t: int, T0: int, T_mult: int, base: float, eta_min: float = 0.0) -> float:
    begin, length = 0, T0
    while begin + length <= t:
        begin, length = begin + length, length * T_mult
    return half_cosine((t - begin) / length, base, eta_min)


def one_cycle(
    t: int, total: int, max_lr: float, pct_start: float = 0.3, div: float = 25.0, final_div: float = 1e4
) -> float:
    peak, last = pct_start * total - 1, total - 1
    first, final = max_lr / div, max_lr / div / final_div
    if t >= last:
        return final
    if t < peak:
        return half_cosine(t / peak, first, max_lr)
    return half_cosine((t - peak) / (last - peak), max_lr, final)


def warmup_cosine(t: int, warmup: int, total: int, base: float, eta_min: float = 0.0) -> float:
    if t < warmup:
        return base * (t + 1) / (warmup + 1)
    return half_cosine((t - warmup) / (total - warmup), base, eta_min) if t < total else eta_min


RIGHT: dict[str, Formula] = {
    each.__name__: each for each in (step_lr, cosine, warm_restarts, one_cycle, warmup_cosine)
}


def torchs(steps: int, base: float, scheduler: Callable[[Any], Any]) -> list[float]:
    """The rates of a scheduler of torch at steps 0, 1, …"""
    p = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = scheduler(optimizer)
        rates = []
        for _ in range(steps):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            schedule.step()
    return rates


def plateau_of_torch(metrics: list[float], lr: float, min_lr: float = 0.0, **how: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=min_lr, eps=0.0, **how)
    rates = []
    for metric in metrics:
        schedule.step(metric)
        rates.append(float(optimizer.param_groups[0]["lr"]))
    return rates


def stopped(
    metrics: list[float], patience: int, min_delta: float = 0.0, mode: str = "min"
) -> tuple[list[bool], list[tuple[float | None, int | None]]]:
    """What EarlyStopping should answer, and the best (value, epoch) after each metric: by looking back."""
    answers, bests = [], []
    for end in range(1, len(metrics) + 1):
        best: float | None = None
        epoch = last_good = -1
        for i, metric in enumerate(metrics[:end]):
            sign = 1 if mode == "min" else -1
            if not math.isnan(metric) and (best is None or sign * metric < sign * best - min_delta):
                best, epoch, last_good = metric, i, i
        answers.append(end - 1 - last_good >= patience)
        bests.append((best, None if best is None else epoch))
    return answers, bests
