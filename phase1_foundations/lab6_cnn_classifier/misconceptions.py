"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e1_convolution import *
from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e2_backward import *
from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e3_fields import *
from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e4_depth import *
from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e5_digits import *
from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.warmups import *
