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
    "moved_between": "a step in which no parameter has a gradient",
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
    if stopped and stopped.case in ("skipped", "moved_between"):
        return f"with {SITUATIONS[stopped.case]}: {stopped.words}"
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


@probe("optimizers-share-something")
def shared(a: Any, t: Trial) -> str | None:
    for fact, again in zip(first(a, t), first(a, t, "again"), strict=True):
        if equal(fact["found"], fact["expected"]) and not equal(again["found"], fact["expected"]):
            return (
                "the same step with a second ShardedAdam, of other parameters, ends elsewhere: the two share "
                "something. What belongs to one object is made in `__init__`, not in the class and not as "
                "the default of an argument"
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
            if set(where) <= {11, 16, 20, 21}:
                return f"the last number of a parameter did not move (of the 22, numbers {where})"
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


@probe("less-precise-than-the-parameters")
def rounded(a: Any, t: Trial) -> str | None:
    for fact in first(a, t):
        found, before, expected = (
            torch.cat([x.flatten() for x in fact[k]]) for k in ("found", "before", "expected")
        )
        off = ((found - expected) / (expected - before)).abs()
        if int((off > 1e-10).sum()) > 15 and off.max().item() < 1e-6:
            return (
                f"one step of float64 parameters is off by parts of {off.max().item():.0e}: gradients or "
                "moments have been in float32. They have the parameters' dtype"
            )
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
                        f"{numbers((expected - before).flatten()[:3])} … (up to "
                        f"{(found - expected).abs().max().item():.1g} apart): order and places of "
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
