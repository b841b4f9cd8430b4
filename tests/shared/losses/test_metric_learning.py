"""Pair, triplet and InfoNCE losses against torch, brute force and numerical differentiation."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.losses import (
    contrastive_loss,
    cosine_embedding_loss,
    info_nce,
    mine_triplets,
    mined_triplet_loss,
    triplet_loss,
)


def embeddings(n: int, seed: int = 0, d: int = 4) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


SAME = torch.tensor([True, False, True, False, False, True])


def test_contrastive_loss_is_its_formula() -> None:
    a, b = embeddings(6), 0.3 * embeddings(6, 1)
    expected = []
    for x, y, same in zip(a.tolist(), b.tolist(), SAME.tolist(), strict=True):
        d = math.dist(x, y)
        expected.append(d**2 if same else max(0, 2.5 - d) ** 2)
    got = contrastive_loss(a, b, SAME, margin=2.5, reduction="none")
    assert got.tolist() == pytest.approx(expected, rel=1e-12)
    assert contrastive_loss(a, b, SAME, margin=2.5).item() == pytest.approx(sum(expected) / 6)


@pytest.mark.parametrize("margin", [0.0, 0.4])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cosine_embedding_loss_is_torchs(margin: float, reduction) -> None:
    a, b = embeddings(6), embeddings(6, 1)
    sign = SAME.long() * 2 - 1
    torch.testing.assert_close(
        cosine_embedding_loss(a, b, SAME, margin=margin, reduction=reduction),
        F.cosine_embedding_loss(a, b, sign, margin, reduction=reduction),
    )


def test_triplet_loss_is_torchs() -> None:
    a, p, n = embeddings(6), embeddings(6, 1), embeddings(6, 2)
    twin = nn.TripletMarginLoss(margin=0.7, eps=0.0)
    torch.testing.assert_close(triplet_loss(a, p, n, margin=0.7), twin(a, p, n))


LABELS = {
    "three classes": torch.tensor([2, 0, 2, 1, 0, 1, 2, 0]),
    "a class of one": torch.tensor([0, 1, 1, 2, 2, 2, 1, 2]),
    "one class only": torch.zeros(8, dtype=torch.long),
    "all different": torch.arange(8),
}


def mined_by_brute_force(z: Tensor, labels: list[int], mining: str, margin: float) -> set[tuple[int, ...]]:
    n = len(labels)
    d = [[math.dist(z[i].tolist(), z[j].tolist()) for j in range(n)] for i in range(n)]
    triplets = {
        (a, p, q)
        for a, p, q in itertools.product(range(n), repeat=3)
        if a != p and labels[a] == labels[p] and labels[a] != labels[q]
    }
    if mining == "all":
        return triplets
    if mining == "hard":
        groups = {a: [t for t in triplets if t[0] == a] for a in range(n)}
        return {
            (a, max(ts, key=lambda t: d[a][t[1]])[1], min(ts, key=lambda t: d[a][t[2]])[2])
            for a, ts in groups.items()
            if ts
        }
    semi = [t for t in triplets if d[t[0]][t[1]] < d[t[0]][t[2]] < d[t[0]][t[1]] + margin]
    pairs = {t[:2] for t in semi}
    return {min((t for t in semi if t[:2] == pair), key=lambda t: d[t[0]][t[2]]) for pair in pairs}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
@pytest.mark.parametrize("mining", ["all", "hard", "semi-hard"])
def test_mining_finds_what_brute_force_finds(labels: Tensor, mining) -> None:
    z = embeddings(8)
    found = torch.stack(mine_triplets(z, labels, mining, margin=0.8), 1)
    expected = mined_by_brute_force(z, labels.tolist(), mining, 0.8)
    assert len(found) == len(expected)
    assert set(map(tuple, found.tolist())) == expected


@pytest.mark.parametrize("mining", ["all", "hard", "semi-hard"])
def test_the_mined_loss_is_the_mean_over_the_mined_triplets(mining) -> None:
    z, labels = embeddings(8), LABELS["three classes"]
    triplets = mined_by_brute_force(z, labels.tolist(), mining, 0.8)
    expected = sum(max(0, math.dist(z[a], z[p]) - math.dist(z[a], z[q]) + 0.8) for a, p, q in triplets) / len(
        triplets
    )
    assert mined_triplet_loss(z, labels, margin=0.8, mining=mining).item() == pytest.approx(expected)


@pytest.mark.parametrize("labels", [LABELS["one class only"], LABELS["all different"], torch.zeros(0).long()])
@pytest.mark.parametrize("mining", ["all", "hard", "semi-hard"])
def test_no_triplets_cost_nothing(labels: Tensor, mining) -> None:
    z = embeddings(len(labels)).requires_grad_()
    loss = mined_triplet_loss(z, labels, mining=mining)
    loss.backward()
    assert loss == 0
    assert not z.grad.any()


def test_a_collapsed_embedding_costs_the_margin() -> None:
    z = torch.ones(8, 4, requires_grad=True)
    loss = mined_triplet_loss(z, LABELS["three classes"], margin=0.3)
    loss.backward()
    assert loss.item() == pytest.approx(0.3)
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_info_nce_is_cross_entropy_over_cosines(symmetric: bool, temperature: float) -> None:
    a, b = embeddings(6), embeddings(6, 1)
    s = F.cosine_similarity(a[:, None], b[None, :], dim=-1) / temperature
    expected = F.cross_entropy(s, torch.arange(6))
    if symmetric:
        expected = (expected + F.cross_entropy(s.T, torch.arange(6))) / 2
    torch.testing.assert_close(info_nce(a, b, temperature=temperature, symmetric=symmetric), expected)


def test_info_nce_ignores_lengths_and_knows_its_limits() -> None:
    a, b = embeddings(6), embeddings(6, 1)
    torch.testing.assert_close(info_nce(a, b), info_nce(10 * a, 0.1 * b))
    perfect = torch.eye(6, dtype=torch.float64)
    assert info_nce(perfect, perfect, temperature=0.01).item() == pytest.approx(0, abs=1e-12)
    same = torch.ones(6, 4, dtype=torch.float64)
    assert info_nce(same, same).item() == pytest.approx(math.log(6))
    assert info_nce(a[:1], b[:1]) == 0
    assert info_nce(a[:0], b[:0]) == 0


TWO_VIEWS = {
    "contrastive": lambda a, b: contrastive_loss(a, b, SAME, margin=2.0),
    "cosine": lambda a, b: cosine_embedding_loss(a, b, SAME, margin=-0.5),
    "triplet": lambda a, b: triplet_loss(a, b, b.roll(1, 0), margin=3.0),
    "info_nce": info_nce,
}


@pytest.mark.parametrize("loss", TWO_VIEWS.values(), ids=TWO_VIEWS.keys())
def test_gradients_are_those_of_numerical_differentiation(loss) -> None:
    assert torch.autograd.gradcheck(loss, (embeddings(6).requires_grad_(), embeddings(6, 1).requires_grad_()))


SPECIAL = {
    "coinciding": (torch.ones(6, 4), torch.ones(6, 4)),
    "zero": (torch.zeros(6, 4), torch.zeros(6, 4)),
    "huge": (1e4 * torch.ones(6, 4), -1e4 * torch.ones(6, 4)),
}


@pytest.mark.parametrize("loss", TWO_VIEWS.values(), ids=TWO_VIEWS.keys())
@pytest.mark.parametrize("views", SPECIAL.values(), ids=SPECIAL.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_loss_and_gradient_are_finite_at_special_points(loss, views: tuple[Tensor, Tensor], dtype) -> None:
    a, b = (view.to(dtype, copy=True).requires_grad_() for view in views)
    value = loss(a, b)
    value.backward()
    assert value.isfinite()
    assert value.dtype == torch.float32
    if (
        dtype != torch.float16 or views is not SPECIAL["huge"]
    ):  # a slope of 4·10⁴ · 2 / 6 per entry still fits
        assert a.grad.isfinite().all()
        assert b.grad.isfinite().all()


def test_a_zero_vector_is_pulled_with_a_gradient_of_ordinary_size() -> None:
    zero, other = torch.zeros(6, 4, requires_grad=True), embeddings(6).float()
    cosine_embedding_loss(zero, other, SAME, reduction="sum").backward()
    assert 0 < zero.grad.norm(dim=-1).max() <= 1 + 1e-6


def test_no_pairs_cost_nothing() -> None:
    none = torch.zeros(0, 4, requires_grad=True)
    for loss in (contrastive_loss, cosine_embedding_loss):
        value = loss(none, none, torch.zeros(0, dtype=torch.bool))
        value.backward()
        assert value == 0
    assert triplet_loss(none, none, none) == 0
