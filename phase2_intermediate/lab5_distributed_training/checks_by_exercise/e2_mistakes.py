"""The known mistakes of E2's two functions, each by its signature in what three ranks saw."""

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import describe
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e2_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e2_cases import outcome

probe = Probes()


@probe("calls-differ")
def waits(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and (stopped.kind == "deadlock" or stopped.sizes_differ):
        return (
            "the calls of the three ranks do not fit together: all must make the same ones, "
            "also a rank whose count "
            f"is 0 or whose gradients are None.\n{stopped.words}"
        )
    return None


@probe("metric-fails")
def metric_fails(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped and stopped.case == "metrics":
        return (
            f"global_metric on three ranks: {stopped.words}\nThe arguments may be of any real "
            "dtype, and counts may "
            "be 0"
        )
    return None


@probe("gradients-fail")
def gradients_fail(a: Any, t: Trial) -> str | None:
    stopped = outcome(a, t).stopped
    if stopped:
        return (
            f"weighted_grad_mean on three ranks: {stopped.words}\nA rank may have 0 tokens, and "
            "gradients that are None"
        )
    return None


def metric(a: Any, t: Trial, name: str) -> tuple[list[Any], float]:
    found, expected = [], math.nan
    for facts in outcome(a, t).of(e2_cases.metrics) or []:
        for case, value, wanted, _ in facts:
            if case == name:
                found.append(value)
                expected = wanted
    return found, expected


@probe("metric-is-no-float")
def no_float(a: Any, t: Trial) -> str | None:
    for value in metric(a, t, "unequal counts")[0]:
        if value is None:
            return "global_metric returned None: did the `return` go missing?"
        if not isinstance(value, float):
            return f"global_metric returned {describe(value)}: a Python float is asked for (`.item()`)"
    return None


@probe("mean-of-means")
def mean_of_means(a: Any, t: Trial) -> str | None:
    found, expected = metric(a, t, "unequal counts")
    if found and same(float(found[0]), (0.9 + 0.5 + 0.4) / 3):
        return (
            f"ranks with 90 of 100, 1 of 2 and 4 of 10 right: {found[0]:.3f}, expected "
            f"{expected:.3f}. That is the mean "
            "of the ranks' means, in which two examples weigh as much as a hundred. Add up sums and counts"
        )
    return None


@probe("only-one-rank-counts")
def own_metric(a: Any, t: Trial) -> str | None:
    found, expected = metric(a, t, "unequal counts")
    if found and same([float(x) for x in found], [0.9, 0.5, 0.4]):
        return "each rank got its own mean: sum and count have to be added up over the ranks first"
    if found and len({float(x) for x in found}) > 1:
        return f"the ranks got different numbers, {found}: every rank gets {expected:.3f}"
    return None


@probe("count-of-one-rank")
def local_count(a: Any, t: Trial) -> str | None:
    found, expected = metric(a, t, "unequal counts")
    for value, words in ((95 / 100, "rank 0's count"), (95 / 3, "the number of ranks"), (95.0, "nothing")):
        if found and same(float(found[0]), value):
            return (
                f"90 + 1 + 4 of 100 + 2 + 10: {found[0]:.3f}, expected {expected:.3f}: the sum "
                f"was divided by {words}"
            )
    return None


@probe("nan-where-nobody-has-an-example")
def nan(a: Any, t: Trial) -> str | None:
    for value in metric(a, t, "nobody has an example")[0]:
        if not math.isnan(value):
            return f"without any example the metric is {value!r}, expected NaN: there is no mean of nothing"
    for name in ("a sum of zero", "a rank without examples"):
        found, expected = metric(a, t, name)
        if any(math.isnan(value) for value in found):
            return (
                f"{name}: NaN, expected {expected:g}: only if the count of *all* ranks is 0 there is no mean"
            )
    return None


@probe("metric-rounds")
def rounds(a: Any, t: Trial) -> str | None:
    for name in ("sums beyond float32", "unequal counts", "float32 sums"):
        found, expected = metric(a, t, name)
        if found and found[0] != expected and math.isclose(found[0], expected, rel_tol=1e-5):
            return (
                f"{name}: {found[0]!r}, expected {expected!r}: add in float64 (16777219, say, "
                "has no place in float32); "
                "convert before adding"
            )
    return None


@probe("metric-is-another")
def other_metric(a: Any, t: Trial) -> str | None:
    for facts in outcome(a, t).of(e2_cases.metrics) or []:
        for name, found, expected, _ in facts:
            if found != expected and not (math.isnan(expected) and math.isnan(found)):
                return (
                    f"{name}: {found!r}, expected {expected!r}: the sum of the sums over the sum "
                    "of the counts"
                )
    return None


@probe("arguments-changed")
def changed(a: Any, t: Trial) -> str | None:
    for facts in outcome(a, t).of(e2_cases.metrics) or []:
        for name, _, _, kept in facts:
            if not kept:
                return (
                    f"{name}: `all_reduce` works in place, and the caller's `local_sum` or "
                    "`local_count` has changed: "
                    "reduce a copy"
                )
    return None


def plain(a: Any, t: Trial) -> list[float]:
    return [fact[0] for fact in outcome(a, t).of(e2_cases.plain) or []]


def plain_probe(diagnosis: str, wrong: tuple[float, ...], words: str) -> None:
    @probe(diagnosis)
    def run(a: Any, t: Trial) -> str | None:
        found = plain(a, t)
        if found and any(math.isclose(found[0], value, rel_tol=1e-5) for value in wrong):
            return (
                "gradients of sums 6, 30 and 2 of ranks with 2, 1 and 1 tokens became "
                f"{found[0]:g}, expected 9.5: {words}"
            )
        return None


plain_probe("divided-by-the-ranks", (38 / 3,), "they were divided by the number of ranks, not of tokens")
plain_probe("not-divided", (38.0,), "they were added, and not divided by the 4 tokens")
plain_probe(
    "mean-of-rank-means", ((3 + 30 + 2) / 3,), "each rank's mean weighs the same, whatever its tokens"
)
plain_probe(
    "weighted-twice", ((12 + 30 + 2) / 4,), "they are gradients of *sums* already: no weight before adding"
)
plain_probe("divided-twice", (9.5 / 3, 38 / 12), "they were divided by the tokens and by the ranks")


@probe("own-tokens-only")
def own_tokens(a: Any, t: Trial) -> str | None:
    found = plain(a, t)
    if not found:
        return None
    if same(found, [6.0, 30.0, 2.0]):
        return "the gradients stayed as they were: write the result into `p.grad`"
    if same(found, [3.0, 30.0, 2.0]):
        return "each rank has divided its own gradient by its own tokens: nothing was added up over the ranks"
    if same(found, [19.0, 38.0, 38.0]):
        return "the sum over ranks was divided by each rank's own tokens: add up the tokens too"
    if len(set(found)) > 1:
        return f"the ranks ended with different gradients, {found}: every rank gets 9.5"
    return None


def gradient_facts(a: Any, t: Trial) -> Any:
    for rank, facts in enumerate(outcome(a, t).of(e2_cases.gradients) or []):
        for name, found, expected in facts:
            for (key, grad), wanted in zip(found, expected, strict=True):
                yield f"{name}: parameter {key} on rank {rank}", name, grad, wanted


@probe("none-stays-none")
def none_stays(a: Any, t: Trial) -> str | None:
    for words, _, grad, wanted in gradient_facts(a, t):
        if grad is None and wanted is not None:
            return f"{words} has no gradient: None counts as zeros, and afterwards everyone holds the mean"
    return None


@probe("frozen-gets-a-gradient")
def frozen(a: Any, t: Trial) -> str | None:
    for words, _, grad, wanted in gradient_facts(a, t):
        if wanted is None and grad is not None:
            return f"{words} is frozen, and got a gradient: leave out what does not require one"
    if any(not kept for *_, kept in outcome(a, t).of(e2_cases.plain) or []):
        return (
            "a frozen parameter had a gradient from before, and that has changed: `p.requires_grad` decides"
        )
    return None


@probe("gradient-of-another-dtype")
def other_dtype(a: Any, t: Trial) -> str | None:
    for words, _, grad, wanted in gradient_facts(a, t):
        if grad is not None and wanted is not None and grad.dtype != wanted.dtype:
            return f"{words} has a gradient of {grad.dtype}, expected the parameter's {wanted.dtype}"
    return None


@probe("no-token-no-zero")
def no_token(a: Any, t: Trial) -> str | None:
    for words, name, grad, _ in gradient_facts(a, t):
        if name == "no tokens at all" and grad is not None and bool((grad != 0).any()):
            return f"{words} is {describe(grad.flatten()[:3])}: without any token the gradients are 0"
    return None


@probe("tokens-are-miscounted")
def miscounted(a: Any, t: Trial) -> str | None:
    for facts in outcome(a, t).of(e2_cases.counted) or []:
        for name, found, expected, shared in facts:
            if same(found, expected, rtol=1e-6):
                continue
            if shared:
                return (
                    f"{name}: its gradients became {found:.6g}, expected {expected:.6g}: it is one "
                    "parameter, to be summed and divided once. `model.parameters()` names it once"
                )
            return (
                f"{name}: gradients of sums {e2_cases.COUNTS[name][1]} became {found:.6g}, expected "
                f"{expected:.6g}: divide by the exact number of tokens, whatever its size"
            )
    return None


@probe("gradient-is-another")
def other_gradient(a: Any, t: Trial) -> str | None:
    for words, name, grad, wanted in gradient_facts(a, t):
        rtol = 0.02 if name == "bfloat16" else 1e-5
        if grad is not None and wanted is not None and not same(grad, wanted, rtol=rtol, atol=rtol):
            shown = torch.stack([grad.flatten()[:2].double(), wanted.flatten()[:2].double()]).tolist()
            return f"{words} is {shown[0]} …, expected {shown[1]} …: the gradient of the mean over all tokens"
    return None
