"""Cross-entropy, focal and logit-adjusted losses against torch, scipy and numerical differentiation."""

import math

import pytest
import torch
from scipy.special import expit, log_expit, log_softmax
from torch import Tensor
from torch.nn import functional as F

from shared.losses import (
    binary_focal_loss,
    class_weights,
    cross_entropy,
    focal_loss,
    log_priors,
    logit_adjusted_loss,
)

LOGITS = 3 * torch.randn(4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(6, (4, 5), generator=torch.Generator().manual_seed(1))
TARGET[0, :3] = -100
WEIGHT = torch.tensor([0.5, 1.0, 2.0, 0.0, 3.0, 1.5], dtype=torch.float64)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_cross_entropy_is_torchs_with_the_classes_last(
    reduction, smoothing: float, weight: Tensor | None
) -> None:
    ours = cross_entropy(LOGITS, TARGET, weight=weight, smoothing=smoothing, reduction=reduction)
    theirs = F.cross_entropy(
        LOGITS.movedim(-1, 1), TARGET, weight, reduction=reduction, label_smoothing=smoothing
    )
    torch.testing.assert_close(ours, theirs)


def test_a_single_example_without_a_batch_is_fine() -> None:
    z = torch.tensor([1.0, 2.0, 0.5])
    expected = -log_softmax(z.numpy())[1]
    assert cross_entropy(z, torch.tensor(1)).item() == pytest.approx(expected, rel=1e-6)


def focal_by_definition(logits: Tensor, target: Tensor, gamma: float) -> list[float]:
    """In numpy, from probabilities."""
    losses = []
    for z, t in zip(logits.flatten(0, -2).numpy(), target.flatten().tolist(), strict=True):
        if t == -100:
            losses.append(0.0)
            continue
        log_p = log_softmax(z)[t]
        losses.append(-((1 - math.exp(log_p)) ** gamma) * log_p)
    return losses


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.7])
def test_focal_loss_is_its_definition(gamma: float) -> None:
    got = focal_loss(LOGITS, TARGET, gamma=gamma, reduction="none").flatten().tolist()
    assert got == pytest.approx(focal_by_definition(LOGITS, TARGET, gamma), rel=1e-9)


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    torch.testing.assert_close(focal_loss(LOGITS, TARGET, gamma=0.0), cross_entropy(LOGITS, TARGET))


def test_focal_weights_multiply_each_example_and_the_mean_is_over_examples() -> None:
    plain = focal_loss(LOGITS, TARGET, reduction="none")
    weighted = focal_loss(LOGITS, TARGET, weight=WEIGHT)
    counts = TARGET >= 0
    torch.testing.assert_close(weighted, (plain[counts] * WEIGHT[TARGET[counts]]).sum() / counts.sum())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_binary_focal_loss_is_its_definition(gamma: float, alpha: float | None) -> None:
    z = torch.linspace(-20, 20, 41, dtype=torch.float64)
    for label in (0.0, 1.0):
        got = binary_focal_loss(z, torch.full_like(z, label), gamma=gamma, alpha=alpha, reduction="none")
        sign = 2 * label - 1
        share = 1.0 if alpha is None else (alpha if label else 1 - alpha)
        expected = -share * expit(-sign * z.numpy()) ** gamma * log_expit(sign * z.numpy())
        assert got.tolist() == pytest.approx(expected.tolist(), rel=1e-9)


