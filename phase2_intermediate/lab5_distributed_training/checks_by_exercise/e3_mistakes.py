"""The known mistakes of E3 that end its job, and those in the gradients."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e3_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e3_cases import outcome

probe = Probes()

SITUATIONS = {
    "start": "a module with frozen parameters, BatchNorm and buffers, built on two ranks",
    "union": "three layers, one backward pass and `finish()`",
    "steps": "three steps, with bucket_bytes=300",
    "overlap": "three layers, bucket_bytes=120",
    "buckets": "bucket_bytes of 1, 96, 120, 300 and 2²⁰",
    "twice": "two backward passes without clearing",
    "without_sync": "three passes in `no_sync` and one outside",
    "quiet": "`finish()` with nothing to do, eval mode, `finish()` twice",
    "tied": "a weight that is used in two places, and a frozen layer",
    "dtypes": "a bfloat16 network, and one with two dtypes",
    "unused": "a layer that rank 0 uses and rank 1 does not, and one that nobody uses",
    "held": "a layer that is used within `no_sync`, and not in the pass outside",
    "orders": "the same layers, run in different orders on the two ranks",
}
SIZES = (24, 6, 30, 5, 10, 2)  # numbers in each parameter of the three layers, 8 bytes each


def greedy(limit: int) -> list[int]:
    """Numbers in each bucket: reverse order, as many whole tensors as fit."""
    found: list[int] = []
    for size in reversed(SIZES):
        if found and (found[-1] + size) * 8 <= limit:
            found[-1] += size
        else:
            found.append(size)
    return found


def differing(found: Any, expected: Any, **how: Any) -> str | None:
    """The name of the first gradient that differs; None and zeros are the same here."""
    for name, wanted in expected.items():
        zeros = torch.zeros(()) if wanted is None else torch.zeros_like(wanted)
        got = found[name] if found[name] is not None else zeros
        if not same(got, zeros.expand_as(got) if wanted is None else wanted, **how):
            return str(name)
    return None


def agrees(found: Any, expected: Any) -> bool:
    return differing(found, expected) is None


def scaled(gradients: Any, factor: float) -> Any:
    return {name: None if grad is None else grad * factor for name, grad in gradients.items()}


@probe("forbidden")
def forbidden(a: Any, t: Trial) -> str | None:
    if outcome(a, t).refused:
        return (
            "`DistributedDataParallel` is what you are to build: use `dist.all_reduce` and `dist.broadcast`"
        )
    return None


@probe("unused-parameter-hangs")
def unused_hangs(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.case == "unused":
        return (
            f"with {SITUATIONS['unused']}: {stopped.words}\nNo hook fires for a parameter "
            "that was not used. `finish` "
            "starts the buckets that are missing, on every rank all of them, with zeros "
            "where there is no gradient"
        )
    return None


ORDER = (
    "Gradients come in another order on each rank. The i-th all-reduce of one rank meets the "
    "i-th of the other: "
    "start bucket i only after bucket i − 1"
)


@probe("buckets-in-another-order")
def bucket_order(a: Any, t: Trial) -> str | None:
    stopped, right = outcome(a, t).stopped, outcome(a, t).of(e3_cases.union) or []
    if stopped and stopped.case == "orders":
        return f"with {SITUATIONS['orders']}: {stopped.words}\n{ORDER}"
    if not all(agrees(fact["found"], fact["expected"]) for fact in right):
        return None
    for rank, fact in enumerate(outcome(a, t).of(e3_cases.orders) or []):
        name = differing(*fact)
        if name:
            return f"with {SITUATIONS['orders']}: the gradient of {name} on rank {rank} is wrong. {ORDER}"
    return None


@probe("waits-for-ever")
def waits(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.kind == "deadlock":
        return f"with {SITUATIONS[stopped.case]} the ranks wait for each other for ever:\n{stopped.words}"
    return None


@probe("frozen-or-tied")
def fails_tied(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.case == "tied":
        return f"with {SITUATIONS['tied']}: {stopped.words}"
    return None


@probe("mixed-dtypes")
def fails_dtypes(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.case == "dtypes":
        return f"with {SITUATIONS['dtypes']}: {stopped.words}\nA bucket holds gradients of one dtype"
    return None


@probe("fails-on-a-rank")
def fails(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped:
        return f"with {SITUATIONS.get(stopped.case, 'two ranks')}: {stopped.words}"
    return None


@probe("another-module")
def another_module(a: Any, t: Trial) -> str | None:
    if any(not fact["module"] for fact in outcome(a, t).of(e3_cases.start) or []):
        return "`ddp.module` is not the module that was given, but another one, a copy perhaps"
    return None


@probe("no-common-start")
def no_broadcast(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e3_cases.start) or []
    if len(facts) < 2:
        return None
    differ = [
        name for name in facts[0]["state"] if not same(facts[1]["state"][name], facts[0]["state"][name])
    ]
    if not differ:
        return None
    if len(differ) == len(facts[0]["state"]):
        return (
            "the ranks start from different weights; they will never agree. Broadcast rank 0's "
            "when you are built"
        )
    return (
        f"after the start {', '.join(differ)} still differ between the ranks: broadcast "
        "parameters *and* buffers, frozen "
        "ones and whole numbers too"
    )


@probe("not-rank-0")
def not_rank_0(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e3_cases.start) or []
    if facts:
        torch.manual_seed(100)
        module = e3_cases.Unusual()
        wanted = torch.rand(module.linear.weight.shape) * 10 + 1
        if not same(facts[0]["state"]["linear.weight"], wanted):
            return "both ranks start with the same numbers, but not with those of rank 0"
        if not all(fact["same_places"] for fact in facts):
            return (
                "the module's tensors were replaced: write rank 0's numbers into them "
                "(`dist.broadcast` is in place)"
            )
        if not all(fact["trainable"] == [True, False, True, True] for fact in facts):
            return "`requires_grad` of the module's parameters has changed"
    return None


@probe("forward-is-not-the-modules")
def forward(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.start) or []:
        if not fact["forward"]:
            return (
                "ddp(x, scale=3.0) does not return what module(x, scale=3.0) returns: pass on "
                "*args and **kwargs"
            )
    return None


@probe("gradient-is-the-sum")
def summed(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.union) or []:
        if agrees(fact["found"], scaled(fact["expected"], 2)):
            return (
                "the gradient is 2 times too large with two ranks: an all-reduce adds up, divide "
                "by the world size"
            )
    return None


@probe("gradient-divided-twice")
def divided(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.union) or []:
        if agrees(fact["found"], scaled(fact["expected"], 0.5)):
            return "the gradient is half of what it should be with two ranks: it was divided twice"
    return None


@probe("gradients-stay-local")
def local(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e3_cases.union) or []
    if facts and all(agrees(fact["found"], fact["alone"]) for fact in facts):
        return (
            "after `finish()` each rank still has its own gradients: copy the averaged buckets "
            "back into `p.grad`"
        )
    if facts and all(agrees(fact["found"], scaled(fact["alone"], 0.5)) for fact in facts):
        return "each rank has divided its own gradient by 2; nothing was added up"
    return None


@probe("wrong-gradients")
def wrong(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e3_cases.union) or []):
        name = differing(fact["found"], fact["expected"])
        if name:
            got = fact["found"][name]
            shown = "None" if got is None else numbers(got.flatten()[:3])
            wanted = numbers(fact["expected"][name].flatten()[:3])
            return (
                f"one backward pass: on rank {rank} the gradient of {name} begins with "
                f"{shown}, expected {wanted}, the mean "
                "of both ranks"
            )
    return None


@probe("state-left-over")
def left_over(a: Any, t: Trial) -> str | None:
    for rank, (state, single) in enumerate(outcome(a, t).of(e3_cases.steps) or []):
        name = differing(state, single)
        if name:
            return (
                f"one pass is right, but after three steps {name} on rank {rank} is not what "
                "one process has: something "
                "of a pass is left over in the next (counters, pending buckets, an old `p.grad`)"
            )
    return None


@probe("second-pass-replaces-the-first")
def replaces(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.twice) or []:
        if agrees(fact["found"], fact["last"]):
            return (
                "two backward passes without clearing: only the second one is in `p.grad`. "
                "Reduce what has accumulated "
                "(`register_post_accumulate_grad_hook`), not the gradient that is on its way"
            )
        if not agrees(fact["found"], fact["expected"]):
            return "two backward passes without clearing do not give the sum of both means"
    return None
