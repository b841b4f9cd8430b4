"""Wrong answers to E1 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch

from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e1_sgd import mixed, sgd
from phase1_foundations.lab3_training_loop.solution import SGD as Right
from tests.labs.answers import Answers

wrong = Answers()


def finish(p, d, kept, group, first):
    if group["momentum"]:
        v = mixed(d, kept, group, first)
        d = d + group["momentum"] * v if group["nesterov"] else v
    p.sub_(group["lr"] * d)


@wrong("E1")
def uphill():
    return {"SGD": sgd(lambda p, d, k, g, f: finish(p, -d, k, g, f))}


@wrong("E1")
def averaged_momentum():
    def move(p, d, kept, group, first):
        if group["momentum"]:
            old = kept.get("momentum_buffer", torch.zeros_like(p))
            v = kept["momentum_buffer"] = group["momentum"] * old + (1 - group["momentum"]) * d
            d = d + group["momentum"] * v if group["nesterov"] else v
        p.sub_(group["lr"] * d)

    return {"SGD": sgd(move)}


@wrong("E1")
def no_momentum():
    return {"SGD": sgd(lambda p, d, k, g, f: p.sub_(g["lr"] * d))}


@wrong("E1")
def no_dampening():
    return {"SGD": sgd(lambda p, d, k, g, f: finish(p, d, k, {**g, "dampening": 0.0}, f))}


@wrong("E1")
def dampening_for_one_minus():
    return {"SGD": sgd(lambda p, d, k, g, f: finish(p, d, k, {**g, "dampening": 1 - g["dampening"]}, f))}


@wrong("E1")
def nesterov_with_the_old_buffer():
    def move(p, d, kept, group, first):
        if group["momentum"]:
            old = kept.get("momentum_buffer", torch.zeros_like(p))
            v = mixed(d, kept, group, first)
            d = d + group["momentum"] * old if group["nesterov"] else v
        p.sub_(group["lr"] * d)

    return {"SGD": sgd(move)}


@wrong("E1")
def nesterov_without_the_gradient():
    def move(p, d, kept, group, first):
        if group["momentum"]:
            v = mixed(d, kept, group, first)
            d = group["momentum"] * v if group["nesterov"] else v
        p.sub_(group["lr"] * d)

    return {"SGD": sgd(move)}


@wrong("E1")
def nesterov_always():
    def move(p, d, kept, group, first):
        if group["momentum"]:
            d = d + group["momentum"] * mixed(d, kept, group, first)
        p.sub_(group["lr"] * d)

    return {"SGD": sgd(move)}


@wrong("E1")
def decay_of_the_other_sign():
    return {"SGD": sgd(lambda p, d, k, g, f: finish(p, 2 * p.grad - d, k, g, f))}


@wrong("E1")
def decay_doubled():
    return {"SGD": sgd(lambda p, d, k, g, f: finish(p, d + g["weight_decay"] * p, k, g, f))}


@wrong("E1")
def decay_of_the_sign():
    def move(p, d, kept, group, first):
        finish(p, p.grad + group["weight_decay"] * p.sign() * 0.5, kept, group, first)

    return {"SGD": sgd(move)}


@wrong("E1")
def decoupled_decay():
    def move(p, d, kept, group, first):
        p.mul_(1 - group["lr"] * group["weight_decay"])
        finish(p, p.grad, kept, group, first)

    return {"SGD": sgd(move)}


@wrong("E1")
def decay_only_with_momentum():
    def move(p, d, kept, group, first):
        finish(p, d if group["momentum"] else p.grad, kept, group, first)

    return {"SGD": sgd(move)}


@wrong("E1")
def zero_gradients_skipped():
    def move(p, d, kept, group, first):
        if p.grad.any():
            finish(p, d, kept, group, first)

    return {"SGD": sgd(move)}


@wrong("E1")
def gradient_clipped():
    return {"SGD": sgd(lambda p, d, k, g, f: finish(p, d.clamp(-1, 1), k, g, f))}


@wrong("E1")
def decay_in_place_of_the_gradient():
    class SGD(Right):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad += group["weight_decay"] * p
            rates = [group["weight_decay"] for group in self.param_groups]
            for group in self.param_groups:
                group["weight_decay"] = 0.0
            super().step()
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["weight_decay"] = rate

    return {"SGD": SGD}


@wrong("E1")
def clears_gradients_in_step():
    class SGD(Right):
        def step(self):
            super().step()
            self.zero_grad()

    return {"SGD": SGD}


@wrong("E1")
def lr_kept_at_construction():
    class SGD(Right):
        def __init__(self, params, lr, *args, **options):
            super().__init__(params, lr, *args, **options)
            self.rates = [group["lr"] for group in self.param_groups]

        def step(self):
            now = [group["lr"] for group in self.param_groups]
            for group, rate in zip(self.param_groups, self.rates, strict=True):
                group["lr"] = rate
            super().step()
            for group, rate in zip(self.param_groups, now, strict=True):
                group["lr"] = rate

    return {"SGD": SGD}


@wrong("E1")
def returns_at_a_missing_gradient():
    class SGD(Right):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        return
                    d = p.grad + group["weight_decay"] * p
                    if group["momentum"]:
                        d = mixed(d, self.state.setdefault(p, {}), group, not self.state[p])
                    p.sub_(group["lr"] * d)

    return {"SGD": SGD}


@wrong("E1")
def one_buffer_for_all():
    class SGD(Right):
        def step(self):
            super().step()
            if self.state:
                first = next(iter(self.state.values()))
                for kept in self.state.values():
                    if kept["momentum_buffer"].shape == first["momentum_buffer"].shape:
                        kept["momentum_buffer"] = first["momentum_buffer"]

    return {"SGD": SGD}


@wrong("E1")
def ignores_options_of_groups():
    class SGD(Right):
        def __init__(self, params, lr, *args, **options):
            params = list(params)
            if params and isinstance(params[0], dict):
                params = [{"params": group["params"]} for group in params]
            super().__init__(params, lr, *args, **options)

    return {"SGD": SGD}


@wrong("E1")
def accepts_nesterov_alone():
    class SGD(Right):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            super().__init__(params, lr, momentum, dampening, False, weight_decay)
            for group in self.param_groups:
                group["nesterov"] = nesterov

    return {"SGD": SGD}


@wrong("E1")
def zero_grad_fills_zeros_always():
    class SGD(Right):
        def zero_grad(self, set_to_none=True):
            super().zero_grad(set_to_none=False)

    return {"SGD": SGD}


@wrong("E1")
def zero_grad_never_fills():
    class SGD(Right):
        def zero_grad(self, set_to_none=True):
            super().zero_grad()

    return {"SGD": SGD}


@wrong("E1")
def zero_grad_fails_on_none():
    class SGD(Right):
        def zero_grad(self, set_to_none=True):
            for group in self.param_groups:
                for p in group["params"]:
                    if set_to_none:
                        p.grad = None
                    else:
                        p.grad.zero_()

    return {"SGD": SGD}


@wrong("E1")
def zero_grad_clears_momentum():
    class SGD(Right):
        def zero_grad(self, set_to_none=True):
            super().zero_grad(set_to_none)
            self.state.clear()

    return {"SGD": SGD}


@wrong("E1")
def state_dict_is_the_object():
    class SGD(Right):
        def state_dict(self):
            return self.__dict__

    return {"SGD": SGD}


@wrong("E1")
def state_without_groups():
    class SGD(Right):
        def state_dict(self):
            return {"state": super().state_dict()["state"]}

    return {"SGD": SGD}


@wrong("E1")
def tensors_as_keys():
    class SGD(Right):
        def state_dict(self):
            return {"state": self.state, "param_groups": super().state_dict()["param_groups"]}

    return {"SGD": SGD}


@wrong("E1")
def numbers_from_one():
    class SGD(Right):
        def state_dict(self):
            state = super().state_dict()
            return {**state, "state": {i + 1: kept for i, kept in state["state"].items()}}

        def load_state_dict(self, state_dict):
            shifted = {i - 1: kept for i, kept in state_dict["state"].items()}
            super().load_state_dict({**state_dict, "state": shifted})

    return {"SGD": SGD}


@wrong("E1")
def buffer_without_its_name():
    class SGD(Right):
        def state_dict(self):
            state = super().state_dict()
            return {**state, "state": {i: kept["momentum_buffer"] for i, kept in state["state"].items()}}

        def load_state_dict(self, state_dict):
            named = {i: {"momentum_buffer": v} for i, v in state_dict["state"].items()}
            super().load_state_dict({**state_dict, "state": named})

    return {"SGD": SGD}


@wrong("E1")
def loads_nothing():
    class SGD(Right):
        def load_state_dict(self, state_dict):
            pass

    return {"SGD": SGD}


@wrong("E1")
def loads_groups_alone():
    class SGD(Right):
        def load_state_dict(self, state_dict):
            super().load_state_dict({**state_dict, "state": {}})

    return {"SGD": SGD}


@wrong("E1")
def loads_numbers_into_the_groups():
    class SGD(Right):
        def load_state_dict(self, state_dict):
            super().load_state_dict(state_dict)
            self.param_groups = [dict(group) for group in state_dict["param_groups"]]

    return {"SGD": SGD}


@wrong("E1")
def fills_in_the_callers_dict():
    class SGD(Right):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            super().__init__(params, lr, momentum, dampening, nesterov, weight_decay)
            if isinstance(params, list) and params and isinstance(params[0], dict):
                for given, own in zip(params, self.param_groups, strict=True):
                    given.update(own)
                self.param_groups = params

    return {"SGD": SGD}


@wrong("E1")
def lets_the_functional_form_work():
    class SGD(Right):
        def step(self):
            from torch.optim.sgd import sgd as functional

            for g in self.param_groups:
                params = [p for p in g["params"] if p.grad is not None]
                buffers = [self.state.get(p, {}).get("momentum_buffer") for p in params]
                with torch.no_grad():
                    functional(
                        params,
                        [p.grad for p in params],
                        buffers,
                        weight_decay=g["weight_decay"],
                        momentum=g["momentum"],
                        lr=g["lr"],
                        dampening=g["dampening"],
                        nesterov=g["nesterov"],
                        maximize=False,
                    )
                for p, buffer in zip(params, buffers, strict=True):
                    if buffer is not None:
                        self.state[p] = {"momentum_buffer": buffer}

    return {"SGD": SGD}


@wrong("E1")
def hides_torch_inside():
    class SGD:
        def __init__(self, params, lr, **options):
            self.inner = torch.optim.SGD(params, lr, **options)
            self.param_groups = self.inner.param_groups

        def step(self):
            self.inner.step()

        def zero_grad(self, set_to_none=True):
            self.inner.zero_grad(set_to_none)

        def state_dict(self):
            return self.inner.state_dict()

        def load_state_dict(self, state_dict):
            self.inner.load_state_dict(state_dict)

    return {"SGD": SGD}


@wrong("E1")
def moves_copies():
    class SGD(Right):
        def __init__(self, params, lr, *args, **options):
            params = list(params)
            if params and isinstance(params[0], torch.Tensor):
                params = [p.detach().clone().requires_grad_() for p in params]
            super().__init__(params, lr, *args, **options)

    return {"SGD": SGD}
