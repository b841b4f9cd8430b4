"""W3, W4: a message to the neighbour, on real ranks, and the plan of a ring."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import pictures
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import (
    REQUEST_LOST,
    Me,
    Outcome,
    on_ranks,
)

w3 = Exercise(
    "W3",
    takes={"pass_right": Tensor},
    hints=(
        "If everybody sends first and `send` waits for a receiver, who receives? Begin to "
        "send without waiting.",
        "Right is (rank + 1) % world, left is (rank − 1) % world. `isend`, then `recv`, then `wait`.",
        "`buffer = torch.empty_like(t)`; `request = dist.isend(t, dst=right)`; "
        "`dist.recv(buffer, src=left)`; "
        "`request.wait()`; return `buffer`. With one rank: `t.clone()`.",
    ),
)


def three(a: Any, me: Me) -> Any:
    mine = torch.tensor([10.0 * (me.rank + 1)])
    found = a.pass_right(mine)
    return {
        "found": found,
        "same": found is mine,
        "mine": mine,
        "pending": me.pending(),
        "sent": len(me.sent()),
    }


def shapes(a: Any, me: Me) -> Any:
    results = []
    for inputs in (
        me.randn(2, 3),
        me.randn(4, dtype=torch.float32, key=1),
        [torch.tensor(r) for r in range(me.world)],
        me.randn(0, key=2),
    ):
        mine = inputs[me.rank].clone()
        found = a.pass_right(mine)
        results.append((found, inputs[me.rank - 1], bool(torch.equal(mine, inputs[me.rank]))))
    return results


def alone(a: Any, me: Me) -> Any:
    mine = torch.tensor([10.0])
    found = a.pass_right(mine)
    found = found.clone() if found is not mine else found
    return {"found": found, "same": found is mine or found.data_ptr() == mine.data_ptr()}


def pair(a: Any, me: Me) -> Any:
    """Two ranks are each other's right and left."""
    return a.pass_right(torch.tensor([10.0 * (me.rank + 1)])).tolist()


def w3_outcome(a: Any, t: Trial) -> Outcome:
    return on_ranks(a, t, ["pass_right"], [three, shapes], ranks=3, refuse="collectives")


@w3.probe("forbidden")
def forbidden(a: Any, t: Trial) -> str | None:
    name = w3_outcome(a, t).refused
    if name:
        return f"a collective (`{name}`) was called: `dist.send`, `recv`, `isend` and `irecv` are yours"
    return None


@w3.probe("everybody-sends-first")
def all_send(a: Any, t: Trial) -> str | None:
    stopped = w3_outcome(a, t).stopped
    if stopped and stopped.kind == "deadlock" and stopped.all_in("send", "wait"):
        return (
            "all three ranks waited for ever: each was sending, and nobody received. Start "
            "with `dist.isend`, "
            f"which does not wait, then receive, then wait.\n{stopped.words}"
        )
    return None


@w3.probe("everybody-receives-first")
def all_receive(a: Any, t: Trial) -> str | None:
    stopped = w3_outcome(a, t).stopped
    if stopped and stopped.kind == "deadlock" and stopped.all_in("recv"):
        return (
            "all three ranks waited for ever: each was receiving, and nobody had sent. Start to send, with "
            f"`dist.isend`, before you receive.\n{stopped.words}"
        )
    return None


@w3.probe("some-rank-waits-for-ever")
def other_deadlock(a: Any, t: Trial) -> str | None:
    stopped = w3_outcome(a, t).stopped
    if stopped and stopped.kind == "deadlock":
        return f"a message that is waited for was never sent, or not to this rank:\n{stopped.words}"
    return None


@w3.probe("request-not-waited-for")
def not_waited(a: Any, t: Trial) -> str | None:
    stopped = w3_outcome(a, t).stopped
    if stopped and stopped.request_lost:
        return f"{REQUEST_LOST}\n{stopped.words}"
    facts = w3_outcome(a, t).of(three) or []
    if any(fact["pending"] > 0 and float(fact["found"]) not in (10.0, 20.0, 30.0) for fact in facts):
        return (
            "the buffer was returned before the message had come: `irecv` only announces, and "
            "`request.wait()` waits for it"
        )
    return None


