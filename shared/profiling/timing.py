"""Timing that can be quoted: a warm-up, the median of many calls, competitors in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, over several."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The middle half lies between these: wide means that the machine was busy."""
        if len(self.seconds) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return low, high

    def ratio_to(self, other: Timing) -> float:
        return self.median / other.median


def measure(call: Callable[[], Any], *, name: str = "", rounds: int = 20, warmup: int = 3) -> Timing:
    """Time one call. A GPU's work is waited for, so that its time and not its launch is measured."""
    return compare({name: call}, rounds=rounds, warmup=warmup)[name]


def compare(
    calls: Mapping[str, Callable[[], Any]], *, rounds: int = 20, warmup: int = 3
) -> dict[str, Timing]:
    """Time competitors in turn, A B A B …: whatever else the machine does hits all of them alike."""
    if rounds < 1 or not calls:
        raise ValueError(
            f"nothing to time: {len(calls)} calls, {rounds} rounds; expected at least one of each"
        )
    for call in calls.values():
        for _ in range(warmup):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(_once(call))
    return {name: Timing(name, tuple(values)) for name, values in seconds.items()}


def _once(call: Callable[[], Any]) -> float:
    _finish_gpu()
    started = time.perf_counter()
    call()
    _finish_gpu()
    return time.perf_counter() - started


def _finish_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timing_table(timings: Mapping[str, Timing], *, baseline: str | None = None) -> str:
    """Medians, middle halves and ratios to the baseline (the first by default), as Markdown."""
    base = timings[baseline or next(iter(timings))]
    rows = ["| what | median | middle half | ratio |", "|---|---:|---:|---:|"]
    for timing in timings.values():
        low, high = timing.quartiles
        rows.append(
            f"| {timing.name} | {readable_seconds(timing.median)} "
            f"| {readable_seconds(low)} – {readable_seconds(high)} | {timing.ratio_to(base):.2f} |"
        )
    return "\n".join(rows)


def readable_seconds(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
