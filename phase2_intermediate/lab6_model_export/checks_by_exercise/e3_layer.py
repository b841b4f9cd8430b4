"""The known mistakes of E3 in the layer itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import family

probe = Probes()


def linear(weight: list[list[float]] | Tensor, bias: list[float] | Tensor | None = None) -> nn.Linear:
    """A float layer with this weight."""
    weight = torch.as_tensor(weight, dtype=torch.float32)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(torch.as_tensor(bias, dtype=torch.float32))
    return layer


def by_numpy(layer: nn.Linear, x: Tensor, *, per_channel: bool = True, per_row: bool = True) -> Tensor:
    """The layer in whole numbers of int64, with scales in float64."""
    w = layer.weight.detach().double().numpy()
    size = np.abs(w).max(axis=1) if per_channel else np.full(len(w), np.abs(w).max())
    s_w = np.where(size == 0, 1.0, size / 127)
    q_w = np.rint(w / s_w[:, None]).astype(np.int64)
    rows = x.detach().double().reshape(-1, x.shape[-1]).numpy()
    low, high = np.minimum(rows.min(axis=1), 0), np.maximum(rows.max(axis=1), 0)
    if not per_row:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    s_x = np.where(high == low, 1.0, (high - low) / 255)
    z = np.clip(np.rint(-128 - low / s_x), -128, 127).astype(np.int64)
    q_x = np.clip(np.rint(rows / s_x[:, None]) + z[:, None], -128, 127).astype(np.int64)
    y = ((q_x - z[:, None]) @ q_w.T) * s_x[:, None] * s_w
    if layer.bias is not None:
        y = y + layer.bias.detach().double().numpy()
    return torch.from_numpy(y).reshape(*x.shape[:-1], len(w))


# Whole numbers that 8 bits hold exactly: rows from 0 to 255, weights up to 127.
X = torch.tensor([[0.0, 255.0, 10.0], [255.0, 1.0, 200.0]])
W = [[127.0, -5.0, 30.0], [1.0, 127.0, -127.0]]


@probe("other-state")
def state(a: Any, t: Trial) -> str | None:
    with family("other-state", "the layer's state"):
        for bias in ([0.5, -0.5], None):
            layer = a.DynamicQuantLinear.from_float(linear(W, bias))
            found = layer.state_dict()
            floats = [n for n, v in found.items() if v.dtype.is_floating_point and v.numel() >= 6]
            if floats:
                t.fail(
                    f"{floats[0]} keeps the weights in float beside the int8 ones: five bytes a weight, not "
                    f"one"
                )
            wanted = {"w_q", "w_scale"} | ({"bias"} if bias else set())
            t.that(set(found) == wanted, f"state_dict has {sorted(found)}, expected {sorted(wanted)}")
            t.that(found["w_q"].dtype == torch.int8, f"w_q is {found['w_q'].dtype}, expected int8")
            t.that(found["w_scale"].dtype == torch.float32, f"w_scale is {found['w_scale'].dtype}")
            if bias:
                t.that(
                    found["bias"].dtype == torch.float32 and same(found["bias"], torch.tensor(bias)),
                    f"the bias is {numbers(found['bias'])} ({found['bias'].dtype}); it stays float32, as it "
                    f"was",
                )
            else:
                t.that(layer.bias is None, "without a bias, `bias` is None")
            hidden = [
                name
                for module in layer.modules()
                for name, value in vars(module).items()
                if isinstance(value, Tensor | nn.Linear | np.ndarray)
            ]
            hidden += [name for name, _ in layer.named_buffers() if name not in wanted]
            t.that(not hidden, f"another tensor is kept in {hidden}: only w_q, w_scale and bias travel")
    return None


@probe("scales-of-the-input-axis")
def input_axis(a: Any, t: Trial) -> str | None:
    layer = a.DynamicQuantLinear.from_float(linear([[1.0, 2.0, -4.0], [8.0, 16.0, 32.0]]))
    shape = tuple(layer.w_scale.shape)
    if shape != (2,):
        more = ": there is one scale for each *output*, a row of the weight" if shape == (3,) else ""
        return f"w_scale has shape {shape} for a layer of 3 inputs and 2 outputs, expected (2,){more}"
    if not same(layer.w_scale, torch.tensor([4 / 127, 32 / 127]), rtol=1e-5):
        return (
            f"[1, 2, −4] and [8, 16, 32] have the scales 4/127 and 32/127, yours are "
            f"{numbers(layer.w_scale)}: symmetric, the largest size (without sign) of each row"
        )
    one = a.DynamicQuantLinear.from_float(linear([[1.0, 2.0], [8.0, -32.0]]), per_channel=False)
    if tuple(one.w_scale.shape) != (1,) or not same(one.w_scale, torch.tensor([32 / 127]), rtol=1e-5):
        return f"with per_channel=False w_scale is [32/127], of shape (1,); yours is {numbers(one.w_scale)}"
    if one.w_q.tolist() != [[4, 8], [32, -127]]:
        return f"[[1, 2], [8, −32]] with one scale 32/127 is [[4, 8], [32, −127]], yours {one.w_q.tolist()}"
    return None


@probe("weights-not-symmetric")
def weights(a: Any, t: Trial) -> str | None:
    layer = a.DynamicQuantLinear.from_float(linear(W))
    if layer.w_q.tolist() != [[127, -5, 30], [1, 127, -127]]:
        return f"whole weights up to 127 are their own levels, {W}; yours are {layer.w_q.tolist()}"
    found = a.DynamicQuantLinear.from_float(linear([[1.0, 2.0, 3.0]])).w_q.tolist()
    if found != [[42, 85, 127]]:
        return f"[1, 2, 3] is to be symmetric, round(w · 127 / 3) = [42, 85, 127]; yours is {found}"
    return None


@probe("zero-point-forgotten")
def correction(a: Any, t: Trial) -> str | None:
    layer = linear(W)
    right = by_numpy(layer, X)
    found = a.DynamicQuantLinear.from_float(layer)(X).double()
    sums = torch.tensor(W, dtype=torch.float64).sum(dim=1)
    if same(found, right - 128 * sums, atol=1.0):
        return (
            "the error grows with the sum of the weights: Σ (q_x − z) q_w = Σ q_x q_w − z Σ q_w, and the "
            "second term is "
            "missing"
        )
    if same(found, right - 256 * sums, atol=1.0):
        return "the correction has the wrong sign: Σ q_x q_w − z Σ q_w"
    for wrong in (sums.sum(), torch.tensor(W).double().sum(dim=0)[:2]):
        if same(found, right - 128 * sums + 128 * wrong, atol=1.0):
            return (
                "the correction sums the weights over another axis: Σ q_w runs over the inputs, one sum an "
                "output"
            )
    return None


@probe("scale-or-bias-forgotten")
def parts_of_the_formula(a: Any, t: Trial) -> str | None:
    layer = linear([[254.0, -10.0, 60.0], [4.0, 508.0, -508.0]], [1000.0, -500.0])
    x = X[:1] * 3
    found, right = a.DynamicQuantLinear.from_float(layer)(x).double(), by_numpy(layer, x)
    bias, s_w, s_x = layer.bias.detach().double(), torch.tensor([2.0, 4.0], dtype=torch.float64), 3.0
    if same(found, right, rtol=1e-4):
        return None
    for wrong, words in (
        (right - bias, "the bias is missing"),
        (right + bias, "the bias is added twice"),
        ((right - bias) / s_w + bias, "the weights' scale is missing"),
        ((right - bias) / s_x + bias, "the scale of x is missing"),
        ((right - bias) / s_w / s_x + bias, "both scales are missing: that is the sum of whole numbers"),
        (right / s_w, "the weights' scale is missing"),
        (
            ((right - bias) / s_w / s_x + bias) * s_w * s_x,
            "the bias is multiplied by the scales: add it after them",
        ),
    ):
        if same(found, wrong, rtol=1e-4):
            return (
                f"{words}: y = s_x · s_w · (Σ q_x q_w − z Σ q_w) + bias; expected {numbers(right)}, you "
                f"give {numbers(found)}"
            )
    return None


@probe("symmetric-activations")
def symmetric(a: Any, t: Trial) -> str | None:
    layer = linear(W)
    found, right = a.DynamicQuantLinear.from_float(layer)(X).double(), by_numpy(layer, X)
    x = X.double()
    s = x.amax(dim=1, keepdim=True) / 127
    half = ((x / s).round() * s) @ layer.weight.detach().double().T
    if same(found, half, rtol=1e-4) and not same(found, right, rtol=1e-4):
        return (
            "rows from 0 to 255 fit 256 affine levels exactly, and yours are off: with a symmetric scale "
            "half of the "
            "levels wait for negative numbers. `choose_qparams(low, high)`"
        )
    if same(found, x @ layer.weight.detach().double().T, rtol=1e-6) and not same(
        a.DynamicQuantLinear.from_float(layer)(X + 0.3).double(), by_numpy(layer, X + 0.3), rtol=1e-5
    ):
        return "x is not quantised at all: the product is that of float activations"
    return None


@probe("float-activations")
def float_activations(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[0.0, 255.0, 10.4, 200.45, 3.3]])
    layer = linear([[127.0, 1.0, 100.0, 77.0, 3.0]])
    found = a.DynamicQuantLinear.from_float(layer)(x).double()
    if same(found, x.double() @ layer.weight.detach().double().T, rtol=1e-6):
        return (
            "the result is that of unrounded activations: only the weights are whole numbers. Quantise x as "
            "well, at "
            "each call"
        )
    return None


@probe("sums-overflow")
def overflow(a: Any, t: Trial) -> str | None:
    x, layer = torch.full((1, 64), 100.0), linear(torch.full((1, 64), 100.0))
    x[0, 0] = 127.0
    found, right = a.DynamicQuantLinear.from_float(layer)(x).item(), by_numpy(layer, x).item()
    if not math.isclose(found, right, rel_tol=1e-3):
        return (
            f"64 products of about 100 · 100 are {right:.6g}, you give {found:.6g}: numbers of 8 or 16 "
            "bits, whole or not, cannot hold such a sum. Accumulate in int32 (or in float64, which is exact "
            "up to 2⁵³)"
        )
    return None


@probe("sums-are-rounded")
def exact_sums(a: Any, t: Trial) -> str | None:
    half = 33_155
    generator = torch.Generator().manual_seed(3)
    up = torch.randint(64, 128, (half,), generator=generator).float()
    x = torch.cat([torch.full((half,), 255.0), torch.full((half,), 255.0)])
    x[-1], w = 0.0, torch.cat([up, -up[torch.randperm(half, generator=generator)]])
    w[0], right = 127.0, None
    layer = linear(w[None])
    right = by_numpy(layer, x[None]).item()
    found = a.DynamicQuantLinear.from_float(layer)(x[None]).item()
    if abs(found - right) > 0.5:
        return (
            f"66,310 products whose sum is {right:.0f}: you give {found:.6g}. The sum is not exact: float32 "
            f"ends to be "
            "at 2²⁴, smaller whole numbers wrap round"
        )
    return None


@probe("range-from-elsewhere")
def dynamic(a: Any, t: Trial) -> str | None:
    for per_row in (True, False):
        layer = a.DynamicQuantLinear.from_float(linear(W), per_row=per_row)
        first = layer(X).double()
        if not same(layer(X * 100).double(), 100 * first, rtol=1e-4):
            return (
                "an x a hundred times larger than that of the first call gives a result that is not a "
                "hundred times larger: ranges are found at each call, anew"
            )
        if not same(layer(X).double(), first):
            return (
                "the same input gives another result after a larger one: ranges are found at each call, anew"
            )
        lone = a.DynamicQuantLinear.from_float(linear(W), per_row=per_row)
        lone(X * 100)
        if not same(lone(X).double(), first):
            return "after a call with another x the result is another: keep no range from call to call"
    small = layer(X / 1000).double()
    if not same(small, first / 1000, rtol=1e-4):
        return (
            "an input a thousand times smaller must give a result a thousand times smaller; the scale of x "
            "must come "
            "from this x, not from conversion or from the first call (that would be *static* quantisation)"
        )
    return None


@probe("one-range-for-all-rows")
def rows(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[0.1, 0.2, 0.3], [1000.0, 0.0, 10.0]])
    layer = linear(W)
    apart, together = by_numpy(layer, x), by_numpy(layer, x, per_row=False)
    found = a.DynamicQuantLinear.from_float(layer)(x).double()
    if same(found, together, rtol=1e-4) and not same(found, apart, rtol=1e-4):
        return (
            "one large row spoils the small one: with per_row=True (the default) each row has its own range"
        )
    found = a.DynamicQuantLinear.from_float(layer, per_row=False)(x).double()
    if same(found, apart, rtol=1e-4) and not same(found, together, rtol=1e-4):
        return "with per_row=False one range is found for all of x; yours gives each row its own"
    if not same(found, together, rtol=1e-4):
        return (
            "with per_row=False the range goes from the smallest to the largest number of all of x, and "
            f"yours is another: expected {numbers(together[1])} for the second row, you give "
            f"{numbers(found[1])}"
        )
    return None
