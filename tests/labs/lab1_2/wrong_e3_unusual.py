"""Wrong answers to E3 that only an unusual input shows."""

from __future__ import annotations

import torch

from phase1_foundations.lab2_nn_module import solution
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E3")
def always_float32():
    def normalize(x, dims, eps):
        return solution.normalize(x.float(), dims, eps).to(x.dtype)

    return {"normalize": normalize}


@wrong("E3")
def momentum_zero_for_none():
    class BatchNorm(solution.BatchNorm):
        def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
            super().__init__(num_features, eps, momentum or None, affine)

    return {"BatchNorm": BatchNorm}


@wrong("E3")
def gamma_in_half_precision():
    class LayerNorm(solution.LayerNorm):
        def forward(self, x):
            y = solution.normalize(x, self.dims, self.eps)
            return y if self.weight is None else y * self.weight.to(x.dtype) + self.bias.to(x.dtype)

    return {"LayerNorm": LayerNorm}


@wrong("E3")
def condition_cut_off():
    class AdaLayerNorm(solution.AdaLayerNorm):
        def forward(self, x, c):
            return super().forward(x, c.detach())

    return {"AdaLayerNorm": AdaLayerNorm}


@wrong("E3")
def gate_first():
    class AdaLayerNorm(solution.AdaLayerNorm):
        def forward(self, x, c):
            return super().forward(x, c)[::-1]

    return {"AdaLayerNorm": AdaLayerNorm}


@wrong("E3")
def folding_turns_to_evaluation():
    def fold_batchnorm(layer, bn):
        with torch.no_grad():
            return solution.fold_batchnorm(layer, bn.eval())

    return {"fold_batchnorm": fold_batchnorm}
