"""Wrong answers to E1, third part: numbers, memory and options that only a second look shows."""

from phase1_foundations.lab3_training_loop.solution import SGD as Right
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E1")
def numbers_without_gaps():
    class SGD(Right):
        def state_dict(self):
            saved = super().state_dict()
            return {**saved, "state": dict(enumerate(saved["state"].values()))}

    return {"SGD": SGD}


@wrong("E1")
def arguments_in_another_order():
    class SGD(Right):
        def __init__(self, params, lr, momentum=0.0, weight_decay=0.0, dampening=0.0, nesterov=False):
            super().__init__(params, lr, momentum, dampening, nesterov, weight_decay)

    return {"SGD": SGD}


@wrong("E1")
def one_memory_for_all():
    class SGD(Right):
        kept = {}  # noqa: RUF012

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.state = self.kept

    return {"SGD": SGD}
