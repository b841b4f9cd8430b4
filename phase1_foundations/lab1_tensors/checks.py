"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase1_foundations.lab1_tensors.checks_by_exercise.e1_broadcasting import e1
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_tape import e2
from phase1_foundations.lab1_tensors.checks_by_exercise.e3_cross_entropy import e3
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_curvature import e4
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_digits import e5
from phase1_foundations.lab1_tensors.checks_by_exercise.w1_creation import w1
from phase1_foundations.lab1_tensors.checks_by_exercise.w2_shape_and_dtype import w2
from phase1_foundations.lab1_tensors.checks_by_exercise.w3_selection import w3
from phase1_foundations.lab1_tensors.checks_by_exercise.w4_reductions import w4
from phase1_foundations.lab1_tensors.checks_by_exercise.w5_broadcast_shapes import w5
from phase1_foundations.lab1_tensors.checks_by_exercise.w6_dot_products import w6
from phase1_foundations.lab1_tensors.checks_by_exercise.w7_sharing import w7
from phase1_foundations.lab1_tensors.checks_by_exercise.w8_derivative import w8

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"]
