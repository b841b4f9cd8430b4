"""W1: a module with a parameter and two buffers."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import standardized_digits
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run, nothing_returned

w1 = Exercise(
    "W1",
    takes={"Standardize": None},
    hints=(
        "Which of the three tensors should training change? Which must be saved with the model? The table "
        "has one line for each answer.",
        "`scale` is trained and saved: a parameter. `mean` and `std` are saved but not trained: buffers. "
        "forward is the formula, with `self.` in front of the names.",
        '`super().__init__()`, `self.register_buffer("mean", mean)`, the same for std, `self.scale = '
        "nn.Parameter(torch.ones_like(mean))`; forward returns `self.scale * (x - self.mean) / self.std`.",
    ),
)
MEAN, STD = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])


def made(a: Any) -> nn.Module:
    return a.Standardize(MEAN.clone(), STD.clone())


@w1.probe("no-super-init")
def no_super_init(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: made(a))
    if attempt.raised(AttributeError) and "__init__" in str(attempt.error):
        return (
            f"torch says: {attempt.error}. The first line of `__init__` must be `super().__init__()`: it "
            "creates the dicts in which parameters and buffers are kept"
        )
    return None


@w1.probe("not-a-module")
def not_a_module(a: Any, t: Trial) -> str | None:
    if not issubclass(a.Standardize, nn.Module):
        return "`Standardize` does not inherit from `nn.Module`: write `class Standardize(nn.Module)`"
    return None


@w1.probe("statistics-are-trained")
def statistics_are_trained(a: Any, t: Trial) -> str | None:
    trained = [name for name, _ in made(a).named_parameters() if name in ("mean", "std")]
    if trained:
        return (
            f"{' and '.join(trained)} would be trained: "
            f"{'they are parameters' if trained[1:] else 'it is a parameter'} "
            "in your module. Facts about the data are buffers: `self.register_buffer(name, tensor)`"
        )
    return None


@w1.probe("statistics-are-not-saved")
def not_saved(a: Any, t: Trial) -> str | None:
    module = made(a)
    for name in ("mean", "std"):
        if not hasattr(module, name):
            return f'the module has no `{name}`: asked for is `self.register_buffer("{name}", {name})`'
        if name not in module.state_dict():
            return (
                f"`{name}` is missing from the module's state_dict, so a saved model has lost it: a "
                "plain tensor "
                f'attribute is invisible to torch. Use `self.register_buffer("{name}", …)`'
            )
    if not hasattr(module, "scale"):
        return "the module has no `scale`: asked for is a parameter of this name, of mean's shape, all ones"
    return None


@w1.probe("scale-is-not-trained")
def scale_not_trained(a: Any, t: Trial) -> str | None:
    module = made(a)
    scale = dict(module.named_parameters()).get("scale")
    if scale is not None and not scale.requires_grad:
        return "`scale` does not require a gradient, so it would never change: leave `requires_grad` alone"
    if scale is None and hasattr(module, "scale"):
        return (
            "`scale` is not among the module's parameters, so no optimizer will ever change it: wrap the "
            "tensor in `nn.Parameter`"
        )
    return None


@w1.probe("scale-starts-elsewhere")
def scale_starts(a: Any, t: Trial) -> str | None:
    module = made(a)
    scale = module.scale
    if isinstance(scale, Tensor) and not same(scale, torch.ones(2)):
        return (
            f"`scale` starts as {numbers(scale)} with shape {tuple(scale.shape)}; asked for are ones of "
            "mean's shape, here [1, 1]"
        )
    return None


@w1.probe("changes-its-input")
def changes_input(a: Any, t: Trial) -> str | None:
    x, mean, std = t.randn(3, 2).float(), MEAN.clone(), STD.clone()
    before = x.clone()
    a.Standardize(mean, std)(x)
    if not (torch.equal(x, before) and torch.equal(mean, MEAN) and torch.equal(std, STD)):
        return "forward changes a tensor that it was given (`-=`, `/=` write in place): make a new one"
    return None


@w1.probe("returns-nothing")
def returns_nothing(a: Any, t: Trial) -> str | None:
    return nothing_returned(made(a), torch.ones(3, 2))


@w1.probe("scale-is-not-used")
def scale_not_used(a: Any, t: Trial) -> str | None:
    module = made(a)
    x = torch.tensor([[3.0, 10.0]])
    with torch.no_grad():
        before = module(x)
        module.scale.fill_(3.0)
        after = module(x)
    if same(before, torch.tensor([[2.0, 2.0]])) and same(after, before):
        return "with scale = 3 the result is the same as with scale = 1: forward does not use `self.scale`"
    return None


@w1.probe("statistics-of-the-batch")
def of_the_batch(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[3.0, 10.0], [5.0, 2.0]])
    module = made(a)
    for correction in (0, 1):
        if same(module(x), (x - x.mean(0)) / x.std(0, correction=correction), atol=1e-4):
            return "you use the mean and deviation of `x`; asked for are those that were given to `__init__`"
    return None


MIXED_UP = {
    "scale * x - mean / std: the brackets are missing": lambda x, m, s: x - m / s,
    "(x + mean) / std: the mean is subtracted": lambda x, m, s: (x + m) / s,
    "(mean − x) / std: the sign is turned round": lambda x, m, s: (m - x) / s,
    "(x − mean) · std: divide by std": lambda x, m, s: (x - m) * s,
    "(x − std) / mean: the two are exchanged": lambda x, m, s: (x - s) / m,
    "(x − mean) / std²: std is the deviation already": lambda x, m, s: (x - m) / s**2,
    "(x − mean) / √std: std is the deviation already": lambda x, m, s: (x - m) / s.sqrt(),
    "x / std: the mean is not subtracted": lambda x, m, s: x / s,
    "x − mean: std is not used": lambda x, m, s: x - m,
    "x alone": lambda x, m, s: x,
}


@w1.probe("another-formula")
def another_formula(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[3.0, 11.0], [-2.0, 5.0]])
    y = made(a)(x)
    if same(y, (x - MEAN) / STD, atol=1e-4):
        return None
    for words, formula in MIXED_UP.items():
        if same(y, formula(x, MEAN, STD), atol=1e-4):
            return f"what you compute is {words}. Asked for is scale · (x − mean) / std"
    return None


@w1.probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    must_run(t, "Standardize(mean, std)", lambda: made(a))
    must_run(t, "Standardize(mean, std) of x [3, 2]", lambda: made(a)(torch.ones(3, 2)))


@w1.property("scale is trained, mean and std are only saved")
def kinds(a: Any, t: Trial) -> None:
    module = made(a)
    t.given("Standardize(mean=[1, 2], std=[1, 4])")
    t.that(isinstance(module, nn.Module), "it is no nn.Module")
    t.equal([name for name, p in module.named_parameters() if p.requires_grad], ["scale"], "its parameters")
    t.equal(sorted(module.state_dict()), ["mean", "scale", "std"], "the names in its state_dict")
    t.equal(sorted(name for name, _ in module.named_buffers()), ["mean", "std"], "its buffers")


@w1.property("the formula")
def formula(a: Any, t: Trial) -> None:
    for n, d in ((1, 1), (1, 2), (3, 2), (4, 5)):
        for dtype in (torch.float32, torch.float64):
            mean, std = t.randn(d, dtype=dtype), t.rand(d, low=0.5, high=2.0, dtype=dtype)
            module, x = a.Standardize(mean.clone(), std.clone()), t.randn(n, d, dtype=dtype)
            t.given(f"Standardize of {d} features, {dtype}")
            t.equal(module.scale, torch.ones(d, dtype=dtype), "scale at the start")
            t.equal(module(x), (x - mean) / std, "the result", atol=1e-5)
            scale = t.randn(d, dtype=dtype)
            with torch.no_grad():
                module.scale.copy_(scale)
            t.equal(module(x), scale * (x - mean) / std, "the result with another scale", atol=1e-5)


w1.reward(standardized_digits)
