"""Dice against sets of pixels, Huber against torch and its slope."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from shared.losses import dice_loss, huber_loss


def certain(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Logits that put all probability on one class a pixel."""
    return 1e4 * F.one_hot(labels, classes).movedim(-1, 1).double()


def dice_of_sets(predicted: np.ndarray, target: np.ndarray, smooth: float) -> float:
    a, b = set(np.flatnonzero(predicted)), set(np.flatnonzero(target))
    return 1 - (2 * len(a & b) + smooth) / (len(a) + len(b) + smooth)


@pytest.mark.parametrize("smooth", [1.0, 1e-3])
@pytest.mark.parametrize("over_batch", [False, True])
def test_certain_predictions_give_the_dice_of_sets(smooth: float, over_batch: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    predicted, target = (torch.randint(3, (4, 5, 6), generator=rng) for _ in range(2))
    rows = [slice(None)] if over_batch else [slice(b, b + 1) for b in range(4)]
    expected = np.mean(
        [
            dice_of_sets((predicted[row] == k).numpy(), (target[row] == k).numpy(), smooth)
            for row in rows
            for k in range(3)
        ]
    )
    got = dice_loss(certain(predicted, 3), target, smooth=smooth, over_batch=over_batch)
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_a_perfect_answer_costs_nothing_even_where_a_class_is_absent() -> None:
    target = torch.zeros(2, 4, 4, dtype=torch.long)
    assert dice_loss(certain(target, 3), target).item() == pytest.approx(0, abs=1e-12)


def test_an_object_where_none_should_be_has_the_closed_form() -> None:
    full, empty = torch.ones(1, 4, 4, dtype=torch.long), torch.zeros(1, 4, 4, dtype=torch.long)
    assert dice_loss(certain(full, 2), empty).item() == pytest.approx(1 - 1 / 17)


def test_ignored_pixels_have_no_influence() -> None:
    z, target = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
    target[:, 2:] = -100
    changed = z.clone()
    changed[:, :, 2:] = 50
    torch.testing.assert_close(dice_loss(z, target), dice_loss(changed, target))
    torch.testing.assert_close(dice_loss(z, target), dice_loss(z[:, :, :2], target[:, :2]))


@pytest.mark.parametrize("target", [torch.full((2, 4, 4), -100), torch.zeros(0, 4, 4, dtype=torch.long)])
def test_nothing_to_count_costs_nothing(target: torch.Tensor) -> None:
    z = torch.randn(len(target), 3, 4, 4, requires_grad=True)
    loss = dice_loss(z, target)
    loss.backward()
    assert loss == 0
    assert not z.grad.any()


def test_dice_gradients_are_those_of_numerical_differentiation_and_finite_at_the_extremes() -> None:
    target = torch.randint(3, (2, 3, 3))
    z = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: dice_loss(z, target, ignore=0), z)
    extreme = (1e4 * torch.randn(2, 3, 3, 3)).requires_grad_()
    dice_loss(extreme, target).backward()
    assert extreme.grad.isfinite().all()


@pytest.mark.parametrize("delta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_huber_is_torchs(delta: float, reduction) -> None:
    a, b = 3 * torch.randn(7, 4, dtype=torch.float64), torch.randn(7, 4, dtype=torch.float64)
    torch.testing.assert_close(
        huber_loss(a, b, delta=delta, reduction=reduction),
        F.huber_loss(a, b, reduction=reduction, delta=delta),
    )


def test_huber_differs_from_smooth_l1_by_the_factor_delta() -> None:
    a, b = torch.tensor([3.0]), torch.tensor([0.0])
    assert huber_loss(a, b, delta=2.0) == 4
    assert F.smooth_l1_loss(a, b, beta=2.0) == 2


def test_the_slope_of_huber_is_the_error_limited_to_delta() -> None:
    e = torch.tensor([-1e4, -2.0, -0.5, 0.0, 0.7, 1.5, 1e4], requires_grad=True)
    loss = huber_loss(e, torch.zeros(7), delta=1.5, reduction="sum")
    loss.backward()
    assert loss.isfinite()
    torch.testing.assert_close(e.grad, e.detach().clamp(-1.5, 1.5))


def test_uncounted_elements_are_in_neither_sum() -> None:
    a, b = torch.randn(6), torch.randn(6)
    counts = torch.tensor([True, False, True, True, False, False])
    with_junk = a.where(counts, torch.full_like(a, torch.nan))
    torch.testing.assert_close(huber_loss(with_junk, b, counts=counts), huber_loss(a[counts], b[counts]))
    assert huber_loss(a, b, counts=torch.zeros(6, dtype=torch.bool)) == 0
    assert huber_loss(torch.zeros(0), torch.zeros(0)) == 0
