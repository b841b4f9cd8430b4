"""Further wrong answers to E1 to E4: one slip each in otherwise right code."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from phase1_foundations.lab5_gpu_mixed_precision.solution import (
    DynamicLossScaler,
    MasterWeights,
    Recompute,
    count_cost,
    format_info,
    to_format,
)
from tests.labs.answers import Answers
from tests.labs.lab1_5.right_e2 import owned

wrong = Answers()


@wrong("E1")
def whole_numbers():
    def info(exp_bits, man_bits):
        found = format_info(exp_bits, man_bits)
        return {**found, "max": int(found["max"])}

    return {"format_info": info}


@wrong("E2")
def overflow_not_divided():
    class Scaler(DynamicLossScaler):
        def unscale_(self, optimizer):
            kept = [(p, p.grad.clone()) for p in owned(optimizer)]
            super().unscale_(optimizer)
            if self._overflowed[id(optimizer)]:
                for p, gradient in kept:
                    p.grad.copy_(gradient)

    return {"DynamicLossScaler": Scaler}


@wrong("E2")
def step_clears():
    class Scaler(DynamicLossScaler):
        def step(self, optimizer):
            stepped = super().step(optimizer)
            optimizer.zero_grad()
            return stepped

    return {"DynamicLossScaler": Scaler}


@wrong("E2")
def whole_scale_saved():
    class Scaler(DynamicLossScaler):
        def state_dict(self):
            return {**super().state_dict(), "scale": int(self._scale)}

    return {"DynamicLossScaler": Scaler}


@wrong("E2")
def interval_of_200():
    class Scaler(DynamicLossScaler):
        def __init__(self, init=2.0**16, growth=2.0, backoff=0.5, interval=200):
            super().__init__(init, growth, backoff, interval)

    return {"DynamicLossScaler": Scaler}


@wrong("E2")
def bfloat16_by_default():
    class Weights(MasterWeights):
        def __init__(self, model, optimizer_factory, fmt=(8, 7)):
            super().__init__(model, optimizer_factory, fmt)

    return {"MasterWeights": Weights}


@wrong("E2")
def rounded_gradients():
    class Weights(MasterWeights):
        def collect_grads(self):
            super().collect_grads()
            for master in self.masters:
                if master.grad is not None:
                    master.grad = to_format(master.grad, self._fmt)

    return {"MasterWeights": Weights}


@wrong("E2")
def unrounded_weights_not_published():
    class Weights(MasterWeights):
        def publish(self):
            if self._fmt is not None:
                super().publish()

    return {"MasterWeights": Weights}


@wrong("E3")
def seeded_again():
    class Again(Recompute):
        @staticmethod
        def backward(ctx, *gradients):
            with torch.random.fork_rng():
                torch.manual_seed(torch.initial_seed())
                ctx.generator_state = torch.get_rng_state()
            return Recompute.backward(ctx, *gradients)

    def checkpoint(fn, *args):
        return Again.apply(fn, torch.zeros((), requires_grad=True), *args)

    return {"checkpoint": checkpoint}


@wrong("E4")
def whole_bytes():
    def fusion_saving(ops, n, itemsize):
        return 2 * max(len(ops) - 1, 0) * n * itemsize

    return {"fusion_saving": fusion_saving}


@wrong("E4")
def graph_recorded():
    class Recording(nn.Module):
        """Calls a model with gradients on, as if `no_grad` had been forgotten."""

        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                return self.model(x)

    def counted(model, x):
        if next(model.children(), None) is None:
            return count_cost(model, x)
        return {name.removeprefix("model."): cost for name, cost in count_cost(Recording(model), x).items()}

    return {"count_cost": counted}


def machine(least: int, dtype: torch.dtype):
    def measure_machine(budget_s=2.0, clock=time.perf_counter):
        def fastest(work):
            work()
            times, end = [], clock() + budget_s / 2
            while len(times) < least or clock() < end:
                start = clock()
                work()
                times.append(clock() - start)
            return min(times)

        a, source = torch.randn(512, 512).to(dtype), torch.ones(2**23)
        target = torch.empty_like(source)
        return 2 * 512**3 / fastest(lambda: a @ a), 2 * source.nbytes / fastest(lambda: target.copy_(source))

    return {"measure_machine": measure_machine}


@wrong("E4")
def two_calls():
    return machine(2, torch.float32)


@wrong("E4")
def doubles():
    return machine(3, torch.float64)
