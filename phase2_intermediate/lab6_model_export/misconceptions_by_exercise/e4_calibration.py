"""Wrong answers to E4."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from courseware.check import misconception
from phase2_intermediate.lab6_model_export.solution import (
    FakeQuant,
    Observer,
    QuantLayer,
    calibrate,
    choose_qparams,
    fold_batchnorms,
    layer_function,
    replaced,
    static_quant,
    weight_qparams,
)


@misconception("E4", diagnosis="ema-from-zero")
def average_from_zero():
    class Changed(Observer):
        def observe(self, x):
            if self.mode == "ema" and self.range is None and x.numel():
                self.range = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
            super().observe(x)

    return {"Observer": Changed}


@misconception("E4", diagnosis="ema-momentum")
def momentum_the_other_way():
    class Changed(Observer):
        def __init__(self, mode="minmax", *, bits=8, percentile=99.9, momentum=0.9):
            super().__init__(mode, bits=bits, percentile=percentile, momentum=1 - momentum)

    return {"Observer": Changed}


@misconception("E4", diagnosis="percentiles-averaged")
def mean_of_percentiles():
    class Changed(Observer):
        def qparams(self):
            if self.mode != "percentile" or not self.values:
                return super().qparams()
            ends = [
                torch.quantile(v, torch.tensor([100 - self.percentile, self.percentile]).double() / 100)
                for v in self.values
            ]
            low, high = torch.stack(ends).mean(dim=0)
            found = super().qparams()
            return type(found)(*choose_qparams(low, high, bits=self.bits), self.bits)

    return {"Observer": Changed}


@misconception("E4", diagnosis="last-tensor-only")
def forgets_what_came_before():
    class Changed(Observer):
        def observe(self, x):
            if x.numel() and self.mode != "ema":
                self.range, self.values = None, []
            super().observe(x)

    return {"Observer": Changed}


@misconception("E4", diagnosis="mse-without-a-search")
def mse_is_minmax():
    class Changed(Observer):
        def qparams(self):
            if self.mode != "mse":
                return super().qparams()
            plain = copy.copy(self)
            plain.mode = "minmax"
            return Observer.qparams(plain)

    return {"Observer": Changed}


@misconception("E4", diagnosis="observes-the-output")
def watches_outputs():
    def calibrate(model, batches, mode="minmax", *, bits=8):
        layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
        observers = {n: Observer(mode, bits=bits) for n in layers}
        handles = [
            m.register_forward_hook(lambda m, x, y, o=observers[n]: o.observe(y)) for n, m in layers.items()
        ]
        modes = {m: m.training for m in model.modules()}
        with torch.no_grad():
            model.eval()
            for batch in batches:
                model(batch)
        for handle in handles:
            handle.remove()
        for m, training in modes.items():
            m.training = training
        return {n: o.qparams() for n, o in observers.items()}

    return {"calibrate": calibrate}


@misconception("E4", diagnosis="calibration-mode")
def calibrates_in_training_mode():
    def other(model, batches, mode="minmax", *, bits=8):
        class Stuck(nn.Module):
            pass

        layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
        observers = {n: Observer(mode, bits=bits) for n in layers}
        handles = [
            m.register_forward_pre_hook(lambda m, x, o=observers[n]: o.observe(x[0]))
            for n, m in layers.items()
        ]
        for batch in batches:
            model(batch)
        for handle in handles:
            handle.remove()
        return {n: o.qparams() for n, o in observers.items()}

    return {"calibrate": other}


def static(layer_type, *, fold=True):
    def build(model, qparams, bits_w=8):
        model = fold_batchnorms(model) if fold else copy.deepcopy(model)
        made = {n: layer_type(model.get_submodule(n), p, bits_w) for n, p in qparams.items()}
        return replaced(model, made).eval()

    return build


@misconception("E4", diagnosis="norms-not-folded")
def quantises_unfolded():
    return {"static_quant": static(QuantLayer, fold=False)}


@misconception("E4", diagnosis="still-observing")
def observes_while_predicting():
    class Live(QuantLayer):
        def forward(self, x):
            if x.max() > 127 * self.x_scale:
                self.x_scale.copy_(x.max() / 127)
            return super().forward(x)

    return {"static_quant": static(Live)}


@misconception("E4", diagnosis="activations-not-quantised")
def weights_only():
    class WeightOnly(QuantLayer):
        def forward(self, x):
            weight = self.w_q.float() * self.w_scale.reshape(-1, *[1] * (self.w_q.ndim - 1))
            return self.apply_layer(x, weight, self.bias)

    return {"static_quant": static(WeightOnly)}


@misconception("E4", diagnosis="bits-ignored")
def always_eight_bits():
    return {"static_quant": lambda model, qparams, bits_w=8: static_quant(model, qparams, 8)}


def training(weight_of, *, after=None):
    """QAT with its own way from the parameter to the weight of a step."""

    def finetune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0):
        torch.manual_seed(seed)
        model = fold_batchnorms(model)
        layers = {name: model.get_submodule(name) for name in qparams}

        class Trained(nn.Module):
            def __init__(self, layer, params):
                super().__init__()
                self.layer, self.p, self.function = layer, params, layer_function(layer)

            def forward(self, x):
                x = FakeQuant.apply(x, self.p.scale, self.p.zero_point, self.p.bits, True, None)
                return self.function(x, weight_of(self.layer, bits_w), self.layer.bias)

        net = replaced(model, {n: Trained(layer, qparams[n]) for n, layer in layers.items()})
        optimizer = torch.optim.Adam(net.parameters(), lr=lr)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                F.cross_entropy(net(X[rows]), y[rows]).backward()
                optimizer.step()
        return static_quant(replaced(net, layers), qparams, bits_w)

    return {"qat_finetune": finetune}


@misconception("E4", diagnosis="weights-never-learn")
def rounds_without_straight_through():
    def weight_of(layer, bits):
        scale, _ = weight_qparams(layer, bits)
        scale = scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
        return (layer.weight / scale).round() * scale

    return training(weight_of)


@misconception("E4", diagnosis="master-weights-rounded")
def rounds_the_masters_in_place():
    def weight_of(layer, bits):
        scale, zero = weight_qparams(layer, bits)
        with torch.no_grad():
            layer.weight.copy_(FakeQuant.apply(layer.weight, scale, zero, bits, True, 0))
        return layer.weight

    return training(weight_of)


@misconception("E4", diagnosis="another-recipe")
def trains_in_float_and_rounds_at_the_end():
    return training(lambda layer, bits: layer.weight)


@misconception("E4", diagnosis="mode-or-bits-ignored")
def always_minmax():
    return {
        "calibrate": lambda model, batches, mode="minmax", *, bits=8: calibrate(model, batches, bits=bits)
    }
