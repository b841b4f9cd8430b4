"""What E1's check lets four ranks do with the learner's `ring_all_reduce`."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import Me, attempt

RANKS = 4
OPS = ("sum", "mean", "max")
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (3,), (4,), (5,), (7,), (3, 5), (0,), (2, 0))


def expected(inputs: list[torch.Tensor], op: str) -> torch.Tensor:
    stack = torch.stack(inputs)
    if op == "max":
        return stack.amax(dim=0)
    total = stack.sum(dim=0, dtype=stack.dtype)
    return total / len(inputs) if op == "mean" else total


def powers(a: Any, me: Me) -> Any:
    """Rank r holds 10^r everywhere: the sum 1111 says of each element who is in it, and how often."""
    t = torch.full((8,), 10.0**me.rank, dtype=torch.float64)
    result = a.ring_all_reduce(t)
    return {
        "t": t.clone(),
        "returned": result.clone() if isinstance(result, torch.Tensor) else type(result).__name__,
        "is_t": result is t,
        "aliases": isinstance(result, torch.Tensor) and result.data_ptr() == t.data_ptr(),
        "pending": me.pending(),
        "sent": len(me.sent()),
    }


def operations(a: Any, me: Me) -> Any:
    """sum, mean, max of random numbers; by position and by keyword."""
    facts = {}
    for number, op in enumerate(OPS):
        inputs = me.randn(12, key=number)
        t = inputs[me.rank].clone()
        a.ring_all_reduce(t, op) if number else a.ring_all_reduce(t, op=op)
        facts[op] = (t, expected(inputs, op))
    return facts


def traffic(a: Any, me: Me) -> Any:
    """What this rank sends for 18 float32 and 5 float64 numbers."""
    facts = []
    for size, dtype in ((18, torch.float32), (5, torch.float64)):
        me.messages.clear()
        a.ring_all_reduce(me.randn(size, dtype=dtype)[me.rank])
        facts.append((size, dtype.itemsize, me.sent()))
    return facts


def sizes(a: Any, me: Me) -> Any:
    facts = []
    for number, shape in enumerate(SHAPES):
        for op in ("sum", "mean"):
            inputs = me.randn(*shape, key=10 + number)
            t = inputs[me.rank].clone()
            a.ring_all_reduce(t, op)
            facts.append((shape, op, t, expected(inputs, op)))
    return facts


def bits(a: Any, me: Me) -> Any:
    """float32 numbers of very different sizes: their sum depends on the order in which they are added."""
    spread = me.randn(101, dtype=torch.float32, key=30)
    scales = [10.0**power for power in (0, 3, -2, 5)]
    t = spread[me.rank] * scales[me.rank]
    mean = t.clone()
    a.ring_all_reduce(t)
    a.ring_all_reduce(mean, "mean")
    return t, mean


def layouts(a: Any, me: Me) -> Any:
    facts = []
    views = {
        "a transposed matrix": lambda x: x.view(3, 8).t(),
        "every second element": lambda x: x[::2],
        "every second column": lambda x: x.view(4, 6)[:, ::2],
        "a slice in the middle": lambda x: x[5:16],
    }
    for name, view in views.items():
        for op in ("sum", "mean"):
            inputs = me.randn(24, key=40)
            storage = inputs[me.rank].clone()
            result = a.ring_all_reduce(view(storage), op)
            wanted = inputs[me.rank].clone()
            view(wanted).copy_(expected([view(x) for x in inputs], op))
            right = isinstance(result, torch.Tensor) and bool(
                torch.allclose(result.double(), view(wanted), rtol=1e-9)
            )
            facts.append((name, op, storage, wanted, right))
    return facts


def dtypes(a: Any, me: Me) -> Any:
    facts = []
    big = 2**60
    kinds = {
        "int64": ([torch.tensor([big + r, r, -r, 7, r * r]) for r in range(me.world)], ("max",)),
        "int64 sums": ([torch.tensor([2**54 + r, r, -r, 7, r * r]) for r in range(me.world)], ("sum",)),
        "int32": ([torch.tensor([r, 5, -r], dtype=torch.int32) for r in range(me.world)], ("sum", "max")),
        "bfloat16": (me.randn(9, dtype=torch.bfloat16, key=50), ("sum", "mean", "max")),
        "float16": (me.randn(9, dtype=torch.float16, key=51), ("sum",)),
        "float32": (me.randn(9, dtype=torch.float32, key=52), ("max", "mean")),
        "negative float64": ([-1 - x.abs() for x in me.randn(9, key=53)], ("max",)),
    }
    for name, (inputs, ops) in kinds.items():
        for op in ops:
            t = inputs[me.rank].clone()
            a.ring_all_reduce(t, op)
            exact = expected([x.double() for x in inputs] if t.is_floating_point() else inputs, op)
            facts.append((name, op, t, exact.to(t.dtype), inputs[0].dtype))
    return facts


def smallest(a: Any, me: Me) -> Any:
    """The mean of the smallest float64 there is: a quarter of it is rounded to 0."""
    tiny = torch.full((6,), 5e-324, dtype=torch.float64)
    return a.ring_all_reduce(tiny.clone(), "mean"), tiny


def refusals(a: Any, me: Me) -> Any:
    facts = {}
    for name, t, op in (
        ("integers", torch.tensor([1, 2, 3, me.rank]), "mean"),
        ("unknown", torch.ones(4), "prod"),
    ):
        me.messages.clear()
        before = t.clone()
        facts[name] = (
            attempt(lambda t=t, op=op: a.ring_all_reduce(t, op)),
            len(me.messages),
            bool((t == before).all()),
        )
    return facts


def grouped(a: Any, me: Me) -> Any:
    """Three of the four ranks, then two, then one: the others do not take part."""
    facts = []
    for members in ([1, 2, 3], [0, 2], [3]):
        with me.unwatched():
            group = dist.new_group(members)
        inputs = me.randn(7, key=60 + len(members))
        t = inputs[me.rank].clone()
        me.messages.clear()
        op = "mean" if len(members) == 2 else "sum"
        if me.rank in members:
            a.ring_all_reduce(t, "sum", group) if len(members) == 3 else a.ring_all_reduce(t, op, group=group)
        op = "mean" if len(members) == 2 else "sum"
        wanted = expected([inputs[r] for r in members], op) if me.rank in members else inputs[me.rank]
        facts.append((members, t, wanted, len(me.messages)))
        with me.unwatched():
            dist.barrier()
    return facts


CASES = (powers, operations, sizes, traffic, bits, layouts, dtypes, smallest, refusals, grouped)
