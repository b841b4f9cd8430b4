"""Wrong answers to E1: one sound optimizer, with one mistake at a time."""

import torch

from courseware.check import misconception
from phase1_foundations.lab3_training_loop.solution import SGD as Right
from phase1_foundations.lab3_training_loop.solution import Optimizer


def sgd(move, base=Optimizer):
    """An SGD whose step calls `move(p, d, kept, group, first)` for each parameter with a gradient."""

    class SGD(base):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            if nesterov and (momentum <= 0 or dampening != 0):
                raise ValueError("nesterov needs a momentum and no dampening")
            options = {"lr": lr, "momentum": momentum, "dampening": dampening, "nesterov": nesterov}
            super().__init__(params, {**options, "weight_decay": weight_decay})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        first = p not in self.state
                        kept = self.state.setdefault(p, {}) if group["momentum"] else {}
                        move(p, p.grad + group["weight_decay"] * p, kept, group, first)

    return SGD


def mixed(d, kept, group, first):
    """The new buffer, by the book."""
    old = kept.get("momentum_buffer")
    kept["momentum_buffer"] = d.clone() if first else group["momentum"] * old + (1 - group["dampening"]) * d
    return kept["momentum_buffer"]


@misconception("E1", diagnosis="first-buffer-damped")
def dampens_the_first_gradient():
    def move(p, d, kept, group, first):
        if group["momentum"]:
            old = kept.get("momentum_buffer", torch.zeros_like(p))
            v = kept["momentum_buffer"] = group["momentum"] * old + (1 - group["dampening"]) * d
            d = d + group["momentum"] * v if group["nesterov"] else v
        p.sub_(group["lr"] * d)

    return {"SGD": sgd(move)}


@misconception("E1", diagnosis="lr-inside-the-buffer")
def multiplies_by_lr_too_early():
    def move(p, d, kept, group, first):
        d = group["lr"] * d
        if group["momentum"]:
            v = mixed(d, kept, group, first)
            d = d + group["momentum"] * v if group["nesterov"] else v
        p.sub_(d)

    return {"SGD": sgd(move)}


@misconception("E1", diagnosis="nesterov-is-plain")
def ignores_nesterov():
    def move(p, d, kept, group, first):
        p.sub_(group["lr"] * (mixed(d, kept, group, first) if group["momentum"] else d))

    return {"SGD": sgd(move)}


@misconception("E1", diagnosis="decay-after-momentum")
def decays_at_the_end():
    def move(p, d, kept, group, first):
        g = p.grad
        if group["momentum"]:
            v = mixed(g, kept, group, first)
            g = g + group["momentum"] * v if group["nesterov"] else v
        p.sub_(group["lr"] * (g + group["weight_decay"] * p))

    return {"SGD": sgd(move)}


@misconception("E1", diagnosis="generator-used-up")
def keeps_the_generator():
    class SGD(Right):
        def __init__(self, params, *args, **options):
            if isinstance(params, list):
                super().__init__(params, *args, **options)
            else:
                super().__init__([], *args, **options)
                self.param_groups[0]["params"] = params

    return {"SGD": SGD}


@misconception("E1", diagnosis="missing-gradient-counts-as-zero")
def takes_none_for_zero():
    class SGD(Right):
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        p.grad = torch.zeros_like(p)
            super().step()

    return {"SGD": SGD}


@misconception("E1", diagnosis="update-is-recorded")
def forgets_no_grad():
    class SGD(Right):
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p -= group["lr"] * p.grad

    return {"SGD": SGD}


@misconception("E1", diagnosis="buffer-is-the-gradient")
def keeps_the_gradient_itself():
    class SGD(Right):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    d = p.grad if not group["weight_decay"] else p.grad + group["weight_decay"] * p
                    if group["momentum"]:
                        kept = self.state.get(p)
                        v = d if kept is None else group["momentum"] * kept["momentum_buffer"]
                        v = v if kept is None else v + (1 - group["dampening"]) * d
                        self.state[p] = {"momentum_buffer": v}
                        d = d + group["momentum"] * v if group["nesterov"] else v
                    p.sub_(group["lr"] * d)

    return {"SGD": SGD}


@misconception("E1", diagnosis="state-by-identity")
def saves_by_id():
    class SGD(Right):
        def state_dict(self):
            return {
                "state": {id(p): kept for p, kept in self.state.items()},
                "param_groups": [
                    {**group, "params": [id(p) for p in group["params"]]} for group in self.param_groups
                ],
            }

    return {"SGD": SGD}


@misconception("E1", diagnosis="options-not-restored")
def restores_buffers_alone():
    class SGD(Right):
        def load_state_dict(self, state_dict):
            rates = [dict(group) for group in self.param_groups]
            super().load_state_dict(state_dict)
            self.param_groups[:] = rates

    return {"SGD": SGD}


@misconception("E1", diagnosis="loaded-state-is-shared")
def loads_without_copying():
    class SGD(Right):
        def load_state_dict(self, state_dict):
            super().load_state_dict(state_dict)
            params = [p for group in self.param_groups for p in group["params"]]
            self.state = {params[i]: kept for i, kept in state_dict["state"].items()}

    return {"SGD": SGD}


@misconception("E1", diagnosis="forbidden")
def wraps_torch():
    class SGD(torch.optim.SGD):
        pass

    return {"SGD": SGD}
