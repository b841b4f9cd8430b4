"""E1: ring all-reduce. What must hold; the known mistakes stand in `e1_mistakes`."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import (
    e1_cases,
    e1_mistakes,
    e1_stops,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e1_picture import lanes
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e1_stops import outcome
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import need

e1 = Exercise(
    "E1",
    takes={"ring_all_reduce": Tensor},
    hints=(
        "Cut the tensor into as many chunks as there are ranks. Each chunk travels once around the circle to "
        "be added up, and once more to be told.",
        "Step s of phase 1: send chunk (r − s) % n to the right, receive chunk (r − s − 1) % n from the left "
        "and add it. Phase 2: the same with r + 1, and what comes replaces what was there.",
        "`flat = t.contiguous().view(-1)`; for each step: `request = dist.isend(chunk[send], dst=right)`, "
        "`dist.recv(buffer, src=left)`, `request.wait()`, then add or copy `buffer`. At the end "
        "`t.copy_(flat.view(t.shape))`.",
    ),
)
e1_stops.probe.add_to(e1)
e1_mistakes.probe.add_to(e1)


@e1.property("sum, mean and maximum, of every size", points=5)
def values(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for rank, facts in enumerate(need(t, found, e1_cases.operations)):
        for op, (result, expected) in facts.items():
            t.equal(result, expected, f"rank {rank}, op={op!r}, 12 numbers on each of 4 ranks")
    for rank, facts in enumerate(need(t, found, e1_cases.sizes)):
        for shape, op, result, expected in facts:
            t.equal(result, expected, f"rank {rank}, op={op!r}, shape {shape} on 4 ranks")

    for rank, (result, tiny) in enumerate(need(t, found, e1_cases.smallest)):
        t.that(torch.equal(result, tiny), f"rank {rank}: the mean of 5e-324 on all ranks is {result}")


@e1.property("in place, whatever layout and dtype", points=4)
def in_place(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for rank, fact in enumerate(need(t, found, e1_cases.powers)):
        t.that(fact["is_t"] or fact["aliases"], f"rank {rank}: what came back is not `t`")
        t.equal(fact["t"], torch.full((8,), 1111.0, dtype=torch.float64), f"rank {rank}")
    for rank, facts in enumerate(need(t, found, e1_cases.layouts)):
        for name, op, storage, expected, right in facts:
            t.equal(storage, expected, f"rank {rank}, op={op!r}, {name}: the memory around it")
            t.that(right, f"rank {rank}, {name}: what was returned is not the result")
    for rank, facts in enumerate(need(t, found, e1_cases.dtypes)):
        for name, op, result, expected, dtype in facts:
            wide = {torch.bfloat16: 2.0**-5, torch.float16: 2.0**-8}.get(dtype)
            how = {"rtol": wide, "atol": wide} if wide else {}
            t.equal(result, expected, f"rank {rank}, op={op!r}, {name}", **how)


@e1.property("no rank sends more than its share", points=3)
def share(a: Any, t: Trial) -> None:
    n = e1_cases.RANKS
    for rank, facts in enumerate(need(t, outcome(a, t), e1_cases.traffic)):
        for size, itemsize, sent in facts:
            bound = 2 * (n - 1) * -(-size // n) * itemsize
            total = sum(message.bytes for message in sent)
            t.that(
                total <= bound,
                f"rank {rank} sent {total} bytes for {size} numbers, at most {bound} are allowed",
            )
            t.that(len(sent) <= 2 * (n - 1), f"rank {rank} sent {len(sent)} messages, at most {2 * (n - 1)}")
            t.that(total > 0, f"rank {rank} sent nothing, as far as the process group saw")


@e1.property("the same bits on every rank, groups, and refusals", points=3)
def bits(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    facts = need(t, found, e1_cases.bits)
    for rank, pair in enumerate(facts[1:], start=1):
        for one, other, op in zip(facts[0], pair, ("sum", "mean"), strict=True):
            t.that(torch.equal(one, other), f"op={op!r}: ranks 0 and {rank} hold different bits")
    for rank, groups in enumerate(need(t, found, e1_cases.grouped)):
        for members, result, expected, messages in groups:
            t.equal(result, expected, f"rank {rank}, group of ranks {members}")
            t.that(len(members) > 1 or not messages, "in a group of one rank nothing is sent")
    for fact in need(t, found, e1_cases.refusals):
        for name, kind in (("integers", "TypeError"), ("unknown", "ValueError")):
            got = fact[name][0]
            t.that(getattr(got, "kind", None) == kind, f"{name}: expected a {kind}, got {got}")


e1.reward(lanes)
