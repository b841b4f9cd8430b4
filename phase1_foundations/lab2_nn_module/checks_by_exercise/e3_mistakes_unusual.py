"""The known mistakes of E3 that an unusual input shows: float64, half precision with γ, momentum 0."""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import (
    affine_in_half,
    formula,
    jobs,
    randomise,
    rounded_once,
    worn_in,
)

probe = Probes()


@probe("float64-becomes-float32")
def narrow(a: Any, t: Trial) -> str | None:
    x = t.randn(4, 50)
    places = {
        "normalize": lambda: a.normalize(x, (1,), 1e-5),
        "LayerNorm": lambda: a.LayerNorm(50).double()(x),
        "BatchNorm": lambda: a.BatchNorm(50).double()(x),
    }
    for name, run in places.items():
        y, right = run().detach(), formula(x, (0,) if name == "BatchNorm" else (1,), 1e-5)
        if 1e-9 < float((y - right).abs().max()) < 1e-5:
            return (
                f"`{name}` of a float64 tensor is right to seven digits only: it was computed in float32. "
                "Only half precision is widened, float64 stays as it is"
            )
    return None


@probe("axis-after-axis")
def axis_after_axis(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 3, 4)
    y, first = a.normalize(x, (1, 2), 1e-5), formula(x, (1,), 1e-5)
    if same(y, formula(first, (2,), 1e-5), atol=1e-6) or same(
        y, formula(formula(x, (2,), 1e-5), (1,), 1e-5), atol=1e-6
    ):
        return (
            "`normalize` over two axes normalises over one, and the result over the other: asked for are one "
            "mean and one variance of all numbers on both axes, `x.mean(dims, keepdim=True)`"
        )
    return None


@probe("deviation-without-gradient")
def deviation_constant(a: Any, t: Trial) -> str | None:
    leaf, weights = t.randn(6, 4).requires_grad_(), t.randn(6, 4)
    (gradient,) = torch.autograd.grad((a.normalize(leaf, (0,), 1e-5) * weights).sum(), leaf)
    deviation = (leaf.detach().var(0, correction=0) + 1e-5).sqrt()
    if same(gradient, (weights - weights.mean(0)) / deviation, rtol=1e-6):
        return (
            "the gradient through `normalize` treats the variance as a constant: it depends on x, so no "
            "`detach` around it"
        )
    return None


@probe("gamma-in-half-precision")
def gamma_in_half(a: Any, t: Trial) -> str | None:
    found, exact = affine_in_half(a.LayerNorm(512), t)
    if float((found - exact).abs().max()) < 0.1 and not rounded_once(found, exact):
        return (
            "LayerNorm of a bfloat16 tensor rounds to bfloat16 more than once: γ and β belong to what is "
            "computed in float32; go back to the input's dtype at the very end"
        )
    return None


@probe("momentum-zero-is-taken-for-none")
def momentum_zero(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=0.0)
    bn(torch.tensor([[1.0], [2.0]]))
    if float(bn.running_mean) != 0:
        return (
            f"with momentum=0.0 a batch moved running_mean to {float(bn.running_mean):.3g}: 0.0 is a number, "
            "and a batch then weighs nothing. Ask `momentum is None`, not whether it is falsy"
        )
    return None


@probe("uneven-groups-raise-something-else")
def uneven(a: Any, t: Trial) -> str | None:
    error = t.tried(lambda: a.GroupNorm(4, 6)).error
    if error is not None and not isinstance(error, ValueError):
        return f"GroupNorm(4, 6) raised {type(error).__name__}; asked for is ValueError"
    return None


@probe("instance-norm-with-a-memory")
def instance_memory(a: Any, t: Trial) -> str | None:
    names = list(dict(a.InstanceNorm(3).named_buffers()))
    if names:
        return f"InstanceNorm has the buffers {names}: nothing is kept from batch to batch"
    return None


# ---- adaptive -------------------------------------------------------------------------------------------


@probe("modulated-and-gate-exchanged")
def exchanged(a: Any, t: Trial) -> str | None:
    first, second = a.AdaLayerNorm(4, 3).double()(t.randn(2, 5, 4), t.randn(2, 3))
    if first is not None and second is not None and (first.shape, second.shape) == ((2, 1, 4), (2, 5, 4)):
        return "the first of the two results is the gate: asked for is (modulated, gate)"
    return None


@probe("condition-gets-no-gradient")
def condition_cut(a: Any, t: Trial) -> str | None:
    module, c = a.AdaLayerNorm(4, 3).double(), t.randn(2, 3).requires_grad_()
    randomise(t, module)
    y, _ = module(t.randn(2, 5, 4), c)
    if y.requires_grad and torch.autograd.grad(y.square().sum(), c, allow_unused=True)[0] is None:
        return "no gradient reaches the condition c: what computes it could not be trained. No `detach` there"
    return None


@probe("quadratic-in-the-condition")
def quadratic(a: Any, t: Trial) -> str | None:
    module, x, c = a.AdaLayerNorm(3, 1).double(), t.randn(1, 8, 3), torch.ones(1, 1).double()
    randomise(t, module)
    plain = formula(x, (2,), 1e-5)
    differences = []
    for step in range(4):
        scale, shift, gate = jobs(module, x, step * c)
        parts = (scale, shift, gate)
        if not same(module(x, step * c)[0].detach(), plain * scale + shift, atol=1e-6):
            return None
        differences.append(torch.stack(parts))
    third = differences[3] - 3 * differences[2] + 3 * differences[1] - differences[0]
    second = differences[2] - 2 * differences[1] + differences[0]
    if same(third, torch.zeros_like(third), atol=1e-6) and float(second[:2].abs().max()) > 1e-6:
        return (
            "in modulated two functions of c are multiplied with one another: asked for is "
            "(1 + s(c)) · LN(x) + b(c), with b(c) outside the brackets, and without the gate"
        )
    return None


# ---- folding --------------------------------------------------------------------------------------------


@probe("fold-changes-the-mode")
def fold_mode(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Linear(2, 3).double(), worn_in(t, a.BatchNorm(3), 3).train()
    a.fold_batchnorm(layer, bn)
    if not bn.training:
        return (
            "fold_batchnorm turned a norm in training mode into one in evaluation mode: `bn.eval()` changes "
            "the norm that you were given. Read its statistics; no forward pass is needed"
        )
    return None
