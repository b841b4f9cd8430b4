"""The known mistakes of E2's `DynamicLossScaler`: one or two parameters whose gradients are set by hand."""

import math
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()
INF, NAN = math.inf, math.nan


def sgd(*sizes: int, groups: bool = False) -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
    """Parameters of zeros and an optimizer that subtracts their gradients; `groups`: a group for each."""
    weights = [nn.Parameter(torch.zeros(size)) for size in sizes]
    return weights, torch.optim.SGD([{"params": [w]} for w in weights] if groups else weights, lr=1.0)


def gradients(weights: list[nn.Parameter], *values: tuple[float, ...] | None) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.grad = None if value is None else torch.tensor(value)


def scales(a: Any, pattern: str, **settings: float) -> list[float]:
    """The scale after each update; the letters stand for good steps (g), infinity (i) and NaN (n)."""
    (weights, optimizer), scaler, found = sgd(2), a.DynamicLossScaler(**settings), []
    for letter in pattern:
        gradients(weights, (1.0, {"g": 1.0, "i": INF, "n": NAN}[letter]))
        scaler.step(optimizer)
        scaler.update()
        found.append(scaler.get_scale())
    return found


def listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


@probe("scaler-cannot-be-made")
def cannot_be_made(a: Any, t: Trial) -> str | None:
    for words, call in {
        "DynamicLossScaler()": lambda: a.DynamicLossScaler(),
        "DynamicLossScaler(8.0, 2.0, 0.5, 3)": lambda: a.DynamicLossScaler(8.0, 2.0, 0.5, 3),
        "DynamicLossScaler(init=8, growth=2, backoff=0.5, interval=3)": lambda: a.DynamicLossScaler(
            init=8, growth=2, backoff=0.5, interval=3
        ),
    }.items():
        if error := failure(t, call):
            return f"{words} ends in {error}"
    return None


@probe("get-scale")
def get_scale(a: Any, t: Trial) -> str | None:
    for scaler, expected in ((a.DynamicLossScaler(), 65536.0), (a.DynamicLossScaler(init=8), 8.0)):
        found = scaler.get_scale()
        if not isinstance(found, float) or found != expected:
            return (
                f"get_scale() of a new scaler is {found!r}, expected {expected!r}: `init`, as a Python float"
            )
    return None


@probe("scale-of-the-loss")
def scale_of_loss(a: Any, t: Trial) -> str | None:
    w = torch.tensor(3.0, requires_grad=True)
    loss = w * 1.0
    scaled = a.DynamicLossScaler(init=8.0).scale(loss)
    if not isinstance(scaled, torch.Tensor):
        return f"scale(loss) returned {scaled!r}, expected the tensor S · loss"
    if scaled.item() != 24.0:
        return f"scale(loss) with S = 8 made {scaled.item():g} of a loss of 3; S · loss is 24"
    if loss.item() != 3.0:
        return "scale(loss) changed the loss in place: the caller wants to log the true one"
    if scaled.grad_fn is None:
        return (
            "scale(loss) has no graph any more (`.item()`, `.detach()`, `.data`): nothing could go backward"
        )
    scaled.backward()
    if w.grad is None or w.grad.item() != 8.0:
        return f"the gradient of scale(loss) is {w.grad}, expected S = 8 times the true one"
    return None


@probe("gradient-is-none")
def gradient_is_none(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1, 1)
    for name in ("unscale_", "step"):
        gradients(weights, None, (8.0,))
        error = failure(t, lambda n=name: getattr(a.DynamicLossScaler(init=8.0), n)(optimizer))
        gradients(weights, (8.0,), (8.0,))
        if error and not failure(t, lambda n=name: getattr(a.DynamicLossScaler(init=8.0), n)(optimizer)):
            return f"a parameter whose `.grad` is None ends in {error}: pass it over"
    return None


