"""The known mistakes of E3 in what is sent, and when: no_sync, buckets, overlap, unused parameters."""

from typing import Any

from courseware.check import Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e3_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e3_cases import outcome
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e3_mistakes import (
    SITUATIONS,
    SIZES,
    agrees,
    differing,
    greedy,
    probe,
    scaled,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import on_ranks


@probe("talks-within-no-sync")
def talks(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.without_sync) or []:
        if fact["silent"]:
            return (
                f"three passes within `no_sync` made {fact['silent']} calls of the process group: "
                "it is there to save them"
            )
    return None


@probe("no-sync-is-forgotten")
def no_sync(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.without_sync) or []:
        if agrees(fact["found"], fact["last"]):
            return (
                "after three passes in `no_sync` and one outside only the last one is in "
                "`p.grad`: what has added up "
                "locally is to be averaged with it"
            )
        name = differing(fact["found"], fact["expected"])
        if name:
            return f"after three passes in `no_sync` and one outside {name} is not the mean of all four"
        if differing(fact["after"], fact["after_expected"]):
            return (
                "after an exception inside `no_sync` the next pass is not averaged: restore with try/finally"
            )
    return None


@probe("inner-no-sync-ends-the-outer")
def nested(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.without_sync) or []:
        if fact["nested"]:
            return (
                "after a `no_sync` within a `no_sync` the outer one has no effect: when a block ends, "
                "everything is as it was before it, not simply on"
            )
    return None


@probe("talks-without-need")
def quiet(a: Any, t: Trial) -> str | None:
    for counts, same_again in outcome(a, t).of(e3_cases.quiet) or []:
        for words, count in counts.items():
            if count:
                return (
                    f"{words} made {count} calls of the process group, expected none: rank 0 "
                    "might do it alone"
                )
        if not same_again:
            return "a second `finish()` changed the gradients: the first one has done everything"
    return None


@probe("not-one-all-reduce-a-bucket")
def bucket_sizes(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.buckets) or []:
        for limit in (1 << 20, 1, 300, 120, 96):
            found, expected = fact[limit], greedy(limit)
            if found == expected:
                continue
            words = (
                f"bucket_bytes={limit}: all-reduces of {found} numbers (8 bytes each), expected {expected}"
            )
            if len({tuple(fact[k]) for k in e3_cases.LIMITS}) == 1:
                return f"{words}. `bucket_bytes` has no effect"
            if found == expected[::-1] or sorted(found) == sorted(expected):
                return f"{words}: start with the last parameter, its gradient comes first"
            if sum(found) != sum(expected):
                more = ", and none of another MiniDDP's (are the buckets kept in the class, not in `self`?)"
                return f"{words}: each gradient is sent once{more if sum(found) > sum(SIZES) else ''}"
            if max(found) * 8 > limit and max(found) > max(SIZES):
                return f"{words}: a bucket may not become larger than bucket_bytes by taking one more tensor"
            return f"{words}: whole tensors in reverse order, as many as fit (also exactly), then the next"
    return None


@probe("another-default-bucket")
def default_bucket(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.buckets) or []:
        if fact["default"] != [2 * e3_cases.HALF, e3_cases.HALF]:
            return (
                "without bucket_bytes three parameters of half a MiB each made all-reduces of "
                f"{fact['default']} numbers, 8 bytes each: the default is 2²⁰ bytes, two fill a bucket"
            )
    return None


@probe("no-overlap")
def no_overlap(a: Any, t: Trial) -> str | None:
    for events in outcome(a, t).of(e3_cases.overlap) or []:
        begin, end = events.index("begin"), events.index("end")
        during, calls = events[begin:end], events.count("allreduce")
        if "allreduce" not in during:
            return (
                f"no overlap: all {calls} all-reduces start after backward. Start them from hooks "
                "on the parameters"
            )
        if "allreduce" not in during[: during.index("first layer")]:
            return (
                "no all-reduce is started before the first layer's gradient: a bucket leaves as "
                "soon as it is complete"
            )
    return None


@probe("waits-in-backward")
def waits_in_backward(a: Any, t: Trial) -> str | None:
    for events in outcome(a, t).of(e3_cases.overlap) or []:
        if "wait" in events[events.index("begin") : events.index("first layer")]:
            return (
                "a hook waits for its all-reduce, and backward waits with it: "
                "`async_op=True` in the hook, and "
                "`work.wait()` in `finish()`"
            )
    return None


@probe("tied-weight-sent-twice")
def tied(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.tied) or []:
        name = differing(fact["found"], fact["expected"])
        if name:
            return f"with {SITUATIONS['tied']}: the gradient of {name} is not the mean of both ranks"
        if fact["calls"] != 3:
            return (
                f"with {SITUATIONS['tied']} there were {fact['calls']} all-reduces, expected "
                "3 (bucket_bytes=1): one weight, "
                "two biases"
            )
    return None


@probe("dtypes-mixed-up")
def dtypes(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e3_cases.dtypes) or []:
        for kind, (found, expected, calls) in fact.items():
            if kind == "two dtypes" and calls < 2:
                return "gradients of two dtypes travelled in one bucket: the narrow ones were widened for it"
            tolerance = 2.0**-5 if kind == "bfloat16" else 1e-4
            name = differing(found, expected, rtol=tolerance, atol=tolerance)
            changed = [n for n, g in found.items() if g is not None and g.dtype != expected[n].dtype]
            if name or changed:
                return (
                    f"a network in {kind}: the gradient of {name or changed[0]} is wrong, or of another dtype"
                )
    return None


@probe("unused-parameter-is-wrong")
def unused_wrong(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e3_cases.unused) or []):
        name = differing(*fact)
        if name:
            return (
                f"with {SITUATIONS['unused']}: on rank {rank} the gradient of {name} is "
                "wrong. Who has not used it "
                "contributes zeros, and everyone divides by the number of all ranks"
            )
    return None


@probe("unused-parameter-loses-its-gradient")
def held(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e3_cases.held) or []):
        name = differing(*fact)
        if name:
            return (
                f"with {SITUATIONS['held']}: the gradient of {name} on rank {rank} is wrong. Who has not "
                "used a parameter in this pass contributes what its `grad` holds; zeros only if that is None"
            )
    return None


@probe("one-rank-alone")
def one_rank(a: Any, t: Trial) -> str | None:
    single = on_ranks(a, t, ["MiniDDP"], [e3_cases.alone], ranks=1, refuse="ddp")
    facts = single.of(e3_cases.alone)
    if single.stopped:
        return f"with one rank: {single.stopped.words}"
    if facts and not agrees(*facts[0]):
        found, expected = facts[0]
        halved = ": they were divided by 2. Divide by `dist.get_world_size()`"
        return (
            "with one rank the gradients are to be the module's own"
            f"{halved if agrees(found, scaled(expected, 0.5)) else ''}"
        )
    return None
