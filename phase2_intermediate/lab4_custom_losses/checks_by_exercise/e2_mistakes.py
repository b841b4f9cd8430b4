"""The known mistakes of E2, each by its signature on a few embeddings."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.defaults import defaults
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import (
    CloseProbes,
    close,
    double,
    gradients,
)

probe = CloseProbes()

A, B = double([[0.0] * 5]), double([[0.3, 0.4, 0.0, 0.0, 0.0]])  # distance 0.5
YES, NO = torch.tensor([True]), torch.tensor([False])
U, V = double([[3.0, 4.0]]), double([[4.0, 3.0]])  # cosine 24/25
PLUS, MINUS = torch.tensor([1]), torch.tensor([-1])
LINE, LABELS = double([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([0, 0, 1, 2])  # the statement's example
FAR = double([[0.0], [1.0], [2.5], [4.0], [9.0]])  # labels 0 0 0 1 1: near and far positives differ
FAR_LABELS = torch.tensor([0, 0, 0, 1, 1])

defaults(
    probe,
    ("contrastive_loss", (A, B, NO), {"margin": 1.0}),
    ("cosine_embedding_loss", (U, V, MINUS), {"margin": 0.0}),
    ("batch_hard_triplet", (FAR, FAR_LABELS), {"margin": 0.3, "squared": False, "soft": False}),
)


@probe("detached")
def detached(a: Any, t: Trial) -> str | None:
    for name, call in (
        ("contrastive_loss", lambda p, q: a.contrastive_loss(p, q, torch.tensor([True, False]), 9.0)),
        ("cosine_embedding_loss", lambda p, q: a.cosine_embedding_loss(p, q, torch.tensor([1, -1]), -1.0)),
        (
            "batch_hard_triplet",
            lambda p, q: a.batch_hard_triplet(torch.cat([p, q]), LABELS.clamp(max=1), 9.0)[0],
        ),
    ):
        attempt = t.tried(lambda call=call: gradients(call, t.randn(2, 3), t.randn(2, 3)))
        if attempt.error is None and any(g is None for g in attempt.value[1]):
            return (
                f"{name}: no gradient arrives at an embedding; something was detached (`.item()`, "
                f"`.detach()`)"
            )
    return None


# ---- pairs --------------------------------------------------------------------------------------------


probe.value(
    "same-and-different-swapped",
    lambda a: torch.stack([a.contrastive_loss(A, B, YES, 2.0), a.contrastive_loss(A, B, NO, 2.0)]),
    double([1.5**2, 0.25]),
    "a pair of the *same* kind at distance 0.5 costs {found} instead of 0.25: the two branches are swapped. "
    "Same: d², drawn together; different: max(0, margin − d)², pushed apart",
)
probe.value(
    "distance-not-squared",
    lambda a: a.contrastive_loss(A, B, YES),
    0.5,
    "a pair of the same kind at distance 0.5 costs {found}, expected d² = 0.25",
)
probe.value(
    "half-a-loss",
    lambda a: a.contrastive_loss(A, B, YES),
    0.125,
    "a pair of the same kind at distance 0.5 costs {found}, expected d² = 0.25: there is no ½ in this "
    "version",
)
probe.value(
    "mean-over-dimensions",
    lambda a: a.contrastive_loss(A, B, YES),
    0.05,
    "a pair at distance 0.5 costs {found}: d is the length of the difference, the root of the *sum* of "
    "squares",
)
probe.value(
    "sum-of-absolute-differences",
    lambda a: a.contrastive_loss(A, B, YES),
    0.49,
    "the difference [0.3, 0.4] costs {found}: |0.3| + |0.4| = 0.7 was taken for d. Euclid's d is 0.5",
)
probe.value(
    "margin-for-the-same",
    lambda a: torch.stack([a.contrastive_loss(A, 10 * B, YES, m) for m in (1.0, 2.0)]),
    [double([16.0, 9.0]), double([24.0, 23.0])],
    "a pair of the *same* kind at distance 5 costs {found} with margins 1 and 2, expected d² = 25 with both: "
    "the margin is for different pairs only",
)
probe.value(
    "a-table-instead-of-pairs",
    lambda a: a.contrastive_loss(torch.cat([A, A]), torch.cat([B, 4 * B]), torch.tensor([True, False]), 3.0),
    [(0.25 + 4 + 6.25 + 1) / 4, (0.25 + 4 + 6.25 + 1) / 2],
    "two pairs gave {found}, expected 0.625: a column [2, 1] of distances met the row [2] of `same` and made "
    "four losses of two. Keep d in the shape [N]",
)
probe.value(
    "distance-squared-twice",
    lambda a: a.contrastive_loss(A, B, NO, 1.0),
    [(1 - 0.25) ** 2, 1 - 0.25],
    "a different pair at distance 0.5, margin 1, costs {found}: the margin is compared with the squared "
    "distance. Expected (1 − 0.5)² = 0.25",
)
probe.value(
    "hinge-not-squared",
    lambda a: a.contrastive_loss(A, B, NO, 2.0),
    1.5,
    "a different pair at distance 0.5, margin 2, costs {found}, expected (2 − 0.5)² = 2.25",
)
probe.value(
    "hinge-without-floor",
    lambda a: a.contrastive_loss(A, 10 * B, NO, 1.0),
    16.0,
    "a different pair at distance 5, margin 1, costs {found}, expected 0: far enough apart is enough, "
    "max(0, margin − d) before the square",
)
probe.value(
    "margin-fixed",
    lambda a: a.contrastive_loss(A, B, NO, 2.0),
    0.25,
    "margin=2 gives {found}, what margin=1 gives: use the argument",
)
probe.value(
    "cosine-of-lengths",
    lambda a: a.cosine_embedding_loss(U, V, PLUS),
    [1 - 24.0, -23.0],
    "cosine_embedding_loss([3, 4], [4, 3], +1) is {found}: that is 1 − the dot product. The cosine divides "
    "by both lengths: 24/25",
)
probe.value(
    "cosine-sign",
    lambda a: a.cosine_embedding_loss(U, V, PLUS),
    [0.96, 1.96, -0.96],
    "cosine_embedding_loss([3, 4], [4, 3], +1) is {found}, expected 1 − 24/25 = 0.04: similar pairs of the "
    "same kind cost little",
)


probe.value(
    "cosine-margin-for-the-same",
    lambda a: a.cosine_embedding_loss(U, V, PLUS, 0.5),
    [0.0, -0.46, 0.54],
    "a pair of the *same* kind with cosine 0.96 costs {found} with margin 0.5, expected 1 − 0.96 = 0.04: the "
    "margin is for different pairs only",
)
probe.value(
    "cosine-hinge-squared",
    lambda a: a.cosine_embedding_loss(U, V, MINUS, 0.5),
    0.46**2,
    "a different pair with cosine 0.96 and margin 0.5 costs {found}, expected 0.46: nothing is squared here",
)
probe.value(
    "negative-margin",
    lambda a: a.cosine_embedding_loss(U, -V, MINUS, -2.0),
    [0.0, 2.0],
    "a different pair with cosine −0.96 and margin −2 costs {found}, expected −0.96 + 2 = 1.04: the margin "
    "may be negative, and the floor at 0 comes after it is subtracted",
)


@probe("zero-and-one-for-plus-and-minus")
def zero_and_one(a: Any, t: Trial) -> str | None:
    found = a.cosine_embedding_loss(U, V, MINUS, 0.5)
    if close(found, 0.46):
        return None
    if close(found, 0.04) or close(a.cosine_embedding_loss(U, V, torch.tensor([0]), 0.5), 0.46):
        return (
            f"y = −1 (different) at cosine 0.96, margin 0.5, costs {numbers(found)}, expected 0.46: y holds "
            "+1 and −1, not 1 and 0. In Python −1 is as true as 1"
        )
    return None


@probe("negative-cosine-costs")
def negative_cosine(a: Any, t: Trial) -> str | None:
    found = a.cosine_embedding_loss(U, -V, MINUS, 0.5)
    if not close(found, 0.0):
        return (
            f"a different pair with cosine −0.96 and margin 0.5 costs {numbers(found)}, expected 0: "
            "max(0, cos − margin)"
        )
    found = a.cosine_embedding_loss(U, V, MINUS, 0.5)
    if close(found, 0.96) or close(found, 1.46):
        return (
            f"a different pair with cosine 0.96 and margin 0.5 costs {numbers(found)}, expected 0.96 − "
            f"0.5 = 0.46"
        )
    return None


@probe("pairs-are-summed")
def pairs_summed(a: Any, t: Trial) -> str | None:
    twice = torch.cat([A, A]), torch.cat([B, B]), torch.tensor([True, True])
    found = a.contrastive_loss(*twice)
    if close(found, 0.5):
        return "two pairs that cost 0.25 each gave 0.5, the sum; asked for is the mean over the pairs"
    angle = a.cosine_embedding_loss(torch.cat([U, U]), torch.cat([V, V]), torch.tensor([1, 1]))
    if close(angle, 0.08):
        return "two pairs that cost 0.04 each gave 0.08, the sum; asked for is the mean over the pairs"
    for loss in (found, angle):
        if loss.dim():
            return f"the loss of two pairs has shape {tuple(loss.shape)}, expected one number: their mean"
    return None
