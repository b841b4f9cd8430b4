"""Metrics with their uncertainty: counts first, intervals always, comparisons paired.

confusion = confusion_matrix(predicted, target, classes=10)
macro_f1(confusion), accuracy(confusion)
bootstrap(lambda i: correct[i].mean(), n=len(correct))       # an interval for any statistic
paired_difference(correct_a, correct_b)                      # is A better than B on the same examples?
"""

from shared.evaluation.bootstrap import Interval, bootstrap, mean_over_seeds, paired_difference
from shared.evaluation.calibration import expected_calibration_error, reliability
from shared.evaluation.classification import (
    accuracy,
    confusion_matrix,
    f1_per_class,
    macro_f1,
    precision_recall,
    topk_accuracy,
)

__all__ = [
    "Interval",
    "accuracy",
    "bootstrap",
    "confusion_matrix",
    "expected_calibration_error",
    "f1_per_class",
    "macro_f1",
    "mean_over_seeds",
    "paired_difference",
    "precision_recall",
    "reliability",
    "topk_accuracy",
]
