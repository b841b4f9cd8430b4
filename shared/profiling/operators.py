"""Where a model's work goes: operators by time, and floating-point operations counted by torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class OperatorCost:
    """One operator's share of a profile: its own time, without that of the operators it calls."""

    name: str
    calls: int
    seconds: float
    share: float


def flops(call: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products, convolutions and attention in the call.

    Torch counts 2·m·n·k for a product (one multiplication, one addition) and nothing for element-wise work.
    Its fused CPU attention would count as 0, so attention takes the plain route while it is counted.
    """
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):
        call()
    return int(counter.get_total_flops())


def profile_operators(call: Callable[[], Any], *, warmup: int = 1) -> list[OperatorCost]:
    """Operators of one call, the most expensive first."""
    for _ in range(warmup):
        call()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])
    recorded = profile(activities=activities)
    with _without_announcements():
        recorded.start()
    try:
        call()
    finally:
        with _without_announcements():
            recorded.stop()
    events = [event for event in recorded.key_averages() if event.key.startswith("aten::")]
    on_gpu = any(event.self_device_time_total > 0 for event in events)
    times = {event.key: _own_microseconds(event, on_gpu) for event in events}
    total = sum(times.values()) or 1.0
    costs = [
        OperatorCost(
            event.key.removeprefix("aten::"), event.count, times[event.key] / 1e6, times[event.key] / total
        )
        for event in events
    ]
    return sorted(costs, key=lambda cost: cost.seconds, reverse=True)


@contextmanager
def _without_announcements() -> Iterator[None]:
    """torch's profiler announces its start and its end on the process's stderr, past Python's own."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _own_microseconds(event: Any, on_gpu: bool) -> float:
    return float(event.self_device_time_total if on_gpu else event.self_cpu_time_total)


def operator_table(costs: list[OperatorCost], *, most: int = 10) -> str:
    """The costliest operators as Markdown, the rest in one line."""
    rows = ["| operator | calls | time | share |", "|---|---:|---:|---:|"]
    rows += [f"| {c.name} | {c.calls} | {c.seconds * 1e3:.3f} ms | {c.share:.0%} |" for c in costs[:most]]
    rest = costs[most:]
    if rest:
        seconds, share = sum(c.seconds for c in rest), sum(c.share for c in rest)
        rows.append(
            f"| {len(rest)} more | {sum(c.calls for c in rest)} | {seconds * 1e3:.3f} ms | {share:.0%} |"
        )
    return "\n".join(rows)
