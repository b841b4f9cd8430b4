"""The known mistakes of E4, third part: LSUV."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_watch import (
    FIELDS,
    Reversed,
    Two,
    deviations,
    hooks_of,
    mlp,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run

probe = Probes()


@probe("lsuv-other-deviation")
def other_deviation(a: Any, t: Trial) -> str | None:
    torch.manual_seed(3)
    model, x = mlp(1, 6, bias=False), t.randn(2, 6).float()
    a.lsuv_init_(model, x, tol=1e-4)
    with torch.no_grad():
        y = model[0](x).double()
    if abs(float(y.std(correction=0)) - 1) < 1e-3:
        return None
    if abs(float(y.std()) - 1) < 1e-3:
        return (
            "the *sample* deviation of a layer's output is 1 (divided by n − 1); asked for is the "
            "population's"
        )
    if abs(float(y.square().mean().sqrt()) - 1) < 1e-3:
        return "the root mean square of a layer's output is 1; asked for is the deviation, from the mean"
    if abs(float(y.std(dim=0, correction=0).mean()) - 1) < 1e-3:
        return "the mean of the features' deviations is 1; asked for is one deviation over all elements"
    return None


@probe("lsuv-stops-too-early")
def too_early(a: Any, t: Trial) -> str | None:
    for size in (0.7, 1.4):
        torch.manual_seed(3)
        model, x = mlp(1, 16, bias=False), size * t.randn(64, 16).float()
        a.lsuv_init_(model, x)
        std = deviations(model, x)["0"]
        if abs(std - 1) > 0.025 and abs(std - size) < 0.1:
            return (
                f"a single layer without bias, whose output has deviation {size} with an orthogonal weight, "
                f"ends at {std:.2f}: it has to come within tol of the target, from above and from below"
            )
        if abs(std - 1) > 0.025:
            return (
                f"a single layer without bias ends at deviation {std:.2f}, expected 1: dividing the weight "
                "by the measured deviation (not the variance) brings it there in one round"
            )
    return None


@probe("lsuv-returns-something-else")
def returns(a: Any, t: Trial) -> str | None:
    model, x = mlp(3, 8), t.randn(64, 8).float()
    result = a.lsuv_init_(model, x)
    if list(result) in ([model[0], model[2], model[4]], [0, 1, 2]):
        return (
            f"the keys of the result are {list(result)[:1]}…; asked for are the layers' names, '0', '2', '4'"
        )
    if any(isinstance(value, Tensor) for value in result.values()):
        return "the values of the result are tensors; asked for are floats"
    found = deviations(model, x)
    if sorted(result) == sorted(found) and all(abs(std - 1) < 0.03 for std in found.values()):
        off = [name for name, std in found.items() if abs(result[name] - std) > 1e-3]
        if off:
            return (
                f"the result says {result[off[0]]:.3f} for layer {off[0]}, its final deviation is "
                f"{found[off[0]]:.3f}: return what was measured last, after the weight was scaled"
            )
    return None


@probe("lsuv-measures-once-for-all")
def once_for_all(a: Any, t: Trial) -> str | None:
    torch.manual_seed(3)
    model = mlp(8, 32, bias=False)
    x = t.randn(64, 32).float()
    a.lsuv_init_(model, x)
    found = deviations(model, x)
    off = [(name, std) for name, std in found.items() if abs(std - 1) > 0.03]
    if off and abs(found["0"] - 1) <= 0.03:
        return (
            f"layer {off[0][0]} has std {off[0][1]:.2f}: later layers must be measured after earlier "
            "ones are fixed. Run the model again for each layer"
        )
    if len(off) == len(found):
        return (
            f"no layer has std 1 afterwards, the first has {found['0']:.3f}: divide the weight by "
            "the measured deviation (not by the variance)"
        )
    return None


@probe("lsuv-order-of-registration")
def registration(a: Any, t: Trial) -> str | None:
    torch.manual_seed(3)
    model, x = Reversed(), t.randn(64, 8).float()
    result = a.lsuv_init_(model, x)
    found = deviations(model, x)
    if max(abs(std - 1) for std in found.values()) > 0.03 and abs(found["first"] - 1) <= 0.03:
        return (
            "a model that runs first, middle, last, but registers them the other way round: the "
            f"stds are {', '.join(f'{k} {v:.2f}' for k, v in found.items())}. Take the "
            "order of execution, as hooks see it in one forward pass"
        )
    if list(result) == ["last", "middle", "first"]:
        return (
            "the result lists last, middle, first: asked for is the order of execution, first, middle, last"
        )
    if sorted(result) == sorted(found) and list(result) != list(found):
        return (
            f"the result lists {', '.join(result)}: asked for is the order of execution, first, middle, last"
        )
    return None


@probe("lsuv-not-orthogonal")
def not_orthogonal(a: Any, t: Trial) -> str | None:
    model = mlp(2, 12, bias=False)
    a.lsuv_init_(model, t.randn(32, 12).float())
    gram = model[0].weight.detach() @ model[0].weight.detach().T
    if not same(gram / gram[0, 0], torch.eye(12), atol=1e-3):
        return (
            "the weights are scaled, but not orthogonal: LSUV starts from your `orthogonal_`, and "
            "scaling keeps all rows orthogonal"
        )
    return None


@probe("lsuv-target-ignored")
def target(a: Any, t: Trial) -> str | None:
    model, x = mlp(2, 12, bias=False), t.randn(32, 12).float()
    a.lsuv_init_(model, x, target_std=0.25)
    first = deviations(model, x)["0"]
    if abs(first - 1) < 0.03:
        return "with target_std=0.25 the layers have std 1: multiply the weight by target_std / std"
    if abs(first - 4) < 0.1:
        return (
            "with target_std=0.25 the first layer has std 4: it is multiplied by target_std / std, you "
            "divide by the target"
        )
    return None


@probe("lsuv-stops-after-one-round")
def one_round(a: Any, t: Trial) -> str | None:
    torch.manual_seed(3)
    model, x = mlp(1, 16), t.randn(64, 16).float()
    with torch.no_grad():
        model[0].bias.copy_(torch.linspace(-1, 1, 16))
    bias = model[0].bias.detach().clone()
    a.lsuv_init_(model, x)
    std = deviations(model, x)["0"]
    if not same(model[0].bias, bias):
        return "the bias was changed: biases stay as they are"
    if abs(std - 1) > 0.02:
        return (
            f"a layer with a large bias ends at std {std:.3f}: the bias does not scale with the "
            "weight, so one division is not enough. Measure again until it is "
            "within tol, at most max_iter times"
        )
    return None


@probe("lsuv-never-ends")
def never_ends(a: Any, t: Trial) -> str | None:
    model, x = mlp(1, 16), t.randn(32, 16).float()
    with torch.no_grad():
        model[0].bias.copy_(torch.linspace(-9, 9, 16))
    passes: list[int] = []
    model.register_forward_hook(lambda module, inputs, output: passes.append(1))
    attempt = t.attempt(lambda: a.lsuv_init_(model, x, max_iter=5), seconds=0.5)
    if attempt.timed_out or len(passes) > 30:
        return (
            "a layer whose bias alone has a larger deviation than the target never gets there: stop after "
            f"`max_iter` rounds (5 here; there were {len(passes)} forward passes)"
        )
    return None


@probe("lsuv-forgets-convolutions")
def convolutions(a: Any, t: Trial) -> str | None:
    torch.manual_seed(3)
    model, x = (
        nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)),
        t.randn(32, 1, 6, 6).float(),
    )
    result = a.lsuv_init_(model, x)
    if "0" not in result:
        return f"the result has {list(result)}, the nn.Conv2d '0' is missing: convolutions are scaled too"
    return None


@probe("lsuv-touches-unreached-layers")
def unreached(a: Any, t: Trial) -> str | None:
    model, x = Two(4), t.randn(16, 4).float()
    before = model.unused.weight.detach().clone()
    model.twice = nn.Linear(4, 4)
    model.forward = lambda x: model.inner(model.twice(x))  # type: ignore[method-assign]
    attempt = t.attempt(lambda: a.lsuv_init_(model, x))
    if attempt.raised(KeyError):
        return (
            f"a layer that x does not reach raised {type(attempt.error).__name__}: {attempt.error}. "
            "Leave it out"
        )
    if attempt.error is None and "unused" in attempt.value:
        return (
            "the layer `unused`, which x does not reach, is in the result: only layers that run are asked for"
        )
    if not torch.equal(model.unused.weight, before):
        return "the weight of the layer `unused`, which x does not reach, was changed: leave it as it is"
    return None


@probe("lsuv-changes-the-mode")
def mode(a: Any, t: Trial) -> str | None:
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 6))
    model[2].eval()
    before = [module.training for module in model.modules()]
    mean = model[1].running_mean.clone()
    x = t.randn(32, 6).float()
    a.lsuv_init_(model, x)
    if not same(model[1].running_mean, mean):
        return "the running statistics of a BatchNorm in the model have changed: measure in evaluation mode"
    if [module.training for module in model.modules()] != before:
        return (
            "some modules are in another mode than before: keep each module's `training` and put it "
            "back (one of them was in eval mode already)"
        )
    if max(abs(std - 1) for std in deviations(model, x).values()) > 0.03:
        return "with dropout in the model the stds are off: measure in evaluation mode"
    return None


@probe("lsuv-divides-by-zero")
def zero(a: Any, t: Trial) -> str | None:
    model = mlp(2, 4, bias=False)
    attempt = t.attempt(lambda: a.lsuv_init_(model, torch.zeros(8, 4)))
    if attempt.raised(ZeroDivisionError) or not all(bool(p.isfinite().all()) for p in model.parameters()):
        return (
            "an input of zeros gives constant outputs, and the weights became "
            f"{numbers(model[0].weight[0])}: a std of 0 cannot be scaled, leave the weight as it is"
        )
    return None


@probe("lsuv-leaves-traces")
def traces(a: Any, t: Trial) -> str | None:
    model, x = mlp(2, 4), t.randn(8, 4).float()
    before = x.clone()
    a.lsuv_init_(model, x)
    if hooks_of(model):
        return f"after lsuv_init_ the model has {hooks_of(model)} hooks: remove them"
    if any(p.grad is not None or not p.requires_grad or not p.is_leaf for p in model.parameters()):
        return (
            "after lsuv_init_ a parameter has a gradient, a history, or requires none: measure and "
            "scale under torch.no_grad()"
        )
    if not same(x, before):
        return "lsuv_init_ changed x"
    return None


@probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    model, x = mlp(2, 4), t.randn(8, 4).float()

    def watch(backward: bool) -> None:
        with a.ActivationProbe(model) as found:
            for size in (8, 3):
                y = model(x[:size])
                if backward:
                    y.sum().backward()
        for stats in found.stats.values():
            for field in FIELDS:
                getattr(stats, field)

    must_run(t, "a probe around two forward passes", lambda: watch(False))
    must_run(t, "a probe around two forward and backward passes", lambda: watch(True))
    model.zero_grad()
    must_run(t, "lsuv_init_ of two linear layers", lambda: a.lsuv_init_(model, x))
    must_run(t, "lsuv_init_ of one linear layer", lambda: a.lsuv_init_(nn.Linear(4, 4), x))
