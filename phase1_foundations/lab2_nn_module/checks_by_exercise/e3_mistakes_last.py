"""The known mistakes of E3, last part: what no other probe has recognised, by the norm that it is in."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import formula, worn_in
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run

probe = Probes()


def norms(a: Any, **how: Any) -> Iterator[tuple[str, nn.Module, tuple[int, ...], tuple[int, ...]]]:
    """Name, norm in float64, shape of an input, axes."""
    words = "".join(f", {key}={value}" for key, value in how.items())
    for shape, axes in (((5, 3), (0,)), ((2, 3, 4), (0, 2)), ((2, 3, 2, 5), (0, 2, 3))):
        yield f"BatchNorm(3{words})", a.BatchNorm(3, **how).double(), shape, axes
    for size, shape, axes in ((4, (2, 4), (1,)), (4, (2, 3, 4), (2,)), ((3, 4), (2, 3, 4), (1, 2))):
        yield f"LayerNorm({size}{words})", a.LayerNorm(size, **how).double(), shape, axes
    for shape in ((2, 4), (2, 4, 5), (2, 4, 3, 5)):
        yield f"GroupNorm(2, 4{words})", a.GroupNorm(2, 4, **how).double(), shape, ()
    for shape, axes in (((2, 3, 5), (2,)), ((2, 3, 4, 5), (2, 3))):
        yield f"InstanceNorm(3{words})", a.InstanceNorm(3, **how).double(), shape, axes


def expected(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The formula; no axes stand for two groups of channels."""
    if axes:
        return formula(x, axes, 1e-5)
    return formula(x.reshape(len(x), 2, -1), (2,), 1e-5).reshape(x.shape)


@probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    must_run(t, "`normalize` of [5, 3] over (0,)", lambda: a.normalize(t.randn(5, 3), (0,), 1e-5))
    made = {"BatchNorm": (3,), "LayerNorm": (4,), "GroupNorm": (2, 4), "InstanceNorm": (3,)}
    for how in ({}, {"affine": True}, {"affine": False}):
        for name, arguments in made.items():
            must_run(
                t,
                f"making {name} with {how or 'its defaults'}",
                lambda name=name, arguments=arguments, how=how: getattr(a, name)(*arguments, **how),
            )
        for words, norm, shape, _ in norms(a, **how):
            must_run(t, f"{words} of {list(shape)}", lambda norm=norm, shape=shape: norm(t.randn(*shape)))
            norm.eval()
            must_run(
                t,
                f"{words} of {list(shape)} in evaluation",
                lambda norm=norm, shape=shape: norm(t.randn(*shape)),
            )
    for gated in (True, False):
        must_run(
            t,
            f"making AdaLayerNorm(4, 3, gated={gated})",
            lambda gated=gated: a.AdaLayerNorm(4, 3, gated=gated),
        )
        module = a.AdaLayerNorm(4, 3, gated=gated).double()
        must_run(
            t,
            f"AdaLayerNorm(4, 3, gated={gated}) of x [2, 5, 4] and c [2, 3]",
            lambda module=module: module(t.randn(2, 5, 4), t.randn(2, 3)),
        )
    bn = worn_in(t, a.BatchNorm(4), 4)
    must_run(t, "fold_batchnorm of a Linear", lambda: a.fold_batchnorm(nn.Linear(3, 4).double(), bn))
    must_run(t, "fold_batchnorm of a Conv2d", lambda: a.fold_batchnorm(nn.Conv2d(3, 4, 2).double(), bn))


@probe("differs-from-the-formula")
def differs(a: Any, t: Trial) -> str | None:
    for words, norm, shape, axes in norms(a):
        for size in (1.0, 3e-3):  # for the second, ε matters
            x = size * t.randn(*shape)
            y = norm(x.clone()).detach()
            if not same(y, expected(x, axes), rtol=1e-5, atol=1e-6):
                over = f"the axes {axes}" if axes else "each group's channels and all pixels"
                return (
                    f"{words} of {list(shape)}{' with tiny numbers, where ε counts' * (size < 1)} "
                    "begins with "
                    f"{numbers(y.flatten()[:3])}, expected "
                    f"{numbers(expected(x, axes).flatten()[:3])}: (x − mean) / "
                    f"√(variance + 1e-5) over {over}, with γ = 1 and β = 0"
                )
    for words, norm, shape, axes in norms(a, affine=True):
        if norm.weight.dim() > 1 or "LayerNorm" in words:
            gamma, beta = t.randn(*norm.weight.shape), t.randn(*norm.weight.shape)
            wide = gamma, beta
        else:
            gamma, beta = t.randn(len(norm.weight)), t.randn(len(norm.weight))
            wide = tuple(v.reshape(1, -1, *[1] * (len(shape) - 2)) for v in (gamma, beta))
        with torch.no_grad():
            norm.weight.copy_(gamma)
            norm.bias.copy_(beta)
        x = t.randn(*shape)
        if not same(norm(x).detach(), expected(x, axes) * wide[0] + wide[1], rtol=1e-5, atol=1e-6):
            return (
                f"{words} of {list(shape)} is right as long as γ = 1 and β = 0; with others it is not γ "
                "· normalised + β"
            )
    return None


@probe("fold-differs")
def fold_differs(a: Any, t: Trial) -> str | None:
    layer, x = nn.Linear(3, 2).double(), t.randn(2, 3)
    for affine in (True, False):
        bn = worn_in(t, a.BatchNorm(2, affine=affine), 2)
        folded = a.fold_batchnorm(layer, bn)
        y, right = folded(x).detach(), bn(layer(x)).detach()
        if not same(y, right, rtol=1e-7, atol=1e-9):
            return (
                f"the folded layer gives {numbers(y[0])}, the layer and its norm (affine={affine}) "
                f"give {numbers(right[0])}: "
                "w' = w · γ / √(var + ε) along the outputs, b' = (b − mean) · γ / √(var + ε) + β"
            )
    return None