@w3.probe("not-by-a-message")
def no_message(a: Any, t: Trial) -> str | None:
    if any(not fact["sent"] for fact in w3_outcome(a, t).of(three) or []):
        return (
            "no message was sent: `dist.send` or `dist.isend` to the right, `recv` or `irecv` from the left"
        )
    return None


@w3.probe("fails-on-a-rank")
def fails(a: Any, t: Trial) -> str | None:
    stopped = w3_outcome(a, t).stopped
    if stopped and stopped.kind != "deadlock":
        return f"with three ranks: {stopped.words}"
    return None


@w3.probe("no-tensor-comes-back")
def no_tensor(a: Any, t: Trial) -> str | None:
    for fact in w3_outcome(a, t).of(three) or []:
        if not isinstance(fact["found"], Tensor):
            kind = type(fact["found"]).__name__
            return f"pass_right returned a {kind}: return the tensor that came from the left"
    return None


def passed(a: Any, t: Trial) -> list[float]:
    return [float(fact["found"]) for fact in w3_outcome(a, t).of(three) or []]


@w3.probe("the-wrong-direction")
def direction(a: Any, t: Trial) -> str | None:
    if passed(a, t) == [20.0, 30.0, 10.0]:
        return "ranks 0, 1, 2 held 10, 20, 30 and got 20, 30, 10: that came from the right; send to rank + 1"
    return None


@w3.probe("own-tensor-returned")
def own(a: Any, t: Trial) -> str | None:
    if passed(a, t) == [10.0, 20.0, 30.0]:
        return "each rank got its own tensor back: return the buffer that `recv` has filled"
    return None


@w3.probe("overwrites-the-argument")
def overwrites(a: Any, t: Trial) -> str | None:
    facts = w3_outcome(a, t).of(three) or []
    if any(fact["same"] or float(fact["mine"]) != 10.0 * (r + 1) for r, fact in enumerate(facts)):
        return "`t` was changed: receive into a buffer of your own (`torch.empty_like(t)`), not into `t`"
    return None


@w3.probe("another-form")
def other_form(a: Any, t: Trial) -> str | None:
    for results in w3_outcome(a, t).of(shapes) or []:
        for found, expected, _ in results:
            if not isinstance(found, Tensor):
                continue
            if (found.shape, found.dtype) != (expected.shape, expected.dtype):
                return (
                    f"a tensor of shape {tuple(expected.shape)} and {expected.dtype} came back with shape "
                    f"{tuple(found.shape)} and {found.dtype}: the buffer is to be like `t` "
                    "(`torch.empty_like(t)`)"
                )
    return None


@w3.probe("three-ranks-taken-for-granted")
def two_ranks(a: Any, t: Trial) -> str | None:
    if w3_outcome(a, t).stopped:
        return None
    outcome = on_ranks(a, t, ["pass_right"], [pair], ranks=2, refuse="collectives")
    if outcome.stopped:
        return f"with two ranks: {outcome.stopped.words}"
    found = outcome.of(pair)
    if found != [[20.0], [10.0]]:
        return f"two ranks held 10 and 20, and got {found}, expected [[20.0], [10.0]]"
    return None


@w3.probe("one-rank-alone")
def one_rank(a: Any, t: Trial) -> str | None:
    if w3_outcome(a, t).stopped:
        return None
    outcome = on_ranks(a, t, ["pass_right"], [alone], ranks=1)
    if outcome.stopped:
        return f"with one rank there is nobody to talk to, return a copy of `t`: {outcome.stopped.words}"
    fact = (outcome.of(alone) or [{}])[0]
    if fact.get("same"):
        return "with one rank `t` itself came back: return a copy (`t.clone()`), as the caller may change it"
    if not isinstance(fact.get("found"), Tensor) or fact["found"].tolist() != [10.0]:
        return f"with one rank the result is {fact.get('found')}, expected a copy of t"
    return None


@w3.property("every rank gets its left neighbour's tensor")
def neighbours(a: Any, t: Trial) -> None:
    outcome = w3_outcome(a, t)
    t.given("pass_right on three ranks")
    t.that(not outcome.stopped, f"{outcome.stopped and outcome.stopped.words}")
    t.equal(passed(a, t), [30.0, 10.0, 20.0], "ranks 0, 1, 2 held 10, 20, 30")
    t.that(all(fact["sent"] for fact in outcome.of(three) or []), "no message was sent")
    for rank, results in enumerate(outcome.of(shapes) or []):
        for found, expected, kept in results:
            t.equal(found, expected, f"rank {rank}, a tensor of shape {tuple(expected.shape)}")
            t.that(kept, "`t` was changed")


