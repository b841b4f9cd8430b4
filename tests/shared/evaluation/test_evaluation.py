"""Metrics against scikit-learn and SciPy; intervals against what they promise: coverage."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from sklearn import metrics

from shared.evaluation import (
    accuracy,
    bootstrap,
    confusion_matrix,
    expected_calibration_error,
    f1_per_class,
    macro_f1,
    mean_over_seeds,
    paired_difference,
    precision_recall,
    reliability,
    topk_accuracy,
)

G = torch.Generator().manual_seed(0)
TARGET = torch.randint(5, (300,), generator=G)
PREDICTED = torch.where(torch.rand(300, generator=G) < 0.6, TARGET, torch.randint(5, (300,), generator=G))


def test_counts_and_scores_equal_scikit_learns():
    confusion = confusion_matrix(PREDICTED, TARGET, classes=5)
    assert confusion.tolist() == metrics.confusion_matrix(TARGET, PREDICTED).tolist()
    assert accuracy(confusion) == pytest.approx(metrics.accuracy_score(TARGET, PREDICTED))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(TARGET, PREDICTED)
    torch.testing.assert_close(precision_recall(confusion)[0], torch.from_numpy(precision))
    torch.testing.assert_close(precision_recall(confusion)[1], torch.from_numpy(recall))
    torch.testing.assert_close(f1_per_class(confusion), torch.from_numpy(f1))
    assert macro_f1(confusion) == pytest.approx(f1.mean())


def test_a_class_that_never_occurs_counts_as_zero_not_as_nan():
    confusion = confusion_matrix(torch.tensor([0, 0]), torch.tensor([0, 1]), classes=3)
    assert f1_per_class(confusion).tolist() == [pytest.approx(2 / 3), 0, 0]
    assert macro_f1(confusion) == pytest.approx(2 / 9)


def test_labels_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"predicted labels span 0…3, expected 0…2"):
        confusion_matrix(torch.tensor([0, 3]), torch.tensor([0, 1]), classes=3)


def test_top_k_equals_scikit_learns():
    scores = torch.randn(300, 5, generator=G).double()
    for k in (1, 2, 4):
        expected = metrics.top_k_accuracy_score(TARGET, scores, k=k, labels=range(5))
        assert topk_accuracy(scores, TARGET, k=k) == pytest.approx(expected)
    with pytest.raises(ValueError, match="k=6"):
        topk_accuracy(scores, TARGET, k=6)


def test_calibration_of_a_known_case():
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [0.5, 0.5]], dtype=torch.float64)
    target = torch.tensor([0, 1, 1, 0])
    confidence, right, count = reliability(probabilities, target, bins=10)
    assert count.tolist() == [0, 0, 0, 0, 1, 0, 1, 0, 2, 0]
    assert confidence[8].item() == pytest.approx(0.9)
    assert right[8].item() == 0.5
    expected = (2 * 0.4 + 0.35 + 0.5) / 4
    assert expected_calibration_error(probabilities, target) == pytest.approx(expected)


def test_a_perfectly_calibrated_model_has_a_small_error():
    p = torch.rand(20000, generator=G).double() / 2 + 0.5
    target = (torch.rand(20000, generator=G) > p).long()
    assert expected_calibration_error(torch.stack([p, 1 - p], 1), target) < 0.015


def test_bootstrap_intervals_cover_the_truth_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        sample = torch.randn(60, generator=torch.Generator().manual_seed(seed)).double() + 3
        interval = bootstrap(lambda i, s=sample: s[i].mean(), n=60, draws=400, seed=seed)
        covered += not interval.excludes(3.0)
    assert stats.binomtest(covered, 200, 0.95).pvalue > 1e-3, covered


def test_pairing_finds_a_difference_that_hides_in_the_noise():
    hardness = torch.randn(200, generator=G) * 10
    worse = hardness + torch.randn(200, generator=G)
    better = worse + 0.5 + 0.1 * torch.randn(200, generator=G)
    assert paired_difference(better, worse).excludes(0.0)
    assert not paired_difference(worse, worse.roll(1)).excludes(0.0)


def test_the_interval_over_seeds_is_students():
    values = [0.91, 0.94, 0.93]
    interval = mean_over_seeds(values)
    low, high = stats.t.interval(0.95, 2, loc=sum(values) / 3, scale=stats.sem(values))
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))
    with pytest.raises(ValueError, match="at least two"):
        mean_over_seeds([0.9])


def test_shapes_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="same examples"):
        paired_difference(torch.ones(3), torch.ones(4))


def test_no_example_is_nan_not_a_crash():
    empty = torch.zeros(3, 3, dtype=torch.int64)
    assert math.isnan(accuracy(empty))
