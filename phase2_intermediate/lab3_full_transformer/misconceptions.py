"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase2_intermediate.lab3_full_transformer.misconceptions_by_exercise.e1_decoder import *
from phase2_intermediate.lab3_full_transformer.misconceptions_by_exercise.e2_loss import *
from phase2_intermediate.lab3_full_transformer.misconceptions_by_exercise.e3_cache import *
from phase2_intermediate.lab3_full_transformer.misconceptions_by_exercise.e4_search import *
from phase2_intermediate.lab3_full_transformer.misconceptions_by_exercise.e5_dates import *
from phase2_intermediate.lab3_full_transformer.misconceptions_by_exercise.warmups import *
