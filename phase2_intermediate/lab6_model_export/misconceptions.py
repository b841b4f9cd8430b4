"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e1_export import *
from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e2_affine import *
from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e3_int8 import *
from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e4_calibration import *
from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e5_ship import *
from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.warmups import *
