"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import copy
from collections import defaultdict

import torch

from tests.labs.answers import Answers

right = Answers()
NAMES = ("lr", "momentum", "dampening", "nesterov", "weight_decay")


def options_of(lr, momentum, dampening, nesterov, weight_decay):
    if nesterov and (not momentum or dampening):
        raise ValueError("Nesterov momentum requires a momentum and zero dampening")
    return dict(zip(NAMES, (lr, momentum, dampening, nesterov, weight_decay), strict=True))


class Groups:
    """What all of these have in common, in a style of its own: state in a list, by the parameter's number."""

    def set_up(self, params, options):
        params = [*params]
        self.param_groups = []
        for entry in params if params and isinstance(params[0], dict) else [{"params": params}]:
            entry = dict(entry)
            tensors = entry.pop("params")
            self.param_groups.append(options | entry | {"params": [*tensors]})
        self.buffers = [None] * sum(len(g["params"]) for g in self.param_groups)

    def everything(self):
        i = 0
        for group in self.param_groups:
            for p in group["params"]:
                yield i, p, group
                i += 1

    def zero_grad(self, set_to_none=True):
        for _, p, _ in self.everything():
            if p.grad is not None:
                p.grad = None if set_to_none else torch.zeros_like(p.grad)

    def state_dict(self):
        groups, i = [], 0
        for group in self.param_groups:
            count = len(group["params"])
            groups.append({**group, "params": list(range(i, i + count))})
            i += count
        kept = {i: {"momentum_buffer": b.clone()} for i, b in enumerate(self.buffers) if b is not None}
        return {"state": kept, "param_groups": groups}

    def load_state_dict(self, state_dict):
        for own, other in zip(self.param_groups, state_dict["param_groups"], strict=True):
            own.update({k: copy.copy(v) for k, v in other.items() if k != "params"})
        self.buffers = [None] * len(self.buffers)
        for i, kept in state_dict["state"].items():
            if kept.get("momentum_buffer") is not None:
                self.buffers[i] = kept["momentum_buffer"].clone()


@right("E1")
def list_of_buffers():
    class SGD(Groups):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            self.set_up(params, options_of(lr, momentum, dampening, nesterov, weight_decay))

        def step(self):
            for i, p, group in self.everything():
                if p.grad is None:
                    continue
                x, d = p.detach(), p.grad.detach().clone()
                d += group["weight_decay"] * x
                if group["momentum"]:
                    if self.buffers[i] is None:
                        self.buffers[i] = d.clone()
                    else:
                        self.buffers[i] = group["momentum"] * self.buffers[i] + (1 - group["dampening"]) * d
                    d = d + group["momentum"] * self.buffers[i] if group["nesterov"] else self.buffers[i]
                x -= group["lr"] * d

    return {"SGD": SGD}


@right("E1")
def assigns_data():
    class SGD(Groups):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            self.set_up(params, options_of(lr, momentum, dampening, nesterov, weight_decay))

        def step(self):
            for i, p, g in self.everything():
                if p.grad is not None:
                    p.data = p.data - g["lr"] * self.direction(i, p.data, p.grad.data, g)

        def direction(self, i, x, d, g):
            d = d + x * g["weight_decay"] if g["weight_decay"] else d
            mu = g["momentum"]
            if mu == 0:
                return d
            old = self.buffers[i]
            v = self.buffers[i] = 1 * d if old is None else torch.add(mu * old, d, alpha=1 - g["dampening"])
            return torch.add(d, v, alpha=mu) if g["nesterov"] else v

    return {"SGD": SGD}


@right("E1")
def buffers_by_id_in_memory_only():
    class SGD:
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            params = list(params)
            if params and not isinstance(params[0], dict):
                params = [{"params": params}]
            defaults = options_of(lr, momentum, dampening, nesterov, weight_decay)
            self.param_groups = [{**defaults, **g, "params": list(g["params"])} for g in params]
            self._v = {}

        @torch.no_grad()
        def step(self):
            for g in self.param_groups:
                for p in filter(lambda p: p.grad is not None, g["params"]):
                    d = p.grad.clone()
                    if g["weight_decay"] != 0:
                        d.add_(p, alpha=g["weight_decay"])
                    if g["momentum"] != 0:
                        v = self._v.get(id(p))
                        if v is None:
                            v = self._v[id(p)] = d.clone()
                        else:
                            v.mul_(g["momentum"])
                            v.add_(d, alpha=1 - g["dampening"])
                        if g["nesterov"]:
                            d.add_(v, alpha=g["momentum"])
                        else:
                            d.copy_(v)
                    p.sub_(d.mul_(g["lr"]))

        def zero_grad(self, set_to_none=True):
            for g in self.param_groups:
                for p in g["params"]:
                    if set_to_none:
                        p.grad = None
                    elif p.grad is not None:
                        p.grad.detach_()
                        p.grad.fill_(0.0)

        def state_dict(self):
            flat = [p for g in self.param_groups for p in g["params"]]
            place = {id(p): i for i, p in enumerate(flat)}
            return {
                "state": {
                    i: {"momentum_buffer": self._v[id(p)]} if id(p) in self._v else {}
                    for i, p in enumerate(flat)
                },
                "param_groups": [
                    {k: [place[id(p)] for p in v] if k == "params" else v for k, v in g.items()}
                    for g in self.param_groups
                ],
            }

        def load_state_dict(self, sd):
            flat = [p for g in self.param_groups for p in g["params"]]
            self._v = {
                id(flat[i]): kept["momentum_buffer"].clone() for i, kept in sd["state"].items() if kept
            }
            for g, new in zip(self.param_groups, sd["param_groups"], strict=True):
                for key in NAMES:
                    g[key] = new[key]

    return {"SGD": SGD}


