"""The known mistakes of E1, where only unusual trees show them: frozen, tied, empty, None, not saved."""

import copy
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab2_nn_module.checks_by_exercise.e1_trees import (
    outline,
    parameter,
    small_net,
    twins_of_many_kinds,
)

probe = Probes()


@probe("frozen-is-left-out")
def frozen_left_out(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight, module.frozen = parameter(t), nn.Parameter(torch.ones(2), requires_grad=False)
    if outline(module.named_parameters()) == ["weight"]:
        return (
            "a parameter with requires_grad=False is missing from named_parameters: frozen or not, it is a "
            "parameter, and is listed"
        )
    return None


@probe("memory-is-taken-for-identity")
def memory(a: Any, t: Trial) -> str | None:
    names = outline(twins_of_many_kinds(a, t).named_parameters())
    if names in (["frozen", "over", "none"], ["frozen", "over", "none", "neither"]):
        return (
            "two different parameters count as tied because their memory begins at the same address (two "
            "empty ones do, too): compare the objects, `id(parameter)`, not `data_ptr()`"
        )
    return None


@probe("tied-under-the-last-name")
def last_name(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.a = parameter(t)
    module.b = module.a
    if outline(module.named_parameters()) == ["b"]:
        return "a tied parameter is listed under its last name, b; asked for is the first one, a"
    return None


@probe("modules-level-by-level")
def level_by_level(a: Any, t: Trial) -> str | None:
    top = a.MiniModule()
    top.left, top.right = a.MiniModule(), a.MiniModule()
    top.left.inner = a.MiniModule()
    names = outline(top.named_modules())
    if names != (right := ["", "left", "left.inner", "right"]) and sorted(names) == sorted(right):
        return (
            f"named_modules gives {names}, expected {right}: all that is below the first child comes before "
            "the second child"
        )
    return None


@probe("train-stops-where-nothing-changes")
def shortcut(a: Any, t: Trial) -> str | None:
    top = a.MiniModule()
    top.child = a.MiniModule()
    top.child.eval()
    top.train(True)
    if top.child.training is False:
        return (
            "`top.child.eval()`, then `top.train(True)`: the child is still in evaluation mode. That top "
            "itself was in training mode says nothing about its children; set the mode in all of them"
        )
    return None


@probe("empty-buffer-is-forgotten")
def empty_buffer(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("mask", None)
    if not hasattr(module, "mask"):
        return "after `register_buffer('mask', None)` the name `mask` cannot be read; expected None"
    module.mask = torch.ones(2)
    if outline(module.named_buffers()) != ["mask"]:
        return (
            "`register_buffer('mask', None)`, then `module.mask = tensor`: it is not in named_buffers. A "
            "buffer that is None keeps its name; what is assigned later is the buffer"
        )
    return None


@probe("to-leaves-a-buffer-out")
def to_leaves_out(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("cache", torch.ones(2), persistent=False)
    module.register_buffer("mean", torch.ones(2))
    module.to(torch.float64)
    if module.cache.dtype == torch.float32 and module.mean.dtype == torch.float64:
        return "to(float64) left a buffer with persistent=False in float32: only state_dict leaves those out"
    return None


@probe("frozen-is-thawed")
def thawed(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    for what, step in (
        ("load_state_dict", lambda: module.load_state_dict({"frozen": torch.zeros(2)})),
        ("to(float64)", lambda: module.to(torch.float64)),
    ):
        step()
        if module.frozen.requires_grad:
            return (
                f"after {what} a parameter with requires_grad=False requires a gradient: leave that as it is"
            )
    return None


@probe("loaded-dict-is-changed")
def dict_changed(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    state = copy.deepcopy(net.state_dict()) | {"extra": torch.ones(1)}
    names, values = list(state), [value.clone() for value in state.values()]
    net.load_state_dict(state, strict=False)
    if list(state) != names or not same(list(state.values()), values):
        return f"load_state_dict changes the dict that it is given: afterwards its names are {list(state)}"
    return None
