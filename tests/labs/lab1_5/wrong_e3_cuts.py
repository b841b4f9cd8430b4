"""Wrong chains and cuts for E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import itertools
import math

import torch.utils.checkpoint as library
from torch import nn

from phase1_foundations.lab5_gpu_mixed_precision.solution import best_segments as sound_cuts
from phase1_foundations.lab5_gpu_mixed_precision.solution import checkpoint as sound
from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("E3", "checkpoint_chain")
def torchs_sequential(blocks, x, segments):
    return library.checkpoint_sequential(blocks, segments, x, use_reentrant=False)


@wrong.stands_for("E3", "checkpoint_chain")
def plain_loop(blocks, x, segments):
    for block in blocks:
        x = block(x)
    return x


@wrong.stands_for("E3", "checkpoint_chain")
def one_big_segment(blocks, x, segments):
    return sound(nn.Sequential(*blocks), x)


@wrong.stands_for("E3", "checkpoint_chain")
def every_block_alone(blocks, x, segments):
    for block in blocks:
        x = sound(block, x)
    return x


@wrong.stands_for("E3", "checkpoint_chain")
def segments_as_length(blocks, x, segments):
    for start in range(0, len(blocks), segments):
        x = sound(nn.Sequential(*blocks[start : start + segments]), x)
    return x


@wrong.stands_for("E3", "checkpoint_chain")
def drops_the_remainder(blocks, x, segments):
    size = len(blocks) // segments
    for s in range(segments):
        x = sound(nn.Sequential(*blocks[s * size : (s + 1) * size]), x)
    return x


@wrong.stands_for("E3", "checkpoint_chain")
def rounded_up_length(blocks, x, segments):
    size = math.ceil(len(blocks) / segments)
    for start in range(0, len(blocks), size):
        x = sound(nn.Sequential(*blocks[start : start + size]), x)
    return x


@wrong.stands_for("E3", "checkpoint_chain")
def remainder_into_the_last(blocks, x, segments):
    size = len(blocks) // segments
    for s in range(segments):
        end = len(blocks) if s == segments - 1 else (s + 1) * size
        x = sound(nn.Sequential(*blocks[s * size : end]), x)
    return x


@wrong.stands_for("E3", "checkpoint_chain")
def late_binding(blocks, x, segments):
    edges = [len(blocks) * i // segments for i in range(segments + 1)]
    for start, end in itertools.pairwise(edges):
        x = sound(lambda h: nn.Sequential(*blocks[start:end])(h), x)  # noqa: B023
    return x


@wrong.stands_for("E3", "checkpoint_chain")
def backwards(blocks, x, segments):
    edges = [len(blocks) * i // segments for i in range(segments + 1)]
    for start, end in reversed(list(itertools.pairwise(edges))):
        x = sound(nn.Sequential(*blocks[start:end]), x)
    return x


@wrong.stands_for("E3", "best_segments")
def never_cuts(n_blocks, act_bytes):
    return []


@wrong.stands_for("E3", "best_segments")
def always_cuts(n_blocks, act_bytes):
    return list(range(1, n_blocks))


@wrong.stands_for("E3", "best_segments")
def how_many(n_blocks, act_bytes):
    return round(math.sqrt(n_blocks))


@wrong.stands_for("E3", "best_segments")
def a_tuple(n_blocks, act_bytes):
    return tuple(sound_cuts(n_blocks, act_bytes))


@wrong.stands_for("E3", "best_segments")
def ends_with_n(n_blocks, act_bytes):
    return [*sound_cuts(n_blocks, act_bytes), n_blocks]


@wrong.stands_for("E3", "best_segments")
def last_block_of_each_segment(n_blocks, act_bytes):
    return [c - 1 for c in sound_cuts(n_blocks, act_bytes)]


@wrong.stands_for("E3", "best_segments")
def segments_as_lists(n_blocks, act_bytes):
    edges = [0, *sound_cuts(n_blocks, act_bytes), n_blocks]
    return [list(range(i, j)) for i, j in itertools.pairwise(edges)]


@wrong.stands_for("E3", "best_segments")
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


@wrong.stands_for("E3", "best_segments")
def inputs_counted_again(n_blocks, act_bytes):
    best = (math.inf, [])
    for k in range(n_blocks):
        for cuts in itertools.combinations(range(1, n_blocks), k):
            edges = [0, *cuts, n_blocks]
            inputs = sum(act_bytes[i] for i in edges[:-1])
            largest = max(sum(act_bytes[i:j]) for i, j in itertools.pairwise(edges))
            best = min(best, (inputs + largest, list(cuts)))
    return best[1]


@wrong.stands_for("E3", "best_segments", slow=True)
def every_set(n_blocks, act_bytes):
    best = (math.inf, [])
    for k in range(n_blocks):
        for cuts in itertools.combinations(range(1, n_blocks), k):
            edges = [0, *cuts, n_blocks]
            inputs = sum(act_bytes[i] for i in edges[:-1])
            largest = max(sum(act_bytes[i + 1 : j]) for i, j in itertools.pairwise(edges))
            best = min(best, (inputs + largest, list(cuts)))
    return best[1]


@wrong.stands_for("E3", "best_segments")
def cuts_where_it_is_small(n_blocks, act_bytes):
    mean = sum(act_bytes) / n_blocks
    return [i for i in range(1, n_blocks) if act_bytes[i] < mean]


@wrong.stands_for("E3", "best_segments")
def best_number_of_equal_runs(n_blocks, act_bytes):
    best = (math.inf, [])
    for k in range(1, n_blocks + 1):
        edges = [n_blocks * i // k for i in range(k + 1)]
        inputs = sum(act_bytes[i] for i in edges[:-1])
        largest = max(sum(act_bytes[i + 1 : j]) for i, j in itertools.pairwise(edges))
        best = min(best, (inputs + largest, edges[1:-1]))
    return best[1]
