"""More wrong answers to E1: what shows only with several groups, or a second optimizer."""

import torch

from phase1_foundations.lab3_training_loop.solution import SGD as Right
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E1")
def loads_the_rate_alone():
    class SGD(Right):
        def load_state_dict(self, state_dict):
            own = [dict(group) for group in self.param_groups]
            super().load_state_dict(state_dict)
            for group, before in zip(self.param_groups, own, strict=True):
                group.update({**before, "lr": group["lr"]})

    return {"SGD": SGD}


@wrong("E1")
def dampens_without_momentum():
    class SGD(Right):
        def step(self):
            rates = [group["lr"] for group in self.param_groups]
            for group in self.param_groups:
                group["lr"] *= 1 if group["momentum"] else 1 - group["dampening"]
            super().step()
            for group, lr in zip(self.param_groups, rates, strict=True):
                group["lr"] = lr

    return {"SGD": SGD}


@wrong("E1")
def zeroes_the_first_group():
    class SGD(Right):
        def zero_grad(self, set_to_none=True):
            groups, self.param_groups = self.param_groups, self.param_groups[:1]
            super().zero_grad(set_to_none)
            self.param_groups = groups

    return {"SGD": SGD}


@wrong("E1")
def none_clears_the_momentum():
    class SGD(Right):
        def zero_grad(self, set_to_none=True):
            super().zero_grad(set_to_none)
            if set_to_none:
                self.state.clear()

    return {"SGD": SGD}


@wrong("E1")
def adds_to_its_own_memory():
    class SGD(Right):
        def load_state_dict(self, state_dict):
            before = self.state
            super().load_state_dict(state_dict)
            self.state = {**before, **self.state}

    return {"SGD": SGD}


@wrong("E1")
def views_as_one_row():
    class SGD(Right):
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.detach().view(-1)
            super().step()

    return {"SGD": SGD}


@wrong("E1")
def momentum_of_the_first_group():
    class SGD(Right):
        def step(self):
            own = [group["momentum"] for group in self.param_groups]
            for group in self.param_groups:
                group["momentum"] = own[0]
            super().step()
            for group, mu in zip(self.param_groups, own, strict=True):
                group["momentum"] = mu

    return {"SGD": SGD}


@wrong("E1")
def generator_of_a_group_used_up():
    class SGD(Right):
        def __init__(self, params, lr, *args, **options):
            params = list(params)
            lazy = [dict(each) for each in params if isinstance(each, dict)]
            super().__init__(lazy or params, lr, *args, **options)
            for group, given in zip(self.param_groups, lazy, strict=False):
                if not isinstance(given["params"], list | tuple):
                    group["params"] = iter(group["params"])

    return {"SGD": SGD}


@wrong("E1")
def one_first_step_for_all():
    class SGD(Right):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups if self.state else []:
                for p in group["params"]:
                    self.state.setdefault(p, {"momentum_buffer": torch.zeros_like(p)})
            params = [p for group in self.param_groups for p in group["params"]]
            for p in params[1:] if not self.state and self.param_groups[0]["momentum"] else []:
                if p.grad is not None:
                    self.state[p] = {"momentum_buffer": torch.zeros_like(p)}
            super().step()

    return {"SGD": SGD}
