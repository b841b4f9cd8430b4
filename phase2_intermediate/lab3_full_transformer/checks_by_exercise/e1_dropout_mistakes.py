"""The known mistakes of E1's dropout: where it acts, and when."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_layer_mistakes import (
    PARTS,
    D,
    built,
    formula,
    run,
)

probe = Probes()


@probe("dropout-in-evaluation")
def dropout(a: Any, t: Trial) -> str | None:
    layer, y, memory = built(a, t, dropout=0.5), t.randn(1, 40, D), t.randn(1, 5, D)
    if not same(run(t, layer, y, memory), formula(layer, y, memory)):
        return "with dropout=0.5 the output changes in evaluation mode too: dropout acts in training only"
    layer.train()
    if same(run(t, layer, y, memory), run(t, layer, y, memory)):
        t.fail("in training, dropout=0.5 drops nothing: two calls agree", diagnosis="dropout-missing")
    for number, name in enumerate(("self-attention", "cross-attention", "the network")):
        alone(layer, number)
        added = run(t, layer, y, memory) - y
        share = float((added == 0).double().mean())
        t.that(
            0.3 < share < 0.7,
            f"with dropout=0.5, {share:.2f} of what {name} adds is 0, expected about half: dropout also "
            "acts on what each branch adds, before the addition",
            diagnosis="dropout-of-the-branch",
        )
    a_post_layer = built(a, t, dropout=0.5, norm="post").train()
    for number, name in enumerate(("self-attention", "cross-attention", "the network")):
        alone(a_post_layer, number)
        t.that(
            not same(run(t, a_post_layer, y, memory), run(t, a_post_layer, y, memory)),
            f'with norm="post" and dropout=0.5 nothing that {name} adds is dropped: norm(y + dropout(f(y)))',
            diagnosis="dropout-of-the-branch",
        )
    inner_dropout(a, t, y, memory)
    return None


def inner_dropout(a: Any, t: Trial, y: Tensor, memory: Tensor) -> None:
    """All values and all hidden features are 1: what is added varies only if some of them are dropped."""
    for number, (name, where) in enumerate(
        (
            ("self-attention", "on its attention weights"),
            ("cross-attention", "on its attention weights"),
            ("the network", "after its ReLU"),
        )
    ):
        layer = built(a, t, dropout=0.5).train()
        alone(layer, number)
        network = linears(layer.feedforward)
        first, last = (
            (network[0], network[-1])
            if number == 2
            else (getattr(layer, PARTS[number]).value, getattr(layer, PARTS[number]).out)
        )
        with torch.no_grad():
            first.weight.zero_()
            first.bias.fill_(1.0)
            last.weight.fill_(1.0)
            last.bias.zero_()
        added = run(t, layer, y, memory) - y
        t.that(
            float(added[added.abs() > 1e-9].std()) > 1e-6,
            f"with dropout=0.5 {name} drops nothing {where}: dropout acts there too, not only on what the "
            "branch adds",
            diagnosis="dropout-inside-a-branch",
        )


def alone(layer: Any, number: int) -> None:
    """Silence every branch but one: its last linear layer gives a constant, the others 0."""
    lasts = [layer.attention.out, layer.cross.out, [*linears(layer.feedforward)][-1]]
    with torch.no_grad():
        for index, last in enumerate(lasts):
            last.weight.zero_()
            last.bias.fill_(1.0 if index == number else 0.0)


def linears(module: nn.Module) -> list[nn.Linear]:
    return [part for part in module.modules() if isinstance(part, nn.Linear)]
