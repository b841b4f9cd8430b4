"""The known mistakes of E3's `checkpoint_chain` and `best_segments`."""

from itertools import pairwise
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e3_tools import (
    chain,
    least_peak,
    peak,
    segments_of,
    valid,
)
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()


@probe("chain-fails")
def chain_fails(a: Any, t: Trial) -> str | None:
    for count, segments in ((6, 2), (5, 2), (4, 4), (3, 1), (1, 1)):
        blocks, _ = chain(count)
        error = failure(t, lambda b=blocks, s=segments: a.checkpoint_chain(b, torch.ones(2, 4), s))
        if error:
            return f"checkpoint_chain of {count} blocks in {segments} segments ends in {error}"
    return None


@probe("blocks-left-out")
def left_out(a: Any, t: Trial) -> str | None:
    for count, segments in ((6, 2), (5, 2), (7, 3)):
        blocks, events = chain(count)
        y = a.checkpoint_chain(blocks, torch.ones(2, 4), segments)
        if events != list(range(count)):
            return (
                f"{count} blocks in {segments} segments: in the forward pass the blocks {events} ran; "
                f"expected each once, 0 … {count - 1} in this order"
            )
        expected = torch.ones(2, 4)
        for block in blocks:
            expected = block(expected)
        if not same(y.detach(), expected.detach()):
            return f"{count} blocks in {segments} segments: the result is not that of the blocks in a row"
    return None


@probe("the-loop-variable-moved-on")
def loop_variable(a: Any, t: Trial) -> str | None:
    found = segments_of(a, 6, 3)
    if len(found) > 1 and all(run == found[0] for run in found):
        return (
            f"the backward pass ran the blocks {found[0]} again for every segment: the function that you "
            "checkpoint reads the loop's variables when it is *called*, and the second call comes after the "
            "loop. Bind them (a default argument, `functools.partial`, `nn.Sequential`)"
        )
    return None


@probe("last-segment-not-checkpointed")
def last_plain(a: Any, t: Trial) -> str | None:
    found = segments_of(a, 6, 3)
    if not found:
        return "in the backward pass no block ran again: the segments have to be run under checkpoint"
    if found == [[0, 1], [2, 3]]:
        return "the last segment was not run again: it is to be checkpointed like the others"
    return None


@probe("segments-taken-for-their-length")
def as_length(a: Any, t: Trial) -> str | None:
    three, two = segments_of(a, 6, 3), segments_of(a, 6, 2)
    if len(three) == 2 and len(two) == 3:
        return (
            "6 blocks in 3 segments were cut into runs of 3: `segments` is how *many* runs, not how long "
            "they are"
        )
    return None


@probe("segments-ignored")
def ignored(a: Any, t: Trial) -> str | None:
    three, two = segments_of(a, 6, 3), segments_of(a, 6, 2)
    if three == two:
        return f"2 and 3 segments gave the same runs of blocks, {two}: use `segments`"
    return None


@probe("segments-of-unequal-length")
def unequal(a: Any, t: Trial) -> str | None:
    for count, segments in ((6, 3), (5, 2), (7, 3), (8, 3), (10, 4), (5, 5), (4, 1)):
        lengths = [len(run) for run in segments_of(a, count, segments)]
        if len(lengths) != segments or max(lengths) - min(lengths) > 1 or sum(lengths) != count:
            return (
                f"{count} blocks in {segments} segments were run in lengths {lengths}: asked for are "
                f"{segments} runs whose lengths differ by at most one"
            )
    return None


# ---- best_segments --------------------------------------------------------------------------------------


@probe("cutting-fails")
def cutting_fails(a: Any, t: Trial) -> str | None:
    for sizes in ([4, 4, 4, 4], [5], [1, 9], [0, 0, 0]):
        error = failure(t, lambda s=sizes: a.best_segments(len(s), s))
        if error:
            return f"best_segments({len(sizes)}, {sizes}) ends in {error}"
    return None


