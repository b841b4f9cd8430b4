"""The known mistakes of E1 that show only with several groups, odd memory, or a second optimizer."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, walk
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()


@probes("generator-in-a-group")
def generator_in_a_group(a: Any, t: Trial) -> str | None:
    p = leaf([1.0])
    attempt = t.tried(lambda: a.SGD([{"params": (each for each in [p])}], lr=0.1))
    if attempt.error is not None:
        return None
    for expected in (0.9, 0.8):
        p.grad = torch.ones_like(p)
        attempt.value.step()
        if not close(p.item(), expected):
            return (
                'a generator under a group\'s "params" is used up after one pass, and the later steps move '
                'nothing: make a list of it, `list(group["params"])`'
            )
    return None


@probes("every-group-like-the-first")
def like_the_first(a: Any, t: Trial) -> str | None:
    for name, value in (("momentum", 0.5), ("weight_decay", 0.5)):
        own = leaf([1.0])
        optimizer = a.SGD([{"params": [leaf([1.0])]}, {"params": [own], name: value}], lr=0.1)
        for _ in range(2):
            own.grad = torch.ones_like(own)
            optimizer.step()
        right = walk(a.SGD, (1.0, 1.0), lr=0.1, **{name: value})[-1]
        if close(own.item(), walk(a.SGD, (1.0, 1.0), lr=0.1)[-1]) and not close(own.item(), right):
            return (
                f"the second group's own {name} = {value} has no effect, though its lr has: read every "
                "option from the group that you are stepping"
            )
    return None


@probes("only-the-first-parameter-has-a-first-step")
def first_step_of_each(a: Any, t: Trial) -> str | None:
    params = [leaf([0.0]), leaf([0.0])]
    optimizer = a.SGD(params, lr=1.0, momentum=0.5, dampening=0.75)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    found = [p.item() for p in params]
    if close(found[0], -1.0) and not close(found[1], -1.0):
        return (
            "two parameters with gradient 1, dampening 0.75: after one step of lr = 1 both should be at −1, "
            f"yours are at {numbers(found)}. Each parameter has a first step of its own, in which v = d"
        )
    return None


@probes("dampening-without-momentum")
def damped_without(a: Any, t: Trial) -> str | None:
    found = walk(a.SGD, (2.0,), lr=0.1, dampening=0.75)[0]
    if close(walk(a.SGD, (2.0,), lr=0.1)[0], 0.8) and not close(found, 0.8):
        return (
            "without momentum there is no buffer, and so nothing to dampen: from 1 with gradient 2, lr = 0.1 "
            f"and dampening 0.75 a step goes to 0.8, yours to {found:.4g}"
        )
    return None


@probes("needs-contiguous-memory")
def needs_contiguous(a: Any, t: Trial) -> str | None:
    p = leaf(torch.ones(2, 3, dtype=torch.float64).T)
    p.grad = torch.ones_like(p)
    optimizer = a.SGD([p], lr=0.1)
    attempt = t.tried(optimizer.step)
    raised = attempt.raised(RuntimeError) and "view" in str(attempt.error)
    if raised or (attempt.error is None and bool((p == 1).all()) and walk(a.SGD, (1.0,), lr=0.1) == [0.9]):
        did = "raises" if raised else "does not move"
        return (
            f"a non-contiguous parameter (a transposed one) {did}: `view` refuses such memory, `reshape` and "
            "`contiguous` copy it. The formulas are elementwise and need no other shape"
        )
    return None


@probes("zero-grad-forgets-groups")
def zero_grad_groups(a: Any, t: Trial) -> str | None:
    params = [leaf([1.0]), leaf([1.0])]
    optimizer = a.SGD([{"params": [p]} for p in params], lr=0.1)
    for keep in (False, True):
        for p in params:
            p.grad = torch.ones_like(p)
        optimizer.zero_grad(set_to_none=not keep)
        left = [i for i, p in enumerate(params) if p.grad is not None and p.grad.item() != 0]
        if left:
            return (
                f"after zero_grad(set_to_none={not keep}) group {left[0]} still has its gradient: go through "
                "all groups"
            )
    return None


@probes("momentum-lost-in-zero-grad")
def lost_in_zero_grad(a: Any, t: Trial) -> str | None:
    p = leaf([0.0])
    optimizer = a.SGD([p], lr=1.0, momentum=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        p.grad = torch.ones_like(p)
        optimizer.step()
    if close(p.item(), -2.0) and close(walk(a.SGD, (1.0, 1.0), start=0.0, lr=1.0, momentum=0.5)[-1], -2.5):
        return "zero_grad() also forgets the momentum: it clears gradients, never what is remembered"
    return None


@probes("some-options-not-restored")
def some_options(a: Any, t: Trial) -> str | None:
    ours = {"lr": 0.25, "momentum": 0.5, "dampening": 0.0, "nesterov": True, "weight_decay": 0.125}
    saved = a.SGD([{"params": [leaf([1.0])]}, {"params": [leaf([1.0])]}], **ours).state_dict()
    again = a.SGD([{"params": [leaf([1.0])]}, {"params": [leaf([1.0])]}], lr=0.7, dampening=0.5)
    again.load_state_dict(saved)
    for i, group in enumerate(again.param_groups):
        if lost := [name for name, value in ours.items() if group.get(name) != value]:
            return (
                f"after load_state_dict {lost[0]} of group {i} is {group.get(lost[0])}; {ours[lost[0]]} was "
                "saved: all options of all groups come from the state_dict"
            )
    return None


@probes("state-of-all-optimizers")
def state_of_all(a: Any, t: Trial) -> str | None:
    optimizers, p = [a.SGD([leaf([1.0])], lr=0.1, momentum=0.5) for _ in range(2)], leaf([1.0])
    optimizers.append(a.SGD([p], lr=0.1, momentum=0.5))
    p.grad = torch.ones_like(p)
    optimizers[-1].step()
    attempt = t.tried(lambda: optimizers[0].state_dict())
    if attempt.raised(KeyError) or (attempt.error is None and any(attempt.value["state"].values())):
        return (
            "an optimizer that never stepped remembers what another one did: a dict in the class body or as "
            "a default argument is one for all. Make it in `__init__`"
        )
    return None


@probes("default-of-an-option")
def default_of_an_option(a: Any, t: Trial) -> str | None:
    right = {"momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0}
    group = a.SGD([leaf([1.0])], 0.1).param_groups[0]
    for name, value in right.items():
        if group.get(name, value) != value:
            return f"SGD(params, lr=0.1) has {name} = {group[name]}; the default is {value}"
    attempt = t.tried(lambda: a.SGD([leaf([1.0])], 0.1, 0.9, 0.0, True, 0.01).param_groups[0])
    found = f"{attempt.error}"
    if attempt.error is None:
        found = {name: attempt.value.get(name) for name in ("lr", *right)}
    if found != {"lr": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": True, "weight_decay": 0.01}:
        return (
            f"SGD(params, 0.1, 0.9, 0.0, True, 0.01) gives {found}: keep the arguments in the order lr, "
            "momentum, dampening, nesterov, weight_decay"
        )
    return None


@probes("memory-becomes-float32")
def memory_narrow(a: Any, t: Trial) -> str | None:
    p, q = leaf([1.0]), leaf([1.0])
    optimizer, again = (a.SGD([each], lr=0.1, momentum=0.5) for each in (p, q))
    p.grad = torch.full_like(p, 1 / 3)
    optimizer.step()
    again.load_state_dict(optimizer.state_dict())
    kept = again.state_dict()["state"].get(0, {}).get("momentum_buffer")
    if isinstance(kept, torch.Tensor) and kept.dtype == torch.float32:
        return "after loading, the buffer of a float64 parameter is float32: it keeps its dtype"
    return None


@probes("old-memory-survives-loading")
def old_memory(a: Any, t: Trial) -> str | None:
    p = leaf([0.0])
    optimizer = a.SGD([p], lr=1.0, momentum=0.5)
    saved = optimizer.state_dict()
    for g in (4.0, 0.0):
        if g == 0.0:
            optimizer.load_state_dict({"state": {}, "param_groups": saved["param_groups"]})
        before = p.item()
        p.grad = torch.full_like(p, g)
        optimizer.step()
    if p.item() != before:
        return (
            "an optimizer with a momentum loads a state in which nothing is remembered, and still has its "
            "own: loading replaces what was there, it does not add to it"
        )
    return None
