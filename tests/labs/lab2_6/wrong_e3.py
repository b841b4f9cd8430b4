"""Wrong answers to E3."""

from __future__ import annotations

import copy
import io

import torch
from torch import nn

from phase2_intermediate.lab6_model_export.solution import (
    DynamicQuantLinear,
    choose_qparams,
    quantize,
    quantize_model,
)
from tests.labs.answers import Answers
from tests.labs.lab2_6.right_e3 import converter

wrong = Answers()


def changed(**methods):
    kind = type("DynamicQuantLinear", (DynamicQuantLinear,), methods)
    return {"DynamicQuantLinear": kind, "quantize_model": converter(kind)}


def forward(compute):
    """A forward that calls `compute(self, rows) → [N, O]`."""

    def run(self, x):
        rows = x.reshape(-1, x.shape[-1]).float()
        if not len(rows):
            return x.new_zeros(*x.shape[:-1], len(self.w_q))
        return compute(self, rows).to(x.dtype).reshape(*x.shape[:-1], len(self.w_q))

    return changed(forward=torch.no_grad()(run))


def sound(self, rows, low, high):
    s, z = choose_qparams(low, high)
    q = quantize(rows, s, z, axis=0).double()
    w = self.w_q.double()
    y = (q @ w.T - z[:, None] * w.sum(1)) * s[:, None] * self.w_scale
    return y if self.bias is None else y + self.bias


def ends(self, rows):
    low, high = rows.aminmax(dim=1)
    return (low, high) if self.per_row else (low.min().expand_as(low), high.max().expand_as(high))


@wrong("E3")
def weights_dequantised_only():
    def compute(self, rows):
        y = rows @ (self.w_q.float() * self.w_scale[:, None]).T
        return y if self.bias is None else y + self.bias

    return forward(compute)


@wrong("E3")
def bias_forgotten():
    def compute(self, rows):
        y = sound(self, rows, *ends(self, rows))
        return y if self.bias is None else y - self.bias

    return forward(compute)


@wrong("E3")
def correction_added():
    def compute(self, rows):
        s, z = choose_qparams(*ends(self, rows))
        q, w = quantize(rows, s, z, axis=0).double(), self.w_q.double()
        y = (q @ w.T + z[:, None] * w.sum(1)) * s[:, None] * self.w_scale
        return y if self.bias is None else y + self.bias

    return forward(compute)


@wrong("E3")
def correction_over_the_wrong_axis():
    def compute(self, rows):
        s, z = choose_qparams(*ends(self, rows))
        q, w = quantize(rows, s, z, axis=0).double(), self.w_q.double()
        y = (q @ w.T - z[:, None] * w.sum()) * s[:, None] * self.w_scale
        return y if self.bias is None else y + self.bias

    return forward(compute)


@wrong("E3")
def scale_of_weights_forgotten():
    def compute(self, rows):
        low, high = ends(self, rows)
        y = sound(self, rows, low, high)
        y = y if self.bias is None else y - self.bias
        y = y / self.w_scale
        return y if self.bias is None else y + self.bias

    return forward(compute)


@wrong("E3")
def always_one_range():
    return forward(
        lambda self, rows: sound(self, rows, rows.min().expand(len(rows)), rows.max().expand(len(rows)))
    )


@wrong("E3")
def always_a_range_a_row():
    return forward(lambda self, rows: sound(self, rows, *rows.aminmax(dim=1)))


@wrong("E3")
def ranges_that_only_grow():
    def compute(self, rows):
        low, high = ends(self, rows)
        seen = getattr(self, "seen", (low.min(), high.max()))
        self.seen = (torch.minimum(seen[0], low.min()), torch.maximum(seen[1], high.max()))
        return sound(self, rows, self.seen[0].expand(len(rows)), self.seen[1].expand(len(rows)))

    return forward(compute)


@wrong("E3")
def sums_in_int8():
    def compute(self, rows):
        s, z = choose_qparams(*ends(self, rows))
        q = quantize(rows, s, z, axis=0)
        whole = (q @ self.w_q.T).double() - z[:, None] * self.w_q.double().sum(1)
        y = whole * s[:, None] * self.w_scale
        return y if self.bias is None else y + self.bias

    return forward(compute)


@wrong("E3")
def half_precision_sums():
    def compute(self, rows):
        s, z = choose_qparams(*ends(self, rows))
        q = quantize(rows, s, z, axis=0)
        whole = (q.half() @ self.w_q.half().T).double() - z[:, None] * self.w_q.double().sum(1)
        y = whole * s[:, None] * self.w_scale
        return y if self.bias is None else y + self.bias

    return forward(compute)


