"""W1: a weighted mean of values."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import family, name_it
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures_warmups as pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.warmups_mistakes import (
    of_mean,
)

w1 = Exercise(
    "W1",
    takes={"kernel_average": Tensor},
    hints=(
        "Every query meets every key: a column of queries against a row of keys gives a table [N, M] of "
        "distances. One row of the table becomes one row of weights.",
        "w = softmax over the keys of −(q − k)² / (2h²), and the answer is Σ_i w_i v_i.",
        "`exponents = -((query[:, None] - keys[None, :]) ** 2) / (2 * bandwidth ** 2)`, then "
        "`exponents.softmax(dim=-1) @ values`.",
    ),
)


def by_hand(query: Tensor, keys: Tensor, values: Tensor, h: float) -> Tensor:
    """The formula with a loop, each weight divided by the largest."""
    answers = []
    for q in query.tolist():
        exponents = [-((q - k) ** 2) / (2 * h * h) for k in keys.tolist()]
        weights = [math.exp(e - max(exponents)) for e in exponents]
        answers.append(sum(w * v for w, v in zip(weights, values.tolist(), strict=True)) / sum(weights))
    return torch.tensor(answers, dtype=torch.float64)


of_mean.add_to(w1)


@w1.probe("the-formula")
def wrong_formulas(a: Any, t: Trial) -> str | None:
    query, keys, values, h = t.randn(3), t.randn(4), t.randn(4), 0.7
    observed = a.kernel_average(query, keys, values, h)
    square = (query[:, None] - keys) ** 2
    exponents = -square / (2 * h * h)
    plain = exponents.exp()
    t.that(
        observed.shape == (3,),
        f"3 queries and 4 keys gave a result of shape {tuple(observed.shape)}, expected (3,): one mean for "
        "each query",
        diagnosis="shape-of-the-mean",
    )
    name_it(
        t,
        observed,
        by_hand(query, keys, values, h),
        [
            (
                "not-normalised",
                plain @ values,
                "the weights are not divided by their sum: a mean needs weights that add up to 1",
            ),
            (
                "question-ignored",
                values.mean().expand(3),
                "that is the plain mean of all values: near keys weigh more",
            ),
            *(
                (
                    "bandwidth-multiplies",
                    (exponents * h**4 * factor).softmax(-1) @ values,
                    "the exponent is *divided* by 2h²: a large bandwidth makes far keys count more",
                )
                for factor in (1, 4)
            ),
            (
                "divided-by-m",
                plain @ values / 4,
                "divide by the sum of the weights, not by the number of keys",
            ),
            (
                "bandwidth-not-squared",
                (-square / (2 * h)).softmax(-1) @ values,
                "the exponent is −(q − k)² / (2h²): the bandwidth must be squared",
            ),
            (
                "bandwidth-not-squared",
                (-square / h).softmax(-1) @ values,
                "the exponent is −(q − k)² / (2h²): the bandwidth must be squared, and there is a 2",
            ),
            (
                "factor-two-forgotten",
                (-square / h**2).softmax(-1) @ values,
                "the exponent is −(q − k)² / (2h²): the 2 is missing",
            ),
            (
                "bandwidth-ignored",
                (-square / 2).softmax(-1) @ values,
                "the result does not depend on the bandwidth",
            ),
            (
                "bandwidth-ignored",
                (-square).softmax(-1) @ values,
                "the result does not depend on the bandwidth",
            ),
            (
                "far-keys-weigh-more",
                (-exponents).softmax(-1) @ values,
                "the exponent has the wrong sign: your mean prefers the keys that are far away",
            ),
            (
                "distance-not-squared",
                (-square.sqrt() / (2 * h * h)).softmax(-1) @ values,
                "the distance is to be squared: (q − k)², not |q − k|",
            ),
            (
                "normalised-over-queries",
                exponents.softmax(0) @ values,
                "the weights of one *key* add up to 1 over the queries; those of one query must, over the "
                "keys",
            ),
            (
                "dot-product",
                (query[:, None] * keys / (h * h)).softmax(-1) @ values,
                "the weights here come from the distance of query and key, not from their product",
            ),
            (
                "nearest-only",
                values[square.argmin(-1)],
                "that is the value of the nearest key alone; the others count too, less",
            ),
            (
                "normalised-over-everything",
                exponents.flatten().softmax(0).reshape(3, 4) @ values,
                "all weights together add up to 1; the weights of each query must, separately",
            ),
        ],
    )
    return None


@w1.probe("far-query-gives-nan")
def far_away(a: Any, t: Trial) -> str | None:
    keys, values = torch.tensor([0.0, 1.0]), torch.tensor([10.0, 20.0])
    observed = a.kernel_average(torch.tensor([500.0]), keys, values, 0.5)
    if bool(observed.isnan().any()) or same(observed, torch.zeros(1)):
        return (
            f"the query 500, with keys 0 and 1 and a bandwidth of 0.5, gave {numbers(observed)}, expected "
            "20: all exponentials round to 0 there. Subtract the row's largest exponent first, or let "
            "`softmax` do it"
        )
    return None


@w1.property("the weighted mean")
def weighted_mean(a: Any, t: Trial) -> None:
    for n, m, h in ((1, 1, 1.0), (1, 3, 0.3), (3, 1, 2.0), (3, 4, 1.0), (4, 4, 0.5), (0, 3, 1.0)):
        query, keys, values = t.randn(n), t.randn(m), t.randn(m)
        with family("the-mean-is-wrong", f"with {n} queries and {m} keys"):
            t.equal(a.kernel_average(query, keys, values, h), by_hand(query, keys, values, h))
    query, keys, values = torch.tensor([-300.0, 0.2, 500.0]).double(), t.randn(3), t.randn(3)
    with family("far-query", "with queries far away from all keys"):
        t.equal(a.kernel_average(query, keys, values, 0.5), by_hand(query, keys, values, 0.5))
    query, keys, values = (t.randn(5, dtype=torch.float32) for _ in range(3))
    with family("dtype-of-the-mean", "in float32"):
        expected = by_hand(query, keys, values, 0.8).float()
        t.equal(a.kernel_average(query, keys, values, 0.8), expected, rtol=1e-4, atol=1e-5)


w1.reward(pictures.smoothing)
