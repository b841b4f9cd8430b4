"""The checks of this lab, one or a few files an exercise: warm-ups first, then E1 to E5."""

from phase1_foundations.lab3_training_loop.checks_by_exercise.e1_sgd import e1
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_adaptive import e2
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_schedules import e3
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_gradients import e4
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_trainer import e5
from phase1_foundations.lab3_training_loop.checks_by_exercise.warmups import w1, w2, w3, w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
