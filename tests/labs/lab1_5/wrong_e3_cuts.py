"""Wrong cuts for E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import itertools
import math

from phase1_foundations.lab5_gpu_mixed_precision.solution import best_segments as sound_cuts
from tests.labs.answers import Answers

wrong = Answers()


def answer(name, **how):
    def register(function):
        def build():
            return {name: function}

        build.__name__ = function.__name__
        wrong("E3", **how)(build)
        return function

    return register


@answer("best_segments")
def never_cuts(n_blocks, act_bytes):
    return []


@answer("best_segments")
def always_cuts(n_blocks, act_bytes):
    return list(range(1, n_blocks))


@answer("best_segments")
def how_many(n_blocks, act_bytes):
    return round(math.sqrt(n_blocks))


@answer("best_segments")
def a_tuple(n_blocks, act_bytes):
    return tuple(sound_cuts(n_blocks, act_bytes))


@answer("best_segments")
def ends_with_n(n_blocks, act_bytes):
    return [*sound_cuts(n_blocks, act_bytes), n_blocks]


@answer("best_segments")
def last_block_of_each_segment(n_blocks, act_bytes):
    return [c - 1 for c in sound_cuts(n_blocks, act_bytes)]


@answer("best_segments")
def segments_as_lists(n_blocks, act_bytes):
    edges = [0, *sound_cuts(n_blocks, act_bytes), n_blocks]
    return [list(range(i, j)) for i, j in itertools.pairwise(edges)]


@answer("best_segments")
def balances_the_sums(n_blocks, act_bytes):
    best = (math.inf, [])
    for k in range(1, n_blocks + 1):
        target, cuts, running = sum(act_bytes) / k, [], 0
        for i, size in enumerate(act_bytes):
            if i and running + size / 2 > target * (len(cuts) + 1):
                cuts.append(i)
            running += size
        edges = [0, *cuts, n_blocks]
        largest = max(sum(act_bytes[i:j]) for i, j in itertools.pairwise(edges))
        best = min(best, (largest, cuts))
    return best[1]


@answer("best_segments")
def inputs_counted_again(n_blocks, act_bytes):
    best = (math.inf, [])
    for k in range(n_blocks):
        for cuts in itertools.combinations(range(1, n_blocks), k):
            edges = [0, *cuts, n_blocks]
            inputs = sum(act_bytes[i] for i in edges[:-1])
            largest = max(sum(act_bytes[i:j]) for i, j in itertools.pairwise(edges))
            best = min(best, (inputs + largest, list(cuts)))
    return best[1]


@answer("best_segments", slow=True)
def every_set(n_blocks, act_bytes):
    best = (math.inf, [])
    for k in range(n_blocks):
        for cuts in itertools.combinations(range(1, n_blocks), k):
            edges = [0, *cuts, n_blocks]
            inputs = sum(act_bytes[i] for i in edges[:-1])
            largest = max(sum(act_bytes[i + 1 : j]) for i, j in itertools.pairwise(edges))
            best = min(best, (inputs + largest, list(cuts)))
    return best[1]


@answer("best_segments")
def cuts_where_it_is_small(n_blocks, act_bytes):
    mean = sum(act_bytes) / n_blocks
    return [i for i in range(1, n_blocks) if act_bytes[i] < mean]


@answer("best_segments")
def best_number_of_equal_runs(n_blocks, act_bytes):
    best = (math.inf, [])
    for k in range(1, n_blocks + 1):
        edges = [n_blocks * i // k for i in range(k + 1)]
        inputs = sum(act_bytes[i] for i in edges[:-1])
        largest = max(sum(act_bytes[i + 1 : j]) for i, j in itertools.pairwise(edges))
        best = min(best, (inputs + largest, edges[1:-1]))
    return best[1]
