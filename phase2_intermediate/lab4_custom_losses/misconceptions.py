"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e1_pointwise import *
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e2_distances import *
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e3_imbalance import *
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e4_infonce import *
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e5_benchmark import *
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.warmups import *