@probe("all-gradients-none")
def all_none(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1, 1)
    scaler = a.DynamicLossScaler(init=8.0, interval=1)

    def iteration() -> Any:
        gradients(weights, None, None)
        stepped = scaler.step(optimizer)
        scaler.update()
        return stepped

    if error := failure(t, iteration):
        return f"an iteration without any gradient ends in {error}; it counts as a good one"
    if scaler.get_scale() != 16.0 and scales(a, "g", init=8.0, interval=1) == [16.0]:
        return (
            f"with interval=1 an iteration without any gradient left the scale at {scaler.get_scale():g}, "
            "expected 16: no gradients at all count as finite"
        )
    return None


@probe("unscale-does-not-divide")
def unscale_divides(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(2)
    gradients(weights, (16.0, -8.0))
    a.DynamicLossScaler(init=8.0).unscale_(optimizer)
    found = weights[0].grad.tolist()
    if found == [16.0, -8.0]:
        return "unscale_ left the gradients as they were: divide them by S, in place (`grad.div_(S)`)"
    if found == [128.0, -64.0]:
        return "unscale_ multiplied the gradients by S; the loss was multiplied, so they are divided"
    if found != [2.0, -1.0]:
        return f"with S = 8 unscale_ made {found} of the gradients [16, −8], expected [2, −1]"
    return None


@probe("overflow-leaves-gradients-scaled")
def left_scaled(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1, 1)
    for rows, finite in ((((16.0,), (INF,)), 0), (((INF,), (16.0,)), 1)):
        gradients(weights, *rows)
        a.DynamicLossScaler(init=8.0).unscale_(optimizer)
        if weights[finite].grad.item() == 16.0:
            return (
                "one parameter's gradient was infinite, and unscale_ left the other one, 16, as it was: "
                "every gradient is divided by S, also when an infinity is among them"
            )
    return None


@probe("one-group-only")
def one_group(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1, 1, groups=True)
    gradients(weights, (16.0,), (16.0,))
    a.DynamicLossScaler(init=8.0).unscale_(optimizer)
    if weights[1].grad.item() != 2.0:
        return (
            "an optimizer with two groups of parameters: the gradients of the second were not divided. Go "
            "through all of `optimizer.param_groups`"
        )
    stepped = []
    for values in (((INF,), (8.0,)), ((8.0,), (INF,))):
        gradients(weights, *values)
        stepped.append(bool(a.DynamicLossScaler(init=8.0).step(optimizer)))
    if stepped == [False, True]:
        return "infinity in the second group of parameters was not noticed"
    return None


@probe("step-forgets-to-unscale")
def forgets_unscale(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1)
    gradients(weights, (16.0,))
    a.DynamicLossScaler(init=8.0).step(optimizer)
    if weights[0].item() == -16.0:
        return (
            "step without unscale_ before it moved the weight by 16, the scaled gradient; the true one is 2. "
            "`step` unscales if that has not happened yet"
        )
    return None


@probe("divided-twice")
def divided_twice(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1)
    scaler = a.DynamicLossScaler(init=8.0)
    gradients(weights, (64.0,))
    scaler.unscale_(optimizer)
    t.attempt(lambda: scaler.step(optimizer))
    if weights[0].item() == -1.0:
        return (
            "unscale_ and then step: the gradient 64 was divided by 8 twice. `step` has to know that "
            "unscale_ was called already"
        )
    if weights[0].item() == 0.0:
        return (
            "unscale_ and then step: the weight did not move. `step` unscales only if nobody has since the "
            "last update, and otherwise just decides"
        )
    return None


@probe("second-unscale-allowed")
def second_unscale(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1)
    scaler = a.DynamicLossScaler(init=8.0)
    gradients(weights, (64.0,))
    scaler.unscale_(optimizer)
    again = t.attempt(lambda: scaler.unscale_(optimizer))
    if again.error is None:
        done = "the gradients were divided twice" if weights[0].grad.item() == 1.0 else "it was ignored"
        return f"a second unscale_ before update raised nothing ({done}): it must raise RuntimeError"
    if not again.raised(RuntimeError):
        return f"a second unscale_ raised {type(again.error).__name__}, asked for is RuntimeError"
    return None


@probe("unscaled-for-ever")
def unscaled_for_ever(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1)
    scaler = a.DynamicLossScaler(init=8.0)
    for _ in range(2):
        gradients(weights, (64.0,))
        if failure(t, lambda: scaler.unscale_(optimizer)) or weights[0].grad.item() == 64.0:
            return (
                "in the second iteration unscale_ refused or did nothing: `update` has to forget which "
                "optimizers were unscaled"
            )
        scaler.step(optimizer)
        scaler.update()
    return None


@probe("steps-on-infinity")
def steps_on_infinity(a: Any, t: Trial) -> str | None:
    for value, words in ((INF, "inf"), (-INF, "−inf"), (NAN, "NaN")):
        for place in (0, 2):
            weights, optimizer = sgd(3)
            row = [1.0, 1.0, 1.0]
            row[place] = value
            gradients(weights, tuple(row))
            a.DynamicLossScaler(init=8.0).step(optimizer)
            if weights[0].tolist() != [0.0, 0.0, 0.0]:
                return (
                    f"a gradient held {words}, and the optimizer stepped: the weights are now "
                    f"{weights[0].tolist()}. Skip the step if any entry is not finite"
                )
    weights, optimizer = sgd(1, 2, 1)
    for place in range(3):
        rows = [(1.0,), (1.0, 1.0), (1.0,)]
        rows[place] = (INF, 1.0) if place == 1 else (INF,)
        gradients(weights, *rows)
        a.DynamicLossScaler(init=8.0).step(optimizer)
        if any(w.detach().any() for w in weights):
            return (
                f"infinity in the gradient of parameter {place + 1} of 3 was not noticed: look at all of them"
            )
    return None


@probe("finite-taken-for-infinite")
def finite_flagged(a: Any, t: Trial) -> str | None:
    for row in ((1e30, 1e30), (2e38, 2e38, 2e38), (3e38,)):
        weights, optimizer = sgd(len(row))
        gradients(weights, row)
        a.DynamicLossScaler(init=8.0).step(optimizer)
        if not weights[0].detach().any():
            return (
                f"gradients of {row[0]:g} are large but finite, and the step was skipped: their sum or norm "
                "overflows in float32. Ask each entry: `grad.isfinite().all()`"
            )
    return None


@probe("step-returns-no-bool")
def no_bool(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1)
    found = []
    for value in (1.0, INF):
        gradients(weights, (value,))
        found.append(a.DynamicLossScaler(init=8.0).step(optimizer))
    if found != [True, False] or not all(isinstance(f, bool) for f in found):
        return (
            f"step returned {found[0]!r} after a step and {found[1]!r} when it skipped; expected True, False"
        )
    return None


@probe("step-clears-the-gradients")
def step_clears(a: Any, t: Trial) -> str | None:
    for value, words in ((16.0, "stepped"), (INF, "skipped")):
        weights, optimizer = sgd(1)
        gradients(weights, (value,))
        a.DynamicLossScaler(init=8.0).step(optimizer)
        if weights[0].grad is None or weights[0].grad.item() == 0.0:
            return (
                f"step {words} and then cleared the gradients: it only unscales and decides. Clearing them "
                "is the training loop's business, which may still want to look at them"
            )
    return None


@probe("step-updates-the-scale")
def step_updates(a: Any, t: Trial) -> str | None:
    weights, optimizer = sgd(1)
    scaler = a.DynamicLossScaler(init=8.0, interval=1)
    for value in (1.0, INF):
        gradients(weights, (value,))
        scaler.step(optimizer)
        if scaler.get_scale() != 8.0:
            return "the scale changed during `step`: only `update` changes it, once an iteration"
        scaler = a.DynamicLossScaler(init=8.0, interval=1)
    return None
