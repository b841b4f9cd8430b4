"""Wrong answers to E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch

from phase1_foundations.lab3_training_loop import solution
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e2_adaptive import adam
from phase1_foundations.lab3_training_loop.solution import at_least_float32 as wide
from tests.labs.answers import Answers

wrong = Answers()


def each(cls, body, start=lambda group, x: {}):
    """The class with a step that calls body(p, x, g, kept, group)."""

    class Changed(cls):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        x, g = wide(p), wide(p.grad)
                        if p not in self.state:
                            self.state[p] = start(group, x)
                        p.copy_(body(x, g, self.state[p], group))

    Changed.__name__ = cls.__name__
    return {cls.__name__: Changed}


@wrong("E2")
def adam_corrects_m_alone():
    betas = []

    def correction(beta, t):
        betas.append(beta)
        return 1 - beta**t if len(betas) % 2 else 1.0

    return {"Adam": adam(correction=correction)}


@wrong("E2")
def adam_without_a_root():
    return {"Adam": adam(divisor=lambda v, c2, eps: v / c2 + eps)}


@wrong("E2")
def adam_with_tiny_eps_only():
    return {"Adam": adam(divisor=lambda v, c2, eps: (v / c2).sqrt().clamp(min=1e-12))}


@wrong("E2")
def adam_with_fixed_eps():
    return {"Adam": adam(divisor=lambda v, c2, eps: (v / c2).sqrt() + 1e-8)}


@wrong("E2")
def adam_correction_after_the_root():
    return {"Adam": adam(divisor=lambda v, c2, eps: v.sqrt() / c2 + eps)}


@wrong("E2")
def adam_power_too_high():
    return {"Adam": adam(correction=lambda beta, t: 1 - beta ** (t + 1))}


@wrong("E2")
def adam_multiplies_instead_of_power():
    return {"Adam": adam(correction=lambda beta, t: 1 - beta * min(t, 1))}


@wrong("E2")
def adam_cubes():
    return {"Adam": adam(square=lambda g: g**3)}


@wrong("E2")
def adam_decay_after_the_step():
    def body(x, g, kept, group):
        (b1, b2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
        kept["t"] += 1
        g = g if group["decoupled"] else g + decay * x
        kept["m"].mul_(b1).add_(g, alpha=1 - b1)
        kept["v"].mul_(b2).addcmul_(g, g, value=1 - b2)
        kept["w"] = torch.maximum(kept["w"], kept["v"])
        v = kept["w"] if group["amsgrad"] else kept["v"]
        c1, c2 = 1 - b1 ** kept["t"], 1 - b2 ** kept["t"]
        x = x - lr * (kept["m"] / c1) / ((v / c2).sqrt() + group["eps"])
        return x * (1 - lr * decay) if group["decoupled"] else x

    def start(group, x):
        return {"t": 0, **{name: torch.zeros_like(x) for name in "mvw"}}

    return each(solution.Adam, body, start)


@wrong("E2")
def adam_decay_adds():
    return {"Adam": adam(decoupled=lambda x, lr, decay: x * (1 + lr * decay))}


@wrong("E2")
def adam_decay_halved():
    return {"Adam": adam(decoupled=lambda x, lr, decay: x * (1 - lr * decay / 2))}


@wrong("E2")
def adam_without_any_decay():
    return {"Adam": adam(decoupled=lambda x, lr, decay: x, coupled=lambda g, x, decay: g)}


@wrong("E2")
def adam_coupled_with_lr():
    return {"Adam": adam(coupled=lambda g, x, decay: g + 0.1 * decay * x)}


@wrong("E2")
def adam_amsgrad_forgets():
    return {"Adam": adam(largest=lambda kept, v, c2: v)}


@wrong("E2")
def adam_amsgrad_takes_the_smallest():
    def largest(kept, v, c2):
        kept["max"] = torch.where(kept["max"] == 0, v, torch.minimum(kept["max"], v))
        return kept["max"]

    return {"Adam": adam(largest=largest)}


@wrong("E2")
def adam_always_amsgrad():
    class Adam(solution.Adam):
        def __init__(self, *args, **options):
            super().__init__(*args, **{**options, "amsgrad": True})

    return {"Adam": Adam}


@wrong("E2")
def adam_other_default_rate():
    class Adam(solution.Adam):
        def __init__(self, params, lr=1e-2, *args, **options):
            super().__init__(params, lr, *args, **options)

    return {"Adam": Adam}


@wrong("E2")
def adam_betas_the_other_way_round():
    class Adam(solution.Adam):
        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), *args, **options):
            super().__init__(params, lr, betas[::-1], *args, **options)

    return {"Adam": Adam}


@wrong("E2")
def adam_steps_by_sign():
    return each(solution.Adam, lambda x, g, kept, group: x - group["lr"] * g.sign())


@wrong("E2")
def adam_nan_without_gradient():
    return {"Adam": adam(divisor=lambda v, c2, eps: (v / c2).sqrt())}


@wrong("E2")
def adam_in_float32_always():
    class Adam(solution.Adam):
        @torch.no_grad()
        def step(self):
            params = [p for group in self.param_groups for p in group["params"]]
            super().step()
            for p in params:
                if p.grad is not None:
                    p.copy_(p.float())

    return {"Adam": Adam}


@wrong("E2")
def adam_of_torch():
    return {"Adam": torch.optim.Adam}


@wrong("E2")
def adam_state_on_the_class():
    class Adam(solution.Adam):
        shared = {}  # noqa: RUF012

        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.state = self.shared

        def load_state_dict(self, state_dict):
            mine = dict(self.state)
            super().load_state_dict(state_dict)
            mine.update(self.state)
            self.state = mine

        def state_dict(self):
            own = {
                p: kept
                for p, kept in self.state.items()
                if any(p is q for g in self.param_groups for q in g["params"])
            }
            everything, self.state = self.state, own
            try:
                return super().state_dict()
            finally:
                self.state = everything

        def step(self):
            for kept in self.state.values():
                kept["step"] = max(k["step"] for k in self.state.values())
            super().step()

    return {"Adam": Adam}


def rms(**changes):
    parts = {
        "square": lambda s, g, a: a * s + (1 - a) * g * g,
        "inner": lambda s, mean: s - mean**2,
        "root": lambda inner, eps: inner.sqrt() + eps,
        "buffer": lambda b, mu, move: mu * b + move,
        **changes,
    }

    def body(x, g, kept, group):
        a = group["alpha"]
        kept["s"] = parts["square"](kept["s"], g, a)
        kept["mean"] = a * kept["mean"] + (1 - a) * g
        inner = parts["inner"](kept["s"], kept["mean"]) if group["centered"] else kept["s"]
        kept["b"] = parts["buffer"](kept["b"], group["momentum"], g / parts["root"](inner, group["eps"]))
        return x - group["lr"] * kept["b"]

    return each(solution.RMSprop, body, lambda group, x: {n: torch.zeros_like(x) for n in ("s", "mean", "b")})


@wrong("E2")
def rmsprop_adds_squares():
    return rms(square=lambda s, g, a: s + g * g)


@wrong("E2")
def rmsprop_weights_exchanged():
    return rms(square=lambda s, g, a: (1 - a) * s + a * g * g)


@wrong("E2")
def rmsprop_eps_inside():
    return rms(root=lambda inner, eps: (inner + eps).sqrt())


@wrong("E2")
def rmsprop_without_root():
    return rms(root=lambda inner, eps: inner + eps)


@wrong("E2")
def rmsprop_centered_by_the_mean():
    return rms(inner=lambda s, mean: (s - mean).abs())


@wrong("E2")
def rmsprop_centered_adds():
    return rms(inner=lambda s, mean: s + mean**2)


@wrong("E2")
def rmsprop_momentum_averages():
    return rms(buffer=lambda b, mu, move: mu * b + (1 - mu) * move)


@wrong("E2")
def rmsprop_momentum_forgotten():
    return rms(buffer=lambda b, mu, move: move)


@wrong("E2")
def rmsprop_momentum_in_the_gradient():
    def body(x, g, kept, group):
        a = group["alpha"]
        kept["b"] = group["momentum"] * kept["b"] + g
        kept["s"] = a * kept["s"] + (1 - a) * g * g
        kept["mean"] = a * kept["mean"] + (1 - a) * g
        inner = kept["s"] - kept["mean"] ** 2 if group["centered"] else kept["s"]
        return x - group["lr"] * kept["b"] / (inner.sqrt() + group["eps"])

    return each(solution.RMSprop, body, lambda group, x: {n: torch.zeros_like(x) for n in ("s", "mean", "b")})


def ada(update, root=lambda s, eps: s.sqrt() + eps, start=lambda group: group["initial_accumulator"]):
    def body(x, g, kept, group):
        kept["s"] = update(kept["s"], g)
        return x - group["lr"] * g / root(kept["s"], group["eps"])

    return each(solution.Adagrad, body, lambda group, x: {"s": torch.full_like(x, start(group))})


@wrong("E2")
def adagrad_adds_absolute_values():
    return ada(lambda s, g: s + g.abs())


@wrong("E2")
def adagrad_without_root():
    return ada(lambda s, g: s + g * g, root=lambda s, eps: s + eps)


@wrong("E2")
def adagrad_eps_inside():
    return ada(lambda s, g: s + g * g, root=lambda s, eps: (s + eps).sqrt())


@wrong("E2")
def adagrad_ignores_its_start():
    return ada(lambda s, g: s + g * g, start=lambda group: 0.0)


@wrong("E2")
def adagrad_fades():
    return ada(lambda s, g: 0.9 * s + 0.1 * g * g)


@wrong("E2")
def adagrad_loses_its_sum_when_loaded():
    class Adagrad(solution.Adagrad):
        def load_state_dict(self, state_dict):
            super().load_state_dict({**state_dict, "state": {}})

    return {"Adagrad": Adagrad}
