"""More known mistakes of E2: coordinates mixed up, gradients of 0, several groups, float16, layouts."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_mistakes import BASE, GRADIENTS, RECURSIONS
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, through_a_file, walk
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
OWN: dict[str, dict[str, Any]] = {  # options of a second group
    "Adam": {"betas": (0.0, 0.25)},
    "RMSprop": {"alpha": 0.25},
    "Adagrad": {"eps": 0.5},
}


@probes("not-elementwise")
def not_elementwise(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        p = leaf([1.0, 1.0])
        optimizer = getattr(a, name)([p], **how)
        for g in GRADIENTS:
            p.grad = torch.tensor([g, 10.0 * g], dtype=p.dtype)
            optimizer.step()
        alone = [RECURSIONS[name]([s * g for g in GRADIENTS], **how)[-1] for s in (1.0, 10.0)]
        own = [walk(getattr(a, name), [s * g for g in GRADIENTS], **how)[-1] for s in (1.0, 10.0)]
        if close(own, alone, 1e-6) and not close(p.tolist(), alone, 1e-6):
            return (
                f"{name}: a coordinate goes elsewhere when the parameter has a second one with larger "
                "gradients: squares, roots and quotients are elementwise, without sum, mean or norm"
            )
    return None


@probes("layout-of-the-parameter")
def layout(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        for shape in ("transposed", "empty"):
            p = leaf(torch.ones(3, 2, dtype=torch.float64).T if shape == "transposed" else [])
            p.grad = torch.ones_like(p)
            attempt = t.tried(lambda p=p, n=name, h=how: getattr(a, n)([p], **h).step())
            if attempt.raised(Exception):
                text = " ".join(str(attempt.error).split())
                return f"{name}: step fails for a parameter that is {shape} ({text:.80})"
    return None


@probes("gradient-of-zeros-skipped")
def zeros_skipped(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        how = {**how, "momentum": 0.5} if name == "RMSprop" else how
        gradients = (2.0, 0.0, 0.0, 1.5)
        path, right = walk(getattr(a, name), gradients, **how), RECURSIONS[name](gradients, **how)
        skipped = RECURSIONS[name]((2.0, 1.5), **how)
        if not close(path, right) and close(path, [skipped[0]] * 3 + [skipped[1]]):
            return (
                f"{name}: a gradient of zeros is taken for a missing one. Only `None` is skipped; with zeros "
                "the averages go on"
            )
    return None


@probes("decays-without-a-gradient")
def decays_without(a: Any, t: Trial) -> str | None:
    for decoupled in (True, False):
        path = walk(a.Adam, (2.0, None), **BASE["Adam"], weight_decay=0.5, decoupled=decoupled)
        if path[1] != path[0]:
            return (
                f"Adam, weight_decay=0.5, decoupled={decoupled}: without `.grad` the parameter moved from "
                f"{path[0]:.4g} to {path[1]:.4g}: skip it altogether, its decay too"
            )
    return None


@probes("some-options-read-once")
def some_read_once(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        late, p = {**OWN[name], "lr": 0.03}, leaf([1.0])
        for option, value in late.items():
            p = leaf([1.0])
            optimizer = getattr(a, name)([p], **how)
            optimizer.param_groups[0][option] = value
            p.grad = torch.full_like(p, 2.0)
            optimizer.step()
            p.grad = torch.full_like(p, -0.5)
            optimizer.step()
            right = RECURSIONS[name]((2.0, -0.5), **{**how, option: value})[-1]
            if not close(p.item(), right) and close(p.item(), RECURSIONS[name]((2.0, -0.5), **how)[-1]):
                return (
                    f'{name}: `param_groups[0]["{option}"] = {value}` before the first step changes nothing: '
                    "read every option from the group in each step"
                )
    return None


@probes("another-default-eps")
def default_eps(a: Any, t: Trial) -> str | None:
    """Gradients as small as ε itself tell defaults apart that otherwise differ in the tenth digit."""
    for name, eps in (("Adam", 1e-8), ("RMSprop", 1e-8), ("Adagrad", 1e-10)):
        tiny = (eps, -3 * eps)
        path, named = (walk(getattr(a, name), tiny, **more) for more in ({}, {"eps": eps}))
        if not close(path, named, 1e-6):
            return f"{name}: without `eps` the parameter goes elsewhere than with eps={eps:g}, its default"
    return None


def two_groups(make: Any, name: str) -> tuple[Any, list[torch.Tensor]]:
    """Two parameters at 1 in groups of their own."""
    params = [leaf([1.0]), leaf([1.0])]
    groups = [{"params": params[:1]}, {"params": params[1:], **OWN[name]}]
    return make(groups, **BASE[name]), params


def moved(optimizer: Any, params: list[torch.Tensor], gradients: tuple[float, float]) -> list[float]:
    for p, g in zip(params, gradients, strict=True):
        p.grad = torch.full_like(p, g)
    optimizer.step()
    return [p.item() for p in params]


@probes("numbers-start-again-in-each-group")
def numbers_restart(a: Any, t: Trial) -> str | None:
    for name in BASE:
        optimizer, params = two_groups(getattr(a, name), name)
        moved(optimizer, params, (2.0, -1.0))
        saved = optimizer.state_dict()
        found = [list(group["params"]) for group in saved["param_groups"]], sorted(saved["state"])
        if found != ([[0], [1]], [0, 1]):
            return (
                f'{name}: two groups of one parameter are saved as "params" {found[0]} with "state" of '
                f"{found[1]}; expected [[0], [1]] and [0, 1]: the numbers go on through all groups"
            )
    return None


@probes("options-not-restored")
def options_not_restored(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        optimizer, params = two_groups(getattr(a, name), name)
        optimizer.param_groups[1]["lr"] = 0.03
        moved(optimizer, params, (2.0, -1.0))
        again = getattr(a, name)([{"params": [leaf(p)]} for p in params], **how)
        again.load_state_dict(through_a_file(optimizer.state_dict()))
        wanted = {**how, **OWN[name], "lr": 0.03}
        for option, value in wanted.items():
            held = again.param_groups[1].get(option)
            if not close(held, value):
                return (
                    f'{name}: the second group was saved with "{option}" {numbers(value)} and has '
                    f"{numbers(held)} after loading: the options of the groups are restored, too"
                )
    return None


@probes("float16-forgotten")
def float16(a: Any, t: Trial) -> str | None:
    g = torch.tensor([1e-4, 0.7], dtype=torch.float16)
    for name, how in BASE.items():
        p = leaf(torch.zeros(2, dtype=torch.float16))
        optimizer = getattr(a, name)([p], **how)
        p.grad = g.clone()
        attempt = t.tried(lambda o=optimizer: o.step())
        expected = torch.tensor([RECURSIONS[name]((x,), **how)[0] - 1 for x in g.tolist()])
        if attempt.error is not None or p.dtype != torch.float16 or not same(p.float(), expected, rtol=2e-3):
            return (
                f"{name}: the first step of float16 parameters at 0, gradients 1e-4 and 0.7, should lead to "
                f"{numbers(expected)}, yours are at {numbers(p)}: remember and compute in float32 here, too "
                "(the square of 1e-4 is 0 in float16)"
            )
    return None
