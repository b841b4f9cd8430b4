"""Wrong answers to E4 in one step of training, and in what a quantised model still holds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from phase2_intermediate.lab6_model_export.solution import (
    FakeQuant,
    Observer,
    QParams,
    calibrate,
    choose_qparams,
    layer_function,
    qat_finetune,
    replaced,
    static_quant,
    weight_qparams,
)
from shared.nn.fold import fold_batchnorms
from tests.labs.answers import Answers

wrong = Answers()


def training(*, cut=True, anew=True, biases=True, fresh=False, kind=torch.optim.Adam, loss=F.cross_entropy):
    """A `qat_finetune` with one thing changed."""

    class Trained(nn.Module):
        def __init__(self, layer, params, bits_w):
            super().__init__()
            self.layer, self.p, self.bits_w = layer, params, bits_w
            self.first = weight_qparams(layer, bits_w)

        def forward(self, x):
            if cut:
                x = FakeQuant.apply(x, self.p.scale, self.p.zero_point, self.p.bits, True, None)
            scale, zero = weight_qparams(self.layer, self.bits_w) if anew else self.first
            weight = FakeQuant.apply(self.layer.weight, scale, zero, self.bits_w, True, 0)
            return layer_function(self.layer)(x, weight, self.layer.bias)

    def finetune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        torch.manual_seed(seed)
        net = fold_batchnorms(model)
        layers = {name: net.get_submodule(name) for name in qparams}
        net = replaced(net, {name: Trained(layer, qparams[name], bits_w) for name, layer in layers.items()})
        optimizer = kind([p for p in net.parameters() if biases or p.ndim > 1], lr=lr)
        for _ in range(epochs):
            if fresh:
                optimizer = kind(net.parameters(), lr=lr)
            for rows in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                loss(net(X[rows]), y[rows]).backward()
                optimizer.step()
        return static_quant(replaced(net, layers), qparams, bits_w)

    return {"qat_finetune": finetune}


@wrong("E4")
def inputs_not_quantised_in_training():
    return training(cut=False)


@wrong("E4")
def scales_of_the_first_step():
    return training(anew=False)


@wrong("E4")
def biases_stay():
    return training(biases=False)


@wrong("E4")
def rmsprop():
    return training(kind=torch.optim.RMSprop)


@wrong("E4")
def adam_with_decay():
    return training(kind=torch.optim.AdamW)


@wrong("E4")
def an_optimizer_for_each_epoch():
    return training(fresh=True)


@wrong("E4")
def softmax_before_the_cross_entropy():
    return training(loss=lambda scores, y: F.cross_entropy(scores.softmax(dim=1), y))


@wrong("E4")
def eight_bits_for_the_inputs_while_training():
    def finetune(model, X, y, *, qparams, **how):
        found = qat_finetune(
            model, X, y, qparams={n: QParams(p.scale, p.zero_point) for n, p in qparams.items()}, **how
        )
        for name, params in qparams.items():
            found.get_submodule(name).bits = params.bits
        return found

    return {"qat_finetune": finetune}


@wrong("E4")
def faster_by_default():
    def finetune(model, X, y, *, qparams, lr=3e-3, **how):
        return qat_finetune(model, X, y, qparams=qparams, lr=lr, **how)

    return {"qat_finetune": finetune}


@wrong("E4")
def calibrated_again_after_training():
    def finetune(model, X, y, *, qparams, **how):
        found = qat_finetune(model, X, y, qparams=qparams, **how)
        for name, params in calibrate(model, X.split(64)).items():
            if name in qparams:
                layer = found.get_submodule(name)
                layer.x_scale.copy_(params.scale)
                layer.x_zero.copy_(params.zero_point)
                layer.bits = params.bits
        return found

    return {"qat_finetune": finetune}


@wrong("E4")
def the_float_layer_in_a_closure():
    def quantised(model, qparams, bits_w=8):
        found, folded = static_quant(model, qparams, bits_w), fold_batchnorms(model)
        for name in qparams:
            layer = folded.get_submodule(name)
            found.get_submodule(name).apply_layer = lambda x, w, b, layer=layer: layer_function(layer)(
                x, w, b
            )
        return found

    return {"static_quant": quantised}


@wrong("E4")
def a_tensor_that_is_no_buffer():
    def quantised(model, qparams, bits_w=8):
        found, folded = static_quant(model, qparams, bits_w), fold_batchnorms(model)
        for name in qparams:
            found.get_submodule(name).kept = folded.get_submodule(name).weight.detach().clone()
        return found

    return {"static_quant": quantised}


@wrong("E4")
def a_search_from_one_half_on():
    class Changed(Observer):
        def qparams(self):
            if self.mode != "mse" or self.range is None:
                return super().qparams()
            values, best = torch.cat(self.values), []
            for c in torch.linspace(0.5, 1, 100, dtype=torch.float64):
                scale, zero = choose_qparams(c * self.range[0], c * self.range[1], bits=self.bits)
                y = FakeQuant.apply(values, scale, zero, self.bits, True, None)
                best.append((float((y - values).square().mean()), scale, zero))
            _, scale, zero = min(best, key=lambda found: found[0])
            return QParams(scale, zero, self.bits)

    return {"Observer": Changed}
