"""W1 to W4: a weighted mean, scores, a mask, heads."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.edges import layouts
from courseware.check.naming import family, name_it
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures_warmups as pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import random_mask
from phase2_intermediate.lab1_attention.checks_by_exercise.warmups_mistakes import (
    of_mean,
    of_scores,
    of_weights,
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


w2 = Exercise(
    "W2",
    takes={"scaled_scores": Tensor},
    hints=(
        "A matrix product of the queries with the transposed keys holds the dot products of all pairs.",
        "scores = Q Kᵀ / √D, with D the size of the last axis.",
        "`q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5`",
    ),
)


@w2.probe("the-formula")
def wrong_scores(a: Any, t: Trial) -> str | None:
    q, k = t.randn(3, 16), t.randn(5, 16)
    raw = q @ k.T
    right = raw / 4
    name_it(
        t,
        a.scaled_scores(q, k),
        right,
        [
            ("no-scale", raw, "the scores have deviation √D = 4 times that of q and k: divide by √D"),
            ("scale-by-d", raw / 16, "divided by D = 16: divide by √D = 4"),
            ("scale-multiplied", raw * 4, "multiplied by √D; divide by it"),
            ("scale-from-the-wrong-axis", raw / 3**0.5, "divided by √T_q: D is the size of the *last* axis"),
            ("scale-from-the-wrong-axis", raw / 5**0.5, "divided by √T_k: D is the size of the *last* axis"),
            ("transposed", right.T, "entry (i, j) is key i with query j: exchange them"),
            (
                "softmax-too-early",
                right.softmax(-1),
                "these are weights already: only the scores are asked for",
            ),
            (
                "cosines",
                torch.nn.functional.normalize(q, dim=-1) @ torch.nn.functional.normalize(k, dim=-1).T,
                "these are cosines: divide by √D, not by the lengths of q and k",
            ),
        ],
    )
    return None


of_scores.add_to(w2)


@w2.property("all pairs, divided by √D")
def all_pairs(a: Any, t: Trial) -> None:
    for lead in ((), (2,), (2, 3), (1, 0)):
        for tq, tk, d in ((1, 1, 1), (2, 3, 4), (3, 3, 9), (4, 1, 2), (0, 2, 3)):
            q, k = t.randn(*lead, tq, d), t.randn(*lead, tk, d)
            expected = torch.einsum("...id,...jd->...ij", q, k) / math.sqrt(d)
            with family("leading-axes", f"q has shape {tuple(q.shape)}, k {tuple(k.shape)}"):
                t.equal(a.scaled_scores(q, k), expected)
    q, k = t.randn(2, 1, 3, 4), t.randn(5, 2, 4)
    with family("leading-axes", "q has shape (2, 1, 3, 4), k (5, 2, 4), so the leading axes broadcast"):
        t.equal(a.scaled_scores(q, k), torch.einsum("abid,bjd->abij", q.expand(2, 5, 3, 4), k) / 2)
    q, k = t.randn(3, 4, dtype=torch.float32), t.randn(2, 4, dtype=torch.float32)
    with family("dtype", "in float32"):
        t.equal(a.scaled_scores(q, k), (q.double() @ k.double().T / 2).float(), reduction=4)


w3 = Exercise(
    "W3",
    takes={"masked_weights": Tensor},
    hints=(
        "A key that is hidden should not take part in the softmax at all. Which score has an exponential "
        "of 0?",
        "weights = softmax(scores where the mask is True, −∞ elsewhere), over the last axis.",
        '`scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)`',
    ),
)


@w3.probe("the-formula")
def wrong_masking(a: Any, t: Trial) -> str | None:
    scores, mask = t.randn(3, 4), random_mask(t, 3, 4)
    plain = scores.softmax(-1)
    kept = (plain * mask).sum(-1)
    right = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    name_it(
        t,
        a.masked_weights(scores, mask),
        right,
        [
            (
                "mask-after-softmax",
                plain * mask,
                f"the kept weights of the first row add up to {kept[0]:.2f}: mask the scores, then the "
                "softmax",
            ),
            ("mask-ignored", plain, "the mask has no effect"),
            (
                "mask-inverted",
                scores.masked_fill(mask, -torch.inf).softmax(-1),
                "the mask is read the wrong way round: True means that the query may attend",
            ),
            (
                "hidden-scores-set-to-zero",
                (scores * mask).softmax(-1),
                "hidden scores were set to 0, and exp(0) is 1: they need −∞",
            ),
            ("mask-added", (scores + mask).softmax(-1), "the mask was added as 0 and 1: hidden keys need −∞"),
            (
                "softmax-over-queries",
                scores.masked_fill(~mask, -torch.inf).softmax(-2).nan_to_num(),
                "the columns add up to 1, the rows do not: the softmax runs over the last axis",
            ),
            ("no-softmax", scores.masked_fill(~mask, -torch.inf), "the softmax is missing"),
            ("no-softmax", scores * mask, "the softmax is missing"),
        ],
    )
    return None


@w3.probe("dtype")
def dtype_of_weights(a: Any, t: Trial) -> str | None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        found = a.masked_weights(torch.zeros(1, 2, dtype=dtype), torch.ones(1, 2, dtype=torch.bool)).dtype
        if found != dtype:
            return f"scores in {dtype} gave weights in {found}: keep the dtype"
    return None


@w3.probe("softmax-over-queries")
def over_queries(a: Any, t: Trial) -> str | None:
    sums = a.masked_weights(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.ones(2, 2, dtype=torch.bool))
    if same(sums.sum(-2), torch.ones(2)) and not same(sums.sum(-1), torch.ones(2)):
        return "the columns add up to 1, the rows do not: the softmax runs over the last axis"
    return None


of_weights.add_to(w3)


@w3.probe("renormalised-too-late")
def too_late(a: Any, t: Trial) -> str | None:
    observed = a.masked_weights(torch.tensor([[0.0, 1.0, 1000.0]]), torch.tensor([[True, True, False]]))
    if bool(observed.isnan().any()) or not bool(observed.any()):
        return (
            f"scores (0, 1, 1000) with the last one hidden gave {numbers(observed)}, expected (0.269, 0.731, "
            "0): next to a hidden score of 1000 the others were rounded to 0 before the mask came. Mask first"
        )
    return None


@w3.probe("hidden-weight-not-zero")
def not_zero(a: Any, t: Trial) -> str | None:
    observed = a.masked_weights(torch.tensor([[-50.0, 0.0], [-1e6, 0.0]]), torch.tensor([[True, False]]))
    if not same(observed, torch.tensor([[1.0, 0.0], [1.0, 0.0]])):
        return (
            f"scores (−50, 0) and (−10⁶, 0) with the second one hidden gave {numbers(observed)}, expected "
            "(1, 0) twice: the number that stands for “hidden” must be below every score, and only −∞ is"
        )
    return None


@w3.property("a softmax among the visible keys")
def among_the_visible(a: Any, t: Trial) -> None:
    for shape, masked in (
        ((1, 1), (1, 1)),
        ((3, 4), (3, 4)),
        ((2, 3, 4), (3, 4)),
        ((2, 3, 4), (4,)),
        ((2, 2, 3, 4), (2, 1, 1, 4)),
        ((0, 3, 4), (3, 4)),
    ):
        scores, mask = t.randn(*shape) * 5, random_mask(t, *masked)
        expected = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        with family("shapes-of-the-mask", f"scores {shape}, mask {masked}"):
            t.equal(a.masked_weights(scores, mask), expected)
    scores = torch.tensor([[1000.0, 999.0, 5.0]], dtype=torch.float64)
    with family("softmax-overflows", "scores of 1000"):
        mask = torch.tensor([[True, True, False]])
        t.equal(a.masked_weights(scores, mask), scores.masked_fill(~mask, -torch.inf).softmax(-1))
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        scores, mask = t.randn(3, 4, dtype=dtype), random_mask(t, 3, 4)
        with family("dtype", f"in {dtype}"):
            expected = scores.double().masked_fill(~mask, -torch.inf).softmax(-1)
            t.equal(a.masked_weights(scores, mask), expected.to(dtype))


w4 = Exercise(
    "W4",
    takes={"split_heads": Tensor, "merge_heads": Tensor},
    forbids=forbid("rearrange", why="do it with `reshape` and `transpose` once, to know what it does"),
    hints=(
        "Only the last axis is cut. Cut it first, where its pieces lie side by side, and move the new axis "
        "afterwards.",
        "[B, T, D] → [B, T, H, D_h] by `reshape`, → [B, H, T, D_h] by a transposition. Merging is the "
        "reverse.",
        "`x.reshape(B, T, n_heads, D // n_heads).transpose(1, 2)`, and back: "
        "`x.transpose(1, 2).reshape(B, T, H * D_h)`",
    ),
)


def split(x: Tensor, n_heads: int) -> Tensor:
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


@w4.probe("the-cuts")
def wrong_cuts(a: Any, t: Trial) -> str | None:
    x = torch.arange(24.0).reshape(1, 4, 6)
    name_it(
        t,
        a.split_heads(x, 2),
        split(x, 2),
        [
            (
                "cuts-the-time",
                x.reshape(1, 2, 4, 3),
                "your heads mix time and channels: head 0 got position 0 whole, then position 1. Reshape to "
                "[B, T, H, D_h] first, then transpose(1, 2)",
            ),
            (
                "not-transposed",
                x.reshape(1, 4, 2, 3),
                "the result is [B, T, H, D_h]; the heads come before the positions: transpose(1, 2)",
            ),
            (
                "head-has-every-second-number",
                x.reshape(1, 4, 3, 2).permute(0, 3, 1, 2),
                "head 0 got the numbers 0, 2, 4 of a position; it gets neighbours: 0, 1, 2",
            ),
            (
                "axes-exchanged",
                x.reshape(1, 4, 2, 3).permute(2, 0, 1, 3),
                "the result is [H, B, T, D_h]: the batch comes first, [B, H, T, D_h]",
            ),
            (
                "axes-exchanged",
                x.reshape(1, 4, 2, 3).permute(0, 2, 3, 1),
                "the result is [B, H, D_h, T]; [B, H, T, D_h] is asked for",
            ),
            (
                "sizes-exchanged",
                x.reshape(1, 4, 3, 2).transpose(1, 2),
                "the result has D_h heads of width H: the sizes are exchanged",
            ),
        ],
    )
    return None


@w4.probe("the-way-back")
def wrong_way_back(a: Any, t: Trial) -> str | None:
    heads = torch.arange(24.0).reshape(1, 2, 4, 3)
    name_it(
        t,
        a.merge_heads(heads),
        torch.cat(heads.unbind(1), dim=-1),
        [
            (
                "merges-without-transposing",
                heads.reshape(1, 4, 6),
                "merge_heads reshapes without a transposition first: neighbours in time land in one position",
            ),
            (
                "merges-interleaved",
                heads.permute(0, 2, 3, 1).reshape(1, 4, 6),
                "the numbers of the heads are interleaved; those of head 0 come first, then those of head 1",
            ),
            ("averages-the-heads", heads.mean(1), "the heads are put side by side, not averaged"),
        ],
    )
    return None


@w4.property("cut and put together")
def cut_and_together(a: Any, t: Trial) -> None:
    for b, time, heads, width in (
        (1, 1, 1, 1),
        (1, 3, 2, 2),
        (2, 4, 2, 3),
        (3, 2, 3, 2),
        (2, 3, 1, 4),
        (0, 3, 2, 2),
    ):
        for layout, x in layouts(t, b, time, heads * width):
            with family("split-in-every-layout", f"x {layout}, shape {tuple(x.shape)}, {heads} heads"):
                t.equal(a.split_heads(x, heads), split(x, heads))
        for layout, y in layouts(t, b, heads, time, width):
            with family("merge-in-every-layout", f"heads {layout}, shape {tuple(y.shape)}"):
                t.equal(a.merge_heads(y), torch.cat(y.unbind(1), dim=-1))
    with family("merge-in-every-layout", "merge_heads(split_heads(x))"):
        x = t.randn(2, 5, 6, dtype=torch.float32)
        t.equal(a.merge_heads(a.split_heads(x, 3)), x)


w1.reward(pictures.smoothing)
w2.reward(pictures.spread_of_scores)
w3.reward(pictures.masked_rows)
w4.reward(pictures.heads_as_colours)
