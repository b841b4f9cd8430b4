"""E4: deep stacks. What must hold; the known mistakes stand in `e4_mistakes` and `e4_mistakes_report`."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Exercise, Trial
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise import pictures
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes import (
    SCHEMES,
    alpha_of,
    built,
    run_by_formula,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes_in_place import probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes_report import (
    KEYS,
    measured,
    plain,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import ENCODERS, case

e4 = Exercise(
    "E4",
    takes={"make_stack": None, "init_scaled_": None, "depth_report": dict},
    forbids=ENCODERS,
    hints=(
        "Variances of independent things add up along the stream. A layer adds twice, so 2N things come "
        "together: how "
        "small must each be for the sum to stay about 1?",
        "1/√(2N) for `attention.out` and `down`. DeepNorm: norm(α · x + f(x)) with α = (2N)^(1/4), and β = "
        "(8N)^(−1/4) "
        "for value, out, up and down.",
        "A subclass of EncoderLayer with `x = self.norm1(alpha * x + self.attention(x))` and "
        "`self.norm2(alpha * x + "
        "self.down(F.gelu(self.up(x))))`; `linear.weight.mul_((2 * depth) ** -0.5)` under `torch.no_grad()`; "
        "`torch.autograd.grad(probe_loss(stack.norm(h)), parameters)` gives gradients without touching "
        "`.grad`.",
    ),
)
probe.add_to(e4)


@e4.property("stacks of every scheme and depth are their formula", points=7)
def stacks(a: Any, t: Trial) -> None:
    for scheme in SCHEMES:
        for depth, d, heads in ((1, 32, 4), (2, 24, 3), (5, 6, 1)):
            stack, x = built(a, t, depth, d=d, heads=heads, scheme=scheme, shaken=True), t.randn(2, 3, d)
            with case(f"make_stack({depth}, {d}, {heads}, {scheme!r})"):
                expected = run_by_formula(stack, x, scheme, alpha_of(scheme, depth))
                t.equal(stack(x), expected, rtol=1e-7, atol=1e-8)
                t.equal(
                    stack(x[:, :1]),
                    run_by_formula(stack, x[:, :1], scheme, alpha_of(scheme, depth)),
                    rtol=1e-7,
                )


@e4.property("the scaling touches what it should, by the right factor", points=5)
def scaled(a: Any, t: Trial) -> None:
    for scheme in SCHEMES:
        for depth in (1, 3, 12):
            stack = built(a, t, 2, scheme=scheme, shaken=True)
            before = {name: p.detach().clone() for name, p in stack.named_parameters()}
            with case(f"init_scaled_ on a {scheme!r} stack, depth {depth}"):
                a.init_scaled_(stack, depth)
                ends = ("out.weight", "down.weight") + (
                    ("value.weight", "up.weight") if scheme == "deepnorm" else ()
                )
                factor = (8 * depth) ** -0.25 if scheme == "deepnorm" else (2 * depth) ** -0.5
                for name, p in stack.named_parameters():
                    t.equal(p, before[name] * (factor if name.endswith(ends) else 1.0), where=name)
                t.that(
                    all(p.requires_grad for p in stack.parameters()),
                    "init_scaled_ froze a parameter: `requires_grad` stays True",
                    diagnosis="parameters-frozen",
                )


@e4.property("the report", points=5)
def reports(a: Any, t: Trial) -> None:
    for scheme in SCHEMES:
        for depth in (1, 4):
            stack, x = plain(t, depth, scheme), t.randn(2, 5, 8)
            with case(f"a {scheme!r} stack of depth {depth}"):
                found, right = a.depth_report(stack, x), measured(stack, x)
                for key in KEYS:
                    t.equal(list(found[key]), right[key], where=key, rtol=1e-5)


@e4.property("24 layers: what the scaling is good for", points=3)
def deep(a: Any, t: Trial) -> None:
    x = t.randn(4, 16, 32)
    deviation = {}
    for is_scaled in (False, True):
        stack = built(a, t, 24)
        if is_scaled:
            a.init_scaled_(stack, 24)
        deviation[is_scaled] = measured(stack, x)["activation_std"][-1]
    t.that(
        deviation[False] > 3 and deviation[True] ** 2 < 2,
        f"after 24 pre-norm layers the stream has the deviation {deviation[False]:.2f} as it is and "
        f"{deviation[True]:.2f} "
        "scaled, expected above 3 and a variance below 2",
    )
    post = sum(measured(built(a, t, 24, scheme="post"), x)["gradient_norm"][-4:])
    pre = sum(measured(built(a, t, 24), x)["gradient_norm"][-4:])
    t.that(  # 1.8 to 5.1 times, over forty seeds
        post > 1.2 * pre,
        f"the last four layers have {post / pre:.2f} times the gradient in a post-norm stack that they have "
        "in a "
        "pre-norm one, expected clearly more than 1",
    )
    with torch.no_grad():
        t.that(
            bool(built(a, t, 48, scheme="deepnorm")(x).isfinite().all()), "48 deepnorm layers give NaN or ∞"
        )


e4.reward(pictures.gradients_by_layer)
