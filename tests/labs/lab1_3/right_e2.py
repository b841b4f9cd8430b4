"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import copy
import math

import torch

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

right = Answers()


def wide(x):
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Own:
    """Groups, saving and loading in a style of its own; `update(x, g, kept, group)` gives the new value."""

    def __init__(self, params, **options):
        params = list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        self.param_groups = [{**options, **g} for g in groups]
        for group in self.param_groups:
            group["params"] = list(group["params"])
        self.kept = [dict() for g in self.param_groups for _ in g["params"]]  # noqa: C408

    def step(self):
        numbers = iter(range(len(self.kept)))
        for group in self.param_groups:
            for p in group["params"]:
                kept = self.kept[next(numbers)]
                if p.grad is None:
                    continue
                with torch.no_grad():
                    p.copy_(self.update(wide(p.detach()), wide(p.grad.detach()), kept, group))

    def zero_grad(self, set_to_none=True):
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.zero_()

    def state_dict(self):
        begin, groups = 0, []
        for group in self.param_groups:
            end = begin + len(group["params"])
            groups.append({**group, "params": list(range(begin, end))})
            begin = end
        return copy.deepcopy({"state": {i: k for i, k in enumerate(self.kept) if k}, "param_groups": groups})

    def load_state_dict(self, state_dict):
        state_dict = copy.deepcopy(state_dict)
        self.kept = [state_dict["state"].get(i, {}) for i in range(len(self.kept))]
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            saved.pop("params")
            group.update(saved)


@right("E2")
def standing_alone():
    class Adam(Own):
        def __init__(
            self,
            params,
            lr=1e-3,
            betas=(0.9, 0.999),
            eps=1e-8,
            weight_decay=0.0,
            decoupled=False,
            amsgrad=False,
        ):
            super().__init__(
                params,
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                decoupled=decoupled,
                amsgrad=amsgrad,
            )

        def update(self, x, g, kept, group):
            lr, (b1, b2), decay = group["lr"], group["betas"], group["weight_decay"]
            if not group["decoupled"]:
                g = g + x * decay
            else:
                x = x - lr * decay * x
            t = kept["t"] = kept.get("t", 0) + 1
            m = kept["m"] = kept.get("m", torch.zeros_like(x)).lerp(g, 1 - b1)
            v = kept["v"] = b2 * kept.get("v", torch.zeros_like(x)) + (1 - b2) * g.square()
            if group["amsgrad"]:
                v = kept["w"] = torch.maximum(kept.get("w", torch.zeros_like(x)), v)
            root = v.sqrt() / math.sqrt(1 - b2**t) + group["eps"]
            return x - (lr / (1 - b1**t)) * m / root

    class RMSprop(Own):
        def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
            super().__init__(params, lr=lr, alpha=alpha, eps=eps, momentum=momentum, centered=centered)

        def update(self, x, g, kept, group):
            zeros = torch.zeros_like(x)
            a = group["alpha"]
            s = kept["s"] = a * kept.get("s", zeros) + (1 - a) * g * g
            if group["centered"]:
                kept["mean"] = a * kept.get("mean", zeros) + (1 - a) * g
                s = (s - kept["mean"].square()).clamp(min=0)
            move = g / (s.sqrt() + group["eps"])
            if group["momentum"]:
                move = kept["b"] = group["momentum"] * kept.get("b", zeros) + move
            return x - group["lr"] * move

    class Adagrad(Own):
        def __init__(self, params, lr=1e-2, eps=1e-10, initial_accumulator=0.0):
            super().__init__(params, lr=lr, eps=eps, initial_accumulator=initial_accumulator)

        def update(self, x, g, kept, group):
            if "s" not in kept:
                kept["s"] = torch.zeros_like(x) + group["initial_accumulator"]
            kept["s"] = kept["s"] + g**2
            return x - group["lr"] * (g / (kept["s"].sqrt() + group["eps"]))

    return {"Adam": Adam, "RMSprop": RMSprop, "Adagrad": Adagrad}


def adam(body):
    """An Adam with the reference's constructor and a step of its own for each parameter."""

    class Adam(solution.Adam):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        body(p, wide(p), wide(p.grad), self.state.setdefault(p, {}), group)

    return {"Adam": Adam}


@right("E2")
def powers_remembered():
    def body(p, x, g, kept, group):
        b1, b2 = group["betas"]
        if not kept:
            kept.update(m=torch.zeros_like(x), v=torch.zeros_like(x), w=torch.zeros_like(x), p1=1.0, p2=1.0)
        kept["p1"] *= b1
        kept["p2"] *= b2
        shrink = 1 - group["lr"] * group["weight_decay"] if group["decoupled"] else 1
        if not group["decoupled"] and group["weight_decay"]:
            g = g.add(x, alpha=group["weight_decay"])
        kept["m"] += (1 - b1) * (g - kept["m"])
        kept["v"] += (1 - b2) * (g * g - kept["v"])
        kept["w"] = torch.maximum(kept["w"], kept["v"])
        top = kept["m"] / (1 - kept["p1"])
        bottom = ((kept["w"] if group["amsgrad"] else kept["v"]) / (1 - kept["p2"])) ** 0.5 + group["eps"]
        p.copy_(shrink * x - group["lr"] * top / bottom)

    return adam(body)


