"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e1_sdpa import *
from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e2_heads import *
from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e3_masks import *
from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e4_blockwise import *
from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e5_digits import *
from phase2_intermediate.lab1_attention.misconceptions_by_exercise.warmups import *
