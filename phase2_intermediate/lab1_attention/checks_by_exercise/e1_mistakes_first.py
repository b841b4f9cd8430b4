"""The known mistakes of E1 that are asked for first: a sound pair that was spoilt, and a mask misread."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.naming import name_it
from phase2_intermediate.lab1_attention.checks_by_exercise.e1_mistakes import NEVER, attend, three
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import right_weights

probe = Probes()


@probe("the-weights-spoilt")
def spoilt(a: Any, t: Trial) -> None:
    q, k, v = three(t)
    right = right_weights(q, k)
    cases = [
        ("weights-transposed", right.T, "the weights come back as [T_k, T_q]: each *query* is a row"),
        ("log-weights", right.log(), "the second result holds the logarithms of the weights"),
    ]
    name_it(t, attend(a, t, q, k, v)[1], right, cases)
    q, k, v = t.randn(2, 3, 4, 6), t.randn(2, 3, 5, 6), t.randn(2, 3, 5, 2)
    right = right_weights(q, k)
    words = "q [2, 3, 4, 6] and k [2, 3, 5, 6] have weights [2, 3, 4, 5]; yours are averaged over the "
    averages = [
        ("weights-averaged", right.mean(axis, keepdim=kept), f"{words}{which}")
        for axis, which in ((1, "second axis, the heads"), (0, "first axis, the batch"))
        for kept in (False, True)
    ]
    name_it(t, attend(a, t, q, k, v)[1], right, averages)


@probe("the-mask-misread")
def misread(a: Any, t: Trial) -> None:
    q, k, v = three(t)
    seen = torch.tensor([[True, True, False, True], [False, True, True, False], [True, False, True, True]])
    added = t.randn(3, 4).masked_fill(~seen, NEVER)
    for kind, mask in (("boolean", seen), ("floating", added)):
        attempt = t.tried(lambda mask=mask: attend(a, t, q, k, v, mask))
        if attempt.error is not None:
            return
        words = f"of a {kind} mask [3, 4] the {{}} row counts for all queries: row i belongs to query i"
        cases = [
            ("mask-of-one-query-for-all", right_weights(q, k, mask[0]), words.format("first")),
            ("mask-of-one-query-for-all", right_weights(q, k, mask[-1]), words.format("last")),
        ]
        if kind == "floating":
            twice = "the floating mask was added twice"
            cases.append(("floating-mask-added-twice", right_weights(q, k, 2 * mask), twice))
        name_it(t, attempt.value[1], right_weights(q, k, mask), cases)
