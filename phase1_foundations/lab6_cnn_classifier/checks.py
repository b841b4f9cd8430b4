"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e1_convolution import e1
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_backward import e2
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_fields import e3
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_depth import e4
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_digits import e5
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.warmups_first import w1, w2
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.warmups_second import w3, w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
