"""Wrong rooflines, measurements and savings for E4 beyond the lab's own misconceptions."""

from __future__ import annotations

import statistics
import time

import torch

from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("E4", "attainable")
def the_larger_limit(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    return max(float(peak), bw * flops / bytes_), "memory" if flops / bytes_ < peak / bw else "compute"


@wrong.stands_for("E4", "attainable")
def intensity_upside_down(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    intensity = bytes_ / flops
    return min(float(peak), bw * intensity), "memory" if intensity < peak / bw else "compute"


@wrong.stands_for("E4", "attainable")
def seconds(flops, bytes_, peak, bw):
    return max(flops / peak, bytes_ / bw), "memory" if bytes_ / bw > flops / peak else "compute"


@wrong.stands_for("E4", "attainable")
def ridge_upside_down(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    return min(float(peak), bw * flops / bytes_), "memory" if flops / bytes_ < bw / peak else "compute"


@wrong.stands_for("E4", "attainable")
def other_words(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute-bound"
    slow = flops / bytes_ < peak / bw
    return min(float(peak), bw * flops / bytes_), "memory-bound" if slow else "compute-bound"


@wrong.stands_for("E4", "attainable")
def words_exchanged(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    return min(float(peak), bw * flops / bytes_), "compute" if flops / bytes_ < peak / bw else "memory"


@wrong.stands_for("E4", "attainable")
def the_speed_alone(flops, bytes_, peak, bw):
    return float(peak) if bytes_ == 0 else min(float(peak), bw * flops / bytes_)


@wrong.stands_for("E4", "attainable")
def ridge_is_memory(flops, bytes_, peak, bw):
    if bytes_ == 0:
        return float(peak), "compute"
    roof = bw * flops / bytes_
    return (roof, "memory") if roof <= peak else (float(peak), "compute")


@wrong.stands_for("E4", "attainable")
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


@wrong.stands_for("E4", "measure_machine")
def one_cold_call(budget_s=2.0, clock=time.perf_counter):
    return measuring(warm=0, runs=1, budget=False)(0.0, clock)


@wrong.stands_for("E4", "measure_machine")
def median(budget_s=2.0, clock=time.perf_counter):
    return measuring(statistics.median)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def mean(budget_s=2.0, clock=time.perf_counter):
    return measuring(statistics.mean)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def slowest(budget_s=2.0, clock=time.perf_counter):
    return measuring(max)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def macs(budget_s=2.0, clock=time.perf_counter):
    return measuring(flops=1)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def elements_a_second(budget_s=2.0, clock=time.perf_counter):
    return measuring(moved=0.5)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def giga(budget_s=2.0, clock=time.perf_counter):
    return measuring(unit=1e9)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def in_double(budget_s=2.0, clock=time.perf_counter):
    return measuring(dtype=torch.float64)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def cached(budget_s=2.0, clock=time.perf_counter):
    return measuring(elements=100_000)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def tiny_products(budget_s=2.0, clock=time.perf_counter):
    return measuring(n=32)(min(budget_s, 0.05), clock)


@wrong.stands_for("E4", "measure_machine")
def own_clock(budget_s=2.0, clock=time.perf_counter):
    return measuring()(0.02, time.perf_counter)


@wrong.stands_for("E4", "measure_machine")
def constants_of_an_h100(budget_s=2.0, clock=time.perf_counter):
    return 9.89e14, 3.35e12


@wrong.stands_for("E4", "measure_machine")
def never_mind_the_budget(budget_s=2.0, clock=time.perf_counter):
    return measuring(budget=False)(budget_s, clock)


@wrong.stands_for("E4", "measure_machine")
def other_order(budget_s=2.0, clock=time.perf_counter):
    peak, bandwidth = measuring()(budget_s, clock)
    return bandwidth, peak


@wrong.stands_for("E4", "fusion_saving")
def one_trip(ops, n, itemsize):
    return float(max(len(ops) - 1, 0) * n * itemsize)


@wrong.stands_for("E4", "fusion_saving")
def negative_for_nothing(ops, n, itemsize):
    return float(2 * (len(ops) - 1) * n * itemsize)


@wrong.stands_for("E4", "fusion_saving")
def a_ratio(ops, n, itemsize):
    return len(ops) * 1.0


@wrong.stands_for("E4", "fusion_saving")
def the_share(ops, n, itemsize):
    return 1 - 2 / max(2 * len(ops), 2)


@wrong.stands_for("E4", "fusion_saving")
def elements(ops, n, itemsize):
    return float(2 * max(len(ops) - 1, 0) * n)


@wrong.stands_for("E4", "fusion_saving")
def extras_saved_too(ops, n, itemsize):
    return float((2 * max(len(ops) - 1, 0) + sum(op.extra for op in ops)) * n * itemsize)


@wrong.stands_for("E4", "fusion_saving")
def what_is_left(ops, n, itemsize):
    return float((2 + sum(op.extra for op in ops)) * n * itemsize) if ops else 0.0


@wrong.stands_for("E4", "fusion_saving")
def all_of_it(ops, n, itemsize):
    return float(sum(2 + op.extra for op in ops) * n * itemsize)