@right("E1")
def attributes_on_the_parameter():
    class SGD(Groups):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            self.set_up(params, options_of(lr, momentum, dampening, nesterov, weight_decay))

        def step(self):
            with torch.no_grad():
                for i, p, g in self.everything():
                    if p.grad is None:
                        continue
                    d = torch.where(torch.ones_like(p, dtype=torch.bool), p.grad, p) + g["weight_decay"] * p
                    if g["momentum"]:
                        first = self.buffers[i] is None
                        damp = 0.0 if first else g["dampening"]
                        old = torch.zeros_like(p) if first else self.buffers[i]
                        self.buffers[i] = g["momentum"] * old + (1 - damp) * d
                        d = self.buffers[i] + (
                            (d + (g["momentum"] - 1) * self.buffers[i]) if g["nesterov"] else 0
                        )
                    p.copy_(p - g["lr"] * d)

    return {"SGD": SGD}


@right("E1")
def foreach():
    class SGD(Groups):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            self.set_up(params, options_of(lr, momentum, dampening, nesterov, weight_decay))

        @torch.no_grad()
        def step(self):
            by_group = defaultdict(list)
            for i, p, group in self.everything():
                if p.grad is not None:
                    by_group[id(group)].append((i, p, group))
            for entries in by_group.values():
                g = entries[0][2]
                params = [p for _, p, _ in entries]
                d = torch._foreach_add([p.grad for p in params], params, alpha=g["weight_decay"])
                if g["momentum"]:
                    for (i, _, _), each in zip(entries, d, strict=True):
                        old = self.buffers[i]
                        self.buffers[i] = (
                            each.clone() if old is None else old * g["momentum"] + each * (1 - g["dampening"])
                        )
                    v = [self.buffers[i] for i, _, _ in entries]
                    d = torch._foreach_add(d, v, alpha=g["momentum"]) if g["nesterov"] else v
                torch._foreach_add_(params, d, alpha=-g["lr"])

    return {"SGD": SGD}


@right("E1")
def a_state_object():
    class Memory:
        def __init__(self):
            self.v = None

        def mixed(self, d, mu, tau):
            self.v = d.clone() if self.v is None else mu * self.v + (1 - tau) * d
            return self.v

    class SGD(Groups):
        def __init__(self, params, lr, momentum=0, dampening=0, nesterov=False, weight_decay=0):
            self.set_up(params, options_of(lr, momentum, dampening, nesterov, weight_decay))
            self.memories = [Memory() for _ in self.buffers]

        def step(self):
            with torch.no_grad():
                for i, p, g in self.everything():
                    if p.grad is None:
                        continue
                    d = p.grad + g["weight_decay"] * p
                    if g["momentum"]:
                        v = self.memories[i].mixed(d, g["momentum"], g["dampening"])
                        d = d + g["momentum"] * v if g["nesterov"] else v
                    p -= g["lr"] * d

        def state_dict(self):
            self.buffers = [memory.v for memory in self.memories]
            return super().state_dict()

        def load_state_dict(self, state_dict):
            super().load_state_dict(state_dict)
            for memory, v in zip(self.memories, self.buffers, strict=True):
                memory.v = v

    return {"SGD": SGD}


@right("E1")
def in_numpy():
    class SGD(Groups):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            self.set_up(params, options_of(lr, momentum, dampening, nesterov, weight_decay))

        def step(self):
            for i, p, g in self.everything():
                if p.grad is None:
                    continue
                x = p.detach().numpy()
                d = p.grad.numpy() + g["weight_decay"] * x
                if g["momentum"]:
                    old = self.buffers[i]
                    v = d.copy() if old is None else g["momentum"] * old.numpy() + (1 - g["dampening"]) * d
                    self.buffers[i] = torch.from_numpy(v)
                    d = d + g["momentum"] * v if g["nesterov"] else v
                x -= g["lr"] * d

    return {"SGD": SGD}


@right("E1")
def refuses_more_than_asked():
    class SGD(Groups):
        def __init__(self, params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
            if lr < 0 or momentum < 0 or weight_decay < 0:
                raise ValueError("negative")
            self.defaults = options_of(lr, momentum, dampening, nesterov, weight_decay)
            self.set_up(params, self.defaults)

        def step(self, closure=None):
            loss = None if closure is None else closure()
            for i, p, g in self.everything():
                if p.grad is not None:
                    with torch.no_grad():
                        d = p.grad + p * g["weight_decay"]
                        if g["momentum"] != 0:
                            known = self.buffers[i] is not None
                            self.buffers[i] = (
                                self.buffers[i].mul(g["momentum"]).add(d, alpha=1 - g["dampening"])
                                if known
                                else +d
                            ).clone()
                            v = self.buffers[i]
                            d = d.add(v, alpha=g["momentum"]) if g["nesterov"] else v
                        p.add_(d, alpha=-g["lr"])
            return loss

    return {"SGD": SGD}
