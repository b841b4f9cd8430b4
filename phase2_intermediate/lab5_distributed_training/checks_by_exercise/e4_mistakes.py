"""The known mistakes of E4's optimizer, each by its signature in what three ranks saw."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e4_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e4_cases import (
    RANKS,
    SETTINGS,
    TOTAL,
    Oracle,
    outcome,
)

probe = Probes()
MOST = 2 * -(-TOTAL // RANKS) * 8

SITUATIONS = {
    "one_step": "one step on three ranks, 22 numbers in four parameters",
    "twenty": "twenty steps on three ranks",
    "state": "`state_bytes` and `state_dict_full` on three ranks",
    "skipped": "gradients that are None",
    "small": "fewer numbers than ranks",
    "half": "bfloat16 parameters",
    "resumed": "a state saved by three ranks, loaded by three, by a group of two and by one alone",
}


def equal(found: Any, expected: Any, **how: Any) -> bool:
    return all(same(x, y, **how) for x, y in zip(found, expected, strict=True))


@probe("forbidden")
def forbidden(a: Any, t: Trial) -> str | None:
    if outcome(a, t).refused:
        return "torch's own optimizers are not allowed here: write the update of AdamW for your shard"
    return None


@probe("other-world-sizes-fail")
def resumed_fails(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.case == "resumed":
        return (
            f"with {SITUATIONS['resumed']}: {stopped.words}\nA collective of the group gets "
            "`group=self.group`, ranks are "
            "counted within it, and what is loaded is cut anew"
        )
    return None


@probe("waits-for-ever")
def waits(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.kind == "deadlock":
        return (
            f"with {SITUATIONS[stopped.case]} the ranks wait for each other for ever. All "
            "must make the same calls, also "
            f"who needs no result:\n{stopped.words}"
        )
    return None


@probe("fails-with-none")
def none_fails(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.case == "skipped":
        return f"with {SITUATIONS['skipped']}: {stopped.words}"
    return None


@probe("fails-with-few-numbers")
def few_fails(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.case == "small":
        return f"with {SITUATIONS['small']}: {stopped.words}"
    return None


@probe("fails-on-a-rank")
def fails(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped:
        return f"with {SITUATIONS.get(stopped.case, 'three ranks')}: {stopped.words}"
    return None


# ---- one step ---------------------------------------------------------------------------------------------


def first(a: Any, t: Trial, name: str = "plain") -> list[Any]:
    return [fact[name] for fact in outcome(a, t).of(e4_cases.one_step) or []]


def stepped(values: list[Tensor], grads: Any, **how: Any) -> list[Tensor]:
    oracle = Oracle(values, **{**SETTINGS, "weight_decay": 0.0, **how})  # type: ignore[arg-type]
    oracle.step(grads)
    return oracle.values


@probe("ranks-own-different-weights")
def no_gather(a: Any, t: Trial) -> str | None:
    facts = first(a, t)
    for rank, fact in enumerate(facts[1:], start=1):
        if not equal(fact["found"], facts[0]["found"]):
            return (
                f"after one step ranks 0 and {rank} own different weights: each has updated "
                "its shard, and the others have "
                "not been told (all-gather)"
            )
    return None


@probe("nothing-moves")
def nothing(a: Any, t: Trial) -> str | None:
    for fact in first(a, t):
        if equal(fact["found"], fact["before"]):
            return (
                "after a step all parameters are what they were: copy the gathered values into them, in place"
            )
        if not fact["trainable"] or not fact["in_place"]:
            return (
                "the parameters were replaced: write into them (`p.copy_(…)` under no_grad), "
                "others hold them too"
            )
    return None


@probe("a-part-does-not-move")
def part(a: Any, t: Trial) -> str | None:
    for fact in first(a, t):
        found, before, expected = (
            torch.cat([x.flatten() for x in fact[k]]) for k in ("found", "before", "expected")
        )
        still = found == before
        if bool(still.any()) and same(found[~still], expected[~still]):
            where = still.nonzero().flatten().tolist()
            return (
                f"numbers {where} of the 22 did not move, all others did: with 3 ranks the "
                "parts have ceil(22 / 3) = 8, the "
                "last one with padding"
            )
    return None


@probe("gradients-are-added")
def added(a: Any, t: Trial) -> str | None:
    for fact in first(a, t):
        if equal(fact["found"], stepped(fact["before"], [RANKS * g for g in fact["grad"]])):
            return "the step was made with the *sum* of the ranks' gradients: divide by the number of ranks"
    return None


@probe("own-gradients")
def own(a: Any, t: Trial) -> str | None:
    for name in ("own",):
        for fact in first(a, t):
            if equal(fact["found"], stepped(fact["before"], fact[name])):
                return "the step was made with this rank's own gradients: average them over the ranks"
    facts = first(a, t)
    if facts:
        size = -(-TOTAL // RANKS)
        parts = [
            torch.cat([g.flatten() for g in fact["own"]])[r * size : (r + 1) * size]
            for r, fact in enumerate(facts)
        ]
        flat, mixed, at = torch.cat(parts), [], 0
        for value in facts[0]["before"]:
            mixed.append(flat[at : at + value.numel()].view(value.shape))
            at += value.numel()
        if equal(facts[0]["found"], stepped(facts[0]["before"], mixed)):
            return "each shard was updated with its owner's own gradients: average them over the ranks"
    return None


@probe("no-bias-correction")
def no_correction(a: Any, t: Trial) -> str | None:
    for fact in first(a, t):
        one, two = SETTINGS["betas"]  # type: ignore[misc]
        raw = [
            v - SETTINGS["lr"] * (1 - one) * g / (((1 - two) * g * g).sqrt() + SETTINGS["eps"])  # type: ignore[operator]
            for v, g in zip(fact["before"], fact["grad"], strict=True)
        ]
        if equal(fact["found"], raw):
            return (
                "the first step has no bias correction: divide the moments by 1 − β^t, with t = "
                "1 in the first step"
            )
        late = [
            v
            - SETTINGS["lr"]
            * ((1 - one) * g / (1 - one**2))
            / (((1 - two) * g * g / (1 - two**2)).sqrt() + 1e-6)  # type: ignore[operator]
            for v, g in zip(fact["before"], fact["grad"], strict=True)
        ]
        if equal(fact["found"], late):
            return "the first step is corrected as if it were the second: t = 1 in the first step"
    return None


@probe("decay-in-the-gradient")
def coupled(a: Any, t: Trial) -> str | None:
    plain_right = all(equal(fact["found"], fact["expected"]) for fact in first(a, t))
    for fact in first(a, t, "decay"):
        if not plain_right or equal(fact["found"], fact["expected"]):
            continue
        if equal(fact["found"], stepped(fact["before"], fact["grad"])):
            return "`weight_decay` has no effect"
        with_decay = [g + 0.1 * v for g, v in zip(fact["grad"], fact["before"], strict=True)]
        if equal(fact["found"], stepped(fact["before"], with_decay)):
            return (
                "the decay was added to the gradient, as in Adam with L2. AdamW shrinks the "
                "weights themselves: "
                "p ← p − lr·weight_decay·p"
            )
        return (
            "without decay a step is right, with weight_decay=0.1 it is not: p ← p − "
            "lr·weight_decay·p, before the update"
        )
    return None


@probe("eps-elsewhere")
def eps_elsewhere(a: Any, t: Trial) -> str | None:
    for fact in first(a, t):
        inside = [
            v - SETTINGS["lr"] * g / (g * g + SETTINGS["eps"]).sqrt()  # type: ignore[operator]
            for v, g in zip(fact["before"], fact["grad"], strict=True)
        ]
        if equal(fact["found"], inside):
            return "eps stands inside the root: AdamW divides by √v̂ + eps"
    return None


@probe("one-step-is-wrong")
def one_step(a: Any, t: Trial) -> str | None:
    for name in ("plain", "decay"):
        for rank, fact in enumerate(first(a, t, name)):
            for i, (found, before, expected) in enumerate(
                zip(fact["found"], fact["before"], fact["expected"], strict=True)
            ):
                if not same(found, expected):
                    return (
                        f"one step: parameter {i} on rank {rank} moved by "
                        f"{numbers((found - before).flatten()[:3])} …, expected "
                        f"{numbers((expected - before).flatten()[:3])} …: order and places of "
                        "the pieces, or the formula"
                    )
    return None


@probe("later-steps-are-wrong")
def later(a: Any, t: Trial) -> str | None:
    for facts in outcome(a, t).of(e4_cases.twenty) or []:
        for dtype, given, found, expected in facts:
            how = {"rtol": 1e-8} if dtype == "torch.float64" else {"rtol": 2e-4, "atol": 2e-5}
            if not equal(found, expected, **how):
                if not given:
                    return (
                        "with the default settings twenty steps go elsewhere: lr=1e-3, "
                        "betas=(0.9, 0.999), eps=1e-8, no decay"
                    )
                return (
                    f"the first step is right, but after twenty in {dtype} the parameters are "
                    "not AdamW's: do both moments "
                    "and the count of steps live on between steps?"
                )
    return None


# ---- memory and state -------------------------------------------------------------------------------------


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
        if fact["hidden"]:
            return (
                f"state_bytes() says {fact['bytes']}, but rank {rank} holds a tensor with all "
                "22 moments: keep your own part "
                "alone"
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
        for members, _, _, steps, _ in facts:
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
        for members, values, expected, steps, bytes_ in facts:
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
    return None
