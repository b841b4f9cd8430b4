"""Wrong answers to E4 that only an unusual model or a second look shows."""

from __future__ import annotations

import math

from torch import nn

from phase1_foundations.lab2_nn_module import solution
from tests.labs.answers import Answers
from tests.labs.lab1_2.wrong_e4_lsuv import lsuv

wrong = Answers()


@wrong("E4")
def watches_linear_layers_only():
    class ActivationProbe(solution.ActivationProbe):
        def __init__(self, model, types=(nn.Linear,)):
            super().__init__(model, types)

    return {"ActivationProbe": ActivationProbe}


@wrong("E4")
def one_dict_for_all():
    class ActivationProbe(solution.ActivationProbe):
        def __init__(self, model, types=(nn.Linear, nn.Conv2d), stats={}):  # noqa: B006
            super().__init__(model, types)
            self.stats = stats

    return {"ActivationProbe": ActivationProbe}


def exchanges_the_weight(layer, std, target):
    layer.weight = nn.Parameter(layer.weight * (target / std))


def by_the_root(layer, std, target):
    layer.weight.mul_(math.sqrt(target / std))


wrong.add("E4", "lsuv_exchanges_the_weight", lambda: {"lsuv_init_": lsuv(scale=exchanges_the_weight)})
wrong.add("E4", "lsuv_divides_by_the_root", lambda: {"lsuv_init_": lsuv(scale=by_the_root)})
wrong.add("E4", "lsuv_never_looks_first", lambda: {"lsuv_init_": lsuv(near=lambda *_: False)})
wrong.add(
    "E4",
    "lsuv_absolute_tolerance",
    lambda: {"lsuv_init_": lsuv(near=lambda std, target, tol: abs(std - target) <= tol)},
)
