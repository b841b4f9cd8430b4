"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e1_positions import *
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e2_layer import *
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e3_padding import *
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e4_depth import *
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e5_names import *
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.warmups import *
