"""The known mistakes of E2 around the formulas: missing gradients, own clocks, saving, half precision."""

import copy
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_mistakes import BASE, GRADIENTS, RECURSIONS
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, through_a_file, walk
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
HALF: dict[str, dict[str, Any]] = {  # options with which everything is remembered that can be
    "Adam": {**BASE["Adam"], "amsgrad": True},
    "RMSprop": {**BASE["RMSprop"], "momentum": 0.5, "centered": True},
    "Adagrad": BASE["Adagrad"],
}


def pair(make: Any, gradients: tuple[float | None, ...], **options: Any) -> tuple[Any, list[Tensor]]:
    """Two parameters at 1; the first gets the gradients, the second always 1."""
    params = [leaf([1.0]), leaf([1.0])]
    optimizer = make(params, **options)
    for g in gradients:
        params[0].grad = None if g is None else torch.full_like(params[0], g)
        params[1].grad = torch.ones_like(params[1])
        optimizer.step()
    return optimizer, params


@probes("missing-gradient-raises")
def missing_raises(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        attempt = t.tried(lambda n=name, h=how: walk(getattr(a, n), (None, 2.0), **h))
        alone = t.attempt(lambda n=name, h=how: walk(getattr(a, n), (2.0,), **h))
        if attempt.raised(Exception) and alone.error is None:
            return f"{name}: a parameter whose `.grad` is None makes step fail ({attempt.error}): skip it"
    return None


@probes("one-clock-for-all")
def one_clock(a: Any, t: Trial) -> str | None:
    _, params = pair(a.Adam, (None, None, None, None, None, 2.0), **BASE["Adam"])
    moved = 1 - params[0].item()
    if moved != 0 and not close(moved, 0.1, 1e-6):
        return (
            f"Adam: a parameter without gradient in steps 1 to 5 moved {moved:.4g} in its first own step, "
            "expected lr = 0.1: t is shared. Each parameter needs its own t, which counts its own steps"
        )
    return None


@probes("averages-fade-without-a-gradient")
def fade(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        with_gap = walk(getattr(a, name), (2.0, -0.5, None, None, 1.5), **how)
        without = walk(getattr(a, name), (2.0, -0.5, 1.5), **how)
        if with_gap[3] != with_gap[1]:
            return f"{name}: in a step without a gradient (None) the parameter moved: None is not 0, skip it"
        if not close(with_gap[4], without[2]):
            return (
                f"{name}: after two steps without a gradient the next step is another: averages and t of a "
                "skipped parameter stay as they are"
            )
    return None


@probes("memory-shared")
def memory_shared(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        _, params = pair(getattr(a, name), GRADIENTS, **how)
        if not close(params[0].item(), RECURSIONS[name](GRADIENTS, **how)[-1]):
            return (
                f"{name}: a parameter goes elsewhere when there is a second one beside it: each "
                "parameter needs a "
                "memory (and a t) of its own"
            )
    return None


@probes("generator-used-up")
def used_up(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        params = [leaf([1.0]), leaf([1.0])]
        optimizer = getattr(a, name)((p for p in params), **how)
        for _ in range(2):
            for p in params:
                p.grad = torch.ones_like(p)
            before = [p.item() for p in params]
            optimizer.step()
            if any(p.item() == old for p, old in zip(params, before, strict=True)):
                return (
                    f"{name}: with a generator as `params` not every step reaches every parameter: "
                    "make a list"
                )
    return None


@probes("options-read-once")
def read_once(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        path = walk(getattr(a, name), GRADIENTS, **how, rates={3: 0.0})
        if path[2] != path[1]:
            return (
                f'{name}: after `param_groups[0]["lr"] = 0` the parameter still moves: read the '
                "options from the "
                "group in each step"
            )
    return None


@probes("options-of-a-group-ignored")
def group_options(a: Any, t: Trial) -> str | None:
    own = {"Adam": {"betas": (0.0, 0.0)}, "RMSprop": {"alpha": 0.0}, "Adagrad": {"lr": 0.5}}
    for name, how in BASE.items():
        params = [leaf([1.0]), leaf([1.0])]
        optimizer = getattr(a, name)([{"params": params[:1]}, {"params": params[1:], **own[name]}], **how)
        for g in GRADIENTS:
            for p in params:
                p.grad = torch.full_like(p, g)
            optimizer.step()
        expected = [RECURSIONS[name](GRADIENTS, **{**how, **more})[-1] for more in ({}, own[name])]
        found = [p.item() for p in params]
        if not close(found, expected, 1e-6):
            return (
                f"{name}: two groups, the second with {own[name]} of its own, should be at "
                f"{numbers(expected)}, "
                f"yours are at {numbers(found)}"
            )
    return None


@probes("gradient-changed")
def gradient_changed(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        p = leaf([1.0])
        optimizer = getattr(a, name)([p], **how, **({"weight_decay": 0.5} if name == "Adam" else {}))
        for _ in range(2):
            p.grad = torch.full_like(p, 4.0)
            optimizer.step()
            if p.grad is None or p.grad.item() != 4.0:
                after = "None" if p.grad is None else f"{p.grad.item():.4g}"
                return (
                    f"{name}: step changed `.grad` from 4 to {after}: it is only read (mind `add_` "
                    "and `mul_`)"
                )
    return None


@probes("nan-at-gradient-zero")
def nan_at_zero(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        path = walk(getattr(a, name), (0.0, 0.0, 0.0), **how)
        if path[-1] != path[-1]:
            return (
                f"{name}: a gradient of 0 from the first step on gives nan: 0 / 0. ε keeps the divisor from 0"
            )
        if not close(path[-1], 1.0):
            return (
                f"{name}: with a gradient of 0 from the first step on the parameter moves to {path[-1]:.4g}"
            )
    return None


@probes("zero-grad-does-nothing")
def zero_grad_nothing(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        optimizer, params = pair(getattr(a, name), (1.0,), **how)
        optimizer.zero_grad()
        if any(p.grad is not None for p in params):
            return f"{name}: after zero_grad() a gradient is not None"
        params[0].grad = torch.ones_like(params[0])
        optimizer.zero_grad(set_to_none=False)
        if params[0].grad is None or params[0].grad.item() != 0:
            return f"{name}: zero_grad(set_to_none=False) should fill a gradient with zeros, and keep it"
    return None


@probes("state-dict-of-another-form")
def other_form(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        optimizer, _ = pair(getattr(a, name), (1.0,), **how)
        saved = optimizer.state_dict()
        if not isinstance(saved, dict) or not {"state", "param_groups"} <= saved.keys():
            return f'{name}: state_dict() should be a dict with "state" and "param_groups", as in E1'
        if any(isinstance(key, Tensor) or key not in (0, 1) for key in saved["state"]):
            return f'{name}: "state" is not keyed by the parameters\' numbers 0, 1, …'
        attempt = t.tried(lambda s=saved: through_a_file(s))
        if attempt.error is not None:
            return (
                f"{name}: torch.load(…, weights_only=True) refuses the saved state_dict "
                f"({attempt.error!s:.100})"
            )
    return None


@probes("memory-lost-on-loading")
def lost(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        optimizer, params = pair(getattr(a, name), (2.0, -0.5), **how)
        copies = [leaf(p) for p in params]
        again = getattr(a, name)(copies, **how)
        again.load_state_dict(through_a_file(optimizer.state_dict()))
        found = []
        for each, group in ((optimizer, params), (again, copies)):
            group[0].grad, group[1].grad = torch.full_like(group[0], 1.5), None
            each.step()
            found.append(group[0].item())
        if not close(*found):
            return (
                f"{name}: saved after two steps and loaded elsewhere, the third step leads to "
                f"{found[1]:.6g} "
                f"instead of {found[0]:.6g}: part of what is remembered (averages, t) is not saved or "
                "not restored"
            )
    return None


@probes("loaded-state-is-shared")
def shared(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        optimizer, params = pair(getattr(a, name), (2.0, -0.5), **how)
        saved = optimizer.state_dict()
        before = copy.deepcopy(saved["state"])
        copies = [leaf(p) for p in params]
        again = getattr(a, name)(copies, **how)
        again.load_state_dict(saved)
        copies[0].grad = torch.full_like(copies[0], 100.0)
        again.step()
        for key, old in before.items():
            for part, value in old.items():
                now = saved["state"][key][part]
                if isinstance(value, Tensor) and not torch.equal(value, now):
                    return (
                        f"{name}: a step of the optimizer that loaded changed the saved `{part}`: "
                        "copy on loading"
                    )
                if not isinstance(value, Tensor) and value != now:
                    return (
                        f"{name}: a step of the optimizer that loaded changed the saved `{part}`: "
                        "copy on loading"
                    )
    return None


@probes("memory-in-half-precision")
def half_memory(a: Any, t: Trial) -> str | None:
    for name, how in HALF.items():
        p = leaf(torch.ones(3, dtype=torch.bfloat16))
        optimizer = getattr(a, name)([p], **how)
        p.grad = torch.ones_like(p)
        optimizer.step()
        kept = optimizer.state_dict()["state"].get(0, {})
        narrow = [part for part, v in kept.items() if isinstance(v, Tensor) and v.dtype == torch.bfloat16]
        if narrow:
            return (
                f"{name}: for a bfloat16 parameter `{narrow[0]}` is remembered in bfloat16, where "
                "0.999·v rounds "
                "to v: the average never fades. Remember in float32"
            )
        if p.dtype != torch.bfloat16:
            return (
                f"{name}: a bfloat16 parameter became {p.dtype}: compute wide, and write back with `p.copy_`"
            )
    return None


@probes("computes-in-half-precision")
def half_arithmetic(a: Any, t: Trial) -> str | None:
    g = torch.tensor([0.7], dtype=torch.bfloat16)
    for name, how in BASE.items():
        p = leaf(torch.zeros(1, dtype=torch.bfloat16))
        optimizer = getattr(a, name)([p], **how)
        p.grad = g.clone()
        optimizer.step()
        expected = RECURSIONS[name]((g.item(),), **how)[0] - 1
        if not close(p.item(), expected, 2.0**-8):
            return (
                f"{name}: the first step of a bfloat16 parameter at 0 leads to {p.item():.5g}, expected "
                f"{expected:.5g}: compute in float32 and round only the new parameter"
            )
    return None
