"""Wrong answers to E2 and E3, third part: what an option, a group or a second look shows."""

import math

import torch

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

wrong = Answers()

# ---- E2 -------------------------------------------------------------------------------------------------


@wrong("E2")
def loads_into_the_dtype_of_the_parameter():
    class Adam(solution.Adam):
        def load_state_dict(self, state_dict):
            super().load_state_dict(state_dict)
            for p, kept in self.state.items():
                for name, value in kept.items():
                    kept[name] = value.to(p.dtype) if isinstance(value, torch.Tensor) else value

    return {"Adam": Adam}


@wrong("E2")
def accumulator_of_the_arguments():
    class Adagrad(solution.Adagrad):
        def __init__(self, params, lr=1e-2, eps=1e-10, initial_accumulator=0.0):
            super().__init__(params, lr, eps, initial_accumulator)
            for group in self.param_groups:
                group["initial_accumulator"] = initial_accumulator

    return {"Adagrad": Adagrad}


# ---- E3 -------------------------------------------------------------------------------------------------


@wrong("E3")
def restarts_by_a_logarithm():
    def warm_restarts(t, T0, T_mult, base, eta_min=0.0):
        if T_mult == 1:
            return solution.cosine(t % T0, T0, base, eta_min)
        n = int(math.log(t / T0 * (T_mult - 1) + 1, T_mult))
        begin = T0 * (T_mult**n - 1) // (T_mult - 1)
        return solution.cosine(t - begin, T0 * T_mult**n, base, eta_min)

    return {"warm_restarts": warm_restarts}


@wrong("E3")
def stopped_for_ever():
    class EarlyStopping(solution.EarlyStopping):
        stopped = False

        def update(self, metric, epoch):
            self.stopped = super().update(metric, epoch) or self.stopped
            return self.stopped

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def counts_epochs_from_one():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            return super().update(metric, epoch + 1)

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def equal_is_better():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            if self.best is not None and metric == self.best:
                self.bad = -1
            return super().update(metric, epoch)

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def one_cycle_falls_to_zero():
    def one_cycle(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4):
        if t >= total - 1:
            return 0.0
        return solution.one_cycle(t, total, max_lr, pct_start, div, final_div)

    return {"one_cycle": one_cycle}
