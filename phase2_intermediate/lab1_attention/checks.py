"""The checks of this lab, one file an exercise: warm-ups first, then E1 to E5."""

from phase2_intermediate.lab1_attention.checks_by_exercise.e1_sdpa import e1
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_heads import e2
from phase2_intermediate.lab1_attention.checks_by_exercise.e3_masks import e3
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_blockwise import e4
from phase2_intermediate.lab1_attention.checks_by_exercise.e5_digits import e5
from phase2_intermediate.lab1_attention.checks_by_exercise.w1_weighted_mean import w1
from phase2_intermediate.lab1_attention.checks_by_exercise.w2_scores import w2
from phase2_intermediate.lab1_attention.checks_by_exercise.w3_mask import w3
from phase2_intermediate.lab1_attention.checks_by_exercise.w4_heads import w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
