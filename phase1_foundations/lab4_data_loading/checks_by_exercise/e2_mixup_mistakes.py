"""The known mistakes of `mixup`, each by its signature."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import global_draws, listed

probe = Probes()
COUNT = 60


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixed(
    a: Any, t: Trial, alpha: float = 1.0, seed: int = 5, count: int = COUNT
) -> tuple[Tensor, Tensor, Tensor]:
    """x with a class for each example, so that ỹ tells λ and partner; and what mixup returns."""
    x = t.randn(count, 3)
    new_x, new_y = a.mixup(x, torch.arange(count), count, alpha, seeded(seed))
    return x, new_x, new_y


def weights(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(own λ, partner) of each row of ỹ; a row that is its own partner has λ = nan."""
    own = labels.diagonal().clone()
    others = labels.clone()
    others.fill_diagonal_(0)
    partner = others.argmax(1)
    own[(others.amax(1) == 0) & (own == 1)] = float("nan")
    return own, partner


@probe("mixup-returns-something-else")
def returns_else(a: Any, t: Trial) -> str | None:
    x = t.randn(4, 3)
    result = a.mixup(x, torch.tensor([0, 1, 2, 1]), 5, 1.0, seeded(1))
    if len(result) != 2:
        return f"mixup returns {len(result)} things, asked for are two: the blended x and the soft labels"
    new_x, new_y = result
    if new_x.shape != x.shape:
        return f"the blended x has shape {tuple(new_x.shape)}, that of x is {tuple(x.shape)}"
    if tuple(new_y.shape) == (4,):
        return "the labels came back as [B]: soft labels need a column for each class, [B, n_classes]"
    if tuple(new_y.shape) != (4, 5):
        return (
            f"four examples of n_classes=5 need soft labels [4, 5], yours are {list(new_y.shape)}: the "
            "classes that do not occur in the batch count too"
        )
    if new_y.dtype != x.dtype or new_x.dtype != x.dtype:
        return (
            f"x is {x.dtype}; you return {new_x.dtype} and labels of {new_y.dtype}: both should have x's "
            "dtype"
        )
    return None


@probe("mixup-for-images-only")
def images_only(a: Any, t: Trial) -> str | None:
    y = torch.tensor([0, 1, 2])
    failed = []
    for shape in ((3,), (3, 4), (3, 2, 4, 4)):
        x = t.randn(*shape)
        attempt = t.attempt(lambda x=x: a.mixup(x, y, 3, 1.0, seeded(1)))
        if attempt.raised(RuntimeError, IndexError, ValueError):
            failed.append(f"{list(shape)} ({str(attempt.error)[:60]})")
        elif attempt.error is None and attempt.value[0].shape != x.shape:
            failed.append(f"{list(shape)} (it came back as {list(attempt.value[0].shape)})")
    if failed:
        return (
            f"x of shape {failed[0]} does not work: λ needs as many axes as x, `view(-1, *[1] * (x.dim() - "
            "1))`"
        )
    return None


@probe("image-mixed-label-not")
def labels_not_mixed(a: Any, t: Trial) -> str | None:
    x, new_x, new_y = mixed(a, t)
    hard = ((new_y == 0) | (new_y == 1)).all()
    if hard and not same(new_x, x):
        return (
            "the images are mixed and the labels are still one-hot: an image of 0.3 of one and 0.7 of "
            "another digit has the label 0.3 and 0.7"
        )
    return None


@probe("label-mixed-image-not")
def images_not_mixed(a: Any, t: Trial) -> str | None:
    x, new_x, new_y = mixed(a, t)
    if same(new_x, x) and ((new_y > 0) & (new_y < 1)).any():
        return "the labels are mixed and x came back as it was: both get the same λ and the same partner"
    return None


@probe("labels-do-not-add-up")
def labels_sum(a: Any, t: Trial) -> str | None:
    _, _, new_y = mixed(a, t)
    if not same(new_y.sum(1), torch.ones(COUNT), atol=1e-5):
        return f"the soft labels of the first example add up to {new_y[0].sum():.3g}: λ and 1 − λ make 1"
    return None


@probe("another-partner-or-share-for-the-label")
def parted(a: Any, t: Trial) -> str | None:
    x, new_x, new_y = mixed(a, t)
    if same(new_x, new_y @ x, atol=1e-6):
        return None
    own, partner = weights(new_y)
    known = ~own.isnan()
    for share, what in ((1 - own, "λ and 1 − λ are exchanged in one of them"), (own, "")):
        blended = share[:, None] * x + (1 - share[:, None]) * x[partner]
        if what and same(new_x[known], blended[known], atol=1e-6):
            return f"images and labels do not belong together: {what}"
    return (
        "images and labels do not belong together: with the λ and the partner that your labels show, x̃ would "
        "be another. Draw λ and the permutation once, and use both for both"
    )


@probe("one-lambda-for-the-batch")
def one_lambda(a: Any, t: Trial) -> str | None:
    own, _ = weights(mixed(a, t)[2])
    shares = own[~own.isnan()]
    if len(shares) > 10 and same(shares, shares[:1].expand_as(shares), atol=1e-6):
        return f"all examples of the batch share λ = {shares[0]:.3f}: asked for is a λ of its own for each"
    return None


