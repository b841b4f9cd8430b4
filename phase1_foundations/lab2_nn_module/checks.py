"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase1_foundations.lab2_nn_module.checks_by_exercise.e1_registry import e1
from phase1_foundations.lab2_nn_module.checks_by_exercise.e2_initialisers import e2
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_norms import e3
from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_probe import e4
from phase1_foundations.lab2_nn_module.checks_by_exercise.e5_rescue import e5
from phase1_foundations.lab2_nn_module.checks_by_exercise.w1_standardize import w1
from phase1_foundations.lab2_nn_module.checks_by_exercise.w2_stack import w2
from phase1_foundations.lab2_nn_module.checks_by_exercise.w3_dotted import w3
from phase1_foundations.lab2_nn_module.checks_by_exercise.w4_diary import w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