def test_binary_focal_loss_without_focus_is_binary_cross_entropy() -> None:
    z, y = torch.randn(9), torch.randint(2, (9,)).float()
    torch.testing.assert_close(binary_focal_loss(z, y, gamma=0.0), F.binary_cross_entropy_with_logits(z, y))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_gradients_are_those_of_numerical_differentiation(gamma: float) -> None:
    z = LOGITS[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: focal_loss(z, TARGET[:2], gamma=gamma), z)
    z = LOGITS[0, 0].clone().requires_grad_()
    y = torch.tensor([0.0, 1, 1, 0, 1, 0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: binary_focal_loss(z, y, gamma=gamma, alpha=0.3), z)


LOSSES = {
    "cross entropy": cross_entropy,
    "smoothed": lambda z, t, **k: cross_entropy(z, t, smoothing=0.1, **k),
    "weighted": lambda z, t, **k: cross_entropy(z, t, weight=torch.arange(1.0, 4.0), **k),
    "focal": focal_loss,
    "focal below one": lambda z, t, **k: focal_loss(z, t, gamma=0.5, **k),
    "logit-adjusted": lambda z, t, **k: logit_adjusted_loss(
        z, t, log_priors(torch.tensor([1, 10, 100])), **k
    ),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_loss_and_gradient_are_finite_at_ten_thousand(loss, dtype) -> None:
    z = torch.tensor([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4]], dtype=dtype, requires_grad=True)
    value = loss(z, torch.tensor([1, 1, 0]))
    value.backward()
    assert value.isfinite()
    assert value.dtype == torch.promote_types(dtype, torch.float32)
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("shape", [(0, 3), (4, 3), (2, 0, 3)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nothing_to_count_gives_zero_and_zero_gradients(loss, shape, reduction) -> None:
    z = torch.randn(shape, requires_grad=True)
    value = loss(z, torch.full(shape[:-1], -100), reduction=reduction)
    value.backward()
    assert value == 0
    assert not z.grad.any()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_padding_with_ignored_targets_changes_nothing(loss) -> None:
    z, t = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    padded = loss(torch.cat((z, torch.randn(3, 3))), torch.cat((t, torch.full((3,), -100))))
    torch.testing.assert_close(padded, loss(z, t))


def test_binary_focal_loss_at_the_extremes() -> None:
    z = torch.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    value = binary_focal_loss(z, torch.tensor([1.0, 1.0, 0.0, 0.0]), gamma=0.5)
    value.backward()
    assert value.item() == pytest.approx(5e3)
    assert z.grad.isfinite().all()
    assert binary_focal_loss(torch.zeros(0), torch.zeros(0)) == 0


def test_one_class_alone_costs_nothing() -> None:
    z = torch.randn(4, 1, requires_grad=True)
    for loss in (cross_entropy, focal_loss):
        value = loss(z, torch.zeros(4, dtype=torch.long))
        (gradient,) = torch.autograd.grad(value, z)
        assert value == 0
        assert not gradient.any()


def test_logit_adjustment_is_cross_entropy_of_shifted_logits() -> None:
    counts = torch.tensor([5, 10, 20, 40, 20, 5])
    shifted = LOGITS + 0.5 * (counts / 100).log()
    got = logit_adjusted_loss(LOGITS, TARGET, log_priors(counts), tau=0.5)
    torch.testing.assert_close(got, F.cross_entropy(shifted.movedim(-1, 1), TARGET), atol=1e-6, rtol=1e-6)


def test_logit_adjustment_learns_the_balanced_rule_of_two_gaussians() -> None:
    """Classes N(−1, 1) and N(1, 1), the second ten times rarer: the balanced Bayes boundary is 0."""
    rng = torch.Generator().manual_seed(0)
    x = torch.cat((torch.randn(20_000, generator=rng) - 1, torch.randn(2_000, generator=rng) + 1)).double()
    y = torch.cat((torch.zeros(20_000), torch.ones(2_000))).long()
    weights = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    features = torch.stack((x, torch.ones_like(x)), 1)
    boundary = {}
    for name, prior in (("plain", torch.zeros(2)), ("adjusted", log_priors(torch.tensor([20_000, 2_000])))):
        optimizer = torch.optim.LBFGS([weights], max_iter=50)

        def closure(prior: Tensor = prior, optimizer: torch.optim.LBFGS = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = logit_adjusted_loss(features @ weights.T, y, prior)
            loss.backward()
            return loss

        optimizer.step(closure)
        slope, offset = (weights[1] - weights[0]).detach()
        boundary[name] = (-offset / slope).item()
    assert boundary["adjusted"] == pytest.approx(0, abs=0.05)
    assert boundary["plain"] == pytest.approx(math.log(10) / 2, abs=0.05)


@pytest.mark.parametrize(
    ("scheme", "formula"),
    [
        ("inverse", lambda n: 1 / n),
        ("sqrt", lambda n: n**-0.5),
        ("effective", lambda n: (1 - 0.99) / (1 - 0.99**n)),
    ],
)
def test_class_weights_are_their_formula_and_average_to_one_over_examples(scheme, formula) -> None:
    counts = torch.tensor([100, 10, 1, 0])
    weights = class_weights(counts, scheme, beta=0.99).double()
    ratios = [formula(n) / formula(100) for n in (100, 10, 1)]
    assert (weights[:3] / weights[0]).tolist() == pytest.approx(ratios, rel=1e-5)
    assert weights[3] == 0
    assert (weights * counts).sum().item() == pytest.approx(111, rel=1e-6)
