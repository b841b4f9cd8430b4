"""The known mistakes of E4 beside the numbers: what is replaced, returned, seeded or changed on the way."""

from __future__ import annotations

from typing import Any

from courseware.check import Trial
from courseware.check.compare import same
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes import SCHEMES, built
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes_report import plain, probe


@probe("another-norm")
def norms(a: Any, t: Trial) -> str | None:
    norm = built(a, t, 1).layers[0].norm1
    if getattr(norm, "bias", None) is None:
        return f"`norm1` is {type(norm).__name__} without a bias: the layers of a stack have nn.LayerNorm(d)"
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
