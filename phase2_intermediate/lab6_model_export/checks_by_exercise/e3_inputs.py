"""The known mistakes of E3 with odd inputs, and in what the layer shares with its original."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise.e3_layer import W, X, linear

probe = Probes()


@probe("shapes-of-the-input")
def shapes(a: Any, t: Trial) -> str | None:
    layer = linear(W, [1.0, 2.0])
    ours = a.DynamicQuantLinear.from_float(layer)
    for shape in ((3,), (1, 3), (2, 4, 3), (0, 3), (2, 0, 3)):
        for per_row in (True, False):
            with family("shapes-of-the-input", f"x of shape {shape}"):
                layer_ = ours if per_row else a.DynamicQuantLinear.from_float(layer, per_row=False)
                found = layer_(torch.ones(shape))
                t.that(tuple(found.shape) == (*shape[:-1], 2), f"gave a result of shape {tuple(found.shape)}")
    x = t.randn(2, 4, 3, dtype=torch.float32)
    if not same(ours(x), torch.stack([ours(part) for part in x])):
        return (
            "x of shape [2, 4, 3] is to give the same as its two parts one after the other: each row for "
            "itself"
        )
    with family("shapes-of-the-input", "a transposed x, which is not contiguous"):
        t.that(same(ours(x.transpose(0, 1)), ours(x).transpose(0, 1)), "gives another result")
    return None


@probe("nothing-but-zero")
def zeros(a: Any, t: Trial) -> str | None:
    with family("nothing-but-zero", "a row of zeros in x, or a channel of zeros in the weight"):
        layer = a.DynamicQuantLinear.from_float(linear([[0.0, 0.0], [1.0, -1.0]], [3.0, 4.0]))
        found = layer(torch.tensor([[0.0, 0.0], [2.0, 1.0]]))
        t.equal(
            found, torch.tensor([[3.0, 4.0], [3.0, 5.0]]), "weight [[0, 0], [1, −1]], bias [3, 4]", atol=0.05
        )
        whole = a.DynamicQuantLinear.from_float(linear([[0.0, 0.0]]), per_channel=False)
        t.that(bool(whole(torch.ones(1, 2)).eq(0).all()), "a weight of zeros must give zeros")
    return None


@probe("result-dtype")
def dtypes(a: Any, t: Trial) -> str | None:
    layer = a.DynamicQuantLinear.from_float(linear(W, [1.0, 2.0]))
    right = layer(X / 16)
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.float32):
        with family("result-dtype", f"x in {dtype}"):
            found = layer((X / 16).to(dtype))
            t.that(found.dtype == dtype, f"gives {found.dtype}, expected x's dtype")
            t.equal(found.double(), right.double(), "the values", rtol=2e-2, atol=1.0)
            t.that(layer(torch.ones(0, 3, dtype=dtype)).dtype == dtype, "without a row gives another dtype")
    return None


@probe("bias-changed")
def bias(a: Any, t: Trial) -> str | None:
    layer = linear([[1.0, 1.0], [1.0, 1.0]], [0.001, 100.0])
    found = a.DynamicQuantLinear.from_float(layer)(torch.zeros(1, 2))[0]
    if not same(found, torch.tensor([0.001, 100.0])):
        return (
            f"with x = 0 the bias [0.001, 100] must come out as it is, you give {numbers(found)}: it is not "
            f"quantised"
        )
    return None


@probe("original-changed")
def original(a: Any, t: Trial) -> str | None:
    layer = linear(W, [1.0, 2.0])
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    ours = a.DynamicQuantLinear.from_float(layer)
    first = ours(X)
    for name, value in layer.state_dict().items():
        if not torch.equal(value, before[name]):
            return f"from_float changed the float layer: its {name} is {numbers(value)}"
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.add_(5)
    if not same(ours(X), first):
        return (
            "after the float layer was changed the int8 layer gives another result: it shares its tensors "
            "(clone them)"
        )
    other = a.DynamicQuantLinear.from_float(linear([[1.0, 2.0, 3.0], [0.0, 9.0, 1.0]], [7.0, 8.0]))
    with family("original-changed", "load_state_dict with the state of another layer"):
        other.load_state_dict(ours.state_dict())
        t.that(
            same(other(X), first),
            "does not make it that layer: something it computes with is no part of the state",
        )
    return None
