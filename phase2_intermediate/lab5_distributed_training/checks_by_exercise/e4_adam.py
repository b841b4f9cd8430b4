"""E4: Adam in shards. What must hold; the known mistakes stand in `e4_mistakes`."""

from typing import Any

from courseware.check import Exercise, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import (
    e4_cases,
    e4_kept,
    e4_mistakes,
    e4_plan,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e4_cases import (
    RANKS,
    TOO_MUCH,
    TOTAL,
    outcome,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e4_picture import memory
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e4_plan import PLANS, right_plan
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import need

e4 = Exercise(
    "E4",
    takes={"ShardedAdam": None, "memory_plan": dict},
    hints=(
        "Adam treats every number by itself. Lay all parameters one after the other, and "
        "give each rank one part "
        "of that vector.",
        "step: mean gradient of the own part → moments → new values of the own part → "
        "all-gather → back into the "
        "parameters, without the padding.",
        "`size = ceil(N / world)`; `flatten(grads, size * world)`, all-reduce, `[rank * size "
        ": (rank + 1) * size]`; the "
        "update of AdamW for each parameter's piece of it; `dist.all_gather_single(full, "
        "own)`; `p.copy_(piece)` for each "
        "piece of `unflatten(full, params)`.",
    ),
)
e4_plan.probe.add_to(e4)
e4_mistakes.probe.add_to(e4)
e4_kept.probe.add_to(e4)
MOST = 2 * -(-TOTAL // RANKS) * 8


def equal_lists(t: Trial, found: Any, expected: Any, words: str, **how: Any) -> None:
    for i, (one, other) in enumerate(zip(found, expected, strict=True)):
        t.equal(one, other, f"{words}, parameter {i}", dtype=False, **how)


@e4.property("the parameters move as AdamW moves them", points=7)
def moves(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for rank, fact in enumerate(need(t, found, e4_cases.one_step)):
        for name in ("plain", "again", "decay"):
            equal_lists(t, fact[name]["found"], fact[name]["expected"], f"one step ({name}), rank {rank}")
            t.that(fact[name]["in_place"], "the parameters are to be updated in place")
    for rank, facts in enumerate(need(t, found, e4_cases.twenty)):
        for dtype, given, values, expected in facts:
            how = {"rtol": 1e-9} if dtype == "torch.float64" else {"rtol": 2e-4, "atol": 2e-5}
            words = f"twenty steps in {dtype}, settings {'given' if given else 'by default'}, rank {rank}"
            equal_lists(t, values, expected, words, **how)
    for rank, (values, expected, _) in enumerate(need(t, found, e4_cases.half)):
        equal_lists(t, values, expected, f"bfloat16, rank {rank}", rtol=0.05, atol=0.05)


@e4.property("each rank keeps a part of the moments", points=4)
def sharded(a: Any, t: Trial) -> None:
    for rank, fact in enumerate(need(t, outcome(a, t), e4_cases.state)):
        for which in ("first_bytes", "bytes"):
            t.that(
                isinstance(fact[which], int) and 0 < fact[which] <= MOST,
                f"rank {rank}: state_bytes() is {fact[which]!r}, expected an int of at most {MOST}",
            )
        largest, together = fact["held"]
        t.that(
            largest < TOTAL and together < TOO_MUCH,
            f"rank {rank} keeps {together} numbers beside the parameters, {largest} of them in one piece",
        )


@e4.property("skipped gradients, and fewer numbers than ranks", points=2)
def edges(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    for rank, (values, expected, _) in enumerate(need(t, found, e4_cases.skipped)):
        equal_lists(t, values, expected, f"gradients that are None, rank {rank}")
    for rank, (values, expected, still) in enumerate(need(t, found, e4_cases.moved_between)):
        t.that(still, "a step without any gradient changed something")
        equal_lists(t, values, expected, f"weights changed from outside, rank {rank}")
    for rank, facts in enumerate(need(t, found, e4_cases.small)):
        for shapes, values, expected, _, _ in facts:
            equal_lists(t, values, expected, f"shapes {shapes} on 3 ranks, rank {rank}")


@e4.property("the state is saved whole, and loads into any number of ranks", points=4)
def saved(a: Any, t: Trial) -> None:
    found = outcome(a, t)
    facts = need(t, found, e4_cases.state)
    expected = facts[0]["expected"]
    t.that(
        set(facts[0]["state"]) == set(expected), f"rank 0's state has the keys {sorted(facts[0]['state'])}"
    )
    t.equal([int(step) for step in facts[0]["state"]["step"]], expected["step"], "step")
    for name in ("exp_avg", "exp_avg_sq"):
        equal_lists(t, facts[0]["state"][name], expected[name], name)
    for fact in facts[1:]:
        t.that(fact["state"] == {}, "the other ranks return {}")
    t.that(facts[0]["copies"], "a later step changed the state that was saved before")
    for rank, groups in enumerate(need(t, found, e4_cases.resumed)):
        for members, values, wanted, steps, *_ in groups:
            equal_lists(t, values, wanted, f"saved by 3 ranks, loaded by {len(members)}, rank {rank}")
            returned = (steps is not None) == (rank == members[0])
            t.that(
                returned, f"ranks {members}: the group's rank 0 alone returns the state, not so rank {rank}"
            )


@e4.property("the plan of the memory", points=3)
def plan(a: Any, t: Trial) -> None:
    drawn = int(t.randint(1000, 10**9, 1))
    for n, world in (*PLANS, (drawn, 6)):
        for stage in (0, 1, 2, 3):
            t.equal(
                dict(a.memory_plan(n, world, stage)),
                right_plan(n, world, stage),
                f"memory_plan({n}, {world}, {stage})",
            )
    for stage in (4, -1):
        t.raises(ValueError, lambda stage=stage: a.memory_plan(10, 2, stage), f"stage={stage}")


e4.reward(memory)
