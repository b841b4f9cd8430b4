"""More wrong answers to E3: at zero, below it, with gaps between epochs, and in the defaults."""

import math

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

wrong = Answers()


def plateau(cls):
    cls.__name__ = "Plateau"
    return {"Plateau": cls}


@wrong("E3")
def plateau_takes_zero_for_none():
    class Plateau(solution.Plateau):
        def step(self, metric):
            self.best = self.best or None
            return super().step(metric)

    return plateau(Plateau)


@wrong("E3")
def plateau_maximum_begins_at_zero():
    class Plateau(solution.Plateau):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.best = 0.0 if self.mode == "max" else None

    return plateau(Plateau)


@wrong("E3")
def plateau_default_threshold_of_zero():
    class Plateau(solution.Plateau):
        def __init__(self, lr, mode="min", factor=0.1, patience=10, threshold=0.0, cooldown=0, min_lr=0.0):
            super().__init__(lr, mode, factor, patience, threshold, cooldown, min_lr)

    return plateau(Plateau)


@wrong("E3")
def plateau_default_patience_of_five():
    class Plateau(solution.Plateau):
        def __init__(self, lr, mode="min", factor=0.1, patience=5, *args, **options):
            super().__init__(lr, mode, factor, patience, *args, **options)

    return plateau(Plateau)


@wrong("E3")
def plateau_margin_by_size():
    class Plateau(solution.Plateau):
        def step(self, metric):
            sign = 1 if self.best is None or self.best >= 0 else -1
            self.threshold *= sign
            lr = super().step(metric)
            self.threshold *= sign
            return lr

    return plateau(Plateau)


@wrong("E3")
def plateau_forgets_the_best_at_a_cut():
    class Plateau(solution.Plateau):
        def step(self, metric):
            before = self.lr
            if super().step(metric) < before:
                self.best = None
            return self.lr

    return plateau(Plateau)


@wrong("E3")
def plateau_sleeps_while_cooling():
    class Plateau(solution.Plateau):
        def step(self, metric):
            return super().step(math.nan if self.cooling else metric)

    return plateau(Plateau)


@wrong("E3")
def stopping_counts_epochs():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            super().update(metric, epoch)
            return epoch - (-1 if self.best_epoch is None else self.best_epoch) >= self.patience

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_takes_zero_for_none():
    class EarlyStopping(solution.EarlyStopping):
        def update(self, metric, epoch):
            self.best = self.best or None
            return super().update(metric, epoch)

    return {"EarlyStopping": EarlyStopping}


@wrong("E3")
def stopping_default_patience_of_five():
    class EarlyStopping(solution.EarlyStopping):
        def __init__(self, patience=5, min_delta=0.0, mode="min"):
            super().__init__(patience, min_delta, mode)

    return {"EarlyStopping": EarlyStopping}