@probe("partner-is-not-random")
def fixed_partner(a: Any, t: Trial) -> str | None:
    first, second = (weights(mixed(a, t, seed=seed)[2])[1] for seed in (5, 6))
    if same(first, second) and len(set(first.tolist())) > COUNT // 2:
        return (
            "two generators with different seeds gave the same partners (a flip or a roll of the batch?): "
            "the partner is a random permutation, drawn from the generator"
        )
    if len(set(first.tolist())) < 0.85 * COUNT:
        return (
            f"only {len(set(first.tolist()))} of {COUNT} examples are anybody's partner: a permutation has "
            "each exactly once (`randperm`, not `randint`)"
        )
    return None


@probe("partner-is-a-rotation")
def rotated_partner(a: Any, t: Trial) -> str | None:
    steps = set()
    for seed in range(4):
        partner = weights(mixed(a, t, seed=seed)[2])[1]
        steps.add(len(set(((partner - torch.arange(COUNT)) % COUNT).tolist())))
    if steps <= {1, 2}:  # 2: an example that is its own partner shows no partner
        return (
            "the partners are the batch itself, rolled on by some steps: neighbours get neighbours. Asked "
            "for is a random permutation, `torch.randperm(B, generator=generator)`"
        )
    return None


@probe("alpha-zero-fails")
def alpha_zero(a: Any, t: Trial) -> str | None:
    x = t.randn(4, 3)
    y = torch.tensor([2, 0, 1, 1])
    attempt = t.tried(lambda: a.mixup(x, y, 3, 0.0, seeded(2)))
    if attempt.error is not None:
        return (
            f"alpha=0 raises {type(attempt.error).__name__}: Beta(0, 0) is not defined. It means λ = 1: "
            "say so yourself"
        )
    new_x, new_y = attempt.value
    if not same(new_x, x) or not same(new_y, torch.eye(3)[y]):
        return f"alpha=0 means λ = 1, x and the one-hot labels come back; your labels: {listed(new_y)!r:.80}"
    return None


@probe("lambda-folded")
def folded(a: Any, t: Trial) -> str | None:
    own, _ = weights(mixed(a, t, alpha=1.0)[2])
    shares = own[~own.isnan()]
    if len(shares) > 30 and (shares >= 0.5).all():
        return "every λ is at least 0.5 (max(λ, 1 − λ)?): asked for is λ ~ Beta(α, α) as it is drawn"
    return None


def distance_to_beta(shares: Tensor, alpha: float) -> float:
    """Kolmogorov and Smirnov's: the largest distance between two distribution functions."""
    law = torch.from_numpy(np.sort(np.random.default_rng(0).beta(alpha, alpha, 20_000)))
    shares = shares.sort().values
    below = torch.searchsorted(law, shares).double() / len(law)
    steps = torch.arange(len(shares) + 1).double() / len(shares)
    return float(torch.maximum((below - steps[:-1]).abs(), (below - steps[1:]).abs()).max())


@probe("lambda-of-another-law")
def another_law(a: Any, t: Trial) -> str | None:
    for alpha in (0.3, 4.0):
        own, _ = weights(mixed(a, t, alpha=alpha, count=300)[2])
        shares = own[~own.isnan()].double().clamp(0, 1)
        if len(shares) > 100 and distance_to_beta(shares, alpha) > 0.17:  # by chance once in ten millions
            return (
                f"with alpha={alpha} your λ have mean {shares.mean():.2f} and deviation {shares.std():.2f}; "
                f"Beta(α, α) has 0.50 and {0.5 / (2 * alpha + 1) ** 0.5:.2f}. Both parameters are α"
            )
    return None


@probe("mixup-draws-elsewhere")
def draws_elsewhere(a: Any, t: Trial) -> str | None:
    x, y = t.randn(8, 2), torch.arange(8)
    with global_draws() as drawn:
        a.mixup(x, y, 8, 0.5, seeded(3))
    if drawn:
        return (
            f"{drawn} global random state moved: all randomness comes from `generator`. Where a function "
            "takes none, draw a seed from it"
        )
    first, again = (a.mixup(x, y, 8, 0.5, seeded(3)) for _ in range(2))
    if not same(first[0], again[0]):
        return "two generators with the same seed gave two results: something is drawn without the generator"
    generator = seeded(3)
    first, again = (a.mixup(x, y, 8, 0.5, generator)[1] for _ in range(2))
    if same(first, again):
        return (
            "two calls with the same generator gave the same result: it was not drawn from, or its seed was "
            "read (`initial_seed`) instead of its next number"
        )
    if in_common(a, x, y):
        return (
            "the generators with seeds 3 and 4 gave other partners, but the same λ: they are drawn with a "
            "seed of their own. Draw that seed from `generator`"
        )
    return None


def in_common(a: Any, x: Tensor, y: Tensor) -> set[float]:
    """The λ that two generators with different seeds both gave."""
    both = [weights(a.mixup(x, y, len(y), 2.0, seeded(seed))[1].double())[0] for seed in (3, 4)]
    first, other = (set(found[found > 0].tolist()) for found in both)
    return first & other
