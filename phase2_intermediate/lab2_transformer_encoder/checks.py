"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e1_positions import e1
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_layer import e2
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e3_padding import e3
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_depth import e4
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_names import e5
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.warmups import w1, w2, w3
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.warmups_batch import w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
