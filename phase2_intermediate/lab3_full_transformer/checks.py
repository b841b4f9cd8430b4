"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_decoder import e1
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e2_loss import e2
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e3_cache import e3
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_search import e4
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e5_dates import e5
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.warmup_bytes import w4
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.warmups import w1, w2, w3

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
