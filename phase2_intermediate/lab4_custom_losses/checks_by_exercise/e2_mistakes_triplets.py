"""The known mistakes of E2 in batch-hard triplets, and at the edges of all three losses."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e2_mistakes import (
    FAR,
    FAR_LABELS,
    LABELS,
    LINE,
    NO,
    PLUS,
    YES,
    U,
    V,
    probe,
)
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import close, double, gradients

# ---- triplets: which anchors, which neighbours --------------------------------------------------------


def loss_of(a: Any, z: Tensor, labels: Tensor, *margin: float, **how: Any) -> Tensor:
    result = a.batch_hard_triplet(z, labels, *margin, **how)
    found: Tensor = result[0]
    return found


@probe("form-of-the-result")
def form(a: Any, t: Trial) -> str | None:
    result = a.batch_hard_triplet(LINE, LABELS, 1.5)
    if isinstance(result, tuple) and [type(part) for part in result] == [dict, Tensor]:
        return "batch_hard_triplet returned (stats, loss), expected the loss first: (loss, stats)"
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], Tensor)):
        return f"batch_hard_triplet returned a {type(result).__name__}, expected the tuple (loss, stats)"
    loss, stats = result
    wanted = {"frac_active", "mean_ap", "mean_an"}
    if not isinstance(stats, dict) or set(stats) != wanted:
        return f"stats is {stats!r:.120}, expected a dict with the keys frac_active, mean_ap and mean_an"
    for name, number in stats.items():
        if not isinstance(number, float):
            return f"stats[{name!r}] is a {type(number).__name__}, expected a Python float: call `.item()`"
    if loss.dim():
        return f"the loss has shape {tuple(loss.shape)}, expected one number: the mean over the valid anchors"
    return None


def brute(z: Tensor, labels: Tensor, margin: float, positive: Any = max, negative: Any = min) -> float:
    losses = []
    for i in range(len(z)):
        near = [float((z[i] - z[j]).norm()) for j in range(len(z)) if j != i and labels[j] == labels[i]]
        far = [float((z[i] - z[j]).norm()) for j in range(len(z)) if labels[j] != labels[i]]
        if near and far:
            losses.append(max(0.0, positive(near) - negative(far) + margin))
    return sum(losses) / len(losses)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@probe("every-triplet-instead-of-the-hardest")
def every_triplet(a: Any, t: Trial) -> str | None:
    d = (FAR - FAR.T).abs()
    losses = [
        max(0.0, float(d[i, j] - d[i, k]) + 5.0)
        for i in range(5)
        for j in range(5)
        for k in range(5)
        if i != j and FAR_LABELS[i] == FAR_LABELS[j] != FAR_LABELS[k]
    ]
    found = loss_of(a, FAR, FAR_LABELS, 5.0)
    if close(found, mean(losses)) or close(found, sum(losses)):
        return (
            f"all {len(losses)} triplets were averaged ({numbers(found)}): batch-hard takes one triplet for "
            "each anchor, its farthest positive and its nearest negative"
        )
    return None


@probe("lonely-anchors-count")
def lonely_anchors(a: Any, t: Trial) -> str | None:
    z, labels = double([[0.0], [1.0], [1.2]]), torch.tensor([0, 0, 1])  # row 2 has no positive
    right = ((1 - 1.2 + 0.5) + (1 - 0.2 + 0.5)) / 2
    lonely = (0.3 + 1.3 + max(0.0, 0 - 0.2 + 0.5)) / 3
    found = loss_of(a, z, labels, 0.5)
    if close(found, lonely) and not close(found, right):
        return (
            "a row without a partner was used as an anchor with itself as positive (distance 0): "
            f"{numbers(found)} instead of {right:.4g}. Leave the diagonal out of the positives, and such "
            "anchors out of the mean"
        )
    return None


probe.value(
    "averages-over-all-anchors",
    lambda a: loss_of(a, LINE, LABELS, 1.5),
    0.125,
    "the statement's example gives {found}, expected 0.25: the sum was divided by all 4 rows, but only 2 "
    "anchors are valid",
)
probe.value(
    "averages-over-active-anchors",
    lambda a: loss_of(a, LINE, LABELS, 1.5),
    0.5,
    "the statement's example gives {found}, expected 0.25: the mean is over the valid anchors, also those "
    "whose loss is 0 (or the sum was not divided at all)",
)


probe.value(
    "nearest-positive",
    lambda a: loss_of(a, FAR, FAR_LABELS, 2.0),
    brute(FAR, FAR_LABELS, 2.0, positive=min),
    "the *nearest* positive was mined ({found}): the hard one is the farthest of its own class",
)
probe.value(
    "farthest-negative",
    lambda a: loss_of(a, FAR, FAR_LABELS, 5.0),
    [brute(FAR, FAR_LABELS, 5.0, negative=max), brute(FAR, FAR_LABELS, 5.0, positive=min, negative=max)],
    "the *farthest* negative was mined ({found}): the hard one is the nearest of another class",
)
probe.value(
    "all-instead-of-hardest",
    lambda a: loss_of(a, FAR, FAR_LABELS, 5.0),
    [
        brute(FAR, FAR_LABELS, 5.0, positive=mean, negative=mean),
        brute(FAR, FAR_LABELS, 5.0, positive=mean),
        brute(FAR, FAR_LABELS, 5.0, negative=mean),
    ],
    "a mean of distances was used ({found}): batch-hard takes for each anchor the one farthest positive and "
    "the one nearest negative",
)


probe.value(
    "pairs-in-one-direction",
    lambda a: loss_of(a, FAR, FAR_LABELS, 5.0),
    [15.5 / 3, 12.5 / 3, 15.5 / 5, 12.5 / 5],
    "the loss is {found}: only positives on one side of an anchor were looked at (a triangle of the table). "
    "An anchor's positives stand before and after it",
)


@probe("masked-by-multiplying")
def masked_by_multiplying(a: Any, t: Trial) -> str | None:
    d = (FAR - FAR.T).abs()
    same_class = FAR_LABELS[:, None] == FAR_LABELS[None]
    d_ap = (d * same_class).amax(1)
    if close(loss_of(a, FAR, FAR_LABELS, 2.0), (d_ap + 2.0).mean()):
        return (
            "the nearest negative is always at distance 0: distances of the same class were multiplied by 0, "
            "and the minimum picks such a 0. Fill them with +inf instead"
        )
    return None


probe.value(
    "margin-sign",
    lambda a: loss_of(a, FAR, FAR_LABELS, 2.0),
    mean(
        [max(0.0, ap - an - 2.0) for ap, an in ((2.5, 4.0), (1.5, 3.0), (2.5, 1.5), (5.0, 1.5), (5.0, 6.5))]
    ),
    "the margin is subtracted ({found}): then the loss is 0 already when everything collapses into one "
    "point. It is max(0, d_ap − d_an + margin)",
)
probe.value(
    "positive-and-negative-swapped",
    lambda a: loss_of(a, FAR, FAR_LABELS, 2.0),
    mean(
        [max(0.0, an - ap + 2.0) for ap, an in ((2.5, 4.0), (1.5, 3.0), (2.5, 1.5), (5.0, 1.5), (5.0, 6.5))]
    ),
    "d_an − d_ap stands in the loss ({found}): that drives classes into each other. It is d_ap − d_an + "
    "margin",
)
probe.value(
    "no-floor-at-zero",
    lambda a: loss_of(a, LINE, LABELS, 0.0),
    -1.5,
    "the loss is {found}, negative: a triplet that is satisfied costs 0, max(0, …)",
)


@probe("squared-ignored")
def squared_ignored(a: Any, t: Trial) -> str | None:
    plain, squared = loss_of(a, FAR, FAR_LABELS, 2.0), loss_of(a, FAR, FAR_LABELS, 2.0, squared=True)
    if close(plain, squared) and close(plain, loss_of(a, 2 * FAR, FAR_LABELS, 2.0)):
        return (
            "embeddings twice as long give the same loss: they were normalised. Here their length counts, "
            "d is the distance of the rows as they are"
        )
    if close(plain, squared):
        return "squared=False and squared=True give the same loss: squared=True takes d² in the place of d"
    if close(plain, (6.0 + 24.75) / 5):
        return f"the loss is {numbers(plain)}, that of d² in the place of d: squared=True was not given"
    if close(squared, (8.0 + 26.75) / 5) or close(squared, (4.0 + 22.75) / 5):
        return (
            f"squared=True with margin 2 gives {numbers(squared)}, expected 6.15: only the distances are "
            "squared; the margin is added as it is"
        )
    if close(squared, plain**2):
        return "squared=True squares the loss; it is the *distances* that are squared, before the margin"
    return None


@probe("soft-margin")
def soft_margin(a: Any, t: Trial) -> str | None:
    gaps = double([2.5 - 4.0, 1.5 - 3.0, 2.5 - 1.5, 5.0 - 1.5, 5.0 - 6.5])
    found = loss_of(a, FAR, FAR_LABELS, 2.0, soft=True)
    if close(found, torch.nn.functional.softplus(gaps + 2.0).mean()):
        return (
            f"soft=True added the margin inside the softplus ({numbers(found)}): softplus(d_ap − d_an), "
            f"no margin"
        )
    turned = loss_of(a, LINE, LABELS, 2.0, soft=True)  # here the gaps are −2 and −1
    if close(turned, torch.nn.functional.softplus(double([2.0, 1.0])).mean()):
        return f"soft=True has d_an − d_ap in the exponent ({numbers(turned)}): it is d_ap − d_an"
    plain = loss_of(a, FAR, FAR_LABELS, 2.0)
    if close(plain, torch.nn.functional.softplus(gaps + 2.0).mean()):
        return f"softplus stands also where soft=False ({numbers(plain)}): there it is max(0, …)"
    if close(found, plain):
        return "soft=True changes nothing: the loss is then log(1 + exp(d_ap − d_an))"
    far = loss_of(a, 400 * FAR, FAR_LABELS, soft=True)
    if close(found, torch.nn.functional.softplus(gaps).mean()) and not bool(far.isfinite()):
        return (
            f"soft=True overflows for distances in the thousands ({numbers(far)}): use softplus, or logaddexp"
        )
    return None


@probe("stats-of-the-wrong-distances")
def stats_wrong(a: Any, t: Trial) -> str | None:
    _, stats = a.batch_hard_triplet(LINE, LABELS, 1.5)
    if math.isclose(stats["mean_ap"], 2.5, rel_tol=1e-5) and math.isclose(
        stats["mean_an"], 1.0, rel_tol=1e-5
    ):
        return "mean_ap is 2.5 and mean_an 1.0 in the statement's example: they are swapped"
    if math.isclose(stats["frac_active"], 50.0):
        return "frac_active is 50 in the statement's example: a share, 0.5, not percent"
    if stats["frac_active"] == 0.0 and math.isclose(stats["mean_ap"], 1.0, rel_tol=1e-5):
        return (
            "frac_active is 0 in the statement's example, expected 0.5: an anchor is active where d_ap − "
            "d_an + margin > 0; with the margin 1.5 that is one of two"
        )
    right = {"frac_active": 0.5, "mean_ap": 1.0, "mean_an": 2.5}
    for name, number in right.items():
        if not math.isclose(stats[name], number, rel_tol=1e-5):
            return (
                f"in the statement's example stats[{name!r}] is {stats[name]:.4g}, expected {number}: all "
                "three are means over the valid anchors, of the distances that were mined"
            )
    _, stats = a.batch_hard_triplet(2 * LINE, LABELS, 1.5, squared=True)
    if math.isclose(stats["mean_ap"], 2.0, rel_tol=1e-5):
        return "with squared=True stats['mean_ap'] is the plain distance: d² takes the place of d everywhere"
    _, stats = a.batch_hard_triplet(FAR, FAR_LABELS, 2.0, soft=True)
    if not math.isclose(stats["frac_active"], 1.0) and math.isfinite(stats["frac_active"]):
        return (
            f"with soft=True and margin 2 frac_active is {stats['frac_active']:.4g}, expected 1.0: it is the "
            "share of valid anchors with d_ap − d_an + margin > 0, whatever the loss"
        )
    _, stats = a.batch_hard_triplet(0 * LINE, LABELS, 0.0)
    if stats["frac_active"] == 1.0:
        return (
            "all embeddings 0 and margin 0: d_ap − d_an + margin is 0 for every anchor, and frac_active is "
            "1. Active is what is *above* 0, so `>`, not `>=`"
        )
    return None


@probe("depends-on-the-order-of-the-rows")
def order_of_rows(a: Any, t: Trial) -> str | None:
    order = torch.tensor([3, 0, 4, 2, 1])
    here, there = loss_of(a, FAR, FAR_LABELS, 2.0), loss_of(a, FAR[order], FAR_LABELS[order], 2.0)
    if not close(here, there):
        return (
            f"the same five rows with their labels in another order give {numbers(there)} instead of "
            f"{numbers(here)}: labels come in any order, so compare them with each other instead of counting "
            "on groups"
        )
    return None


# ---- gradients and edges ------------------------------------------------------------------------------


@probe("nan-gradient-at-distance-zero")
def nan_gradient(a: Any, t: Trial) -> str | None:
    point = double([[0.3, 0.4]])
    for same_kind in (YES, NO):
        _, grads = gradients(lambda p, q, s=same_kind: a.contrastive_loss(p, q, s), point, point)
        if any(g is not None and not bool(g.isfinite().all()) for g in grads):
            return (
                "contrastive_loss of two equal embeddings has the gradient nan: √ is infinitely steep at 0. "
                "Use `torch.linalg.vector_norm`, or an ε inside the root"
            )
    z = double([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [0.0, 5.0]])
    labels = torch.tensor([0, 0, 1, 1])
    for how in ({}, {"soft": True}):
        _, grads = gradients(lambda x, how=how: loss_of(a, x, labels, 0.3, **how), z)
        if grads[0] is not None and not bool(grads[0].isfinite().all()):
            return (
                "batch_hard_triplet with three equal embeddings has the gradient nan: √ is infinitely steep "
                "at 0 (the diagonal counts as well, even where it is masked out later). cdist and "
                "vector_norm are safe, or put an ε under the root"
            )
    return None


@probe("nan-of-a-zero-vector")
def zero_vector(a: Any, t: Trial) -> str | None:
    loss, grads = gradients(lambda p, q: a.cosine_embedding_loss(p, q, PLUS), 0 * U, V)
    bad = not bool(loss.isfinite()) or any(g is None or not bool(g.isfinite().all()) for g in grads)
    if bad:
        return (
            f"the zero vector gives the loss {numbers(loss)} and a gradient that is not finite: 0/0. Its "
            "cosine is 0; divide by at least a small ε, as F.normalize does"
        )
    return None


@probe("no-valid-anchor")
def no_valid_anchor(a: Any, t: Trial) -> str | None:
    for z, labels, why in (
        (LINE, torch.tensor([0, 1, 2, 3]), "every row alone in its class"),
        (LINE, torch.tensor([5, 5, 5, 5]), "one class only, so no negative"),
        (LINE[:1], torch.tensor([0]), "one row"),
    ):
        attempt = t.tried(lambda z=z, labels=labels: a.batch_hard_triplet(z, labels))
        if attempt.error is not None:
            return f"{why}: it raised {type(attempt.error).__name__}, expected a loss of 0 and stats of 0.0"
        loss, stats = attempt.value
        if not close(loss, 0.0) or any(number != 0.0 for number in stats.values()):
            return (
                f"{why}: no anchor is valid, so loss and stats are 0; you return {numbers(loss)} and {stats}"
            )
    _, (grad,) = gradients(lambda z: loss_of(a, z, torch.tensor([0, 1, 2, 3])), LINE)
    if grad is None or bool((grad != 0).any()):
        return "no valid anchor: the loss 0 has no graph. Return `z.sum() * 0`, so that `backward()` works"
    return None
