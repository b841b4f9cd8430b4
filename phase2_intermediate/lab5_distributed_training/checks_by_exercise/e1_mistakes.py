"""The known mistakes of E1, each by its signature in the numbers that four ranks ended with."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e1_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e1_stops import GROUPS, outcome

probe = Probes()
N = e1_cases.RANKS


@probe("returns-nothing")
def nothing(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e1_cases.powers) or []:
        if isinstance(fact["returned"], str):
            return f"ring_all_reduce returned a {fact['returned']}: `t` is changed in place *and* returned"
    return None


@probe("not-in-place")
def not_in_place(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e1_cases.powers) or []):
        if fact["t"].tolist() == [10.0**rank] * 8 and fact["returned"].tolist() == [1111.0] * 8:
            return (
                "the result was returned, but `t` itself is unchanged: the caller's tensor must "
                "hold it (`t.copy_(…)`)"
            )
        if not (fact["is_t"] or fact["aliases"]):
            return "`t` holds the result, but something else was returned: return `t`"
    return None


@probe("nothing-happens")
def unchanged(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e1_cases.powers) or []
    if facts and all(fact["t"].tolist() == [10.0**r] * 8 for r, fact in enumerate(facts)):
        return (
            "every rank ends with the numbers that it began with: nothing of what came was written into `t`"
        )
    return None


@probe("added-more-than-once")
def twice(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e1_cases.powers) or []):
        for i, value in enumerate(fact["t"].tolist()):
            digits = f"{round(value):04d}" if 0 <= value < 1e9 else ""
            if any(digit > "1" for digit in digits):
                who = next(N - 1 - k for k, digit in enumerate(digits[-4:]) if digit > "1")
                return (
                    f"rank r held 10^r. Element {i} on rank {rank} ended as {value:g}, "
                    f"expected 1111: rank {who} was "
                    "added more than once. In phase 2 what comes is complete: it replaces, it is not added"
                )
    return None


@probe("partial-sums")
def partial(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e1_cases.powers) or []):
        for i, value in enumerate(fact["t"].tolist()):
            if value != 1111.0:
                return (
                    f"rank r held 10^r. Element {i} on rank {rank} (chunk {i // 2}) ended as "
                    f"{value:g}, expected 1111: "
                    "a partial sum. Rank r completes chunk r + 1 in phase 1 and begins phase "
                    "2 with it; what it "
                    "sends in a step is what it received in the step before"
                )
    return None


@probe("one-rank-carries-it-all")
def star(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e1_cases.traffic) or []
    sent = [sum(message.bytes for message in fact[0][2]) for fact in facts]
    if sent and max(sent) > 108 + 12 and min(sent) < max(sent) / 2:
        busiest = sent.index(max(sent))
        return (
            f"18 float32 are 72 bytes. The ranks sent {sent} bytes: rank {busiest} sent "
            f"{max(sent) / 72:.1f} times the "
            "tensor. That is a star; in a ring no rank sends more than 1.5 times, here 120 "
            "bytes with rounding"
        )
    return None


@probe("too-much-traffic")
def too_much(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e1_cases.traffic) or []
    for rank, fact in enumerate(facts):
        size, itemsize, sent = fact[0]
        total = sum(message.bytes for message in sent)
        bound = 2 * (N - 1) * -(-size // N) * itemsize
        if total > bound or len(sent) > 2 * (N - 1):
            return (
                f"{size} float32 on 4 ranks: rank {rank} sent {len(sent)} messages with "
                f"{total} bytes, at most "
                f"{2 * (N - 1)} messages and {bound} bytes are allowed: one *chunk* in each "
                "of 2·(n − 1) steps, in the "
                "tensor's own dtype"
            )
    return None


@probe("mean-is-the-sum")
def mean_is_sum(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e1_cases.operations) or []:
        found, expected = fact["mean"]
        if same(found, expected * N):
            return 'op="mean" gives the sum: divide by the number of ranks'
    return None


@probe("mean-divided-before-adding")
def mean_before(a: Any, t: Trial) -> str | None:
    operations = outcome(a, t).of(e1_cases.operations) or []
    if not all(same(*fact["mean"]) for fact in operations):
        return None
    for result, tiny in outcome(a, t).of(e1_cases.smallest) or []:
        if isinstance(result, torch.Tensor) and not bool(result.any()) and bool(tiny.any()):
            return (
                "5e-324, the smallest number of float64, on each of four ranks: its mean became 0, since a "
                "quarter of it was rounded. Add first, and divide once, at the end"
            )
    return None


@probe("mean-divides-by-all-ranks")
def mean_of_all(a: Any, t: Trial) -> str | None:
    for rank, facts in enumerate(outcome(a, t).of(e1_cases.grouped) or []):
        for members, result, expected, _ in facts:
            if rank in members and len(members) == 2 and same(result * N, expected * 2):
                return (
                    'op="mean" in a group of two of the four ranks: the sum was divided by 4. Divide by the '
                    "number of ranks in the group, `dist.get_world_size(group)`"
                )
    return None


@probe("mean-divides-too-often")
def mean_divides(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e1_cases.operations) or []:
        found, expected = fact["mean"]
        if same(fact["sum"][0], fact["sum"][1]) and not same(found, expected):
            return (
                f'op="sum" is right, op="mean" gives {numbers(found[:3])} …, expected '
                f"{numbers(expected[:3])} …: "
                "divide once, when the sum is complete, not at every hop and not a part alone"
            )
    return None


@probe("through-a-narrower-dtype")
def narrower(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e1_cases.operations) or []):
        for op, (found, expected) in fact.items():
            if same(found, expected, rtol=1e-5, atol=1e-5) and not same(found, expected):
                return (
                    f"float64, op={op!r}: the result on rank {rank} is right to some six digits only. "
                    "It went through a narrower dtype: compute in the tensor's own"
                )
    return None


@probe("maximum-with-zero")
def max_zero(a: Any, t: Trial) -> str | None:
    for facts in outcome(a, t).of(e1_cases.dtypes) or []:
        for name, _, found, _, _ in facts:
            if name == "negative float64" and not bool(found.any()):
                return (
                    "the maximum of negative numbers became 0: start from the rank's own numbers, not from 0"
                )
    return None


@probe("max-is-no-maximum")
def max_wrong(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e1_cases.operations) or []:
        found, expected = fact["max"]
        if not same(found, expected):
            what = "the sum" if same(found, fact["sum"][1]) else f"{numbers(found[:3])} …"
            return f'op="max" gives {what}, expected {numbers(expected[:3])} …: `torch.maximum` in phase 1'
    return None


@probe("numbers-left-over")
def left_over(a: Any, t: Trial) -> str | None:
    for rank, facts in enumerate(outcome(a, t).of(e1_cases.sizes) or []):
        for shape, op, found, expected in facts:
            if not same(found, expected):
                return (
                    f"op={op!r} of shape {shape} on 4 ranks: rank {rank} ended with "
                    f"{numbers(found)}, expected "
                    f"{numbers(expected)}. Every element must lie in exactly one chunk, also "
                    "when 4 does not divide "
                    "their number"
                )
    return None


@probe("ranks-differ-in-the-last-bit")
def last_bit(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e1_cases.bits) or []
    for which, op in enumerate(("sum", "mean")):
        for rank, fact in enumerate(facts):
            differ = fact[which] != facts[0][which]
            if bool(differ.any()):
                i = int(differ.nonzero()[0])
                return (
                    f"op={op!r}: element {i} is {facts[0][which][i].item()!r} on rank 0 and "
                    f"{fact[which][i].item()!r} on "
                    f"rank {rank}: the ranks add in different orders. Each element is to be "
                    "added up once, and the "
                    "result handed round"
                )
    return None


@probe("lost-in-a-copy")
def lost(a: Any, t: Trial) -> str | None:
    for rank, facts in enumerate(outcome(a, t).of(e1_cases.layouts) or []):
        for name, op, storage, expected, _ in facts:
            if not same(storage, expected):
                return (
                    f"`t` was {name}: on rank {rank}, after op={op!r}, the caller's tensor "
                    "does not hold the result. "
                    "`contiguous()`, `flatten()` and `reshape` made a copy: copy the result back into `t`"
                )
    return None


@probe("returns-another-tensor")
def returns_other(a: Any, t: Trial) -> str | None:
    for facts in outcome(a, t).of(e1_cases.layouts) or []:
        for name, _, _, _, right in facts:
            if not right:
                return f"`t` was {name}: it holds the result, but what was returned does not. Return `t`"
    return None


@probe("through-another-dtype")
def through(a: Any, t: Trial) -> str | None:
    for rank, facts in enumerate(outcome(a, t).of(e1_cases.dtypes) or []):
        for name, op, found, expected, dtype in facts:
            wide = {torch.bfloat16: 2.0**-5, torch.float16: 2.0**-8}.get(dtype)
            how = {"rtol": wide, "atol": wide} if wide else {}
            if not same(found, expected, **how):
                return (
                    f"{name}, op={op!r}: rank {rank} ended with {numbers(found, 20)}, expected "
                    f"{numbers(expected, 20)}. Compute in the tensor's own dtype, and start "
                    "from its own values"
                )
    return None


@probe("group-is-not-the-group")
def group_values(a: Any, t: Trial) -> str | None:
    for rank, facts in enumerate(outcome(a, t).of(e1_cases.grouped) or []):
        for members, result, expected, messages in facts:
            if not same(result, expected):
                return (
                    f"in a group of ranks {members} rank {rank} ended with {numbers(result)}, expected "
                    f"{numbers(expected)}. {GROUPS}"
                )
            if len(members) == 1 and messages:
                return "in a group of one rank there is nobody to send to, and a message was sent"
    return None
