"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase1_foundations.lab1_tensors.checks_by_exercise.e1_broadcasting import e1
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_tape import e2
from phase1_foundations.lab1_tensors.checks_by_exercise.e3_cross_entropy import e3
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_curvature import e4
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_digits import e5
from phase1_foundations.lab1_tensors.checks_by_exercise.warmups_first import w1, w2, w3, w4
from phase1_foundations.lab1_tensors.checks_by_exercise.warmups_second import w5, w6, w7, w8

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"]
