"""The known mistakes of E3, second part: running statistics, and gradients through the batch's."""

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import batch, formula

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
            for key, values in make(**how).named_parameters():
                start = torch.full((4,), float(key == "weight"))
                if not same(values, start):
                    return (
                        f"the {key} of `{name}` starts as {numbers(values)}, shape "
                        f"{tuple(values.shape)}; expected is "
                        f"{numbers(start)}, one a channel"
                    )
    found = tuple(a.LayerNorm((3, 4)).weight.shape)
    if found != (3, 4):
        return (
            f"the weight of LayerNorm((3, 4)) has shape {found}, expected (3, 4): one for each of its "
            "elements"
        )
    return None


@probe("statistics-never-updated")
def never_updated(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    bn(batch())
    if same(bn.running_mean, torch.zeros(1)) and same(bn.running_var, torch.ones(1)):
        return "after a batch in training mode running_mean and running_var are still 0 and 1"
    if not same(dict(bn.named_buffers())["running_mean"], bn.running_mean):
        return "running_mean was replaced by an attribute, the buffer of that name is still the old one"
    return None


@probe("statistics-updated-in-eval")
def updated_in_eval(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double().eval()
    y = bn(batch()).detach()
    if not same(bn.running_mean, torch.zeros(1)) or not same(bn.running_var, torch.ones(1)):
        return "running statistics changed in evaluation mode: look at `self.training` before updating them"
    if same(y, formula(batch(), (0,), 1e-5)):
        return (
            "in evaluation mode the batch's own statistics are used, so that an example's result "
            "depends on the others in its batch: "
            "use running_mean and running_var"
        )
    return None


@probe("evaluation-by-another-formula")
def evaluation(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, eps=0.25, momentum=0.5).double()
    bn(batch())
    with torch.no_grad():
        bn.running_mean.fill_(1.0)
        bn.running_var.fill_(2.0)
        bn.weight.fill_(3.0)
        bn.bias.fill_(-1.0)
    y = bn.eval()(batch()).detach()
    plain = (batch() - 1) / 1.5
    if same(y, plain * 3 - 1):
        return None
    wrong = {
        "γ and β are missing": plain,
        "ε is missing": (batch() - 1) / math.sqrt(2) * 3 - 1,
        "the root is missing, you divide by the variance": (batch() - 1) / 2.25 * 3 - 1,
        "running_var is taken for a deviation": (batch() - 1) / 2 * 3 - 1,
        "ε stands outside the root": (batch() - 1) / (math.sqrt(2) + 0.25) * 3 - 1,
        "the mean is not subtracted": batch() / 1.5 * 3 - 1,
        "the input comes back as it is": batch(),
        "only γ and β are applied": batch() * 3 - 1,
        "ε is 1e-5, not the one that was given": (batch() - 1) / math.sqrt(2 + 1e-5) * 3 - 1,
        "the batch's own statistics are used": formula(batch(), (0,), 0.25) * 3 - 1,
    }
    for words, value in wrong.items():
        if same(y, value, atol=1e-7):
            return (
                f"BatchNorm in evaluation mode: {words}. Asked for is γ (x − running_mean) / "
                "√(running_var + ε) + β"
            )
    return None


@probe("training-by-running-statistics")
def training(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    y = bn(batch()).detach()
    updated = (batch() - bn.running_mean) / torch.sqrt(bn.running_var + 1e-5)
    if same(y, batch() / math.sqrt(1 + 1e-5)) or (
        same(y, updated) and not same(y, formula(batch(), (0,), 1e-5))
    ):
        return (
            "in training mode BatchNorm normalises with the running statistics; it takes the batch's "
            "own there"
        )
    return None


@probe("batches-are-not-counted")
def not_counted(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    counts = []
    for _ in range(3):
        bn(batch())
        counts.append(bn.num_batches_tracked)
    found = [float(count) for count in counts[-1:]]
    if found != [3.0]:
        return f"after three batches in training mode num_batches_tracked is {found[0]:g}, expected 3"
    if isinstance(counts[-1], Tensor) and (counts[-1].dtype != torch.int64 or counts[-1].dim()):
        return (
            f"num_batches_tracked is {counts[-1].dtype} of shape {tuple(counts[-1].shape)}; asked for is "
            "int64, 0-d"
        )
    if "num_batches_tracked" not in bn.state_dict():
        return "num_batches_tracked is no buffer any more after a batch: change it in place, `+= 1`"
    return None


@probe("momentum-reversed")
def momentum_reversed(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=0.1).double()
    bn(batch())
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
    bn(batch())
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
    if abs(found - 2 * float(values.var(correction=0))) < 1e-6:
        return (
            f"running_var of [2, 1, 3, 3] is {found:.4f}, expected {float(values.var()):.4f}: n "
            "counts 2 · 3 · 3 values a "
            "channel, not 2"
        )
    return None


@probe("momentum-none")
def momentum_none(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=None).double()
    attempt = t.attempt(lambda: [bn(batch() + shift) for shift in (0, 3, 9)])
    if attempt.raised(TypeError):
        return f"BatchNorm with momentum=None raised “{attempt.error}”: it then weighs the k-th batch by 1/k"
    if attempt.error is None and not same(bn.running_mean, torch.tensor([6.5])):
        return (
            "three batches with means 2.5, 5.5 and 11.5, momentum=None: running_mean is "
            f"{numbers(bn.running_mean)}, expected their "
            "plain average 6.5: the k-th batch weighs 1/k, k = num_batches_tracked"
        )
    return None


@probe("statistics-by-another-rule")
def another_rule(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=0.3).double()
    bn(batch())
    mean, variance = float(bn.running_mean), float(bn.running_var)
    if abs(mean - 0.75) > 1e-9 or abs(variance - 1.075) > 1e-9:
        return (
            "one batch with mean 2.5 and unbiased variance 1.25, momentum 0.3: running_mean and "
            "running_var are "
            f"{mean:.4g} and {variance:.5g}, expected 0.7 · 0 + 0.3 · 2.5 = 0.75 and 0.7 · 1 + 0.3 · "
            "1.25 = 1.075"
        )
    return None


@probe("statistics-carry-a-graph")
def carry_graph(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    x = batch().clone().requires_grad_()
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
