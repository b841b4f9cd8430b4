"""E2: distances with safe gradients. What must hold; the known mistakes stand in `e2_mistakes`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from phase2_intermediate.lab4_custom_losses.checks_by_exercise import pictures
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e2_mistakes_triplets import probe
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import (
    closed,
    double,
    expect,
    expect_gradient,
    gradients,
    right_dtype,
    zero_with_graph,
)

e2 = Exercise(
    "E2",
    takes={"contrastive_loss": Tensor, "cosine_embedding_loss": Tensor, "batch_hard_triplet": None},
    forbids=closed(
        "cosine_embedding_loss",
        aten=("cosine_embedding_loss",),
        shared="pairs triplet",
        why="it is the answer itself. `cosine_similarity`, `normalize`, `cdist` and `vector_norm` are fine",
    ),
    hints=(
        "Three questions for every loss: which distance, over which pairs, divided by what? And one for "
        "autograd: what happens at distance 0? `torch.linalg.vector_norm` and `torch.cdist` have a gradient "
        "of 0 there.",
        "All pairs at once: d[i, j], `same[i, j] = labels[i] == labels[j]`. Positives are `same` without the "
        "diagonal, negatives `~same`. d_ap is the maximum of d with −∞ where there is no positive, d_an the "
        "minimum with +∞ where there is no negative.",
        "`d = torch.linalg.vector_norm(z[:, None] - z[None], dim=2)`; `valid = positive.any(1) & "
        "(~same).any(1)`; if none: `return z.sum() * 0, {… 0.0}`; `d_ap = d.masked_fill(~positive, "
        "-torch.inf)[valid].amax(1)`; `d_an = d.masked_fill(same, torch.inf)[valid].amin(1)`; then "
        "`(d_ap - d_an + margin).clamp(min=0).mean()` or `F.softplus(d_ap - d_an).mean()`.",
    ),
)
probe.add_to(e2)
LOOSE = {"rtol": 1e-4, "atol": 1e-4}  # an ε under a root shows in the slope of a small distance


def contrastive(z1: Tensor, z2: Tensor, same: Tensor, margin: float) -> Tensor:
    losses = []
    for p, q, one in zip(z1, z2, same.tolist(), strict=True):
        d2 = (p - q).square().sum()
        losses.append(d2 if one else (margin - d2.sqrt()).clamp(min=0).square())
    return torch.stack(losses).mean()


def cosine(z1: Tensor, z2: Tensor, y: Tensor, margin: float) -> Tensor:
    losses = []
    for p, q, one in zip(z1, z2, y.tolist(), strict=True):
        cos = p @ q / (p.square().sum() * q.square().sum()).sqrt()
        losses.append(1 - cos if one == 1 else (cos - margin).clamp(min=0))
    return torch.stack(losses).mean()


def triplet(
    z: Tensor, labels: Tensor, margin: float, squared: bool, soft: bool
) -> tuple[Tensor, dict[str, float]]:
    """By brute force: every triple looked at."""
    gaps, ap, an = [], [], []
    for i in range(len(z)):
        d = [(z[i] - z[j]).square().sum() for j in range(len(z))]
        d = d if squared else [x.clamp(min=1e-300).sqrt() for x in d]
        near = [d[j] for j in range(len(z)) if j != i and labels[j] == labels[i]]
        far = [d[j] for j in range(len(z)) if labels[j] != labels[i]]
        if near and far:
            p, n = max(near, key=float), min(far, key=float)
            gaps.append(p - n)
            ap.append(float(p))
            an.append(float(n))
    gap = torch.stack(gaps)
    active = sum(float(g) + margin > 0 for g in gap) / len(gap)
    losses = torch.logaddexp(gap, torch.zeros_like(gap)) if soft else (gap + margin).clamp(min=0)
    return losses.mean(), {"frac_active": active, "mean_ap": sum(ap) / len(ap), "mean_an": sum(an) / len(an)}


@e2.property("contrastive loss", points=4)
def contrastive_loss(a: Any, t: Trial) -> None:
    for rows, width in ((1, 2), (4, 3), (7, 1), (5, 6)):
        for margin in (1.0, 0.4, 4.0):
            kind = t.randint(0, 2, rows).bool()
            expect_gradient(
                t,
                lambda p, q, k=kind, m=margin: a.contrastive_loss(p, q, k, m),
                lambda p, q, k=kind, m=margin: contrastive(p, q, k, m),
                [t.randn(rows, width), t.randn(rows, width)],
                f"contrastive_loss with margin={margin}: d² for the same, max(0, margin − d)² for others",
                diagnosis="contrastive-value",
                **LOOSE,
            )


@e2.property("cosine loss", points=4)
def cosine_loss(a: Any, t: Trial) -> None:
    for rows, width in ((1, 2), (4, 3), (6, 5)):
        for margin in (0.0, 0.3, -0.5):
            kind = 2 * t.randint(0, 2, rows) - 1
            expect_gradient(
                t,
                lambda p, q, k=kind, m=margin: a.cosine_embedding_loss(p, q, k, m),
                lambda p, q, k=kind, m=margin: cosine(p, q, k, m),
                [t.randn(rows, width) * 3, t.randn(rows, width) * 0.5],
                f"cosine_embedding_loss with margin={margin}: 1 − cos for +1, max(0, cos − margin) for −1",
                diagnosis="cosine-value",
            )


@e2.property("batch-hard triplets", points=7)
def batch_hard(a: Any, t: Trial) -> None:
    for rows, width, classes in ((3, 1, 2), (5, 2, 2), (8, 3, 3), (9, 2, 4), (12, 4, 3)):
        labels = t.randint(0, classes, rows) * 7 - 3
        labels[:3] = torch.tensor([4, -3, 4])
        labels = labels[torch.randperm(rows, generator=t.generator)]
        for squared, soft in ((False, False), (True, False), (False, True), (True, True)):
            margin = t.random.choice((0.0, 0.3, 1.0, 3.0))
            z, how = t.randn(rows, width), {"squared": squared, "soft": soft}
            with t.oracle():
                _, stats = triplet(z, labels, margin, squared, soft)
            words = f"batch_hard_triplet with margin={margin}, squared={squared}, soft={soft}"
            expect_gradient(
                t,
                lambda z, m=margin, h=how, y=labels: a.batch_hard_triplet(z, y, m, **h)[0],
                lambda z, m=margin, h=how, y=labels: triplet(z, y, m, h["squared"], h["soft"])[0],
                [z],
                f"{words}: the mean over valid anchors of the hardest triplet",
                diagnosis="triplet-value",
                **LOOSE,
            )
            found = a.batch_hard_triplet(z, labels, margin, **how)[1]
            t.equal(found, stats, f"{words}: the statistics", diagnosis="triplet-stats", **LOOSE)


@e2.property("embeddings that coincide, vectors of zeros, huge values", points=3)
def coincidence(a: Any, t: Trial) -> None:
    point = t.randn(3, 2)
    for kind, loss in ((True, 0.0), (False, 1.0)):
        found, grads = gradients(
            lambda p, q, k=kind: a.contrastive_loss(p, q, torch.tensor([k] * 3)), point, point
        )
        t.equal(found, double(loss), f"equal embeddings, same = {kind}", rtol=5e-3, atol=5e-3, dtype=False)
        finite(t, grads, "contrastive_loss of equal embeddings")
    huge = gradients(
        lambda p, q: a.contrastive_loss(p, q, torch.tensor([True, False, False])), point * 1e4, -point * 1e4
    )
    finite(t, [huge[0], *huge[1]], "contrastive_loss of embeddings around ±10,000")
    z = torch.cat([point, point, torch.zeros(2, 2, dtype=point.dtype)])
    labels = torch.tensor([0, 1, 2, 0, 1, 1, 2, 0])
    for how in ({}, {"soft": True}, {"squared": True}):
        found, grads = gradients(lambda z, h=how: a.batch_hard_triplet(z, labels, **h)[0], z)
        finite(t, [found, *grads], f"batch_hard_triplet{how} with equal embeddings")
    everywhere = torch.ones(4, 2, dtype=point.dtype)
    t.equal(
        a.batch_hard_triplet(everywhere, torch.tensor([0, 0, 1, 1]), 0.3)[0],
        double(0.3),
        "all embeddings in one point: the loss is the margin",
        diagnosis="collapse",
        rtol=1e-3,
        atol=1e-3,
        dtype=False,
    )
    zeros = torch.zeros(2, 3, dtype=point.dtype)
    for y, loss in ((1, 1.0), (-1, 0.0)):
        found, grads = gradients(
            lambda p, q, y=y: a.cosine_embedding_loss(p, q, torch.tensor([y, y])), zeros, t.randn(2, 3)
        )
        t.equal(
            found,
            double(loss),
            f"a zero vector has cosine 0, y = {y}",
            diagnosis="zero-vector",
            rtol=1e-4,
            atol=1e-4,
            dtype=False,
        )
        finite(t, grads, "cosine_embedding_loss of a zero vector")
    short = [t.randn(3, 4) * 2e-3, t.randn(3, 4) * 2e-3]
    t.equal(
        a.cosine_embedding_loss(*short, torch.tensor([1, -1, 1])),
        cosine(*short, torch.tensor([1, -1, 1]), 0.0),
        "embeddings of length 0.004 have the same cosines as long ones (is your ε too large?)",
        diagnosis="short-vectors",
        rtol=0.02,
        atol=0.02,
        dtype=False,
    )
    wide_apart, kinds = t.randn(6, 2) * 3e3, torch.tensor([0, 0, 1, 1, 2, 2])
    t.equal(
        a.batch_hard_triplet(wide_apart, kinds, squared=True)[1],
        triplet(wide_apart, kinds, 0.3, True, False)[1],
        "squared distances of millions (a large number in the place of ∞ is too small then): the statistics",
        diagnosis="huge-distances",
        rtol=1e-3,
    )
    soft = a.batch_hard_triplet(double([[0.0], [1e4], [1.0]]), torch.tensor([0, 0, 1]), soft=True)[0]
    t.that(
        bool(soft.isfinite()), f"soft=True at distances of 10,000 gives {soft}", diagnosis="soft-overflows"
    )


def finite(t: Trial, values: list[Tensor | None], words: str) -> None:
    for found in values:
        t.that(
            found is not None and bool(found.isfinite().all()),
            f"{words}: {'no gradient arrived' if found is None else 'a value or gradient is not finite'}",
            diagnosis="not-finite",
        )


@e2.property("no pairs, no valid anchors, other layouts and dtypes", points=2)
def edges(a: Any, t: Trial) -> None:
    none, other = t.randn(0, 3), torch.empty(0, dtype=torch.int64)
    zero_with_graph(
        t,
        lambda z: a.contrastive_loss(z, none, other.bool()),
        none,
        "contrastive_loss of no pairs",
        "nothing",
    )
    zero_with_graph(
        t,
        lambda z: a.cosine_embedding_loss(z, none, other),
        none,
        "cosine_embedding_loss of no pairs",
        "nothing",
    )
    for z, labels, words in (
        (none, other, "no rows"),
        (t.randn(1, 3), torch.tensor([4]), "one row"),
        (t.randn(3, 3), torch.tensor([2, 2, 2]), "one class"),
        (t.randn(3, 3), torch.tensor([2, 5, 1]), "no two rows of one class"),
    ):
        for how in ({}, {"soft": True}):
            zero_with_graph(
                t,
                lambda z, y=labels, h=how: a.batch_hard_triplet(z, y, **h)[0],
                z,
                f"batch_hard_triplet{how} of {words}",
                "nothing",
            )
        stats = a.batch_hard_triplet(z, labels)[1]
        t.that(
            all(number == 0.0 and not math.isnan(number) for number in stats.values()),
            f"stats of {words} are {stats}, expected 0.0 three times",
            diagnosis="nothing",
        )
    z, labels = t.randn(3, 6).T, torch.tensor([0, 1, 0, 1, 1, 2])
    expect(
        t,
        lambda: a.batch_hard_triplet(z, labels)[0],
        triplet(z, labels, 0.3, False, False)[0],
        "batch_hard_triplet of a transposed z, margin left at 0.3",
        diagnosis="other-layout",
    )
    kind = torch.tensor([True, False, True, False, True, False])
    right_dtype(t, "batch_hard_triplet", lambda d: a.batch_hard_triplet(z.to(d), labels)[0])
    right_dtype(t, "contrastive_loss", lambda d: a.contrastive_loss(z.to(d), z.flip(0).to(d), kind))
    right_dtype(
        t,
        "cosine_embedding_loss",
        lambda d: a.cosine_embedding_loss(z.to(d), z.flip(0).to(d), 2 * kind.long() - 1),
    )


e2.reward(pictures.pulled_apart)
