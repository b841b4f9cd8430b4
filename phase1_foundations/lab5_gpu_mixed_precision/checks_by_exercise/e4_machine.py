"""A simulated machine: torch's operations really run, but a clock of its own says how long they took.

Peak, bandwidth, cold first calls, disturbed calls and a cache are known, so a measurement can be judged
without measuring time.
"""

import math
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from courseware.check import Trial
from courseware.check.observe import storage_key, tensors_in

CACHE = 12 * 2**20
"""Bytes; what moves less than this in one operation is eight times as fast."""
DISTURBED = (2.0, 1.0, 1.6)
"""How much longer the calls after the first take, in turn: one in three is undisturbed."""
COLD = 6.0
OVERHEAD = 1e-6
WRITES_ONLY = {"copy_", "fill_", "zero_", "normal_", "uniform_", "random_"}


class Machine(TorchDispatchMode):
    def __init__(self, peak: float, bandwidth: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak, self.bandwidth = peak, bandwidth
        self.now, self.readings = 1234.5, 0
        self.calls: Counter[str] = Counter()
        self.least = 0.0  # seconds that one untimed and three timed calls of everything take
        self.smallest_product = math.inf
        self.largest_moved = 0
        self.dtypes: set[torch.dtype] = set()
        self.product_dtypes: set[torch.dtype] = set()
        self.products: set[str] = set()

    @classmethod
    def some(cls, t: Trial) -> "Machine":
        return cls(t.random.uniform(3e9, 6e9), t.random.uniform(1e9, 3e9))

    def clock(self) -> float:
        self.readings += 1
        self.now += 1e-7
        return self.now

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = operator(*args, **kwargs)
        name = operator.overloadpacket.__name__
        flops = self._flops(operator, args, kwargs, result)
        moved = 0 if flops else self._moved(name, args, kwargs, result)
        if flops or moved:
            kind = f"{name}, {flops or moved}"
            took = self._seconds(flops, moved) * self._delay(kind) + OVERHEAD
            self.now += took
            self.least += took if self.calls[kind] < 4 else 0.0
            self.calls[kind] += 1
            if flops:
                self.products.add(kind)
            self.dtypes |= {x.dtype for x in tensors_in(result)}
        if flops:
            self.product_dtypes |= {x.dtype for x in tensors_in(result)}
        return result

    def _flops(self, operator: Any, args: Any, kwargs: Any, result: Any) -> int:
        formula = flop_registry.get(operator.overloadpacket)
        if formula is None:
            return 0
        inputs = {k: v for k, v in kwargs.items() if k != "out"}
        flops = int(formula(*args, **inputs, out_val=result))
        shapes = [x.shape[-2:] for x in tensors_in(args) if x.dim() >= 2]
        self.smallest_product = min([self.smallest_product, *(min(shape) for shape in shapes)])
        return flops

    def _moved(self, name: str, args: Any, kwargs: Any, result: Any) -> int:
        inputs, out = list(tensors_in(args)), list(tensors_in(kwargs.get("out")))
        known = {storage_key(x) for x in inputs}
        written = list(tensors_in(result))
        in_place = name.endswith("_") or bool(out)
        if written and not in_place and all(storage_key(x) in known for x in written):
            return 0  # a view
        read = inputs[1:] if name in WRITES_ONLY else inputs
        moved = sum(x.nbytes for x in read) + sum(x.nbytes for x in written if name != "empty")
        self.largest_moved = max(self.largest_moved, moved)
        return moved

    def _seconds(self, flops: int, moved: int) -> float:
        if flops:
            small = min(1.0, (flops / (2 * 200**3)) ** (1 / 3))  # small products do not reach the peak
            return flops / (self.peak * small)
        return moved / (self.bandwidth * (8 if moved < CACHE else 1))

    def _delay(self, kind: str) -> float:
        before = self.calls[kind]
        return COLD if before == 0 else DISTURBED[(before - 1) % len(DISTURBED)]


def measured(a: Any, machine: Machine, budget_s: float = 0.4) -> tuple[float, float]:
    """What the learner's code measures on this machine."""
    with machine:
        peak, bandwidth = a.measure_machine(budget_s, clock=machine.clock)
    return float(peak), float(bandwidth)


_last: tuple[Any, Machine, tuple[float, float]] | None = None


def measured_once(a: Any, t: Trial) -> tuple[Machine, float, float]:
    """The same for a machine of this seed; measured once, however many probes look at it."""
    global _last
    key = a.raw("measure_machine"), t.seed
    if _last is None or _last[0] != key:
        machine = Machine.some(Trial(t.seed, "machine"))
        _last = key, machine, measured(a, machine)
    _, machine, (peak, bandwidth) = _last
    return machine, peak, bandwidth
