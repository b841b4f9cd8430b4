"""Wrong answers to E2: sound optimizers, with one mistake at a time."""

import torch

from courseware.check import misconception
from phase1_foundations.lab3_training_loop.solution import Adagrad as RightAdagrad
from phase1_foundations.lab3_training_loop.solution import Adam as RightAdam
from phase1_foundations.lab3_training_loop.solution import RMSprop as RightRMSprop
from phase1_foundations.lab3_training_loop.solution import at_least_float32


def adam(
    divisor=lambda v, c2, eps: (v / c2).sqrt() + eps,
    correction=lambda beta, t: 1 - beta**t,
    square=lambda g: g * g,
    largest=lambda kept, v, c2: torch.maximum(kept["max"], v, out=kept["max"]),
    decoupled=lambda x, lr, decay: x * (1 - lr * decay),
    coupled=lambda g, x, decay: g + decay * x,
    clock=lambda optimizer, kept: kept["step"] + 1,
):
    """A sound Adam with parts to be exchanged."""

    class Adam(RightAdam):
        @torch.no_grad()
        def step(self):
            self.calls = getattr(self, "calls", 0) + 1
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    x, g = at_least_float32(p), at_least_float32(p.grad)
                    zeros = {name: torch.zeros_like(x) for name in ("m", "v", "max")}
                    kept = self.state.setdefault(p, {"step": 0, **zeros})
                    t = clock(self, kept)
                    kept["step"] += 1
                    (b1, b2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
                    if group["decoupled"]:
                        x = decoupled(x, lr, decay)
                    if not group["decoupled"] or decoupled is None:
                        g = coupled(g, x, decay)
                    m = kept["m"].mul_(b1).add_((1 - b1) * g)
                    v = kept["v"].mul_(b2).add_((1 - b2) * square(g))
                    c1, c2 = correction(b1, t), correction(b2, t)
                    if group["amsgrad"]:
                        v = largest(kept, v, c2)
                    p.copy_(x - lr * (m / c1) / divisor(v, c2, group["eps"]))

    return Adam


@misconception("E2", diagnosis="no-bias-correction")
def forgets_the_correction():
    return {"Adam": adam(correction=lambda beta, t: 1.0)}


@misconception("E2", diagnosis="eps-inside-the-root")
def puts_eps_inside():
    return {"Adam": adam(divisor=lambda v, c2, eps: (v / c2 + eps).sqrt())}


@misconception("E2", diagnosis="eps-before-the-correction")
def adds_eps_early():
    return {"Adam": adam(divisor=lambda v, c2, eps: (v.sqrt() + eps) / c2**0.5)}


@misconception("E2", diagnosis="one-clock-for-all")
def counts_calls_of_step():
    return {"Adam": adam(clock=lambda optimizer, kept: optimizer.calls)}


@misconception("E2", diagnosis="adamw-as-l2")
def couples_always():
    class Adam(RightAdam):
        def __init__(self, params, *args, decoupled=False, **options):
            super().__init__(params, *args, decoupled=False, **options)

    return {"Adam": Adam}


@misconception("E2", diagnosis="decay-without-lr")
def decays_without_lr():
    return {"Adam": adam(decoupled=lambda x, lr, decay: x * (1 - decay))}


@misconception("E2", diagnosis="t-starts-at-0")
def counts_from_zero():
    return {"Adam": adam(clock=lambda optimizer, kept: kept["step"])}


@misconception("E2", diagnosis="absolute-instead-of-square")
def averages_absolute_values():
    return {"Adam": adam(square=torch.abs)}


@misconception("E2", diagnosis="amsgrad-of-the-corrected")
def takes_the_maximum_of_the_corrected():
    def largest(kept, v, c2):
        return torch.maximum(kept["max"], v / c2, out=kept["max"]) * c2

    return {"Adam": adam(largest=largest)}


@misconception("E2", diagnosis="averages-fade-without-a-gradient")
def takes_none_for_zero():
    class RMSprop(RightRMSprop):
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        p.grad = torch.zeros_like(p)
            super().step()

    return {"RMSprop": RMSprop}


@misconception("E2", diagnosis="memory-in-half-precision")
def remembers_in_the_parameters_dtype():
    class Adagrad(RightAdagrad):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        start = torch.full_like(p, group["initial_accumulator"])
                        s = self.state.setdefault(p, {"sum": start})["sum"]
                        s += p.grad**2
                        p -= group["lr"] * p.grad / (s.sqrt() + group["eps"])

    return {"Adagrad": Adagrad}


@misconception("E2", diagnosis="memory-lost-on-loading")
def saves_no_clock():
    class Adam(RightAdam):
        def load_state_dict(self, state_dict):
            super().load_state_dict(state_dict)
            for kept in self.state.values():
                kept["step"] = 0

    return {"Adam": Adam}


@misconception("E2", diagnosis="adagrad-forgets")
def forgets_past_gradients():
    class Adagrad(RightAdagrad):
        def step(self):
            self.state.clear()
            super().step()

    return {"Adagrad": Adagrad}


@misconception("E2", diagnosis="not-centered")
def ignores_centered():
    class RMSprop(RightRMSprop):
        def __init__(self, params, *args, centered=False, **options):
            super().__init__(params, *args, **options)

    return {"RMSprop": RMSprop}
