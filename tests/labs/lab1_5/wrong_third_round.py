"""Further wrong answers: state on the class, options and edges that nobody looks at."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from phase1_foundations.lab5_gpu_mixed_precision.solution import DynamicLossScaler, MasterWeights
from tests.labs.answers import Answers

wrong = Answers()


def containers(batch, go, other=lambda value: value):
    if isinstance(batch, dict):
        return {key: go(value) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(go(value) for value in batch)
    return other(batch)


@wrong.stands_for("W1", "move")
def everything_float32(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device, torch.float32)
    return containers(batch, lambda value: everything_float32(value, device))


@wrong.stands_for("W1", "move")
def numbers_become_tensors(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    return containers(
        batch,
        lambda value: numbers_become_tensors(value, device),
        lambda value: torch.tensor(value, device=device) if isinstance(value, float) else value,
    )


@wrong.stands_for("W1", "move")
def tuples_one_deep(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, tuple):
        return tuple(value.to(device) if isinstance(value, Tensor) else value for value in batch)
    return containers(batch, lambda value: tuples_one_deep(value, device))


@wrong.stands_for("W3", "fields")
def flat_fields(x):
    bits = x.reshape(-1).view(torch.int32)
    return (bits >> 31) & 1, (bits >> 23) & 0xFF, bits & 0x7FFFFF


@wrong.stands_for("W4", "gap")
def towards_infinity(x, man_bits):
    return (x.nextafter(torch.full_like(x, math.inf)) - x) * 2.0 ** (23 - man_bits)


@wrong("E2")
def one_note_for_all_scalers():
    notes = {}

    class Scaler(DynamicLossScaler):
        def __init__(self, *args, **how):
            super().__init__(*args, **how)
            self._overflowed = notes

    return {"DynamicLossScaler": Scaler}


@wrong("E2")
def masters_of_what_is_trained():
    class Masters(MasterWeights):
        def __init__(self, model, optimizer_factory, fmt=(5, 10)):
            self._parameters, self._fmt = [p for p in model.parameters() if p.requires_grad], fmt
            self.masters = [p.detach().clone() for p in self._parameters]
            self.optimizer = optimizer_factory(self.masters)
            self.publish()

    return {"MasterWeights": Masters}


@wrong("E3")
def cut_where_it_helps_most():
    def peak(cuts, act_bytes):
        starts, ends = [0, *cuts], [*cuts, len(act_bytes)]
        rests = [sum(act_bytes[i + 1 : j]) for i, j in zip(starts, ends, strict=True)]
        return sum(act_bytes[i] for i in starts) + max(rests, default=0)

    def best_segments(n_blocks, act_bytes):
        cuts = []
        while True:
            tried = [sorted([*cuts, c]) for c in range(1, n_blocks) if c not in cuts]
            best = min(tried, key=lambda chosen: peak(chosen, act_bytes), default=cuts)
            if peak(best, act_bytes) >= peak(cuts, act_bytes):
                return cuts
            cuts = best

    return {"best_segments": best_segments}


@wrong.stands_for("E4", "attainable")
def at_least_one_byte(flops, bytes_, peak, bw):
    speed = min(peak, bw * flops / max(bytes_, 1))
    return speed, "compute" if speed == peak else "memory"


@wrong.stands_for("E4", "measure_machine")
def the_budget_twice(budget_s=2.0, clock=time.perf_counter):
    def fastest(work):
        work()
        times, end = [], clock() + budget_s
        while len(times) < 3 or clock() < end:
            start = clock()
            work()
            times.append(clock() - start)
        return min(times)

    a, product, source = torch.randn(512, 512), torch.empty(512, 512), torch.ones(2**23)
    target = torch.empty_like(source)
    peak = 2 * 512**3 / fastest(lambda: torch.mm(a, a, out=product))
    return peak, 2 * source.nbytes / fastest(lambda: target.copy_(source))


@wrong.stands_for("E4", "fusion_saving")
def always_four_bytes(ops, n, itemsize=4):
    return float(2 * max(len(ops) - 1, 0) * n * 4)
