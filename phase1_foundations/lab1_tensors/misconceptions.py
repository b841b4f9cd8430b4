"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e1_broadcasting import *
from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e2_tape import *
from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e3_cross_entropy import *
from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e4_curvature import *
from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e5_digits import *
from phase1_foundations.lab1_tensors.misconceptions_by_exercise.warmups import *
