"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e1_ring import *
from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e2_data import *
from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e3_ddp import *
from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e4_adam import *
from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e5_training import *
from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.warmups import *
