"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e1_sgd import *
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e2_adaptive import *
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e3_schedules import *
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e4_gradients import *
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e5_trainer import *
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.warmups import *
