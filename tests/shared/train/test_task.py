"""Sums over valid targets, against torch's own losses."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.train import Supervised, Task, classification, regression


class Given(nn.Module):
    """Returns its input: the outputs are what the batch says."""

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs


MODEL = Given()
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(4, 6, 5, generator=GENERATOR)
TARGETS = torch.randint(0, 5, (4, 6), generator=GENERATOR)
PADDED = TARGETS.masked_fill(torch.rand(4, 6, generator=GENERATOR) < 0.4, -1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classification_divided_by_its_count_is_torchs_mean(smoothing: float) -> None:
    task = classification(ignore=-1, smoothing=smoothing)
    batch = (LOGITS, PADDED)
    mean = task.loss(MODEL, batch) / task.count(batch)
    expected = F.cross_entropy(LOGITS.movedim(-1, 1), PADDED, ignore_index=-1, label_smoothing=smoothing)
    torch.testing.assert_close(mean, expected)


def test_classification_of_one_label_an_example() -> None:
    task = classification()
    batch = (LOGITS[:, 0], TARGETS[:, 0])
    assert task.count(batch) == 4
    torch.testing.assert_close(task.loss(MODEL, batch) / 4, F.cross_entropy(*batch))


def test_accuracy_counts_valid_targets_only() -> None:
    task = classification(ignore=-1)
    expected = sum(
        int(row.argmax()) == int(target)
        for row, target in zip(LOGITS.flatten(0, 1), PADDED.flatten(), strict=True)
        if target != -1
    )
    assert 0 < expected < int(task.count((LOGITS, PADDED)))
    assert int(task.measure(MODEL, (LOGITS, PADDED))["accuracy"]) == expected


def test_an_ignored_class_that_the_model_predicts_is_not_right() -> None:
    task = classification(ignore=0)
    batch = (torch.tensor([[5.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 1]))
    assert int(task.count(batch)) == int(task.measure(MODEL, batch)["accuracy"]) == 1


def test_regression_counts_every_element() -> None:
    task = regression()
    outputs, targets = torch.randn(3, 2, generator=GENERATOR), torch.randn(3, 2, generator=GENERATOR)
    assert task.count((outputs, targets)) == 6
    sums = task.measure(MODEL, (outputs, targets))
    torch.testing.assert_close(sums["loss"] / 6, F.mse_loss(outputs, targets))
    torch.testing.assert_close(sums["absolute_error"] / 6, F.l1_loss(outputs, targets))


def test_a_model_may_take_several_inputs() -> None:
    class Sum(nn.Module):
        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return left + right

    task = Supervised(lambda outputs, targets: (outputs - targets).abs().sum())
    one = torch.ones(3)
    assert task.loss(Sum(), (one, one, one)).item() == 3.0


def test_a_task_needs_nothing_but_its_three_methods() -> None:
    assert isinstance(classification(), Task)
    assert not isinstance(object(), Task)
