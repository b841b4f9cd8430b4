"""The known mistakes of E1 that end the job of four ranks: somebody waits for ever, or fails."""

from collections.abc import Callable
from typing import Any

from courseware.check import Probes, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e1_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import (
    REQUEST_LOST,
    Outcome,
    Stopped,
    on_ranks,
)

probe = Probes()

SITUATIONS = {
    "powers": "8 numbers on each of 4 ranks",
    "operations": "12 numbers on each of 4 ranks, op sum, mean and max",
    "traffic": "18 numbers on each of 4 ranks",
    "sizes": "small tensors: 0-d, empty, fewer numbers than ranks, not divisible by 4",
    "bits": "101 numbers on each of 4 ranks",
    "layouts": "tensors that are not contiguous",
    "dtypes": "integers, bfloat16, float16",
    "smallest": "5e-324 on each of 4 ranks, op mean",
    "refusals": 'op="mean" of integers, and op="prod"',
    "grouped": "group= three, two and one of the four ranks",
}

GROUPS = (
    "Rank and world size are counted within the group, `dist.get_rank(group)`; dst and src are "
    "`dist.get_global_rank(group, …)`; and the messages themselves belong to the group"
)


def outcome(a: Any, t: Trial) -> Outcome:
    return on_ranks(a, t, ["ring_all_reduce"], e1_cases.CASES, ranks=e1_cases.RANKS, refuse="collectives")


@probe("forbidden")
def forbidden(a: Any, t: Trial) -> str | None:
    name = outcome(a, t).refused
    if name:
        return (
            f"a collective (`{name}`) was called: build all-reduce yourself, from "
            "`dist.send`, `recv`, `isend` and "
            "`irecv` alone"
        )
    return None


@probe("not-by-messages")
def no_messages(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e1_cases.powers) or []):
        if not fact["sent"] and fact["t"].tolist() == [1111.0] * 8:
            return (
                f"rank {rank} has the sum of all ranks, and has sent no message: it came by another way, a "
                "collective or a store. Build all-reduce from `dist.send`, `recv`, `isend` and `irecv` alone"
            )
    return None


# ---- how the job ended ------------------------------------------------------------------------------------


def ended(a: Any, t: Trial, words: str, *cases: str, when: Callable[[Stopped], bool]) -> str | None:
    """The words, if the job has ended so: in one of the cases (in any, if none is given)."""
    stopped = outcome(a, t).stopped
    if stopped is None or (cases and stopped.case not in cases) or not when(stopped):
        return None
    return words.format(case=SITUATIONS.get(stopped.case, "four ranks"), why=stopped.words)


def anyhow(stopped: Stopped) -> bool:
    return True


def deadlock(stopped: Stopped) -> bool:
    return stopped.kind == "deadlock"


def ends(diagnosis: str, words: str, *cases: str, when: Callable[[Stopped], bool] = anyhow) -> None:
    """A mistake that is known by how the job ended; `{case}` and `{why}` in its words tell where, and how."""

    @probe(diagnosis)
    def run(a: Any, t: Trial) -> str | None:
        return ended(a, t, words, *cases, when=when)


ends(
    "everybody-sends-first",
    "dead-lock: every rank is sending, and none receives. Begin with `dist.isend`, which returns at "
    "once, then `dist.recv`, then wait for the request.\n{why}",
    "powers",
    when=lambda stopped: deadlock(stopped) and stopped.all_in("send", "wait"),
)
ends(
    "everybody-receives-first",
    "dead-lock: every rank is receiving, and none has sent yet.\n{why}",
    "powers",
    when=lambda stopped: deadlock(stopped) and stopped.all_in("recv"),
)
ends(
    "waits-for-an-empty-chunk",
    "with fewer numbers than ranks somebody waits for a message that is not sent. Sender and receiver "
    "must agree about each chunk, also when it is empty (`torch.chunk` makes fewer chunks than asked for)."
    "\n{why}",
    "sizes",
    when=lambda stopped: deadlock(stopped) or stopped.sizes_differ,
)
ends("fails-on-small-tensors", "with {case}: {why}", "sizes")
ends(
    "fails-on-layouts",
    "with {case}: {why}\n`view` needs contiguous memory, and so does a message: "
    "work on `t.contiguous()`, and copy the result back into `t`",
    "layouts",
)
ends("fails-on-dtypes", "with {case}: {why}", "dtypes")


@probe("request-not-waited-for")
def request_lost(a: Any, t: Trial) -> str | None:
    lost = ended(a, t, REQUEST_LOST + "\n{why}", when=lambda stopped: stopped.request_lost)
    if lost:
        return lost
    for rank, fact in enumerate(outcome(a, t).of(e1_cases.powers) or []):
        if fact["pending"] > 0:
            return (
                f"when ring_all_reduce had returned on rank {rank}, {fact['pending']} messages were begun "
                "and not waited for: keep the request of each `isend` and `irecv`, and call its `wait()`"
            )
    return None


ends("group-ignored", "with {case}: {why}\n" + GROUPS, "grouped")


@probe("integer-mean")
def integer_mean(a: Any, t: Trial) -> str | None:
    failed = ended(a, t, "{case}: {why}", "refusals", when=anyhow)
    if failed:
        return failed
    for fact in outcome(a, t).of(e1_cases.refusals) or []:
        result, messages, kept = fact["integers"]
        kind = getattr(result, "kind", None)
        if kind != "TypeError":
            what = str(result) if kind else "it was accepted"
            return f"the mean of integers is to be refused with a TypeError: {what}"
        if messages or not kept:
            return f"the mean of integers was refused only after {messages} messages: look before you send"
    return None


@probe("unknown-op")
def unknown_op(a: Any, t: Trial) -> str | None:
    for fact in outcome(a, t).of(e1_cases.refusals) or []:
        result = fact["unknown"][0]
        if getattr(result, "kind", None) != "ValueError":
            what = str(result) if getattr(result, "kind", None) else "it was accepted"
            return f'op="prod" is to be a ValueError: {what}'
    return None


ends(
    "messages-of-different-sizes",
    "with {case}: {why}\nWhat a rank receives must have the size of what its left neighbour sends in the "
    "same step: the same chunk, cut alike",
    when=lambda stopped: stopped.sizes_differ,
)
ends("waits-for-ever", "with {case} the ranks wait for each other for ever:\n{why}", when=deadlock)
ends("fails-on-a-rank", "with {case}: {why}")
