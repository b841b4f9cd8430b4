"""The known mistakes of E4 in one layer, and what is replaced, returned, seeded or changed on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.naming import name_it
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_formula import (
    formula,
    network,
    normed,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes import (
    SCHEMES,
    alpha_of,
    built,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes_report import plain, probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import attention

Step = Callable[[Any, Tensor, Any], Tensor]  # of a norm, a stream and a branch
LAYER = {"pre": "x + f(norm(x))", "post": "norm(x + f(x))", "deepnorm": "norm(α · x + f(x))"}


@probe("fresh-dtype")
def dtype(a: Any, t: Trial) -> str | None:
    found = {p.dtype for p in a.make_stack(1).parameters()} - {torch.get_default_dtype()}
    if found:
        return f"a fresh stack holds {found.pop()}: the weights have torch's default dtype, float32"
    return None


@probe("another-norm")
def norms(a: Any, t: Trial) -> str | None:
    norm = built(a, t, 1).layers[0].norm1
    if getattr(norm, "bias", None) is None:
        return f"`norm1` is {type(norm).__name__} without a bias: the layers of a stack have nn.LayerNorm(d)"
    return None


@probe("layer-differs")
def one_layer(a: Any, t: Trial) -> str | None:
    for scheme in SCHEMES:
        stack, x = built(a, t, 3, scheme=scheme, shaken=True), t.randn(2, 3, 32)
        layer, alpha, norm = stack.layers[0].eval(), alpha_of(scheme, 3), "pre" if scheme == "pre" else "post"
        found, right = layer(x), formula(layer, x, norm=norm, alpha=alpha)
        branch = attention(layer.attention, x)

        def second(h: Tensor, layer: Any = layer, alpha: float = alpha) -> Tensor:
            return normed(layer.norm2, alpha * h + network(layer, h, "gelu"), "ln")

        def both(step: Step, x: Tensor = x, layer: Any = layer) -> Tensor:
            h = step(partial(normed, layer.norm1, kind="ln"), x, partial(attention, layer.attention))
            return step(partial(normed, layer.norm2, kind="ln"), h, partial(network, layer, act="gelu"))

        cases = [
            ("another-activation", formula(layer, x, norm=norm, alpha=alpha, act="relu"),
             f"the layers of a {scheme!r} stack bend with ReLU: exact GELU"),
        ]  # fmt: skip
        if scheme != "deepnorm":
            other = "post" if norm == "pre" else "pre"
            words = f"the layers of a {scheme!r} stack are {other}-norm: hand `scheme` on to them"
            cases.append(("norm-at-the-other-place", formula(layer, x, norm=other), words))
        else:
            cases += [
                ("alpha-on-the-branch", second(normed(layer.norm1, x + alpha * branch, "ln")),
                 "α multiplies the attention's branch: it multiplies the *skip*, norm1(α · x + A(x))"),
                ("alpha-without-effect", second(normed(layer.norm1, alpha * (x + branch), "ln")),
                 "α multiplies the whole first sum, and the norm takes it out again: norm1(α · x + A(x))"),
                ("alpha-after-the-norm", both(lambda n, h, f, c=alpha: c * n(h + f(h))),
                 "α multiplies what comes out of the norm: it multiplies the skip, norm(α · x + f(x))"),
                ("alpha-in-the-branch", both(lambda n, h, f, c=alpha: n(h + f(c * h))),
                 "the branch reads α · x, and the skip is x: it is the other way round, norm(α · x + f(x))"),
                ("alpha-in-the-branch", both(lambda n, h, f, c=alpha: n(c * h + f(c * h))),
                 "the branch reads α · x, too: only the skip is multiplied, norm(α · x + f(x))"),
                ("norm-before-and-after", both(lambda n, h, f, c=alpha: n(c * h + f(n(h)))),
                 "the branch reads a normed copy: DeepNorm norms the sum alone, norm(α · x + f(x))"),
            ]  # fmt: skip
        name_it(t, found, right, cases)
        if not same(found, right):
            return (
                f"a layer of a {scheme!r} stack, `layers[0](x)`, is not {LAYER[scheme]}, first for "
                "attention, then for the network"
            )
        t.that(
            same(layer.train()(x), right),
            f"the layers of a {scheme!r} stack drop numbers in training: these stacks have no dropout",
            diagnosis="dropout-in-the-stack",
        )
    return None


@probe("the-same-weights-each-time")
def seeded(a: Any, t: Trial) -> str | None:
    if same(built(a, t, 1).layers[0].up.weight, built(a, t, 1).layers[0].up.weight):
        return "two calls of make_stack draw the same weights: the seed is the caller's to set"
    return None


@probe("scaled-in-place")
def in_place(a: Any, t: Trial) -> None:
    for scheme in SCHEMES:
        stack = built(a, t, 2, scheme=scheme)
        before = dict(stack.named_parameters())
        returned = a.init_scaled_(stack, 2)
        after = dict(stack.named_parameters())
        for name, parameter in before.items():
            t.that(
                after.get(name) is parameter,
                f"{scheme!r}: `{name}` is another parameter than before, and an optimizer still holds the "
                "old one: multiply in place, `weight.mul_(factor)` under `torch.no_grad()`",
                diagnosis="parameters-replaced",
            )
        t.that(
            returned is None,
            f"init_scaled_ returned a {type(returned).__name__}: it changes the stack and returns None",
            diagnosis="init-scaled-returns",
        )


@probe("report-changes-x")
def input_kept(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 3, 8)
    a.depth_report(plain(t, 2), x)
    if x.requires_grad or x.grad is not None:
        return "after the report the caller's x requires a gradient: it only measures"
    return None
