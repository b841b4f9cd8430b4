"""Wrong answers to E2 at the edges: zeros, float16, groups, layouts, defaults."""

from __future__ import annotations

import copy

import torch

from phase1_foundations.lab3_training_loop import solution
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e2_adaptive import adam
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E2")
def adagrad_forgets_float16():
    class Adagrad(solution.Adagrad):
        def step(self):
            wide = solution.at_least_float32
            solution.at_least_float32 = lambda x: x.float() if x.dtype == torch.bfloat16 else x
            try:
                super().step()
            finally:
                solution.at_least_float32 = wide

    return {"Adagrad": Adagrad}


def skipping_zeros(cls):
    class Changed(cls):
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None and not p.grad.any():
                        p.grad = None
            super().step()

    Changed.__name__ = cls.__name__
    return {cls.__name__: Changed}


@wrong("E2")
def adam_skips_gradients_of_zeros():
    return skipping_zeros(solution.Adam)


@wrong("E2")
def rmsprop_skips_gradients_of_zeros():
    return skipping_zeros(solution.RMSprop)


@wrong("E2")
def adam_squares_the_norm():
    return {"Adam": adam(square=lambda g: (g * g).sum())}


@wrong("E2")
def adagrad_eps_of_the_others():
    class Adagrad(solution.Adagrad):
        def __init__(self, params, lr=1e-2, eps=1e-8, initial_accumulator=0.0):
            super().__init__(params, lr, eps, initial_accumulator)

    return {"Adagrad": Adagrad}


@wrong("E2")
def adam_numbers_start_again_in_each_group():
    class Adam(solution.Adam):
        def state_dict(self):
            state, groups = {}, []
            for group in self.param_groups:
                groups.append({**group, "params": list(range(len(group["params"])))})
                state.update({i: self.state[p] for i, p in enumerate(group["params"]) if p in self.state})
            return {"state": state, "param_groups": groups}

        def load_state_dict(self, state_dict):
            saved = copy.deepcopy(state_dict)
            for group, options in zip(self.param_groups, saved["param_groups"], strict=True):
                group.update({**options, "params": group["params"]})
                params = enumerate(group["params"])
                self.state.update({p: saved["state"][i] for i, p in params if i in saved["state"]})

    return {"Adam": Adam}


@wrong("E2")
def adam_loads_no_options():
    class Adam(solution.Adam):
        def load_state_dict(self, state_dict):
            before = [{k: v for k, v in group.items() if k != "params"} for group in self.param_groups]
            super().load_state_dict(state_dict)
            for group, options in zip(self.param_groups, before, strict=True):
                group.update(options)

    return {"Adam": Adam}


@wrong("E2")
def adam_decays_without_a_gradient():
    class Adam(solution.Adam):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None and group["decoupled"]:
                        p.mul_(1 - group["lr"] * group["weight_decay"])
            super().step()

    return {"Adam": Adam}


@wrong("E2")
def adam_reads_betas_once():
    class Adam(solution.Adam):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.first = [group["betas"] for group in self.param_groups]

        def step(self):
            for group, betas in zip(self.param_groups, self.first, strict=True):
                group["betas"] = betas
            super().step()

    return {"Adam": Adam}


@wrong("E2")
def adagrad_by_a_flat_view():
    class Adagrad(solution.Adagrad):
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.detach().view(-1)
            super().step()

    return {"Adagrad": Adagrad}
