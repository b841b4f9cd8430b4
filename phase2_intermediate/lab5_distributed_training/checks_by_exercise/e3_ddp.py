"""E3: data-parallel training. What must hold; the known mistakes stand in `e3_mistakes`."""

from typing import Any

from courseware.check import Exercise, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e3_cases, e3_mistakes_messages
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e3_cases import outcome
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e3_mistakes import greedy
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e3_picture import timeline
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import need, on_ranks

e3 = Exercise(
    "E3",
    takes={"MiniDDP": None},
    hints=(
        "First without buckets and overlap: after backward, all-reduce every gradient and "
        "divide. Then let a hook "
        "on each parameter start the all-reduce; then pack.",
        "A bucket is started when all its gradients are there *and* all buckets before it have been started. "
        "finish: start what is missing, wait for all, divide by world, copy back, forget.",
        "`p.register_post_accumulate_grad_hook(ready)`; in `ready`: `while next bucket is complete: flat = "
        "torch.cat([p.grad.flatten() for p in bucket]); work = dist.all_reduce(flat, "
        "async_op=True)`; keep (work, flat, "
        "bucket). A missing grad counts as `torch.zeros_like(p)`.",
    ),
)
e3_mistakes_messages.probe.add_to(e3)


def all_equal(t: Trial, found: Any, expected: Any, words: str, **how: Any) -> None:
    for name, wanted in expected.items():
        got = found[name]
        if wanted is None:
            t.that(got is None or not bool(got.any()), f"{words}: {name} has a gradient, expected none")
        elif got is None:
            t.that(not bool(wanted.any()), f"{words}: {name} has no gradient")
        else:
            t.equal(got, wanted, f"{words}: {name}", **how)


@e3.property("all ranks start with rank 0's numbers", points=3)
def start(a: Any, t: Trial) -> None:
    facts = need(t, outcome(a, t), e3_cases.start)
    for rank, fact in enumerate(facts):
        for name, tensor in fact["state"].items():
            t.equal(tensor, facts[0]["state"][name], f"rank {rank}: {name}")
        t.that(fact["same_places"], "parameters and buffers are to be overwritten in place, not replaced")
        t.that(fact["module"], "`.module` is to be the module that was given")
        t.that(fact["forward"], "forward is to return what the module returns")
        t.that(fact["trainable"] == [True, False, True, True], "requires_grad of a parameter has changed")


@e3.property("gradients are those of one process with all rows", points=7)
def gradients(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for rank, fact in enumerate(need(t, found, e3_cases.union)):
        all_equal(t, fact["found"], fact["expected"], f"rank {rank}")
    for rank, (state, single) in enumerate(need(t, found, e3_cases.steps)):
        all_equal(t, state, single, f"rank {rank}, after three steps")
    for rank, fact in enumerate(need(t, found, e3_cases.twice)):
        all_equal(t, fact["found"], fact["expected"], f"rank {rank}, two passes without clearing")
    for rank, fact in enumerate(need(t, found, e3_cases.tied)):
        all_equal(t, fact["found"], fact["expected"], f"rank {rank}, tied and frozen weights")
    for rank, fact in enumerate(need(t, found, e3_cases.dtypes)):
        all_equal(t, *fact["bfloat16"][:2], f"rank {rank}, bfloat16", rtol=2.0**-5, atol=2.0**-6)
        all_equal(t, *fact["two dtypes"][:2], f"rank {rank}, two dtypes", rtol=1e-4, atol=1e-5)
        t.that(fact["two dtypes"][2] >= 2, "gradients of two dtypes travelled in one all-reduce")
    single_rank = on_ranks(a, t, ["MiniDDP"], [e3_cases.alone], ranks=1, refuse="ddp")
    all_equal(t, *need(t, single_rank, e3_cases.alone)[0], "one rank")


@e3.property("buckets, sent while backward runs", points=4)
def overlap(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for fact in need(t, found, e3_cases.buckets):
        for limit in e3_cases.LIMITS:
            t.equal(fact[limit], greedy(limit), f"numbers in each all-reduce, bucket_bytes={limit}")
        half = e3_cases.HALF
        t.equal(fact["default"], [2 * half, half], "numbers in each all-reduce, bucket_bytes not given")
    for events in need(t, found, e3_cases.overlap):
        during = events[events.index("begin") : events.index("end")]
        early = during[: during.index("first layer")]
        t.that("allreduce" in early, "no all-reduce was started before the first layer's gradient")
        t.that("wait" not in early, "somebody waited before the backward pass was over")


@e3.property("no_sync, and quiet where there is nothing to say", points=3)
def silence(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for rank, fact in enumerate(need(t, found, e3_cases.without_sync)):
        t.that(fact["silent"] == 0, f"rank {rank}: {fact['silent']} messages within no_sync")
        all_equal(t, fact["found"], fact["expected"], f"rank {rank}, 3 passes in no_sync and 1 outside")
        all_equal(t, fact["after"], fact["after_expected"], f"rank {rank}, after an exception in no_sync")
        t.that(fact["nested"] == 0, f"rank {rank}: after a no_sync within a no_sync the outer one has ended")
    for counts, same in need(t, found, e3_cases.quiet):
        for words, count in counts.items():
            t.that(count == 0, f"{words} made {count} calls of the process group")
        t.that(same, "a second finish changes the gradients")


@e3.property("unused parameters and other orders", points=3)
def branches(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for rank, fact in enumerate(need(t, found, e3_cases.orders)):
        all_equal(t, *fact, f"rank {rank}, layers in different orders")
    for rank, fact in enumerate(need(t, found, e3_cases.unused)):
        all_equal(t, *fact, f"rank {rank}, a layer that one rank does not use")
    for rank, fact in enumerate(need(t, found, e3_cases.held)):
        all_equal(t, *fact, f"rank {rank}, a layer that was used within no_sync alone")


e3.reward(timeline)
