"""The known mistakes of E4 that only an unusual model or a second look shows."""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_watch import (
    deviations,
    first,
    identity_layer,
    mlp,
    second,
    watched,
)

probe = Probes()
late = Probes()


@probe("one-dict-for-all-probes")
def one_dict(a: Any, t: Trial) -> str | None:
    left, right = a.ActivationProbe(identity_layer()), a.ActivationProbe(identity_layer())
    if left.stats is right.stats:
        return (
            "two probes share one `stats`: a dict in the class body or as a default argument is one for all. "
            "Make it in `__init__`"
        )
    return None


@probe("elements-are-not-counted")
def not_counted(a: Any, t: Trial) -> str | None:
    found = watched(a, first(), second()).n
    if found in (1, 2):
        return f"two batches of 2 and 3 numbers: n is {found}; it counts elements, not calls: 5"
    return None


@probe("convolutions-are-not-watched")
def convolutions(a: Any, t: Trial) -> str | None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(4, 2))
    with a.ActivationProbe(model) as found:
        model(torch.ones(1, 1, 2, 2))
    if sorted(found.stats) in (["0"], ["2"]):
        missing = "nn.Linear" if sorted(found.stats) == ["0"] else "nn.Conv2d"
        return f"without `types` a probe does not watch {missing}: the default is (nn.Linear, nn.Conv2d)"
    return None


@probe("nearly-zero-counts-as-zero")
def nearly_zero(a: Any, t: Trial) -> str | None:
    found = watched(a, torch.tensor([[0.0], [1e-30], [-1e-9], [1e-6]])).frac_zero
    if found > 0.25:
        return f"of 0, 1e-30, -1e-9 and 1e-6 frac_zero is {found:g}: only one of them is exactly 0"
    return None


@probe("large-gradients-overflow")
def overflow(a: Any, t: Trial) -> str | None:
    layer = identity_layer()
    with a.ActivationProbe(layer) as found:
        (layer(torch.ones(1, 1)) * 1e25).sum().backward()
    if found.stats[""].grad_norm == float("inf"):
        return (
            "a gradient of 1e25 gives grad_norm = inf: its square does not fit into float32. Square in "
            "`float64`, and half precision overflows at 256 already"
        )
    return None


# ---- LSUV -----------------------------------------------------------------------------------------------


@late("lsuv-divides-by-something-else")
def divides(a: Any, t: Trial) -> str | None:
    model, x = mlp(1, 16, bias=False), 4 * t.randn(64, 16).float()
    std = a.lsuv_init_(model, x, max_iter=1)
    found = deviations(model, x)["0"]
    if 1.2 < found < 3.3:
        return (
            f"a layer without bias and with std about 4 has {found:.2f} after one round (max_iter=1): weight "
            "/ (std / target_std) is exact here. What do you divide by?"
        )
    if abs(found - 1) < 0.01 and abs(float(std["0"]) - 1) > 0.1:
        return (
            f"after the last round the deviation is 1, the result says {float(std['0']):.2f}, which was "
            "measured before it: measure again at the end"
        )
    return None


@late("lsuv-scales-what-is-within-tol")
def within(a: Any, t: Trial) -> str | None:
    model, x = mlp(1, 16, bias=False), 1.3 * t.randn(64, 16).float()
    a.lsuv_init_(model, x, tol=0.9)
    length = float(model[0].weight.detach()[0].norm())
    if abs(length - 1) > 0.05:
        return (
            "with tol=0.9 a layer whose std is about 1.3 was scaled all the same: what is within "
            "target_std · (1 ± tol) stays as it is. Look before you divide"
        )
    return None


@late("lsuv-tolerance-is-absolute")
def absolute(a: Any, t: Trial) -> str | None:
    model, x = mlp(1, 16, bias=False), 0.03 * t.randn(64, 16).float()
    a.lsuv_init_(model, x, target_std=0.02, tol=0.02)
    found = deviations(model, x)["0"]
    if abs(found / 0.02 - 1) > 0.03 and abs(found - 0.02) <= 0.02:
        return (
            f"with target_std=0.02 and tol=0.02 a layer ends at {found:.4f}: the tolerance is a share of the "
            "target, 0.02 · (1 ± 0.02)"
        )
    return None


@late("lsuv-exchanges-parameters")
def exchanged(a: Any, t: Trial) -> str | None:
    model = mlp(2, 6)
    model[0].weight.requires_grad_(False)
    before = list(model.parameters())
    a.lsuv_init_(model, t.randn(16, 6).float())
    if any(left is not right for left, right in zip(before, model.parameters(), strict=True)):
        return (
            "the model has new parameters afterwards: an optimizer that was made before holds the old ones. "
            "Change them in place, `weight.mul_(…)` under no_grad"
        )
    if model[0].weight.requires_grad:
        return "a weight with requires_grad=False requires a gradient afterwards: leave that as it was"
    return None
