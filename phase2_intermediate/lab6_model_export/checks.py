"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase2_intermediate.lab6_model_export.checks_by_exercise.e1_export import e1
from phase2_intermediate.lab6_model_export.checks_by_exercise.e2_affine import e2
from phase2_intermediate.lab6_model_export.checks_by_exercise.e3_int8 import e3
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_calibration import e4
from phase2_intermediate.lab6_model_export.checks_by_exercise.e5_ship import e5
from phase2_intermediate.lab6_model_export.checks_by_exercise.warmups_first import w1, w2
from phase2_intermediate.lab6_model_export.checks_by_exercise.warmups_second import w3, w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
