"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e1_registry import *
from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e2_initialisers import *
from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e3_norms import *
from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e4_probe import *
from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e5_rescue import *
from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.warmups import *