@right("E2")
def a_tensor_counts_the_steps():
    def body(p, x, g, kept, group):
        b1, b2 = group["betas"]
        if "step" not in kept:
            kept["step"] = torch.zeros((), dtype=torch.float64)
            kept["exp_avg"], kept["exp_avg_sq"], kept["max"] = (torch.zeros_like(x) for _ in range(3))
        kept["step"] += 1
        t = kept["step"].item()
        if group["decoupled"]:
            x = x.mul(1 - group["lr"] * group["weight_decay"])
        else:
            g = g + group["weight_decay"] * x
        kept["exp_avg"].lerp_(g, 1 - b1)
        kept["exp_avg_sq"].mul_(b2).addcmul_(g, g, value=1 - b2)
        v = kept["exp_avg_sq"]
        if group["amsgrad"]:
            torch.maximum(kept["max"], v, out=kept["max"])
            v = kept["max"]
        denom = (v.sqrt() / (1 - b2**t) ** 0.5).add_(group["eps"])
        p.copy_(x.addcdiv(kept["exp_avg"], denom, value=-group["lr"] / (1 - b1**t)))

    return adam(body)


@right("E2")
def delta_first_decay_together():
    def body(p, x, g, kept, group):
        b1, b2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        t = kept["t"] = kept.get("t", 0) + 1
        coupled = 0.0 if group["decoupled"] else decay
        g = g + coupled * x
        kept["m"] = (1 - b1) * g + b1 * kept["m"] if t > 1 else (1 - b1) * g
        kept["v"] = (1 - b2) * g * g + b2 * kept["v"] if t > 1 else (1 - b2) * g * g
        v = kept["v"]
        if group["amsgrad"]:
            v = kept["w"] = v.clone() if t == 1 else torch.where(v > kept["w"], v, kept["w"])
        delta = lr * (kept["m"] / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + group["eps"])
        if group["decoupled"]:
            delta = delta + lr * decay * x
        p.copy_(x - delta)

    return adam(body)


@right("E2")
def loops_over_numbers():
    class Adagrad(solution.Adagrad):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    g, x = wide(p.grad).reshape(-1).tolist(), wide(p).reshape(-1).tolist()
                    start = [float(group["initial_accumulator"])] * len(g)
                    kept = self.state.setdefault(p, {"sum": start})
                    kept["sum"] = [s + each * each for s, each in zip(kept["sum"], g, strict=True)]
                    new = [
                        a - group["lr"] * b / (math.sqrt(s) + group["eps"])
                        for a, b, s in zip(x, g, kept["sum"], strict=True)
                    ]
                    p.copy_(torch.tensor(new, dtype=torch.float64).reshape(p.shape))

    return {"Adagrad": Adagrad}


@right("E2")
def accumulators_made_at_once():
    class Adagrad(solution.Adagrad):
        def __init__(self, params, lr=1e-2, eps=1e-10, initial_accumulator=0.0):
            super().__init__(params, lr, eps, initial_accumulator)
            for group in self.param_groups:
                for p in group["params"]:
                    start = torch.full_like(wide(p.detach()), group["initial_accumulator"])
                    self.state[p] = {"sum": start}

    return {"Adagrad": Adagrad}


@right("E2")
def one_base_for_all():
    class Base(solution.Optimizer):
        names = ()

        def step(self):
            with torch.no_grad():
                for group in self.param_groups:
                    for p in (p for p in group["params"] if p.grad is not None):
                        x, g = wide(p), wide(p.grad)
                        kept = self.state.setdefault(p, {n: torch.zeros_like(x) for n in self.names})
                        p.copy_(x - group["lr"] * self.direction(g, kept, group))

    class RMSprop(Base):
        names = ("s", "a", "b")

        def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
            names = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered}
            super().__init__(params, names)

        def direction(self, g, kept, group):
            kept["s"].lerp_(g.square(), 1 - group["alpha"])
            kept["a"].lerp_(g, 1 - group["alpha"])
            s = kept["s"].addcmul(kept["a"], kept["a"], value=-1) if group["centered"] else kept["s"]
            kept["b"] = kept["b"] * group["momentum"] + g.div(s.sqrt().add(group["eps"]))
            return kept["b"]

    return {"RMSprop": RMSprop}


@right("E2")
def state_that_moves_to_the_dtype():
    class RMSprop(solution.RMSprop):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    dtype = torch.float64 if p.dtype == torch.float64 else torch.float32
                    g = p.grad.to(dtype)
                    kept = self.state.setdefault(p, {"s": 0.0 * g, "m": 0.0 * g, "b": 0.0 * g})
                    a = group["alpha"]
                    kept["s"] = a * kept["s"] + (1 - a) * g**2
                    kept["m"] = a * kept["m"] + (1 - a) * g
                    inner = kept["s"] - kept["m"] ** 2 if group["centered"] else kept["s"]
                    move = g / (inner**0.5 + group["eps"])
                    if group["momentum"] > 0:
                        kept["b"] = group["momentum"] * kept["b"] + move
                        move = kept["b"]
                    p.data = (p.data.to(dtype) - group["lr"] * move).to(p.dtype)

    return {"RMSprop": RMSprop}
