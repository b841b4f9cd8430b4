"""The known mistakes of E5 in measuring latency."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from courseware.check import Probes, Trial

probe = Probes()


class World:
    """A clock that only the measured function moves: call i takes seconds[i]."""

    def __init__(self, seconds: list[float]) -> None:
        self.seconds, self.now, self.calls = seconds, 100.0, []

    def clock(self) -> float:
        return self.now

    def work(self, batch: Any) -> None:
        self.now += self.seconds[len(self.calls)] if len(self.calls) < len(self.seconds) else 1.0
        self.calls.append(batch)


def measured(
    a: Any, seconds: list[float], batches: list[Any], warmup: int, iters: int
) -> tuple[dict[str, float], World]:
    world = World(seconds)
    return a.latency(world.work, batches, warmup=warmup, iters=iters, clock=world.clock), world


@probe("warm-up-counted")
def warm_up(a: Any, t: Trial) -> str | None:
    found, world = measured(a, [9.0, 9.0] + [0.001] * 8, [[1, 2]], 2, 8)
    if len(world.calls) != 10:
        return f"warmup=2 and iters=8 are 10 calls, you make {len(world.calls)}"
    if found["p99"] > 100:
        return (
            f"two slow first calls and eight of 1 ms: p99 is {found['p99']:g} ms. The warm-up is not measured"
        )
    return None


@probe("another-clock")
def other_clock(a: Any, t: Trial) -> str | None:
    found, _ = measured(a, [5.0] * 4, [[1]], 0, 4)
    if found["p50"] < 100 and not math.isclose(found["p50"], 5.0):
        return (
            f"calls of 5 s by the given `clock` come out as {found['p50']:.3g} ms: read the clock that you "
            f"are given"
        )
    return None


@probe("units")
def units(a: Any, t: Trial) -> str | None:
    found, _ = measured(a, [0.002] * 5, [[1, 2, 3]], 0, 5)
    if set(found) != {"p50", "p90", "p99", "throughput"}:
        return f"the keys are {sorted(found)}, expected p50, p90, p99 and throughput"
    if math.isclose(found["p50"], 0.002, rel_tol=1e-6):
        return "p50 is in seconds; milliseconds are asked for"
    if not math.isclose(found["p50"], 2.0, rel_tol=1e-6):
        return f"calls of 2 ms have p50 = 2, you give {found['p50']:g}"
    named = {
        500.0: "those are batches a second; rows are asked for, len(batch) of each",
        1.5: "that is per millisecond",
    }
    if not math.isclose(found["throughput"], 1500.0, rel_tol=1e-6):
        why = next(
            (w for v, w in named.items() if math.isclose(found["throughput"], v, rel_tol=1e-6)),
            "rows / seconds",
        )
        return f"3 rows every 2 ms are 1,500 rows a second, you give {found['throughput']:g}: {why}"
    return None


@probe("mean-instead-of-percentiles")
def percentiles(a: Any, t: Trial) -> str | None:
    seconds = [0.001] * 9 + [0.101]
    found, _ = measured(a, seconds, [[1]], 0, 10)
    right = {f"p{p}": float(np.percentile(np.array(seconds) * 1000, p)) for p in (50, 90, 99)}
    for key, value in right.items():
        if not math.isclose(found[key], value, rel_tol=1e-6):
            why = ""
            if math.isclose(found[key], 11.0, rel_tol=1e-6):
                why = ": that is the mean, which hides the slow one"
            if math.isclose(found[key], 101.0, rel_tol=1e-6):
                why = ": that is the maximum; `np.percentile` interpolates"
            return f"nine calls of 1 ms and one of 101 ms: {key} is {value:g}, you give {found[key]:g}{why}"
    return None


@probe("one-batch-only")
def cycles(a: Any, t: Trial) -> str | None:
    batches = [[1], [2, 2], [3, 3, 3]]
    found, world = measured(a, [0.001] * 9, batches, 2, 5)
    right = [batches[i % 3] for i in range(7)]
    if world.calls != right:
        return (
            f"three batches, 2 + 5 calls: round and round from the first one on, lengths "
            f"{[len(b) for b in right]}; yours "
            f"had {[len(b) for b in world.calls]}"
        )
    rows = sum(len(b) for b in right[2:])
    if not math.isclose(found["throughput"], rows / 0.005, rel_tol=1e-6):
        everything = sum(len(b) for b in right) / 0.005
        more = ""
        if math.isclose(found["throughput"], everything):
            more = ": the rows of the warm-up are not among them"
        return (
            f"the measured calls hold {rows} rows in 5 ms: {rows / 0.005:g} a second, you give "
            f"{found['throughput']:g}{more}"
        )
    return None


@probe("latency-defaults")
def defaults(a: Any, t: Trial) -> str | None:
    world = World([0.001] * 200)
    a.latency(world.work, [[1]], clock=world.clock)
    if len(world.calls) != 110:
        return (
            f"by default there are 10 warm-up calls and 100 measured ones, you make {len(world.calls)} in all"
        )
    return None
