"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e1_formats import e1
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e2_scaling import e2
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e3_memory import e3
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e4_roofline import e4
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e5_training import e5
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.warmups_first import w1, w2
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.warmups_second import w3
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.warmups_third import w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
