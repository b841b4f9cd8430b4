"""The known mistakes of E4's accumulate_step, each by the gradient that reaches the optimizer."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_world import (
    Batch,
    Spy,
    Tokens,
    batch,
    one_step,
    squared_errors,
    truth,
    vector,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
COUNTS = (2, 28, 4)  # tokens that count, of 3·10 each
ALL = sum(COUNTS)


def skewed(t: Trial) -> list[Batch]:
    return [batch(t, 3, 10, tokens) for tokens in COUNTS]


def parts(model: Tokens, batches: list[Batch]) -> tuple[list[Tensor], list[float]]:
    """For each micro-batch the gradient of its *mean* loss, and this mean."""
    found = [truth(model, [each]) for each in batches]
    return [vector(g) for _, g in found], [loss for loss, _ in found]


def tried(a: Any, t: Trial, **how: Any) -> tuple[Any, Tensor, list[Tensor], Tensor, Spy, Tokens]:
    """One step on skewed micro-batches: result, gradient used, gradients of the means, the right one."""
    batches = skewed(t)
    model = Tokens(t)
    means, _ = parts(model, batches)
    right = vector(truth(model, batches)[1])
    optimizer = Spy(model)
    result = a.accumulate_step(model, squared_errors, batches, optimizer, **how)
    used = vector(optimizer.used[-1]) if optimizer.used else torch.zeros(4, dtype=torch.float64)
    return result, used, means, right, optimizer, model


def alike(left: Tensor, right: Tensor, rtol: float = 1e-6) -> bool:
    return bool((left - right).norm() <= rtol * right.norm() + 1e-14)


def known(diagnosis: str, mistake: Callable[[list[Tensor], Tensor], list[Tensor]], words: str) -> None:
    """A probe: did the optimizer step along a gradient that this mistake gives?"""

    def run(a: Any, t: Trial) -> str | None:
        _, used, means, right, _, _ = tried(a, t)
        if not alike(used, right) and any(alike(used, wrong) for wrong in mistake(means, right)):
            off = float((used - right).norm() / right.norm())
            return words.format(off=f"{off:.0%}", times=f"{float(used.norm() / right.norm()):.3g}")
        return None

    probes(diagnosis)(run)


@probes("no-step")
def no_step(a: Any, t: Trial) -> str | None:
    _, _, _, _, optimizer, _ = tried(a, t)
    if not optimizer.used:
        return "the optimizer made no step: after the last backward, `optimizer.step()`"
    return None


@probes("a-step-for-each-micro-batch")
def many_steps(a: Any, t: Trial) -> str | None:
    _, _, _, _, optimizer, _ = tried(a, t)
    if len(optimizer.used) > 1:
        return f"the optimizer made {len(optimizer.used)} steps for 3 micro-batches: they belong to one step"
    return None


@probes("glued-together")
def glued(a: Any, t: Trial) -> str | None:
    batches = [batch(t, 2, 5), batch(t, 3, 5), batch(t, 1, 5)]
    _, model, _ = one_step(a, t, batches)
    if model.seen and max(model.seen) > 3:
        return (
            f"the model saw a batch of {max(model.seen)} rows: the micro-batches were put together, for "
            "which there is no memory. One at a time"
        )
    if len(model.seen) > 3:
        return f"the model ran {len(model.seen)} times for 3 micro-batches: once for each is enough"
    return None


@probes("graphs-pile-up")
def pile_up(a: Any, t: Trial) -> str | None:
    _, model, _ = one_step(a, t, [batch(t, 2, 5) for _ in range(3)])
    kinds = [event.split()[0] for event in model.events]
    if kinds[:2] == ["forward", "forward"]:
        return (
            f"the order of passes is {', '.join(model.events)}: several graphs are alive at once, which is "
            "what accumulation should avoid. Call backward right after each forward pass"
        )
    return None


known(
    "mean-of-means",
    lambda means, right: [sum(means) / 3],  # type: ignore[list-item]
    "micro-batches of 2, 28 and 4 tokens were weighted equally: the gradient is off by {off} (the "
    "accumulation bug of 2024). Divide each *sum* by the number of all tokens, which you know before the "
    "first backward",
)
known(
    "means-added-up",
    lambda means, right: [sum(means)],  # type: ignore[list-item]
    "the means of the micro-batches were added up: the gradient is {times} times as long as it should be. "
    "Divide each sum by the number of all tokens",
)
known(
    "never-divided",
    lambda means, right: [right * ALL],
    "the division is missing: the gradient is {times} times as long as it should be, the number of "
    "all tokens",
)
known(
    "divided-by-the-micro-batches",
    lambda means, right: [right * ALL / 3],
    "the sums were divided by 3, the number of micro-batches: divide by the number of tokens that count",
)
known(
    "padding-counted",
    lambda means, right: [right * ALL / 90, right * ALL / 9, right * ALL / 30],
    "you divided by the size of y (or its rows): only tokens whose mask is True count, 34 of 90",
)
known(
    "divided-twice",
    lambda means, right: [right / 3, right / ALL, right * ALL / 90 / 3],
    "the gradient is {times} times as long as it should be: it is divided twice",
)
known(
    "only-the-last-micro-batch",
    lambda means, right: [means[2] * 4 / ALL, means[2], means[2] * 4, means[2] / 3],
    "only the last micro-batch reached the step: zero_grad inside the loop wipes out what was accumulated",
)
known(
    "only-the-first-micro-batch",
    lambda means, right: [means[0] * 2 / ALL, means[0], means[0] * 2, means[0] / 3],
    "only the first micro-batch reached the step",
)
known(
    "divided-by-tokens-so-far",
    lambda means, right: [means[0] + means[1] * 28 / 30 + means[2] * 4 / ALL],
    "each loss is divided by the tokens counted *so far*: know the number of all tokens before the "
    "first backward",
)
known(
    "largest-count-for-all",
    lambda means, right: [right * ALL / 28, right * ALL / 2, right * ALL / 4],
    "every loss is divided by the tokens of one micro-batch: divide by those of all, 34",
)


@probes("old-gradients-count")
def old_gradients(a: Any, t: Trial) -> str | None:
    batches, model = skewed(t), Tokens(t)
    right = vector(truth(model, batches)[1])
    optimizer = Spy(model)
    for p in model.parameters():
        p.grad = torch.full_like(p, 5.0)
    a.accumulate_step(model, squared_errors, batches, optimizer)
    used = vector(optimizer.used[-1])
    if not alike(used, right) and alike(used, right + 5.0):
        return (
            "gradients of an earlier step were still there and were added: zero_grad, once, before "
            "the first backward"
        )
    return None


@probes("clipped-without-being-asked")
def clipped_unasked(a: Any, t: Trial) -> str | None:
    batches = [(x, y * 50, mask) for x, y, mask in skewed(t)]
    model = Tokens(t)
    right, optimizer = vector(truth(model, batches)[1]), Spy(model)
    a.accumulate_step(model, squared_errors, batches, optimizer)
    used = vector(optimizer.used[-1])
    if float(used.norm()) < 0.9 * float(right.norm()) and alike(used / used.norm(), right / right.norm()):
        return (
            f"without max_norm a gradient of norm {float(right.norm()):.3g} came out as "
            f"{float(used.norm()):.3g}"
        )
    return None


@probes("gradient-differs")
def differs(a: Any, t: Trial) -> str | None:
    _, used, _, right, _, _ = tried(a, t)
    if not alike(used, right):
        return (
            f"micro-batches of 2, 28 and 4 tokens: the gradient at the optimizer's step is {numbers(used)}, "
            f"that of one long batch is {numbers(right)}"
        )
    return None


@probes("empty-micro-batch-disturbs")
def empty_disturbs(a: Any, t: Trial) -> str | None:
    batches = [batch(t, 2, 3), batch(t, 2, 3, 0), batch(t, 1, 3)]
    model = Tokens(t)
    right, optimizer = vector(truth(model, batches)[1]), Spy(model)
    attempt = t.tried(lambda: a.accumulate_step(model, squared_errors, batches, optimizer))
    if attempt.raised(Exception):
        return (
            f"a micro-batch in which no token counts raises {type(attempt.error).__name__}: {attempt.error}"
        )
    used = vector(optimizer.used[-1])
    if used.isnan().any():
        return "a micro-batch in which no token counts makes the gradient nan: 0 / 0. It adds nothing"
    if not alike(used, right):
        return "a micro-batch in which no token counts disturbs the others: it adds nothing"
    if isinstance(attempt.value, float) and math.isnan(attempt.value):
        return "a micro-batch in which no token counts makes the result nan: 0 / 0. It adds nothing"
    return None


@probes("never-clipped")
def never_clipped(a: Any, t: Trial) -> str | None:
    _, used, _, right, _, _ = tried(a, t, max_norm=1e-3)
    if alike(used, right):
        return (
            "max_norm = 0.001 makes no difference to the step: clip between the last backward and "
            "optimizer.step()"
        )
    return None


@probes("clips-each-micro-batch")
def clips_each(a: Any, t: Trial) -> str | None:
    _, used, _, right, _, _ = tried(a, t, max_norm=1e-3)
    direction = float(used @ right / used.norm() / right.norm())
    if alike(used / used.norm(), right / right.norm(), 1e-6) or float(used.norm()) > 3.1e-3:
        return None
    return (
        f"with max_norm = 0.001 the step's direction has cosine {direction:.3f} with the gradient, and its "
        f"length is {float(used.norm()):.4f}: each micro-batch was clipped by itself. Accumulate everything, "
        "then clip once"
    )


@probes("max-norm-zero-is-taken-for-none")
def max_norm_zero(a: Any, t: Trial) -> str | None:
    _, _, optimizer = one_step(a, t, [batch(t, 2, 5)], max_norm=0.0)
    if optimizer.used and float(vector(optimizer.used[0]).norm()) > 0.1:
        return (
            "max_norm = 0 allows no gradient at all, and yours was not clipped: 0.0 is a number. Ask "
            "`max_norm is not None`, not whether it is falsy"
        )
    return None


@probes("mode-changed")
def mode_changed(a: Any, t: Trial) -> str | None:
    for training in (True, False):
        model = Tokens(t).train(training)
        a.accumulate_step(model, squared_errors, [batch(t, 2, 5)], Spy(model))
        if model.training is not training:
            before, after = ("training", "evaluation")[:: 1 if training else -1]
            return (
                f"a model in {before} mode is in {after} mode afterwards: whoever calls the step has set the "
                "mode, leave it alone"
            )
    return None


@probes("nothing-counts")
def nothing_counts(a: Any, t: Trial) -> str | None:
    model = Tokens(t)
    optimizer = Spy(model)
    batches = [batch(t, 2, 3, 0), batch(t, 1, 3, 0)]
    attempt = t.tried(lambda: a.accumulate_step(model, squared_errors, batches, optimizer))
    if attempt.raised(Exception):
        return (
            f"where no token counts in any micro-batch yours raises {type(attempt.error).__name__}: "
            "return 0.0, no step"
        )
    if optimizer.used or not close(attempt.value, 0.0):
        did = "the optimizer made a step" if optimizer.used else f"the result is {attempt.value}"
        return f"where no token counts in any micro-batch {did}; asked for is 0.0, and no step"
    return None


@probes("returns-something-else")
def returns_else(a: Any, t: Trial) -> str | None:
    batches, model = skewed(t), Tokens(t)
    right, (_, means) = truth(model, batches)[0], parts(model, batches)
    result = a.accumulate_step(model, squared_errors, batches, Spy(model))
    if not isinstance(result, float):
        return (
            f"you return {result!r:.50}, asked for is a Python float: `loss.item()`, or the graph stays alive"
        )
    if not close(result, right, 1e-6):
        named = {
            "the sum of all losses": right * ALL,
            "the mean of the micro-batches' means": sum(means) / 3,
            "the last micro-batch's share": means[2] * 4 / ALL,
            "the last micro-batch's mean": means[2],
        }
        what = next((f", {words}" for words, value in named.items() if close(result, value, 1e-6)), "")
        return (
            f"you return {result:.6g}{what}; the objective is the sum of all losses divided by all tokens, "
            f"{right:.6g}"
        )
    return None
