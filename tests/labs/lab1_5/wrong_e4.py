"""Wrong answers to E4 beyond the lab's own misconceptions."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from phase1_foundations.lab5_gpu_mixed_precision.solution import Attend, Cost
from phase1_foundations.lab5_gpu_mixed_precision.solution import count_cost as sound
from tests.labs.answers import Answers

wrong = Answers()


def answer(name, **how):
    def register(function):
        def build():
            return {name: function}

        build.__name__ = function.__name__
        wrong("E4", **how)(build)
        return function

    return register


def changed(model, x, change):
    """The sound costs, each sent through `change(leaf, cost)`."""
    leaves = dict(model.named_modules())
    return {name: change(leaves[name], cost) for name, cost in sound(model, x).items()}


@answer("count_cost")
def linear_with_bias(model, x):
    def change(leaf, c):
        extra = c.bytes_written // 4 if isinstance(leaf, nn.Linear) and leaf.bias is not None else 0
        return Cost(c.flops + extra, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def parameters_times_two(model, x):
    def change(leaf, c):
        return Cost(2 * sum(p.numel() for p in leaf.parameters()), c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def activations_free(model, x):
    def change(leaf, c):
        known = isinstance(leaf, nn.Linear | nn.Conv2d | Attend)
        return Cost(c.flops if known else 0, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def norms_cost_five(model, x):
    def change(leaf, c):
        return Cost(c.flops * (5 if isinstance(leaf, nn.LayerNorm) else 1), c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def attention_is_elementwise(model, x):
    def change(leaf, c):
        flops = c.bytes_written // 4 if isinstance(leaf, Attend) else c.flops
        return Cost(flops, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def half_of_attention(model, x):
    def change(leaf, c):
        return Cost(c.flops // 2 if isinstance(leaf, Attend) else c.flops, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def elements_not_bytes(model, x):
    return changed(model, x, lambda leaf, c: Cost(c.flops, c.bytes_read // 4, c.bytes_written // 4))


@answer("count_cost")
def weights_not_read(model, x):
    def change(leaf, c):
        own = sum(p.numel() * p.element_size() for p in leaf.parameters())
        return Cost(c.flops, c.bytes_read - own, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def with_buffers(model, x):
    def change(leaf, c):
        own = sum(b.numel() * b.element_size() for b in leaf.buffers())
        return Cost(c.flops, c.bytes_read + own, c.bytes_written)

    return changed(model, x, change)


@answer("count_cost")
def output_read_too(model, x):
    return changed(model, x, lambda leaf, c: Cost(c.flops, c.bytes_read + c.bytes_written, c.bytes_written))


@answer("count_cost")
def class_names(model, x):
    leaves = dict(model.named_modules())
    return {type(leaves[name]).__name__: cost for name, cost in sound(model, x).items()}


@answer("count_cost")
def root_is_called_root(model, x):
    return {name or "root": cost for name, cost in sound(model, x).items()}


@answer("count_cost")
def containers_too(model, x):
    costs = sound(model, x)
    total = Cost(
        sum(c.flops for c in costs.values()),
        sum(c.bytes_read for c in costs.values()),
        sum(c.bytes_written for c in costs.values()),
    )
    return {**costs, "": total}


@answer("count_cost")
def plain_tuples(model, x):
    return {name: (c.flops, c.bytes_read, c.bytes_written) for name, c in sound(model, x).items()}


@answer("count_cost")
def everything_listed(model, x):
    costs = sound(model, x)
    return {
        name: costs.get(name, Cost(0, 0, 0))
        for name, module in model.named_modules()
        if not list(module.children())
    }


@answer("count_cost")
def ends_in_eval(model, x):
    costs = sound(model, x)
    model.eval()
    return costs


@answer("count_cost")
def counts_in_training_mode(model, x):
    modes = [(m, m.training) for m in model.modules()]
    costs = sound(model, x)
    model.train()
    model(x if len(x) > 1 else x.repeat(2, *[1] * (x.dim() - 1)))
    for m, training in modes:
        m.training = training
    return costs


@answer("count_cost")
def runs_twice(model, x):
    sound(model, x)
    return sound(model, x)


@answer("count_cost")
def forgets_its_hooks(model, x):
    costs = sound(model, x)
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, i, o: None)
    return costs


@answer("count_cost")
def input_size_of_convolutions(model, x):
    shapes = {}
    handles = [
        m.register_forward_hook(lambda m, i, o, n=n: shapes.__setitem__(n, (i[0].shape, o.shape)))
        for n, m in model.named_modules()
        if isinstance(m, nn.Conv2d)
    ]
    costs = sound(model, x)
    for handle in handles:
        handle.remove()
    for name, (before, after) in shapes.items():
        c = costs[name]
        size = c.flops * before[2] * before[3] // max(after[2] * after[3], 1)
        costs[name] = Cost(size, c.bytes_read, c.bytes_written)
    return costs


@answer("attainable")
def the_larger_limit(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    return max(float(peak), bw * flops / bytes_), "memory" if flops / bytes_ < peak / bw else "compute"


@answer("attainable")
def intensity_upside_down(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    intensity = bytes_ / flops
    return min(float(peak), bw * intensity), "memory" if intensity < peak / bw else "compute"


@answer("attainable")
def seconds(flops, bytes_, peak, bw):
    return max(flops / peak, bytes_ / bw), "memory" if bytes_ / bw > flops / peak else "compute"


@answer("attainable")
def ridge_upside_down(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    return min(float(peak), bw * flops / bytes_), "memory" if flops / bytes_ < bw / peak else "compute"


@answer("attainable")
def other_words(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute-bound"
    slow = flops / bytes_ < peak / bw
    return min(float(peak), bw * flops / bytes_), "memory-bound" if slow else "compute-bound"


@answer("attainable")
def words_exchanged(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    return min(float(peak), bw * flops / bytes_), "compute" if flops / bytes_ < peak / bw else "memory"


@answer("attainable")
def the_speed_alone(flops, bytes_, peak, bw):
    return float(peak) if bytes_ == 0 else min(float(peak), bw * flops / bytes_)


@answer("attainable")
def ridge_is_memory(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    roof = bw * flops / bytes_
    return (roof, "memory") if roof <= peak else (float(peak), "compute")


@answer("attainable")
def zero_bytes_is_zero(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return 0.0, "compute"
    roof = bw * flops / bytes_
    return (roof, "memory") if roof < peak else (float(peak), "compute")


def measuring(
    pick=min,
    *,
    warm=1,
    runs=3,
    flops=2,
    moved=2,
    elements=2**22,
    n=384,
    unit=1.0,
    dtype=torch.float32,
    budget=True,
):
    def measure_machine(budget_s=2.0, clock=time.perf_counter):
        def timed(work):
            for _ in range(warm):
                work()
            times, end = [], clock() + budget_s / 2
            while len(times) < runs or (budget and clock() < end):
                start = clock()
                work()
                times.append(clock() - start)
            return pick(times)

        a = torch.rand(n, n, dtype=dtype)
        source, target = torch.ones(elements, dtype=dtype), torch.empty(elements, dtype=dtype)
        peak = flops * n**3 / timed(lambda: torch.mm(a, a))
        return peak / unit, moved * source.nbytes / timed(lambda: target.copy_(source)) / unit

    return measure_machine


@answer("measure_machine")
def one_cold_call(budget_s=2.0, clock=time.perf_counter):
    return measuring(warm=0, runs=1, budget=False)(0.0, clock)


@answer("measure_machine")
def median(budget_s=2.0, clock=time.perf_counter):
    return measuring(statistics.median)(budget_s, clock)


@answer("measure_machine")
def mean(budget_s=2.0, clock=time.perf_counter):
    return measuring(statistics.mean)(budget_s, clock)


@answer("measure_machine")
def slowest(budget_s=2.0, clock=time.perf_counter):
    return measuring(max)(budget_s, clock)


@answer("measure_machine")
def macs(budget_s=2.0, clock=time.perf_counter):
    return measuring(flops=1)(budget_s, clock)


@answer("measure_machine")
def elements_a_second(budget_s=2.0, clock=time.perf_counter):
    return measuring(moved=0.5)(budget_s, clock)


@answer("measure_machine")
def giga(budget_s=2.0, clock=time.perf_counter):
    return measuring(unit=1e9)(budget_s, clock)


@answer("measure_machine")
def in_double(budget_s=2.0, clock=time.perf_counter):
    return measuring(dtype=torch.float64)(budget_s, clock)


@answer("measure_machine")
def cached(budget_s=2.0, clock=time.perf_counter):
    return measuring(elements=100_000)(budget_s, clock)


@answer("measure_machine")
def tiny_products(budget_s=2.0, clock=time.perf_counter):
    return measuring(n=32)(min(budget_s, 0.05), clock)


@answer("measure_machine")
def own_clock(budget_s=2.0, clock=time.perf_counter):
    return measuring()(0.02, time.perf_counter)


@answer("measure_machine")
def constants_of_an_h100(budget_s=2.0, clock=time.perf_counter):
    return 9.89e14, 3.35e12


@answer("measure_machine")
def never_mind_the_budget(budget_s=2.0, clock=time.perf_counter):
    return measuring(budget=False)(budget_s, clock)


@answer("measure_machine")
def other_order(budget_s=2.0, clock=time.perf_counter):
    peak, bandwidth = measuring()(budget_s, clock)
    return bandwidth, peak


@answer("fusion_saving")
def one_trip(ops, n, itemsize):
    return float(max(len(ops) - 1, 0) * n * itemsize)


@answer("fusion_saving")
def negative_for_nothing(ops, n, itemsize):
    return float(2 * (len(ops) - 1) * n * itemsize)


@answer("fusion_saving")
def a_ratio(ops, n, itemsize):
    return len(ops) * 1.0


@answer("fusion_saving")
def the_share(ops, n, itemsize):
    return 1 - 2 / max(2 * len(ops), 2)


@answer("fusion_saving")
def elements(ops, n, itemsize):
    return float(2 * max(len(ops) - 1, 0) * n)


@answer("fusion_saving")
def extras_saved_too(ops, n, itemsize):
    return float((2 * max(len(ops) - 1, 0) + sum(op.extra for op in ops)) * n * itemsize)


@answer("fusion_saving")
def what_is_left(ops, n, itemsize):
    return float((2 + sum(op.extra for op in ops)) * n * itemsize) if ops else 0.0


@answer("fusion_saving")
def all_of_it(ops, n, itemsize):
    return float(sum(2 + op.extra for op in ops) * n * itemsize)