w4 = Exercise(
    "W4",
    takes={"ring_plan": list},
    hints=(
        "Write down three ranks on paper: what leaves one of them must be what its right neighbour receives.",
        "Phase 1, step s: send (r − s) mod n, receive (r − s − 1) mod n. Phase 2 begins with "
        "the chunk that is "
        "complete, r + 1.",
        "`[((r - s) % n, (r - s - 1) % n) for s in range(n - 1)]`, then "
        "`[((r + 1 - s) % n, (r - s) % n) for s in range(n - 1)]`.",
    ),
)


def right_plan(rank: int, n: int) -> list[tuple[int, int]]:
    """Found by following what each rank has just received, not by a formula for phase 2."""
    plan, send = [], rank
    for _ in range(2 * (n - 1)):
        receive = (send + n - 1) % n
        plan.append((send, receive))
        send = receive
    return plan


@w4.probe("another-number-of-steps")
def steps(a: Any, t: Trial) -> str | None:
    for n in (4, 3, 1):
        found = a.ring_plan(0, n)
        if len(found) != 2 * (n - 1):
            return (
                f"ring_plan(0, {n}) has {len(found)} steps, expected {2 * (n - 1)}: n − 1 to "
                "add up, n − 1 to pass "
                "round"
            )
    return None


@w4.probe("another-form")
def form(a: Any, t: Trial) -> str | None:
    for pair in a.ring_plan(1, 3):
        if not isinstance(pair, tuple) or len(pair) != 2:
            return f"ring_plan(1, 3) holds {pair!r}: each step is a tuple (send, receive)"
    return None


@w4.probe("no-modulo")
def modulo(a: Any, t: Trial) -> str | None:
    for n in (2, 3, 4):
        for rank in range(n):
            found = a.ring_plan(rank, n)
            if any(not 0 <= c < n for pair in found for c in pair):
                return (
                    f"ring_plan({rank}, {n}) gave {found}: chunks are numbered 0 … {n - 1}, take "
                    "everything % n"
                )
    return None


@w4.probe("pairs-reversed")
def reversed_pairs(a: Any, t: Trial) -> str | None:
    if [tuple(reversed(pair)) for pair in a.ring_plan(0, 4)] == right_plan(0, 4):
        return "in each pair the two are exchanged: (send, receive)"
    return None


@w4.probe("phase-2-as-phase-1")
def again(a: Any, t: Trial) -> str | None:
    if a.ring_plan(0, 4) == right_plan(0, 4)[:3] * 2:
        return (
            "phase 2 repeats phase 1: rank 0 would first send chunk 0, which is a partial "
            "sum there. Complete is "
            "what it received last, chunk 1: begin with (rank + 1) % n"
        )
    return None


@w4.probe("sends-what-it-has-not-got")
def chain(a: Any, t: Trial) -> str | None:
    found = a.ring_plan(1, 4)
    expected = right_plan(1, 4)
    for step, (pair, wanted) in enumerate(zip(found, expected, strict=True)):
        if pair != wanted:
            phase = "phase 1, adding up" if step < 3 else "phase 2, passing round"
            return (
                f"ring_plan(1, 4), step {step} ({phase}): {pair}, expected {wanted}. From the "
                "second step on a "
                "rank sends the chunk that it received in the step before"
            )
    return None


@w4.probe("rank-ignored")
def rank_ignored(a: Any, t: Trial) -> str | None:
    if a.ring_plan(0, 4) == a.ring_plan(2, 4):
        return "ranks 0 and 2 of 4 have the same plan: everybody would send the same chunk"
    return None


@w4.property("the plan of every rank fits its neighbours'")
def plans(a: Any, t: Trial) -> None:
    for n in (1, 2, 3, 4, 5, int(t.randint(6, 12, 1))):
        for rank in range(n):
            t.equal(a.ring_plan(rank, n), right_plan(rank, n), f"ring_plan({rank}, {n})")


w3.reward(pictures.circle)
w4.reward(pictures.plan)
