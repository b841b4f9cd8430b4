"""The known mistakes of E3 in class weights and logit adjustment."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e3_mistakes import (
    COUNTS,
    PRIORS,
    Y3,
    Z3,
    probe,
)
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import F64, close

# ---- class weights ------------------------------------------------------------------------------------


def weights_of(a: Any, scheme: str, **how: float) -> Tensor:
    found: Tensor = a.class_weights(COUNTS, scheme, **how)
    return found


N = COUNTS.double()


def scaled(weights: Tensor) -> Tensor:
    return weights * N.sum() / (N * weights).sum()


@probe("weights-not-scaled")
def not_scaled(a: Any, t: Trial) -> str | None:
    found, total = weights_of(a, "inverse"), 300 / 9
    for raw, what in (
        (1 / N, "1/n as they are"),
        (100 / N, "Σn / n"),
        (100 / (3 * N), ""),
        ((1 / N) / (1 / N).sum(), "scaled to Σ w = 1"),
        (3 * (1 / N) / (1 / N).sum(), "scaled to Σ w = C"),
        ((1 / N) / (1 / N).max(), "scaled to a largest weight of 1"),
        (total / N, ""),
        (1 / (3 * N), "scaled to Σ n·w = 1"),
    ):
        if what and close(found, raw):
            return (
                f"the weights of counts [90, 9, 1] are {numbers(found)}: {what}. Scale them so that Σ n·w = "
                f"Σ n; yours gives {float((N * raw).sum()):.4g} instead of 100, and the learning rate "
                "changes by that factor in secret"
            )
    return None


probe.value(
    "weights-upside-down",
    lambda a: weights_of(a, "inverse"),
    [scaled(N), N / N.sum(), N],
    "the most frequent class has the largest weight ({found}): it is the rare ones that are weighed up, 1/n",
)
probe.value(
    "sqrt-is-inverse",
    lambda a: weights_of(a, "sqrt"),
    [scaled(1 / N), scaled(N.sqrt())],
    'scheme "sqrt" gives {found}; its raw weights are 1/√n',
)
probe.value(
    "effective-upside-down",
    lambda a: weights_of(a, "effective", beta=0.9),
    scaled((1 - 0.9**N) / 0.1),
    "the effective *number* (1 − βⁿ)/(1 − β) was used as the weight; the weight is 1 over it",
)
probe.value(
    "beta-fixed",
    lambda a: weights_of(a, "effective", beta=0.9),
    scaled(0.001 / (1 - 0.999**N)),
    "beta=0.9 gives what beta=0.999 should give: use the argument",
)


@probe("count-of-zero")
def count_of_zero(a: Any, t: Trial) -> str | None:
    for scheme in ("inverse", "sqrt", "effective"):
        attempt = t.tried(lambda scheme=scheme: a.class_weights(torch.tensor([8, 0, 2]), scheme))
        if attempt.error is not None:
            return f"a class with count 0 raised {type(attempt.error).__name__} ({scheme}); its weight is 0"
        found = attempt.value
        if not bool(found.isfinite().all()) or not close(found[1], 0.0):
            return (
                f"counts [8, 0, 2], {scheme}: the weights are {numbers(found)}. A class that never occurs "
                "gets the weight 0 (and 1/0 must not spoil the others through the scaling)"
            )
    return None


@probe("rounded-away")
def rounded_away(a: Any, t: Trial) -> str | None:
    if not close(weights_of(a, "effective", beta=0.9), scaled(0.1 / (1 - 0.9**N))):
        return None  # another formula
    found = weights_of(a, "effective", beta=1 - 1e-9)
    if not close(found, scaled(1 / N), rtol=1e-3):
        return (
            f"beta = 1 − 1e-9 gives {numbers(found)}, expected nearly those of 'inverse', "
            f"{numbers(scaled(1 / N))}: in float32 βⁿ is rounded to 1. Convert the counts to float64 first"
        )
    return None


@probe("unknown-scheme")
def unknown_scheme(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.class_weights(COUNTS, "none"))
    if not attempt.raised(ValueError):
        what = f"raised {type(attempt.error).__name__}" if attempt.error else "returned weights"
        return f"the scheme 'none' {what}: an unknown scheme is a ValueError, a typing error must not pass"
    return None


# ---- logit adjustment ---------------------------------------------------------------------------------


def adjusted(shift: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(Z3 + shift, Y3)


def adjusted_of(a: Any, *tau: float) -> Tensor:
    found: Tensor = a.logit_adjusted_ce(Z3, Y3, PRIORS, *tau)
    return found


probe.value(
    "sign-of-the-adjustment",
    adjusted_of,
    adjusted(-PRIORS.log()),
    "log π is subtracted ({found}): then the rare class is given an advantage while training, need not "
    "learn, and is found even less. In *training* it is + τ log π",
)
probe.value(
    "prior-without-logarithm",
    adjusted_of,
    [adjusted(PRIORS), adjusted(-PRIORS), adjusted(1 / PRIORS)],
    "π itself was added to the logits ({found}): logits are logarithms, so add τ log π",
)
probe.value(
    "prior-as-a-weight",
    adjusted_of,
    [
        torch.nn.functional.cross_entropy(Z3 * PRIORS, Y3),
        *(
            torch.nn.functional.cross_entropy(Z3, Y3, weight=w, reduction=r)
            for w in (PRIORS, 1 / PRIORS)
            for r in ("mean", "sum")
        ),
    ],
    "logit_adjusted_ce is {found}: the priors weigh or multiply. They *shift* the logits, z + τ log π",
)
probe.value(
    "prior-of-the-target-alone",
    adjusted_of,
    adjusted(torch.nn.functional.one_hot(Y3, 3) * PRIORS.log()),
    "logit_adjusted_ce is {found}: log π was added to the logit of the true class alone. Every class gets "
    "its own log π, then the softmax compares them",
)
probe.value(
    "probabilities-adjusted",
    adjusted_of,
    [
        torch.nn.functional.cross_entropy(Z3.softmax(1) + PRIORS.log(), Y3),
        torch.nn.functional.cross_entropy((Z3 + PRIORS.log()).softmax(1), Y3),
    ],
    "logit_adjusted_ce is {found}: a softmax stands before the cross-entropy, which takes its own. Shift the "
    "*logits*",
)
probe.value(
    "another-logarithm",
    adjusted_of,
    [adjusted(PRIORS.log10()), adjusted(PRIORS.log2()), adjusted(PRIORS.logit())],
    "logit_adjusted_ce is {found}: the shift is log π, the natural logarithm of the prior (not of base 10 or "
    "2, not log(π/(1 − π)))",
)
probe.value(
    "no-adjustment",
    adjusted_of,
    adjusted(torch.zeros(3, dtype=F64)),
    "logit_adjusted_ce is {found}, plain cross-entropy: add τ log π to the logits",
)
probe.value(
    "tau-fixed",
    lambda a: adjusted_of(a, 2.0),
    adjusted(PRIORS.log()),
    "tau=2 gives what tau=1 gives: τ is not used, or stands inside the logarithm, where log(τπ) = log τ + "
    "log π is the same shift for every class. It is z + τ log π",
)
probe.value(
    "tau-elsewhere",
    lambda a: adjusted_of(a, 2.0),
    [
        *(adjusted(PRIORS.log() / 2), adjusted((2 * PRIORS).log()), 2 * adjusted(PRIORS.log())),
        torch.nn.functional.cross_entropy(2 * (Z3 + PRIORS.log()), Y3),
    ],
    "tau=2 gives {found}: τ multiplies log π alone, z + τ log π",
)
probe.value(
    "adjusted-sum",
    adjusted_of,
    2 * adjusted(PRIORS.log()),
    "logit_adjusted_ce of two rows is {found}, the sum; asked for is the mean",
)