@wrong("E3")
def float32_comes_out():
    def run(self, x):
        return DynamicQuantLinear.forward(self, x.float())

    return changed(forward=run)


@wrong("E3")
def matrices_only():
    def run(self, x):
        return sound(self, x.float(), *ends(self, x.float())).to(x.dtype)

    return changed(forward=torch.no_grad()(run))


def made(change):
    """A from_float that changes what the sound one made."""

    def from_float(cls, lin, *, per_channel=True, per_row=True):
        layer = DynamicQuantLinear.from_float.__func__(cls, lin, per_channel=per_channel, per_row=per_row)
        change(layer, lin)
        return layer

    return changed(from_float=classmethod(from_float))


@wrong("E3")
def weights_affine():
    def change(layer, lin):
        w = lin.weight.detach()
        s, z = choose_qparams(w.amin(1), w.amax(1))
        layer.w_q, layer.w_scale = quantize(w, s, z, axis=0), s

    return made(change)


@wrong("E3")
def w_scale_is_a_column():
    def change(layer, lin):
        layer.w_scale = layer.w_scale[:, None]

    return made(change)


@wrong("E3")
def weights_as_float():
    def change(layer, lin):
        layer.w_q = layer.w_q.float()

    return made(change)


@wrong("E3")
def per_tensor_always():
    def from_float(cls, lin, *, per_channel=True, per_row=True):
        return DynamicQuantLinear.from_float.__func__(cls, lin, per_channel=False, per_row=per_row)

    return changed(from_float=classmethod(from_float))


@wrong("E3")
def divides_by_128():
    def change(layer, lin):
        w = lin.weight.detach()
        size = w.abs().amax(1) if len(layer.w_scale) > 1 else w.abs().max().reshape(1)
        layer.w_scale = torch.where(size == 0, 1.0, size / 128)
        layer.w_q = (w / layer.w_scale[:, None]).round().clamp(-128, 127).to(torch.int8)

    return made(change)


@wrong("E3")
def scale_zero_for_a_dead_channel():
    def change(layer, lin):
        dead = lin.weight.detach().abs().amax(1) == 0
        if len(layer.w_scale) > 1:
            layer.w_scale = torch.where(dead, torch.nan, layer.w_scale)

    return made(change)


@wrong("E3")
def shares_the_bias():
    def change(layer, lin):
        layer.bias = None if lin.bias is None else lin.bias.data

    return made(change)


@wrong("E3")
def keeps_the_float_layer():
    def change(layer, lin):
        layer.__dict__["original"] = lin

    return made(change)


@wrong("E3")
def linear_subclasses_left_alone():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        exact = lambda m: type(m) in types  # noqa: E731 (as somebody would write it)
        new = copy.deepcopy(model)
        if exact(new):
            return new if skip("") else DynamicQuantLinear.from_float(new)
        for name, module in list(new.named_modules()):
            if name and exact(module) and not skip(name):
                parent, _, child = name.rpartition(".")
                setattr(new.get_submodule(parent), child, DynamicQuantLinear.from_float(module))
        return new

    return {"quantize_model": convert}


@wrong("E3")
def skip_means_convert():
    def convert(model, types=(nn.Linear,), skip=lambda name: True):
        return quantize_model(model, types, lambda name: not skip(name))

    return {"quantize_model": convert}


@wrong("E3")
def types_ignored():
    return {
        "quantize_model": lambda model, types=(nn.Linear,), skip=lambda name: False: quantize_model(
            model, skip=skip
        )
    }


@wrong("E3")
def shallow_copy():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        new = copy.copy(model)
        new._modules = dict(model._modules)
        for name, module in list(new._modules.items()):
            if isinstance(module, types) and not skip(name):
                new._modules[name] = DynamicQuantLinear.from_float(module)
        return new

    return {"quantize_model": convert}


@wrong("E3")
def the_model_itself_forgotten():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        return copy.deepcopy(model) if isinstance(model, types) else quantize_model(model, types, skip)

    return {"quantize_model": convert}


@wrong("E3")
def size_of_a_file():
    def artefact_bytes(model):
        buffer = io.BytesIO()
        torch.save(model.state_dict(), buffer)
        return len(buffer.getvalue())

    return {"artefact_bytes": artefact_bytes}


@wrong("E3")
def four_bytes_each():
    return {"artefact_bytes": lambda model: 4 * sum(v.numel() for v in model.state_dict().values())}


@wrong("E3")
def numbers_instead_of_bytes():
    return {"artefact_bytes": lambda model: sum(v.numel() for v in model.state_dict().values())}
