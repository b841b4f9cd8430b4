"""The known mistakes of E3, second part: running statistics, and gradients through the batch's."""

import math
from typing import Any

import torch

from courseware.check import Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import (
    BATCH,
    formula,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import Probes, numbers, same

probe = Probes()


@probe("statistics-are-not-buffers")
def not_buffers(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(2)
    trained = [name for name, _ in bn.named_parameters() if name.startswith("running")]
    if trained:
        return f"{trained[0]} is a parameter, so an optimizer would train it: register it as a buffer"
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        if name not in bn.state_dict():
            return f"`{name}` is not in the state_dict of BatchNorm: register it as a buffer under this name"
    start = {
        name: getattr(bn, name).tolist() for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    if start != {"running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 0}:
        return (
            f"the statistics start as {start}; expected zeros for the mean, ones for the variance, 0 batches"
        )
    return None


@probe("affine-missing")
def affine(a: Any, t: Trial) -> str | None:
    made = {
        "BatchNorm": (lambda **how: a.BatchNorm(4, **how), True),
        "LayerNorm": (lambda **how: a.LayerNorm(4, **how), True),
        "GroupNorm": (lambda **how: a.GroupNorm(2, 4, **how), True),
        "InstanceNorm": (lambda **how: a.InstanceNorm(4, **how), False),
    }
    for name, (make, default) in made.items():
        for how in ({}, {"affine": True}, {"affine": False}):
            wanted = how.get("affine", default)
            found = sorted(key for key, _ in make(**how).named_parameters())
            if found != (["bias", "weight"] if wanted else []):
                return (
                    f"`{name}` with {how or 'its defaults'} has the parameters {found}, expected "
                    f"{['bias', 'weight'] if wanted else 'none'}"
                )
    return None


@probe("statistics-updated-in-eval")
def updated_in_eval(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double().eval()
    y = bn(BATCH).detach()
    if not same(bn.running_mean, torch.zeros(1)) or not same(bn.running_var, torch.ones(1)):
        return "running statistics changed in evaluation mode: look at `self.training` before updating them"
    if same(y, formula(BATCH, (0,), 1e-5)):
        return (
            "in evaluation mode the batch's own statistics are used, so that an example's result "
            "depends on the others in its batch: "
            "use running_mean and running_var"
        )
    return None


@probe("statistics-never-updated")
def never_updated(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    bn(BATCH)
    if same(bn.running_mean, torch.zeros(1)) and same(bn.running_var, torch.ones(1)):
        return "after a batch in training mode running_mean and running_var are still 0 and 1"
    if not same(dict(bn.named_buffers())["running_mean"], bn.running_mean):
        return "running_mean was replaced by an attribute, the buffer of that name is still the old one"
    return None


@probe("momentum-reversed")
def momentum_reversed(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=0.1).double()
    bn(BATCH)
    if same(bn.running_mean, torch.tensor([2.25])):
        return (
            "after one step running_mean is 2.25 = 0.9 · batch: PyTorch's momentum weighs the NEW "
            "value, r ← 0.9 r + 0.1 s "
            "gives 0.25"
        )
    if same(bn.running_mean, torch.tensor([2.5])):
        return (
            "after one step running_mean is the batch's mean: it should move a tenth of the way, r ← "
            "0.9 r + 0.1 s"
        )
    return None


@probe("running-variance-is-biased")
def biased_running(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    bn.momentum = 0.1
    bn(BATCH)
    found = float(bn.running_var)
    if abs(found - 1.0) < 1e-9:
        return (
            "running_var should be 1.0250 (0.9 · 1 + 0.1 · unbiased 1.25), got 1.0000: it stores "
            "the *unbiased* variance, the sum of "
            "squares divided by n − 1, although the batch is normalised by the biased one"
        )
    if (
        abs(found - (0.9 + 0.1 * math.sqrt(1.25))) < 1e-6
        or abs(found - (0.9 + 0.1 * math.sqrt(1.25 + 1e-5))) < 1e-9
    ):
        return (
            f"running_var is {found:.4f}: you keep the deviation, its root. Expected 0.9 · 1 + 0.1 · "
            "1.25 = 1.0250"
        )
    bn = a.BatchNorm(1, momentum=1.0).double()
    x = t.randn(2, 1, 3, 3)
    bn(x)
    found, values = float(bn.running_var), x.flatten()
    if (
        abs(found - float(((values - values.mean()) ** 2).sum())) < 1e-6
        and abs(found - float(values.var())) > 1e-6
    ):
        return (
            f"running_var of [2, 1, 3, 3] is {found:.4f}, expected {float(values.var()):.4f}: n counts 2 "
            "· 3 · 3 values a channel, not 2"
        )
    return None


@probe("momentum-none")
def momentum_none(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=None).double()
    attempt = t.attempt(lambda: [bn(BATCH + shift) for shift in (0, 3, 9)])
    if attempt.raised(TypeError):
        return f"BatchNorm with momentum=None raised “{attempt.error}”: it then weighs the k-th batch by 1/k"
    if attempt.error is None and not same(bn.running_mean, torch.tensor([6.5])):
        return (
            "three batches with means 2.5, 5.5 and 11.5, momentum=None: running_mean is "
            f"{numbers(bn.running_mean)}, expected their "
            "plain average 6.5: the k-th batch weighs 1/k, k = num_batches_tracked"
        )
    return None


@probe("statistics-carry-a-graph")
def carry_graph(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    x = BATCH.clone().requires_grad_()
    attempt = t.attempt(lambda: [bn(x).sum().backward() for _ in range(2)])
    if bn.running_mean.requires_grad or bn.running_var.requires_grad:
        return (
            "running_mean has a history: every batch stays in memory through it. Update under "
            "`torch.no_grad()`"
        )
    if attempt.raised(RuntimeError) and (
        "second time" in str(attempt.error) or "inplace" in str(attempt.error)
    ):
        return (
            f"a second backward raised “{attempt.error}”: the running statistics carry the graph of the "
            "first batch along"
        )
    return None


@probe("statistics-without-gradient")
def without_gradient(a: Any, t: Trial) -> str | None:
    x = t.randn(6, 4)
    weights = t.randn(6, 4)
    for name, make in {
        "normalize": None,
        "BatchNorm": lambda: a.BatchNorm(4),
        "LayerNorm": lambda: a.LayerNorm(4),
    }.items():
        leaf = x.clone().requires_grad_()
        dims = (1,) if name == "LayerNorm" else (0,)
        y = a.normalize(leaf, dims, 1e-5) if make is None else make().double()(leaf)
        (gradient,) = torch.autograd.grad((y * weights).sum(), leaf)
        deviation = (x.var(dims, correction=0, keepdim=True) + 1e-5).sqrt()
        if same(gradient, weights / deviation, rtol=1e-6):
            return (
                f"the gradient through `{name}` treats mean and deviation as constants: in training "
                "they depend on x, so no `detach`, "
                "no `.data` and no `no_grad` around them"
            )
    return None
