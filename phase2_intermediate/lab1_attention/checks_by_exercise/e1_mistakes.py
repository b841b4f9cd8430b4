"""The known mistakes of E1, each by the weights that it gives on a few queries and keys."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import random_mask, right_weights

probe = Probes()
NEVER = -torch.inf


def attend(a: Any, t: Trial, *tensors: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """What the learner's function returns, if it is a pair of tensors."""
    pair = a.sdpa(*tensors, **options)
    t.that(
        len(pair) == 2 and all(isinstance(x, Tensor) for x in pair),
        f"sdpa returns the pair (out, weights), two tensors; yours returned {len(pair)} things: "
        f"{', '.join(type(x).__name__ for x in pair)}",
        diagnosis="not-a-pair",
    )
    return pair


def three(t: Trial, queries: int = 3, keys: int = 4, width: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    return t.randn(queries, width), t.randn(keys, width), t.randn(keys, 5)


def entropy(weights: Tensor) -> float:
    return float(-(weights * weights.clamp(min=1e-300).log()).sum(-1).mean())


@probe("the-formula")
def formula(a: Any, t: Trial) -> None:
    q, k, v = three(t)
    raw, right = q @ k.T, right_weights(q, k)
    out, weights = attend(a, t, q, k, v)
    t.that(
        not (weights.shape == (3, 5) and out.shape == (3, 4)),
        "the pair came as (weights, out); it is (out, weights)",
        diagnosis="pair-in-the-wrong-order",
    )
    plain, queries_first = raw.softmax(-1), (raw / 4).softmax(-2)
    cases = [
        (
            "no-scale",
            plain,
            f"the scores have a deviation of {float(raw.std()):.1f}, and the weights an entropy of "
            f"{entropy(plain):.2f} nats, expected {entropy(right):.2f}: divide the scores by √D",
        ),
        ("scale-by-d", (raw / 16).softmax(-1), "the scores were divided by D = 16: divide by √D = 4"),
        ("scale-multiplied", (raw * 4).softmax(-1), "the scores were multiplied by √D: divide by it"),
        (
            "softmax-over-queries",
            queries_first,
            f"the columns of the weights add up to 1, the rows to {numbers(queries_first.sum(-1))}: the "
            "softmax runs over the keys, the last axis",
        ),
        (
            "softmax-over-everything",
            (raw / 4).flatten().softmax(0).reshape(3, 4),
            "all weights together add up to 1; each query's must, separately",
        ),
        ("scores-instead-of-weights", raw / 4, "the second result holds the scores before the softmax"),
        ("scores-instead-of-weights", raw, "the second result holds the products before the softmax"),
        (
            "scales-the-weights",
            plain / 4,
            f"the rows of the weights add up to {float((plain / 4)[0].sum()):.2f}: scale the scores, not the "
            "weights",
        ),
        ("keys-attend", right_weights(k, q), "the weights are [T_k, T_q]: each query is a row"),
        ("keys-attend", right_weights(k, q).T, "the keys attend to the queries here: exchange the two"),
    ]
    for size, what in ((5, "D_v"), (3, "T_q"), (4, "T_k")):
        words = f"the scale is 1/√{what}; it is 1/√D, with D the width of q and k"
        cases.append(("scale-from-the-wrong-axis", (raw / math.sqrt(size)).softmax(-1), words))
    name_it(t, weights, right, cases)
    name_it(
        t,
        out,
        right @ v,
        [
            (name, value @ v, words)
            for name, value, words in cases
            if isinstance(value, Tensor) and value.shape == (3, 4)
        ],
    )
    if same(weights, right):
        t.that(
            same(out, right @ v),
            "the weights are right, but `out` is not `weights @ v`",
            diagnosis="out-is-not-weights-times-v",
            observed=out,
            expected=right @ v,
        )


@probe("softmax-overflows")
def overflow(a: Any, t: Trial) -> str | None:
    out, weights = attend(a, t, *(torch.tensor([[x]], dtype=torch.float64) for x in (50.0, 50.0, 7.0)))
    if not bool(out.isfinite().all()) or not same(weights, torch.tensor([[1.0]])):
        return (
            f"a single key with the score 2500 got the weight {weights.item():.3g}, expected 1: exp(2500) "
            "overflows. Subtract the row's maximum first, or let `softmax` do it"
        )
    return None


@probe("the-scale")
def scale_argument(a: Any, t: Trial) -> None:
    q, k, v = three(t)
    raw = q @ k.T
    _, weights = attend(a, t, q, k, v, scale=0.3)
    name_it(
        t,
        weights,
        right_weights(q, k, scale=0.3),
        [
            ("scale-ignored", (raw / 4).softmax(-1), "`scale=0.3` has no effect: 1/√D was used"),
            ("scale-divides", (raw / 0.3).softmax(-1), "the scores were divided by `scale`: multiply by it"),
            (
                "scale-besides-the-root",
                (raw * 0.3 / 4).softmax(-1),
                "`scale=0.3` was applied besides 1/√D; it takes its place",
            ),
            (
                "scale-divides",
                (raw / math.sqrt(0.3)).softmax(-1),
                "`scale` is the factor itself, without a root",
            ),
        ],
    )
    _, weights = attend(a, t, q, k, v, scale=0.0)
    name_it(
        t,
        weights,
        right_weights(q, k, scale=0.0),
        [
            (
                "scale-zero-taken-for-none",
                (raw / 4).softmax(-1),
                "`scale=0.0` was taken for None: 0 is false in Python. Ask `scale is None`",
            )
        ],
    )


@probe("the-boolean-mask")
def boolean_mask(a: Any, t: Trial) -> None:
    q, k, v = three(t)
    mask = random_mask(t, 3, 4)
    mask[0] = torch.tensor([True, False, True, True])
    scores = q @ k.T / 4
    plain = scores.softmax(-1)
    right = right_weights(q, k, mask)
    after = plain * mask
    out, weights = attend(a, t, q, k, v, mask)
    inverted = torch.where(mask, NEVER, scores).softmax(-1)
    name_it(
        t,
        weights,
        right,
        [
            ("mask-ignored", plain, "the mask has no effect on the weights"),
            (
                "mask-inverted",
                inverted.nan_to_num(),
                "the mask is read the wrong way round: here True means that the query may attend "
                "(`nn.MultiheadAttention` has it the other way)",
            ),
            ("mask-inverted", inverted, "the mask is read the wrong way round: True means “may attend”"),
            (
                "mask-after-softmax",
                after,
                f"the kept weights of query 0 add up to {float(after[0].sum()):.2f}: mask the scores "
                "*before* the softmax",
            ),
            (
                "boolean-mask-added",
                (scores + mask).softmax(-1),
                "the boolean mask was added to the scores as 0 and 1: a hidden key needs a score of −∞",
            ),
            (
                "hidden-scores-set-to-zero",
                (scores * mask).softmax(-1),
                "hidden scores were set to 0, and exp(0) is 1: they need −∞",
            ),
            (
                "hidden-scores-set-to-zero",
                (scores * ~mask).softmax(-1),
                "hidden scores were set to 0, and exp(0) is 1: they need −∞",
            ),
            (
                "mask-before-scaling",
                torch.where(mask, scores * 4, NEVER).softmax(-1),
                "with a mask the scores are not scaled any more",
            ),
        ],
    )
    if same(weights, right) and not same(out, right @ v):
        t.fail(
            "the weights know the mask, `out` does not: use the same weights", diagnosis="out-without-mask"
        )


@probe("mask-after-softmax")
def too_late(a: Any, t: Trial) -> str | None:
    q, k, v = torch.ones(1, 1), torch.tensor([[0.0], [1.0], [1000.0]]), torch.ones(3, 1)
    _, weights = attend(a, t, q, k, v, torch.tensor([True, True, False]))
    if not same(weights, torch.tensor([[0.26894142, 0.73105858, 0.0]])):
        return (
            f"the scores 0, 1 and 1000, the last one hidden, gave the weights {numbers(weights)}, expected "
            "(0.269, 0.731, 0): the hidden score had rounded the others to 0 before the mask came. Mask "
            "first, then the softmax"
        )
    return None


@probe("the-additive-mask")
def additive_mask(a: Any, t: Trial) -> None:
    q, k, v = three(t)
    mask = t.randn(3, 4)
    mask[0, 1] = mask[2, 3] = NEVER
    mask[1, 2] = 0.0
    raw = q @ k.T
    scores = raw / 4
    finite = mask.clamp(min=-1e9)
    attempt = t.tried(lambda: attend(a, t, q, k, v, mask))
    if attempt.error is not None:
        t.fail(
            f"with a floating mask it raises {type(attempt.error).__name__}: {attempt.error}. A floating "
            "mask is added to the scores, a boolean one says who may attend",
            diagnosis="floating-mask-not-added",
        )
    _, weights = attempt.value
    name_it(
        t,
        weights,
        right_weights(q, k, mask),
        [
            (name, value.nan_to_num(), words)
            for name, value, words in (
                ("mask-ignored", scores.softmax(-1), "a floating mask has no effect"),
                (
                    "floating-mask-not-added",
                    torch.where(mask.bool(), scores, NEVER).softmax(-1),
                    "a floating mask was turned into booleans: it is added to the scores",
                ),
                (
                    "floating-mask-not-added",
                    torch.where(mask == 0, scores, NEVER).softmax(-1),
                    "a floating mask was taken for booleans, 0 for “keep”: it is added to the scores",
                ),
                (
                    "floating-mask-not-added",
                    torch.where(mask == 0, NEVER, scores).softmax(-1),
                    "a floating mask was taken for booleans: it is added to the scores",
                ),
                (
                    "floating-mask-not-added",
                    torch.where(mask < 0, NEVER, scores).softmax(-1),
                    "a floating mask was taken for booleans: it is added to the scores",
                ),
                (
                    "floating-mask-not-added",
                    torch.where(torch.isinf(mask), NEVER, scores).softmax(-1),
                    "of a floating mask only the −∞ had an effect: all its numbers are added to the scores",
                ),
                (
                    "floating-mask-not-added",
                    (scores * finite).softmax(-1),
                    "the floating mask was multiplied",
                ),
                ("mask-scaled-too", ((raw + mask) / 4).softmax(-1), "the mask is added *after* scaling"),
                (
                    "mask-added-to-raw",
                    (raw + mask).softmax(-1),
                    "with a mask the scores are not scaled any more",
                ),
                ("mask-subtracted", (scores - finite).softmax(-1), "the floating mask was subtracted"),
            )
        ],
    )


@probe("the-causal-rule")
def causal_rule(a: Any, t: Trial) -> None:
    for queries, keys in ((3, 3), (3, 5), (5, 3)):
        q, k, v = three(t, queries, keys)
        scores, i, j = q @ k.T / 4, torch.arange(queries)[:, None], torch.arange(keys)
        shown = f"is_causal with {queries} queries and {keys} keys"

        def among(seen: Tensor, scores: Tensor = scores) -> Tensor:
            return torch.where(seen, scores, NEVER).softmax(-1).nan_to_num()

        _, weights = attend(a, t, q, k, v, is_causal=True)
        name_it(
            t,
            weights.nan_to_num(),
            right_weights(q, k, is_causal=True),
            [
                ("causal-ignored", scores.softmax(-1), f"{shown} has no effect"),
                (
                    "causal-looks-ahead",
                    among(j >= i),
                    f"{shown}: query 0 sees the future, and not the past. Query i may see keys 0 … i",
                ),
                ("causal-looks-ahead", among(j > i), f"{shown}: each query sees only what comes after it"),
                (
                    "causal-without-itself",
                    among(j < i),
                    f"{shown}: a query does not see the key at its own place, and query 0 sees nothing: j "
                    "≤ i",
                ),
                (
                    "causal-one-too-far",
                    among(j <= i + 1),
                    f"{shown}: each query sees one key of the future: j ≤ i",
                ),
                (
                    "causal-bottom-right",
                    among(j <= i + keys - queries),
                    f"{shown}: you aligned the last query with the last key; `is_causal` aligns the first "
                    "with the first: query i sees keys 0 … i",
                ),
                (
                    "causal-after-softmax",
                    scores.softmax(-1) * (j <= i),
                    f"{shown}: the kept weights do not add up to 1. Mask before the softmax",
                ),
            ],
        )
    k = torch.tensor([[0.0], [1.0], [1000.0]])
    _, weights = attend(a, t, torch.ones(2, 1), k, torch.ones(3, 1), is_causal=True)
    if bool(weights.isnan().any()) or not bool(weights.sum(-1).all()):
        t.fail(
            f"the scores 0, 1 and 1000 with is_causal gave queries 0 and 1 the weights {numbers(weights)}: "
            "the score 1000, which lies in the future, had rounded the others to 0. Mask first, then the "
            "softmax",
            diagnosis="causal-after-softmax",
        )


@probe("mask-and-causal-together")
def both(a: Any, t: Trial) -> None:
    q, k, v = three(t, 4, 4)
    scores, rule = q @ k.T / 4, torch.ones(4, 4, dtype=torch.bool).tril()
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[2, 1] = mask[3, 0] = mask[1, 3] = False
    for given in (mask, torch.zeros(4, 4, dtype=torch.float64).masked_fill(~mask, NEVER)):
        attempt = t.tried(lambda given=given: attend(a, t, q, k, v, given, is_causal=True))
        kind = "boolean" if given.dtype == torch.bool else "floating"
        if attempt.error is not None:
            t.fail(
                f"a {kind} mask together with is_causal raised {type(attempt.error).__name__}: "
                f"{attempt.error}. Both apply",
                diagnosis="mask-and-causal-together",
            )
        for seen, words in (
            (rule, "the mask was ignored"),
            (mask, "is_causal was ignored"),
            (mask | rule, "a key is visible if either allows it"),
        ):
            if not same(attempt.value[1], right_weights(q, k, mask & rule)) and same(
                attempt.value[1], torch.where(seen, scores, NEVER).softmax(-1)
            ):
                t.fail(
                    f"with a {kind} mask and is_causal, {words}: both apply",
                    diagnosis="mask-and-causal-together",
                )
