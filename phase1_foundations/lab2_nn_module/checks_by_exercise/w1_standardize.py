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


@w1.probe("call-instead-of-forward")
def call_written(a: Any, t: Trial) -> str | None:
    if a.Standardize.__call__ is not nn.Module.__call__:
        return (
            "you wrote `__call__`, which replaces torch's own: hooks would never run. Write `forward`; torch "
            "calls it when the module is called"
        )
    return None


@w1.probe("statistics-are-trained")
def statistics_are_trained(a: Any, t: Trial) -> str | None:
    trained = [name for name, _ in made(a).named_parameters() if name in ("mean", "std")]
    if trained:
        return (
            f"{' and '.join(trained)} would be trained: "
            f"{'they are parameters' if trained[1:] else 'it is a parameter'} in your module. Facts about "
            "the data are buffers: `self.register_buffer(name, tensor)`"
        )
    return None


@w1.probe("statistics-are-not-saved")
def not_saved(a: Any, t: Trial) -> str | None:
    module = made(a)
    for name in ("mean", "std"):
        if not hasattr(module, name):
            return f'the module has no `{name}`: asked for is `self.register_buffer("{name}", {name})`'
        if name not in module.state_dict() and name in dict(module.named_buffers()):
            return (
                f"`{name}` is a buffer, but `persistent=False` keeps it out of the module's state_dict: a "
                "saved model has lost it. Leave the option at its default"
            )
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
    doubles = MEAN.double(), STD.double()
    found = a.Standardize(*doubles).scale
    if found.dtype != torch.float64:
        return (
            f"with mean in float64 `scale` is {str(found.dtype)[6:]}: it has the dtype of mean, as "
            "`torch.ones_like(mean)` has"
        )
    return None


@w1.probe("changes-its-input")
def changes_input(a: Any, t: Trial) -> str | None:
    x, mean, std = t.randn(3, 2).float(), MEAN.clone(), STD.clone()
    before = x.clone()
    a.Standardize(mean, std)(x)
    if not (torch.equal(x, before) and torch.equal(mean, MEAN) and torch.equal(std, STD)):
        return (
            "a tensor that was given is changed (`-=`, `fill_` and the like write in place): make a new one"
        )
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


@w1.probe("scale-in-another-place")
def scale_elsewhere(a: Any, t: Trial) -> str | None:
    module, x = made(a), torch.tensor([[3.0, 11.0], [-2.0, 5.0]])
    with torch.no_grad():
        module.scale.copy_(torch.tensor([3.0, 0.5]))
        y, s = module(x), module.scale.clone()
    wrong = {
        "(scale · x − mean) / std": (s * x - MEAN) / STD,
        "(x − mean) / (scale · std)": (x - MEAN) / (s * STD),
        "scale · x − mean / std": s * x - MEAN / STD,
        "scale + (x − mean) / std": s + (x - MEAN) / STD,
        "(x − scale · mean) / std": (x - s * MEAN) / STD,
    }
    for words, value in wrong.items():
        if same(y, value, atol=1e-4) and not same(y, s * (x - MEAN) / STD, atol=1e-4):
            return (
                f"as soon as scale is not 1, what you compute is {words}; asked for is "
                "scale · (x − mean) / std"
            )
    return None


@w1.probe("scale-gets-no-gradient")
def no_gradient(a: Any, t: Trial) -> str | None:
    module = made(a)
    if isinstance(module.scale, nn.Parameter) and not module(torch.ones(3, 2)).requires_grad:
        return (
            "no gradient would ever reach `scale`: forward cuts it off (`.data`, `.detach()`, "
            "`torch.no_grad()`, a copy made in `__init__`). Use `self.scale` itself"
        )
    return None


@w1.probe("buffers-hold-something-else")
def other_buffers(a: Any, t: Trial) -> str | None:
    module = made(a)
    for name, right in (("mean", MEAN), ("std", STD)):
        found = getattr(module, name)
        if not same(found, right):
            return (
                f"`module.{name}` is {numbers(found)}, but {name} = {numbers(right)} was given: a model is "
                "saved with the numbers as they were measured"
            )
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


@w1.probe("something-is-added-to-std")
def std_plus_eps(a: Any, t: Trial) -> str | None:
    mean, std = torch.zeros(2, dtype=torch.float64), torch.tensor([1e-4, 2.0], dtype=torch.float64)
    x = torch.ones(1, 2, dtype=torch.float64)
    first = float(a.Standardize(mean, std)(x)[0, 0])
    if 0 < 1 / first - 1e-4 < 0.1:
        return (
            f"with std = 0.0001 you divide by {1 / first:.6g}: something small is added to std. It is never "
            "0 here, and the formula is (x − mean) / std"
        )
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
    t.that(
        a.Standardize.__call__ is nn.Module.__call__, "it has a `__call__` of its own, instead of `forward`"
    )
    t.equal(module.mean, MEAN, "module.mean")
    t.equal(module.std, STD, "module.std")


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
            x.requires_grad_()
            y = module(x)
            t.equal(y, scale * (x - mean) / std, "the result with another scale", atol=1e-5)
            t.that(y.requires_grad, "the result has no gradient history")
            gradients = torch.autograd.grad(y.sum(), (module.scale, x), allow_unused=True)
            t.equal(gradients[0], ((x.detach() - mean) / std).sum(0), "the gradient of scale", atol=1e-4)
            t.equal(gradients[1], (scale / std).expand(n, d), "the gradient of x", atol=1e-5)


w1.reward(standardized_digits)
