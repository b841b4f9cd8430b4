"""The mistakes of E2 that another probe would take for something else: they are looked for first."""

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, through_a_file, walk
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
DEFAULTS: dict[str, dict[str, Any]] = {
    "Adam": {
        "lr": 1e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "decoupled": False,
        "amsgrad": False,
    },
    "RMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
    "Adagrad": {"lr": 1e-2, "eps": 1e-10, "initial_accumulator": 0.0},
}
GRADIENTS = (2.0, -0.5, 1.5, 1e-7)


@probes("other-default")
def other_default(a: Any, t: Trial) -> str | None:
    for name, options in DEFAULTS.items():
        make = getattr(a, name)
        for option, value in options.items():
            more = {"weight_decay": 0.1} if option == "decoupled" else {}
            left = walk(make, GRADIENTS, **more)
            right = walk(make, GRADIENTS, **more, **{option: value})
            if all(map(math.isfinite, (*left, *right))) and not close(left, right, 1e-9):
                return (
                    f"{name}: with {option}={value} it moves otherwise than without; {value} is the default"
                )
    return None


late = Probes()


@late("accumulator-of-a-group-ignored")
def accumulator_of_a_group(a: Any, t: Trial) -> str | None:
    p, q = leaf([1.0]), leaf([1.0])
    optimizer = a.Adagrad([{"params": [p]}, {"params": [q], "initial_accumulator": 8.0}], lr=0.1)
    for each in (p, q):
        each.grad = torch.ones_like(each)
    optimizer.step()
    if close(q.item(), p.item()):
        return (
            "Adagrad: a group with initial_accumulator = 8 of its own moves like one with 0: read this "
            "option in the group, too, when a parameter takes its first step"
        )
    return None


@late("memory-halved-on-loading")
def half_on_loading(a: Any, t: Trial) -> str | None:
    for name in DEFAULTS:
        p, q = (leaf(torch.ones(1, dtype=torch.bfloat16)) for _ in range(2))
        optimizer, again = getattr(a, name)([p]), getattr(a, name)([q])
        p.grad = torch.full_like(p, 1 / 3)
        optimizer.step()
        again.load_state_dict(through_a_file(optimizer.state_dict()))
        for key, value in again.state_dict()["state"].get(0, {}).items():
            if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:
                return (
                    f"{name}: after loading, `{key}` of a bfloat16 parameter is bfloat16: what was "
                    "remembered in float32 stays in float32. Do not convert it to the parameter's dtype"
                )
    return None
