"""The known mistakes of E4's optimizer in what it keeps, saves and loads."""

from typing import Any

from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e4_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e4_cases import (
    TOO_MUCH,
    TOTAL,
    outcome,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e4_mistakes import MOST, equal

probe = Probes()


@probe("every-rank-keeps-all-moments")
def full_state(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(outcome(a, t).of(e4_cases.state) or []):
        for found in (fact["first_bytes"], fact["bytes"]):
            if not isinstance(found, int):
                return f"state_bytes() returned {found!r}: an int is asked for"
            if found >= 2 * TOTAL * 8:
                return (
                    f"state_bytes() is {found} on rank {rank}: that is 100 % of both moments, "
                    "on every rank. Each keeps its own "
                    f"part alone, at most {MOST} bytes"
                )
        largest, together = fact["held"]
        if largest >= TOTAL or together >= TOO_MUCH:
            what = (
                f"a piece of memory with {largest} numbers"
                if largest >= TOTAL
                else f"tensors with {together} numbers together"
            )
            return (
                f"state_bytes() says {fact['bytes']}, but after a step rank {rank} still holds {what}, "
                "beside the parameters, which have 22. Keep your own part of the moments alone: no whole "
                "moments, no copy of the whole vector. (A view keeps all of what it was cut from: "
                "`clone()` it.)"
            )
    return None


@probe("state-bytes-are-wrong")
def bytes_wrong(a: Any, t: Trial) -> str | None:
    facts = outcome(a, t).of(e4_cases.state) or []
    for fact in facts:
        for found in (fact["first_bytes"], fact["bytes"]):
            if found > MOST:
                return (
                    f"state_bytes() is {found}, expected at most {MOST}: two moments of 8 "
                    "numbers, 8 bytes each"
                )
            if found <= 0:
                return f"state_bytes() is {found}: the moments take memory from the beginning"
    if facts and sum(fact["bytes"] for fact in facts) < 2 * TOTAL * 8:
        return (
            f"the ranks report {[fact['bytes'] for fact in facts]} bytes, together less than "
            "two moments of 22 numbers in "
            "float64 (352): count both moments, in bytes"
        )
    for values, expected, found in outcome(a, t).of(e4_cases.half) or []:
        if not equal(values, expected, rtol=0.05, atol=0.05):
            return (
                "bfloat16 parameters are far from AdamW's after three steps: "
                f"{numbers(values[0].flatten()[:3])} …"
            )
        if found > 2 * 8 * 2:
            return (
                f"bfloat16: state_bytes() is {found}, expected at most 32: moments have the parameters' dtype"
            )
    return None


@probe("none-is-not-left-alone")
def none_moves(a: Any, t: Trial) -> str | None:
    for values, expected, before in outcome(a, t).of(e4_cases.skipped) or []:
        if not same(values[3], before[3]):
            return (
                "a parameter whose grad is None in every step has moved: leave it alone, do not "
                "decay it either"
            )
        if not equal(values, expected):
            return (
                "a parameter whose grad was None in one of four steps is not where AdamW has "
                "it: in that step its value, its "
                "moments *and its own count of steps* stay as they are"
            )
    return None


@probe("weights-of-its-own")
def own_weights(a: Any, t: Trial) -> str | None:
    for values, expected, still in outcome(a, t).of(e4_cases.moved_between) or []:
        if not still:
            return "a step in which no parameter has a gradient has changed something"
        if not equal(values, expected):
            return (
                "after a step the parameters were halved from outside, as loading a checkpoint changes "
                "them; the next step did not start from there. AdamW keeps no weights of its own: read them "
                "in each step"
            )
    return None


@probe("few-numbers")
def few(a: Any, t: Trial) -> str | None:
    for rank, facts in enumerate(outcome(a, t).of(e4_cases.small) or []):
        for shapes, values, expected, bytes_, _ in facts:
            if not equal(values, expected):
                return (
                    f"parameters of the shapes {shapes} on 3 ranks: rank {rank} ends with "
                    f"{numbers(values[0])}, expected {numbers(expected[0])}"
                )
            if bytes_ > 16:
                return f"parameters of the shapes {shapes} on 3 ranks: state_bytes() is {bytes_}, at most 16"
    return None


def saved(a: Any, t: Trial) -> tuple[list[Any], Any]:
    facts = outcome(a, t).of(e4_cases.state) or []
    return [fact["state"] for fact in facts], facts[0]["expected"] if facts else None


@probe("state-in-another-form")
def state_form(a: Any, t: Trial) -> str | None:
    states, expected = saved(a, t)
    if not states:
        return None
    if set(states[0]) != set(expected):
        return (
            f"rank 0's state_dict_full() has the keys {sorted(states[0])}, expected step, exp_avg "
            "and exp_avg_sq"
        )
    if any(states[1:]):
        return "ranks other than 0 return the state too: they take part, and return {}"
    for name in ("exp_avg", "exp_avg_sq"):
        strange = [type(x).__name__ for x in states[0][name] if not isinstance(x, Tensor)]
        if strange:
            return f"state_dict_full()[{name!r}] has entries of type {strange[0]}: tensors are asked for"
        shapes = [tuple(x.shape) for x in states[0][name]]
        if shapes != list(e4_cases.SHAPES):
            return (
                f"state_dict_full()[{name!r}] has the shapes {shapes}, expected "
                f"{list(e4_cases.SHAPES)}, without padding"
            )
    steps = states[0]["step"]
    if len(steps) != len(expected["step"]) or [int(step) for step in steps] != expected["step"]:
        return (
            f'state_dict_full()["step"] is {steps}, expected {expected["step"]}: one count for each parameter'
        )
    return None


@probe("state-is-wrong")
def state_wrong(a: Any, t: Trial) -> str | None:
    states, expected = saved(a, t)
    for name in ("exp_avg", "exp_avg_sq"):
        if states and not equal(states[0][name], expected[name]):
            return (
                f"state_dict_full()[{name!r}] is not what AdamW has after three steps: gather the "
                "parts of all ranks, in order"
            )
    facts = outcome(a, t).of(e4_cases.state) or []
    if facts and not facts[0]["copies"]:
        return "a step after saving changed the state that was saved: return copies (`clone()`, `list(…)`)"
    return None


@probe("state-from-another-rank")
def from_another_rank(a: Any, t: Trial) -> str | None:
    for rank, facts in enumerate(outcome(a, t).of(e4_cases.resumed) or []):
        for members, _, _, steps, *_ in facts:
            if (steps is not None) != (rank == members[0]):
                came = "returned {}" if steps is None else "returned the state"
                return (
                    f"in a group of ranks {members} rank {rank} {came}: the state comes from rank 0 *of the "
                    "group*, `dist.get_rank(group)`, and {} from the others"
                )
    return None


@probe("resumes-elsewhere")
def resumes(a: Any, t: Trial) -> str | None:
    for facts in outcome(a, t).of(e4_cases.resumed) or []:
        for members, values, expected, steps, bytes_, (largest, _) in facts:
            if not equal(values, expected):
                return (
                    f"a state saved by 3 ranks and loaded by {len(members)}: two steps later "
                    "the parameters are not where an "
                    "uninterrupted run is. Load moments *and* counts of steps, as copies; cut them anew; "
                    "and divide gradients by the ranks of the group"
                )
            if steps is not None and list(map(int, steps)) != [4, 3, 4, 4]:
                return f"after loading and two more steps the counts are {steps}, expected [4, 3, 4, 4]"
            if bytes_ > 2 * -(-TOTAL // len(members)) * 8:
                return (
                    f"after loading, state_bytes() is {bytes_} in a group of {len(members)}: keep "
                    "your own part alone"
                )
            if len(members) > 1 and largest >= TOTAL:
                return (
                    f"after loading and two steps an object on {len(members)} ranks keeps a piece of memory "
                    f"with {largest} numbers, and there are 22 parameters. A part that is cut from what was "
                    "loaded is a view, which keeps all of it: `clone()` it"
                )
    return None
