"""The known mistakes of BasicBlock, second part: what starts at zero, and the plain block."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_oracle import (
    NAMES,
    Parts,
    block,
    expected,
    odd_start,
    parameters,
    randomised,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import first_difference

probe = Probes()


@probe("preact-branch-is-dead")
def dead(a: Any, t: Trial) -> str | None:
    made = block(a, t, preact=True)
    if not made.bn2.weight.any():
        made.train()(t.randn(4, 3, 5, 5)).square().sum().backward()
        arrived = float(made.bn2.weight.grad.abs().sum())
        return (
            "with preact=True you set bn2.weight to 0. A ReLU follows: relu(0) = 0 has slope 0, and "
            f"after one backward pass the gradient of bn2.weight is {arrived:g}. The branch can never "
            "wake up. Set conv2.weight to 0, the last thing in the branch"
        )
    return None


@probe("zero-gamma-missing")
def zero_missing(a: Any, t: Trial) -> str | None:
    for preact, last in ((False, "bn2"), (True, "conv2")):
        made = block(a, t, preact=preact)
        values = {name: bool(getattr(made, name).weight.any()) for name in NAMES}
        if not values[last]:
            others = [name for name in NAMES if name != last and not values[name]]
            if others:
                return (
                    f"preact={preact}: besides {last}.weight {others[0]}.weight is 0 too; only {last}.weight"
                )
            continue
        zero = [name for name in NAMES if not values[name]]
        if zero:
            return (
                f"preact={preact}: you set {zero[0]}.weight to 0, expected {last}.weight, the last thing "
                "in the branch"
            )
        return (
            f"preact={preact}, zero_gamma=True: {last}.weight is not 0, so a new block is not "
            f"{'shortcut(x)' if preact else 'relu(shortcut(x))'}"
        )
    return None


@probe("zero-gamma-cannot-learn")
def frozen(a: Any, t: Trial) -> str | None:
    for preact, last in ((False, "bn2"), (True, "conv2")):
        weight = getattr(block(a, t, preact=preact), last).weight
        if not (isinstance(weight, nn.Parameter) and weight.requires_grad):
            return (
                f"preact={preact}: {last}.weight is 0 and does not require a gradient, so it stays 0 for "
                "ever. Zero is where it begins"
            )
    return None


@probe("shortcut-is-zero")
def shortcut_zero(a: Any, t: Trial) -> str | None:
    for preact in (False, True):
        made = block(a, t, 2, 4, 2, preact=preact)
        if any(not p.any() for name, p in made.shortcut.named_parameters() if name.endswith("weight")):
            return (
                "a weight of the projection is 0 as well: a new block is then 0 everywhere, and not its "
                "shortcut. Only the branch starts at zero"
            )
    return None


@probe("zero-gamma-always")
def zero_always(a: Any, t: Trial) -> str | None:
    for how in ({"zero_gamma": False}, {"zero_gamma": False, "preact": True}):
        made = block(a, t, **how)
        for name in NAMES:
            if not getattr(made, name).weight.any():
                return f"with zero_gamma=False {name}.weight is 0 all the same"
    return None


@probe("plain-block-is-constant")
def plain_constant(a: Any, t: Trial) -> str | None:
    for preact in (False, True):
        made = block(a, t, preact=preact, skip=False)
        for name in NAMES:
            if not getattr(made, name).weight.any():
                return (
                    f"skip=False, preact={preact}: {name}.weight is 0, and without a shortcut the block then "
                    "gives 0 for every input: zero_gamma is ignored here"
                )
    return None


@probe("initialised-another-way")
def initialised(a: Any, t: Trial) -> str | None:
    made = block(a, t, 4, 6, 2, zero_gamma=False)
    if found := odd_start(made):
        return f"zero_gamma=False leaves everything as torch initialises it: {found}"
    return None


@probe("skip-ignored")
def skip_ignored(a: Any, t: Trial) -> str | None:
    for cin, cout, stride, preact in ((3, 3, 1, False), (2, 4, 2, False), (3, 3, 1, True)):
        made = block(a, t, cin, cout, stride, preact=preact, skip=False)
        own = getattr(made, "shortcut", None)
        if isinstance(own, nn.Module) and parameters(own):
            return (
                f"BasicBlock({cin}, {cout}, {stride}, skip=False) has a projection: there is no shortcut "
                "to project for"
            )
        randomised(made, t).eval()
        x = t.randn(2, cin, 5, 5)
        with torch.no_grad():
            out, with_skip = made(x.clone()), Parts(made).branch(x, stride, preact)
        if out.shape == x.shape and same(out, expected(made, x, stride=stride, preact=preact)):
            return f"skip=False (preact={preact}) changes nothing: the shortcut is still added"
        right = with_skip if preact else F.relu(with_skip)
        if not same(out, right):
            if same(out, with_skip):
                return "skip=False: the ReLU at the end is missing"
            return f"skip=False, preact={preact}: {first_difference(out, right, where='the output')}"
    return None