@probe("cuts-in-another-form")
def another_form(a: Any, t: Trial) -> str | None:
    for sizes in ([4, 4, 4, 4], [5], [1, 9, 1, 1], [1] * 9, [7, 1, 1, 7, 1, 1]):
        found = a.best_segments(len(sizes), sizes)
        if not valid(found, len(sizes)):
            words = f"best_segments({len(sizes)}, {sizes}) returned {found}"
            if isinstance(found, list) and (0 in found or len(sizes) in found):
                return (
                    f"{words}: cuts are from 1 to {len(sizes) - 1}; that block 0 begins a segment, and that "
                    "the last one ends, goes without saying"
                )
            return f"{words}: asked for is a sorted list of different whole numbers from 1 to n_blocks − 1"
    return None


@probe("cut-after-instead-of-before")
def shifted(a: Any, t: Trial) -> str | None:
    cases = ([1, 9, 1, 1], [3, 1, 8, 2, 7, 1], [9, 1, 9, 1, 9, 1, 9], [2, 6, 1, 5, 9, 1, 3])
    for move in (1, -1):
        found = [(s, a.best_segments(len(s), s)) for s in cases]
        moved = [(s, [c + move for c in cuts if 0 < c + move < len(s)]) for s, cuts in found]
        wrong = any(peak(c, s) != least_peak(s) for s, c in found)
        if wrong and all(peak(c, s) == least_peak(s) for s, c in moved):
            return (
                f"your cuts are off by one ({found[0][1]} for {cases[0]}): a cut at c means that a segment "
                "*begins* with block c, counted from 0"
            )
    return None


@probe("equal-numbers-of-blocks")
def equal_numbers(a: Any, t: Trial) -> str | None:
    sizes = [1, 1, 1, 1, 50, 40, 50, 1, 1]
    found = a.best_segments(9, sizes)
    ends = [0, *found, 9]
    lengths = [right - left for left, right in pairwise(ends)]
    best = least_peak(sizes)
    other = [0, *a.best_segments(8, [50, 1, 1, 1, 1, 1, 1, 1]), 8]
    others = [right - left for left, right in pairwise(other)]
    equal = max(lengths) - min(lengths) <= 1 and max(others) - min(others) <= 1
    if peak(found, sizes) > best and len(found) < 8 and equal:
        return (
            f"for {sizes} you cut at {found}, into equal numbers of blocks, with a peak of "
            f"{peak(found, sizes)}; the best is {best}: the blocks differ in bytes, so cut where inputs are "
            "small"
        )
    return None


@probe("not-the-smallest-peak")
def not_smallest(a: Any, t: Trial) -> str | None:
    cases = [[4, 4, 4, 4], [1, 9, 1, 1], [5, 1], [1, 1, 1, 1, 50, 40, 50, 1, 1], [3, 1, 8, 2, 7, 1], [1] * 9]
    cases += [t.randint(0, 30, n).tolist() for n in (3, 5, 6, 7, 8, 8, 9, 9)]
    for sizes in sorted(cases, key=len):
        found = a.best_segments(len(sizes), sizes)
        best = least_peak(sizes)
        if peak(found, sizes) > best:
            return (
                f"for {sizes} you cut at {found}: the inputs of the segments and the rest of the largest add "
                f"up to {peak(found, sizes)}, and {best} is possible. Try every limit for the largest rest, "
                "and for each the cheapest inputs that keep it"
            )
    return None


@probe("tries-every-set-of-cuts")
def tries_all(a: Any, t: Trial) -> str | None:
    for count in (16, 22, 28):
        sizes = t.randint(1, 1000, count).tolist()
        if t.attempt(lambda s=sizes: a.best_segments(len(s), s), seconds=1.5).timed_out:
            return (
                f"{count} blocks took more than 1.5 CPU seconds: with every block the work doubles. There "
                "are too many sets of cuts to try; build the best cutting of the first k blocks from those "
                "of fewer"
            )
    return None
