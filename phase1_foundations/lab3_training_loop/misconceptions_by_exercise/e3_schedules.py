"""Wrong answers to E3."""

import math

from courseware.check import misconception
from phase1_foundations.lab3_training_loop.solution import EarlyStopping as RightStopping
from phase1_foundations.lab3_training_loop.solution import Plateau as RightPlateau
from phase1_foundations.lab3_training_loop.solution import cosine as right_cosine


@misconception("E3", diagnosis="decayed-too-early")
def counts_steps_from_one():
    def step_lr(t, base, step_size, gamma):
        return base * gamma ** ((t + 1) // step_size)

    return {"step_lr": step_lr}


@misconception("E3", diagnosis="cosine-rises-again")
def lets_the_cosine_run_on():
    def cosine(t, T, base, eta_min=0.0):
        return eta_min + 0.5 * (base - eta_min) * (1 + math.cos(math.pi * t / T))

    return {"cosine": cosine}


@misconception("E3", diagnosis="whole-numbers-only")
def divides_whole_numbers():
    def cosine(t, T, base, eta_min=0.0):
        if t >= T:
            return eta_min
        return eta_min + 0.5 * (base - eta_min) * (1 + math.cos(math.pi * (t // T)))

    return {"cosine": cosine}


@misconception("E3", diagnosis="all-cycles-of-one-length")
def restarts_every_t0():
    def warm_restarts(t, T0, T_mult, base, eta_min=0.0):
        return right_cosine(t % T0, T0, base, eta_min)

    return {"warm_restarts": warm_restarts}


@misconception("E3", diagnosis="t-mult-1-fails")
def closed_form_without_a_case_for_one():
    def warm_restarts(t, T0, T_mult, base, eta_min=0.0):
        cycle = math.floor(math.log(t / T0 * (T_mult - 1) + 1, T_mult) + 1e-9)
        begin = T0 * (T_mult**cycle - 1) // (T_mult - 1)
        return right_cosine(t - begin, T0 * T_mult**cycle, base, eta_min)

    return {"warm_restarts": warm_restarts}


@misconception("E3", diagnosis="peak-one-step-late")
def peaks_at_the_share():
    def one_cycle(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
        peak, first = int(pct_start * total), max_lr / div
        if t < peak:
            return max_lr - right_cosine(t, peak, max_lr - first)
        last = first / final_div
        return last + right_cosine(t - peak, total - 1 - peak, max_lr - last)

    return {"one_cycle": one_cycle}


@misconception("E3", diagnosis="cosine-over-the-total")
def cosine_over_all_steps():
    def warmup_cosine(t, warmup, total, base, eta_min=0.0):
        if t < warmup:
            return base * (t + 1) / (warmup + 1)
        return right_cosine(t - warmup, total, base, eta_min)

    return {"warmup_cosine": warmup_cosine}


@misconception("E3", diagnosis="warm-up-begins-at-zero")
def first_step_for_nothing():
    def warmup_cosine(t, warmup, total, base, eta_min=0.0):
        if t < warmup:
            return base * t / warmup
        return right_cosine(t - warmup, total - warmup, base, eta_min)

    return {"warmup_cosine": warmup_cosine}


@misconception("E3", diagnosis="nan-becomes-the-best")
def asks_whether_it_is_not_worse():
    class EarlyStopping(RightStopping):
        def update(self, metric, epoch):
            worse = self.best is not None and (
                metric >= self.best - self.min_delta
                if self.mode == "min"
                else metric <= self.best + self.min_delta
            )
            if not worse:
                self.best, self.best_epoch, self.bad = metric, epoch, 0
            else:
                self.bad += 1
            return self.bad >= self.patience

    return {"EarlyStopping": EarlyStopping}


@misconception("E3", diagnosis="patience-counted-otherwise")
def reduces_one_evaluation_early():
    class Plateau(RightPlateau):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.patience -= 1

    return {"Plateau": Plateau}


@misconception("E3", diagnosis="stops-at-another-evaluation")
def stops_one_evaluation_late():
    class EarlyStopping(RightStopping):
        def update(self, metric, epoch):
            super().update(metric, epoch)
            return self.bad > self.patience

    return {"EarlyStopping": EarlyStopping}


@misconception("E3", diagnosis="cooldown-ignored")
def has_no_cooldown():
    class Plateau(RightPlateau):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.cooldown = 0

    return {"Plateau": Plateau}


@misconception("E3", diagnosis="threshold-absolute")
def takes_the_threshold_as_a_difference():
    class Plateau(RightPlateau):
        def step(self, metric):
            shift = self.threshold
            if self.best is not None:
                self.threshold = shift / self.best
            try:
                return super().step(metric)
            finally:
                self.threshold = shift

    return {"Plateau": Plateau}


@misconception("E3", diagnosis="below-min-lr")
def ignores_the_lowest_rate():
    class Plateau(RightPlateau):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.min_lr = 0.0

    return {"Plateau": Plateau}
