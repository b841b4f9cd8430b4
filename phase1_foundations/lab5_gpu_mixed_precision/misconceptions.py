"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e1_formats import *
from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e2_scaling import *
from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e3_memory import *
from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e4_roofline import *
from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e5_training import *
from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.warmups import *
