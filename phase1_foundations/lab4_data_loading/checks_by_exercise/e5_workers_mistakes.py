"""The known mistakes of E5's `choose_workers`, each by its signature in a short run."""

import time
from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_world import (
    START_UP,
    Enough,
    Waiting,
    simulated_workers,
)

probe = Probes()


@probe("answer-of-another-form")
def another_form(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        result = a.choose_workers(Waiting(40), (0, 2), 1.0)
    if len(result) != 2 or not isinstance(result[1], dict):
        return (
            f"choose_workers returns {str(result)[:80]}, asked for is a pair (best, seconds), seconds a dict"
        )
    if set(result[1]) != {0, 2}:
        return (
            f"the candidates were (0, 2), your dict has the keys {sorted(map(str, result[1]))}: one for "
            "each candidate"
        )
    if not all(isinstance(value, float) for value in result[1].values()):
        return "the values of the dict should be floats: the seconds of one epoch"
    return None


@probe("candidates-not-measured")
def not_measured(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(64), (0, 1, 2), 2.0)
    idle = [w for w in (0, 1, 2) if tried.fetched.get(w, 0) == 0]
    if idle:
        return (
            f"with {idle} workers not a single example was read through a DataLoader: measure every "
            "candidate by going through a loader, a rule of thumb knows nothing of this dataset"
        )
    return None


@probe("another-batch-size")
def batch_size(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(64), (0, 1), 2.0)
    others = [size for size in tried.batch_sizes if size != 32]
    if others:
        return (
            f"you measure with batch_size={others[0]}; asked for is 32, so that the numbers can be compared"
        )
    return None


@probe("only-the-first-batches")
def first_batches(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(320), (0, 1), 20.0)
    if tried.fetched.get(0, 0) < 320:
        return (
            f"there was time for all 320 examples, you looked at {tried.fetched.get(0, 0)}: go through the "
            "whole epoch unless the share of the budget is spent"
        )
    return None


@probe("seconds-in-another-unit")
def another_unit(a: Any, t: Trial) -> str | None:
    began = time.perf_counter()
    with simulated_workers():
        _, seconds = a.choose_workers(Waiting(192, 0.0005), (0,), 6.0)
    took = time.perf_counter() - began
    if seconds[0] < 0.05:
        return (
            f"192 examples of 0.5 ms each take at least 0.1 s, you report {seconds[0]:.4f}: asked for are "
            "the seconds of a whole *epoch*, not of a batch or an example (nor epochs a second)"
        )
    if took < 5 and seconds[0] > 2 * took:  # the budget was enough: nothing to extrapolate
        return (
            f"192 examples of 0.5 ms each: your whole call took {took:.2f} s, and you report "
            f"{seconds[0]:.1f} for the epoch. Asked for are seconds (not milliseconds, nor examples a "
            "second), and what was seen and what there is in all are both counted in *batches*"
        )
    return None


@probe("start-up-not-counted")
def start_up(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        _, seconds = a.choose_workers(Waiting(64), (0, 2), 2.0)
    if seconds[2] < START_UP * 0.9:
        return (
            f"the workers took {START_UP * 1000:.0f} ms to start, you report {seconds[2] * 1000:.1f} ms for "
            "the epoch: start the clock before `iter(loader)`. Each epoch pays for the start"
        )
    return None


@probe("budget-ignored")
def budget_ignored(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        attempt = t.attempt(lambda: a.choose_workers(Waiting(3000, 0.001, most=400), (0, 2), 0.2))
    if isinstance(attempt.error, Enough):
        return (
            "an epoch of 3 s with a budget of 0.2 s: after 0.4 s you were still going through the first "
            "candidate. Look at the clock after each batch, and stop when the share is spent"
        )
    return None


@probe("whole-budget-for-each")
def whole_budget(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(3000, 0.001), (0, 2, 4, 8), 0.2)
    if tried.fetched.get(0, 0) > 2.5 * 32:  # a batch takes 32 ms at least, the share is 50 ms
        return (
            f"four candidates share 0.2 s, so each has 0.05 s; you read {tried.fetched[0]} examples of 1 ms "
            "with the first one: divide the budget by the number of candidates"
        )
    return None


@probe("not-extrapolated")
def not_extrapolated(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        _, seconds = a.choose_workers(Waiting(640, 0.001), (0, 4), 0.2)
    if seconds[0] < 0.55:
        return (
            f"an epoch of 640 examples of 1 ms takes 0.64 s, the budget stopped you earlier, and you report "
            f"{seconds[0]:.2f} s: extrapolate, elapsed · (batches in all) / (batches seen)"
        )
    return None


@probe("not-the-fastest")
def not_fastest(a: Any, t: Trial) -> str | None:
    in_memory = Waiting(64)
    for candidates, data in (((4, 0), in_memory), ((0, 4), in_memory), ((0, 4), Waiting(128, 0.001))):
        with simulated_workers():
            best, seconds = a.choose_workers(data, candidates, 4.0)
        fastest = min(seconds, key=seconds.__getitem__)
        if best != fastest:
            if best == list(candidates).index(fastest):
                return (
                    f"best is {best}, the *place* of the fastest among the candidates {candidates}; "
                    f"asked for is the candidate itself, {fastest}"
                )
            return f"your seconds are {seconds}, and you choose {best}: the fastest needs the fewest seconds"
    return None
