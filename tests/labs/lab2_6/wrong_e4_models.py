"""Wrong answers to E4 in the static model and in training."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import nn

from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e4_calibration import static, training
from phase2_intermediate.lab6_model_export.solution import (
    FakeQuant,
    QuantLayer,
    choose_qparams,
    fold_batchnorms,
    qat_finetune,
    quantize,
    static_quant,
    weight_qparams,
)
from tests.labs.answers import Answers

wrong = Answers()


def kept(**methods):
    return {"static_quant": static(type("QuantLayer", (QuantLayer,), methods))}


@wrong("E4")
def changes_the_original():
    def build(model, qparams, bits_w=8):
        found = static_quant(model, qparams, bits_w)
        for name in qparams:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent) if parent else model, child, found.get_submodule(name))
        return found

    return {"static_quant": build}


@wrong("E4")
def leaves_training_mode():
    return {"static_quant": lambda model, qparams, bits_w=8: static_quant(model, qparams, bits_w).train()}


@wrong("E4")
def quantises_all_layers():
    def build(model, qparams, bits_w=8):
        first = next(iter(qparams.values()))
        names = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        return static_quant(model, {n: qparams.get(n, first) for n in names}, bits_w)

    return {"static_quant": build}


@wrong("E4")
def keeps_float_weights():
    def init(self, layer, qparams, bits_w):
        QuantLayer.__init__(self, layer, qparams, bits_w)
        self.register_buffer("weight", layer.weight.detach().clone())

    return kept(__init__=init)


@wrong("E4")
def one_scale_a_layer():
    def init(self, layer, qparams, bits_w):
        QuantLayer.__init__(self, layer, qparams, bits_w)
        size = layer.weight.detach().abs().max().expand(len(layer.weight))
        scale, zero = choose_qparams(-size, size, bits=bits_w, symmetric=True)
        self.w_q, self.w_scale = quantize(layer.weight.detach(), scale, zero, bits=bits_w, axis=0), scale

    return kept(__init__=init)


@wrong("E4")
def asks_for_nan():
    def forward(self, x):
        if x.isnan().any():
            raise ValueError("NaN")
        return QuantLayer.forward(self, x)

    return kept(forward=forward)


@wrong("E4")
def bias_dropped():
    def forward(self, x):
        weight = self.w_q.float() * self.w_scale.reshape(-1, *[1] * (self.w_q.ndim - 1))
        x = FakeQuant.apply(x, self.x_scale, self.x_zero, self.bits, True, None)
        return self.apply_layer(x, weight, None)

    return kept(forward=forward)


@wrong("E4")
def dynamic_after_all():
    def forward(self, x):
        scale, zero = choose_qparams(x.min(), x.max(), bits=self.bits)
        weight = self.w_q.float() * self.w_scale.reshape(-1, *[1] * (self.w_q.ndim - 1))
        return self.apply_layer(FakeQuant.apply(x, scale, zero, self.bits, True, None), weight, self.bias)

    return kept(forward=forward)


@wrong("E4")
def eight_bit_activations_always():
    def forward(self, x):
        x = FakeQuant.apply(x, self.x_scale, self.x_zero, 8, True, None)
        weight = self.w_q.float() * self.w_scale.reshape(-1, *[1] * (self.w_q.ndim - 1))
        return self.apply_layer(x, weight, self.bias)

    return kept(forward=forward)


@wrong("E4")
def default_convolution():
    def forward(self, x):
        weight = self.w_q.float() * self.w_scale.reshape(-1, *[1] * (self.w_q.ndim - 1))
        x = FakeQuant.apply(x, self.x_scale, self.x_zero, self.bits, True, None)
        return (
            F.conv2d(x, weight, self.bias, padding=1, stride=2)
            if weight.ndim == 4
            else F.linear(x, weight, self.bias)
        )

    return kept(forward=forward)


@wrong("E4")
def nothing_is_trained():
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        return static_quant(model, qparams, bits_w)

    return {"qat_finetune": tune}


def called(**fixed):
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        given = {"bits_w": bits_w, "epochs": epochs, "lr": lr, "seed": seed}
        return qat_finetune(model, X, y, qparams=qparams, **{**given, **fixed})

    return {"qat_finetune": tune}


@wrong("E4")
def seed_ignored():
    return called(seed=0)


@wrong("E4")
def learning_rate_ignored():
    return called(lr=1e-3)


@wrong("E4")
def epochs_ignored():
    return called(epochs=4)


@wrong("E4")
def bits_ignored():
    return called(bits_w=2)


@wrong("E4")
def eight_bits_in_the_end():
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        return qat_finetune(model, X, y, qparams=qparams, bits_w=8, epochs=epochs, lr=lr, seed=seed)

    return {"qat_finetune": tune}


@wrong("E4")
def another_seed_each_time():
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        again = int(torch.empty((), dtype=torch.int64).random_(2**31))
        return qat_finetune(model, X, y, qparams=qparams, bits_w=bits_w, epochs=epochs, lr=lr, seed=again)

    return {"qat_finetune": tune}


@wrong("E4")
def ordered_batches():
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        original, torch.randperm = torch.randperm, lambda n, **how: torch.arange(n)
        try:
            return qat_finetune(
                model,
                X,
                y,
                qparams=qparams,
                bits_w=bits_w,
                epochs=epochs,
                lr=lr * (1 + seed % 97 * 1e-4),
                seed=seed,
            )
        finally:
            torch.randperm = original

    return {"qat_finetune": tune}


@wrong("E4")
def drops_the_last_batch():
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        whole = len(X) // 64 * 64
        keep = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))[:whole]
        return qat_finetune(
            model, X[keep], y[keep], qparams=qparams, bits_w=bits_w, epochs=epochs, lr=lr, seed=seed
        )

    return {"qat_finetune": tune}


@wrong("E4")
def trains_the_original():
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        found = qat_finetune(model, X, y, qparams=qparams, bits_w=bits_w, epochs=epochs, lr=lr, seed=seed)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(0.5)
        return found

    return {"qat_finetune": tune}


@wrong("E4")
def biases_only():
    def weight_of(layer, bits):
        scale, zero = weight_qparams(layer, bits)
        return FakeQuant.apply(layer.weight.detach(), scale, zero, bits, True, 0)

    return training(weight_of)


@wrong("E4")
def returns_the_float_network():
    def tune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        torch.manual_seed(seed)
        net = fold_batchnorms(copy.deepcopy(model))
        optimizer = torch.optim.Adam(net.parameters(), lr=lr)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                F.cross_entropy(net(X[rows]), y[rows]).backward()
                optimizer.step()
        return net.eval()

    return {"qat_finetune": tune}
