"""Wrong answers to E3 after the sum, in the copy of a model, and in counting bytes."""

from __future__ import annotations

import copy

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


def layer(finish):
    """A layer whose whole numbers are right; finish(self, x, whole, scales of rows) makes the result."""

    def forward(self, x):
        if not x.numel():
            return x.new_zeros(*x.shape[:-1], len(self.w_q))
        rows = x.reshape(-1, x.shape[-1]).float()
        low, high = rows.aminmax(dim=1)
        if not self.per_row:
            low, high = low.min().expand_as(low), high.max().expand_as(high)
        s, z = choose_qparams(low, high)
        q = quantize(rows, s, z, axis=0).double() - z[:, None]
        y = finish(self, x, q @ self.w_q.double().T, s[:, None])
        return y.to(x.dtype).reshape(*x.shape[:-1], len(self.w_q))

    kind = type("DynamicQuantLinear", (DynamicQuantLinear,), {"forward": torch.no_grad()(forward)})
    return {"DynamicQuantLinear": kind, "quantize_model": converter(kind)}


@wrong("E3")
def scaled_in_the_dtype_of_x():
    def finish(self, x, whole, s):
        y = whole.to(x.dtype) * s.to(x.dtype) * self.w_scale.to(x.dtype)
        return y if self.bias is None else y + self.bias.to(x.dtype)

    return layer(finish)


@wrong("E3")
def bias_among_the_whole_numbers():
    return layer(
        lambda self, x, whole, s: (whole if self.bias is None else whole + self.bias) * s * self.w_scale
    )


@wrong("E3")
def no_bias():
    return layer(lambda self, x, whole, s: whole * s * self.w_scale)


@wrong("E3")
def names_with_dots():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        new = copy.deepcopy(model)
        if isinstance(new, types):
            return quantize_model(new, types, skip)
        for name, module in list(new.named_modules()):
            if isinstance(module, types) and not skip(name):
                setattr(new, name, DynamicQuantLinear.from_float(module))
        return new

    return {"quantize_model": convert}


@wrong("E3")
def converts_what_is_to_be_skipped():
    return {
        "quantize_model": lambda model, types=(nn.Linear,), skip=lambda name: False: quantize_model(
            model, types, lambda name: not skip(name)
        )
    }


@wrong("E3")
def a_copy_in_evaluation_mode():
    return {
        "quantize_model": lambda model, types=(nn.Linear,), skip=lambda name: False: quantize_model(
            model, types, skip
        ).eval()
    }


@wrong("E3")
def all_buffers():
    return {"artefact_bytes": lambda model: sum(x.nbytes for x in (*model.parameters(), *model.buffers()))}


@wrong("E3")
def bytes_of_the_storages():
    return {
        "artefact_bytes": lambda model: sum(x.untyped_storage().nbytes() for x in model.state_dict().values())
    }


def before(change):
    """The sound layer; change(self, x) gives what it computes with."""

    def forward(self, x):
        return DynamicQuantLinear.forward(self, change(self, x))

    kind = type("DynamicQuantLinear", (DynamicQuantLinear,), {"forward": forward})
    return {"DynamicQuantLinear": kind, "quantize_model": converter(kind)}


@wrong("E3")
def one_range_for_ever():
    def change(self, x):
        if self.per_row or not x.numel():
            return x
        first = self.__dict__.setdefault("first", (float(x.min()), float(x.max())))
        return x.clamp(*first)

    return before(change)


@wrong("E3")
def a_view_of_x():
    return before(lambda self, x: x.view(-1, x.shape[-1]).view(x.shape))


@wrong("E3")
def rounds_x_in_place():
    return before(lambda self, x: x.mul_(4).round_().div_(4))


@wrong("E3")
def each_module_once():
    def convert(model, types=(nn.Linear,), skip=lambda name: False):
        new = copy.deepcopy(model)
        if isinstance(new, types):
            return quantize_model(new, types, skip)
        for name, module in list(new.named_modules()):
            if isinstance(module, types) and not skip(name):
                parent, _, child = name.rpartition(".")
                setattr(new.get_submodule(parent), child, DynamicQuantLinear.from_float(module))
        return new

    return {"quantize_model": convert}


@wrong("E3")
def levels_of_unsigned_numbers():
    def forward(self, x):
        if not x.numel():
            return x.new_zeros(*x.shape[:-1], len(self.w_q))
        rows = x.reshape(-1, x.shape[-1]).float()
        low, high = rows.aminmax(dim=1)
        if not self.per_row:
            low, high = low.min().expand_as(low), high.max().expand_as(high)
        s, z = choose_qparams(low, high, signed=False)
        q = quantize(rows, s, z, axis=0).double() - z[:, None]
        y = q @ self.w_q.double().T * s[:, None] * self.w_scale
        y = y if self.bias is None else y + self.bias
        return y.to(x.dtype).reshape(*x.shape[:-1], len(self.w_q))

    kind = type("DynamicQuantLinear", (DynamicQuantLinear,), {"forward": torch.no_grad()(forward)})
    return {"DynamicQuantLinear": kind, "quantize_model": converter(kind)}
