"""W3: a softmax among the visible keys."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import family, name_it
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures_warmups as pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import random_mask
from phase2_intermediate.lab1_attention.checks_by_exercise.warmups_mistakes import (
    of_weights,
)

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


w3.reward(pictures.masked_rows)
