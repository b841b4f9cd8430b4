"""The checks of this lab, one or a few files an exercise: warm-ups first, then E1 to E5."""

from phase1_foundations.lab3_training_loop.checks_by_exercise.e1_sgd import e1
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_adaptive import e2
from phase1_foundations.lab3_training_loop.checks_by_exercise.e3_schedules import e3
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_gradients import e4
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_trainer import e5
from phase1_foundations.lab3_training_loop.checks_by_exercise.w1_one_step import w1
from phase1_foundations.lab3_training_loop.checks_by_exercise.w2_running_average import w2
from phase1_foundations.lab3_training_loop.checks_by_exercise.w3_mean_of_means import w3
from phase1_foundations.lab3_training_loop.checks_by_exercise.w4_same_dice import w4

__all__ = ["e1", "e2", "e3", "e4", "e5", "w1", "w2", "w3", "w4"]
