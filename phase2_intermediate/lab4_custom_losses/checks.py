"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e1_pointwise import e1
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e2_distances import e2
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e3_imbalance import e3
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e4_infonce import e4
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e5_benchmark import e5
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.warmups import w1, w2
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.warmups_tables import w3, w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
