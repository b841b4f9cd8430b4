"""Wrong answers to E3."""

import copy

import torch
from torch import nn

from courseware.check import misconception
from phase2_intermediate.lab6_model_export.solution import (
    DynamicQuantLinear,
    choose_qparams,
    quantize,
    quantize_model,
)


def layer(*, accumulate=None, correction=True, static=False, symmetric=False, keep=False, bias_bits=False):
    """A sound layer with parts to be exchanged."""

    class Changed(DynamicQuantLinear):
        @classmethod
        def from_float(cls, lin, *, per_channel=True, per_row=True):
            made = super().from_float(lin, per_channel=per_channel, per_row=per_row)
            if keep:
                made.register_buffer("weight", lin.weight.detach().clone())
            if bias_bits and made.bias is not None:
                scale, zero = choose_qparams(made.bias.min(), made.bias.max())
                made.bias = (quantize(made.bias, scale, zero).float() - zero) * scale
            return made

        @torch.no_grad()
        def forward(self, x):
            rows = x.reshape(-1, x.shape[-1]).float()
            if rows.shape[0] == 0:
                return x.new_zeros(*x.shape[:-1], len(self.w_q))
            low, high = rows.aminmax(dim=1)
            if not self.per_row:
                low, high = low.min().expand(len(rows)), high.max().expand(len(rows))
            if static:
                if not hasattr(self, "first"):
                    self.first = [float(low.min()), float(high.max())]
                low, high = (torch.full((len(rows),), end) for end in self.first)
            if symmetric:
                size = torch.maximum(-low, high)
                scale, zero = choose_qparams(-size, size, symmetric=True)
            else:
                scale, zero = choose_qparams(low, high)
            q, w = quantize(rows, scale, zero, axis=0), self.w_q
            whole = accumulate(q, w) if accumulate else q.double() @ w.double().T
            if correction:
                whole = whole - zero[:, None] * w.double().sum(dim=1)
            y = whole * scale[:, None] * self.w_scale
            y = y if self.bias is None else y + self.bias
            return y.to(x.dtype).reshape(*x.shape[:-1], len(w))

    Changed.__name__ = "DynamicQuantLinear"
    return {"DynamicQuantLinear": Changed, "quantize_model": converter(Changed)}


def converter(kind):
    def quantize_model(model, types=(nn.Linear,), skip=lambda name: False):
        def converted(module, name):
            if isinstance(module, types) and not skip(name):
                return kind.from_float(module)
            for child_name, child in module.named_children():
                setattr(module, child_name, converted(child, f"{name}.{child_name}" if name else child_name))
            return module

        return converted(copy.deepcopy(model), "")

    return quantize_model


@misconception("E3", diagnosis="sums-overflow")
def accumulates_in_sixteen_bits():
    return layer(accumulate=lambda q, w: (q.short() @ w.short().T).double())


@misconception("E3", diagnosis="sums-are-rounded")
def accumulates_in_float32():
    return layer(accumulate=lambda q, w: (q.float() @ w.float().T).double())


@misconception("E3", diagnosis="zero-point-forgotten")
def no_correction():
    return layer(correction=False)


@misconception("E3", diagnosis="other-state")
def keeps_the_float_weights():
    return layer(keep=True)


@misconception("E3", diagnosis="range-from-elsewhere")
def the_first_batch_decides():
    return layer(static=True)


@misconception("E3", diagnosis="symmetric-activations")
def symmetric_rows():
    return layer(symmetric=True)


@misconception("E3", diagnosis="scales-of-the-input-axis")
def one_scale_an_input():
    class Changed(DynamicQuantLinear):
        @classmethod
        def from_float(cls, lin, *, per_channel=True, per_row=True):
            size = lin.weight.detach().abs().amax(dim=0 if per_channel else (0, 1)).reshape(-1)
            scale, zero = choose_qparams(-size, size, symmetric=True)
            axis = (scale.expand(lin.in_features), zero.expand(lin.in_features))
            bias = None if lin.bias is None else lin.bias.detach().clone()
            return cls(quantize(lin.weight.detach(), *axis, axis=1), scale, bias, per_row)

    return {"DynamicQuantLinear": Changed, "quantize_model": converter(Changed)}


@misconception("E3", diagnosis="original-model-changed")
def converts_in_place():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        for name, module in list(model.named_modules()):
            if isinstance(module, types) and not skip(name):
                if not name:
                    return DynamicQuantLinear.from_float(module)
                parent, _, child = name.rpartition(".")
                setattr(model.get_submodule(parent), child, DynamicQuantLinear.from_float(module))
        return model

    return {"quantize_model": convert}


@misconception("E3", diagnosis="nested-layers-missed")
def only_the_top_level():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        model = copy.deepcopy(model)
        if isinstance(model, types) and not skip(""):
            return DynamicQuantLinear.from_float(model)
        for name, module in list(model.named_children()):
            if isinstance(module, types) and not skip(name):
                setattr(model, name, DynamicQuantLinear.from_float(module))
        return model

    return {"quantize_model": convert}


@misconception("E3", diagnosis="skip-ignored")
def skips_by_the_last_name():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        return quantize_model(model, types, lambda name: skip(name.rpartition(".")[2]))

    return {"quantize_model": convert}


@misconception("E3", diagnosis="bytes-of-something-else")
def parameters_only():
    return {"artefact_bytes": lambda model: sum(p.nbytes for p in model.parameters())}


@misconception("E3", diagnosis="bias-changed")
def quantises_the_bias():
    def rough(bias):
        return (bias / bias.abs().max().clamp(min=1e-9) * 127).round() / 127 * bias.abs().max()

    class Changed(DynamicQuantLinear):
        @torch.no_grad()
        def forward(self, x):
            y = super().forward(x)
            return y if self.bias is None else y + (rough(self.bias) - self.bias).to(x.dtype)

    return {"DynamicQuantLinear": Changed, "quantize_model": converter(Changed)}
