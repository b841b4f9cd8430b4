"""W2: scores of all pairs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.naming import family, name_it
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures_warmups as pictures
from phase2_intermediate.lab1_attention.checks_by_exercise.warmups_mistakes import (
    of_scores,
)

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


w2.reward(pictures.spread_of_scores)
