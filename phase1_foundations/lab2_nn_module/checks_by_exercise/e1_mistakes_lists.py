"""The known mistakes of E1, second part: what is listed, and train and eval."""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e1_trees import outline, parameter, small_net

probe = Probes()


@probe("no-pairs-of-name-and-object")
def no_pairs(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    for method in ("named_parameters", "named_buffers", "named_modules"):
        attempt = t.attempt(lambda method=method: list(getattr(net, method)()))
        if attempt.raised(TypeError):
            return f"`{method}()` cannot be walked: {attempt.error}. Yield pairs, or return a list of them"
        if attempt.error is None and not all(
            isinstance(each, tuple) and len(each) == 2 for each in attempt.value
        ):
            return (
                f"`{method}()` gives {type(attempt.value[0]).__name__}s; asked for are pairs (name, object)"
            )
    return None


@probe("nothing-is-registered")
def nothing(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight = parameter(t)
    if not outline(module.named_parameters()):
        return (
            "`module.weight = nn.Parameter(…)`, and `named_parameters()` is empty: `__setattr__` has to put "
            "it into the registry of parameters"
        )
    return None


@probe("buffers-are-parameters")
def buffers_as_parameters(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("running_mean", torch.zeros(2))
    if "running_mean" in outline(module.named_parameters()):
        return (
            "`running_mean` would be trained: buffers are state, not parameters; keep them in a dict of "
            "their own"
        )
    return None


@probe("another-object-is-listed")
def another_object(a: Any, t: Trial) -> str | None:
    module, weight, mean = a.MiniModule(), parameter(t), torch.ones(2)
    module.weight = weight
    module.register_buffer("mean", mean)
    for method, own in (("named_parameters", weight), ("named_buffers", mean)):
        pairs = list(getattr(module, method)())
        if len(pairs) == 1 and pairs[0][1] is not own:
            return (
                f"`{method}` lists another tensor than the one that was registered, a copy or a view: what "
                "changes the one in place is not seen in the other"
            )
    return None


@probe("buffers-are-left-out")
def buffers_left_out(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("mean", torch.ones(2))
    module.register_buffer("cache", torch.ones(2), persistent=False)
    if outline(module.named_buffers()) == ["mean"]:
        return "a buffer with persistent=False is missing from named_buffers: only state_dict leaves it out"
    top = a.MiniModule()
    top.body = module
    if outline(module.named_buffers()) and not outline(top.named_buffers()):
        return "the buffers of a child are missing from named_buffers: walk down the tree"
    shared = torch.ones(2)
    top.register_buffer("one", shared)
    top.register_buffer("two", shared)
    if outline(top.named_buffers())[:2] == ["one", "two"]:
        return "a buffer under two names is listed twice by named_buffers; asked for is each once"
    return None


@probe("module-itself-is-not-listed")
def itself(a: Any, t: Trial) -> str | None:
    if outline(small_net(a, t).named_modules()) == ["fc", "fc.dropout"]:
        return "named_modules lists what is below, ['fc', 'fc.dropout']: the module itself comes first, as ''"
    return None


@probe("children-are-left-out")
def children_left_out(a: Any, t: Trial) -> str | None:
    names = outline(small_net(a, t).named_parameters())
    if names and not any("weight" in name for name in names):
        return f"named_parameters gives {names}: what the child `fc` holds is missing; walk down the tree"
    deep, module = a.MiniModule(), a.MiniModule()
    module.inner = a.MiniModule()
    module.inner.weight = parameter(t)
    deep.outer = module
    if not outline(deep.named_parameters()) and outline(module.named_parameters()):
        return "a parameter two levels down is missing: children have children, so the walk must go on"
    return None


@probe("names-joined-wrongly")
def joined(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    names = outline(net.named_parameters())
    if sorted(names) != ["fc.bias", "fc.weight", "last", "scale"] and len(names) == 4:
        return (
            f"named_parameters gives {names}; expected scale, last, fc.weight, fc.bias: the path, joined by "
            "dots, with no dot where there is no prefix"
        )
    modules = outline(net.named_modules())
    if len(modules) == 3 and modules != ["", "fc", "fc.dropout"]:
        return (
            f"named_modules gives {modules}, expected ['', 'fc', 'fc.dropout']: the module itself comes "
            "first, under the name `prefix`"
        )
    return None


@probe("prefix-ignored")
def prefix_ignored(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    for method in ("named_parameters", "named_buffers", "named_modules"):
        names = outline(getattr(net, method)(prefix="model"))
        wrong = [name for name in names if not (name == "model" or name.startswith("model."))]
        if wrong:
            return (
                f"{method}(prefix='model') gives {wrong[0]!r}: with a prefix every name begins with `model.`"
            )
    return None


@probe("order")
def order(a: Any, t: Trial) -> str | None:
    names = outline(small_net(a, t).named_parameters())
    if names != ["scale", "last", "fc.weight", "fc.bias"] and sorted(names) == [
        "fc.bias",
        "fc.weight",
        "last",
        "scale",
    ]:
        return (
            f"the order is {names}, expected ['scale', 'last', 'fc.weight', 'fc.bias']: first a module's own "
            "parameters, as they were registered, then its children's"
        )
    top = a.MiniModule()
    top.left, top.right = a.MiniModule(), a.MiniModule()
    top.left.inner, top.right.weight = a.MiniModule(), parameter(t)
    top.left.inner.weight = parameter(t)
    names = outline(top.named_parameters())
    if names == ["right.weight", "left.inner.weight"]:
        return (
            f"the order is {names}, expected left.inner.weight first: all that is below the first child "
            "comes before the second child (depth first)"
        )
    return None


@probe("equal-is-taken-for-tied")
def equal_tied(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.a, module.b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    attempt = t.attempt(lambda: outline(module.named_parameters()))
    if attempt.value == ["a"]:
        return (
            "two different parameters that are both 0 count as one: `in` and `==` compare values. Two names "
            "are tied when it is the same *object*: compare `id(parameter)`"
        )
    module.b = nn.Parameter(torch.zeros(3))
    attempt = t.attempt(lambda: outline(module.named_parameters()))
    if attempt.raised(RuntimeError):
        return (
            f"listing two parameters of different shapes raised {attempt.error}: `in` on a list of tensors "
            "compares their values. Keep a set of `id(parameter)`"
        )
    return None


@probe("tied-listed-twice")
def tied_twice(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.encoder, module.decoder = a.MiniModule(), a.MiniModule()
    module.encoder.weight = parameter(t)
    module.decoder.weight = module.encoder.weight
    names = outline(module.named_parameters())
    if names == ["encoder.weight", "decoder.weight"]:
        return (
            f"tied weight listed twice, {names}: the optimizer would step it twice. Remember the ids that "
            "you have listed, over the whole tree"
        )
    module = a.MiniModule()
    module.a = parameter(t)
    module.b = module.a
    if outline(module.named_parameters()) == ["a", "b"]:
        return (
            "one parameter under two names of the same module is listed twice: the optimizer would step "
            "it twice"
        )
    return None


@probe("remove-duplicate-ignored")
def keep_duplicates(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.a = parameter(t)
    module.b = module.a
    if outline(module.named_parameters(remove_duplicate=False)) == ["a"]:
        return (
            "with remove_duplicate=False a tied parameter is asked for under both its names, you list ['a']"
        )
    shared, module = a.MiniModule(), a.MiniModule()
    shared.weight = parameter(t)
    module.left, module.right = shared, shared
    if outline(module.named_parameters(remove_duplicate=False)) == ["left.weight"]:
        return (
            "one child in two places: remove_duplicate=False must list left.weight *and* right.weight; you "
            "skip modules that were seen before"
        )
    return None


@probe("recurse-ignored")
def recurse(a: Any, t: Trial) -> str | None:
    names = outline(small_net(a, t).named_parameters(recurse=False))
    if any(name.startswith("fc") for name in names):
        return f"named_parameters(recurse=False) gives {names}: asked for are the module's own alone"
    return None


@probe("shared-module-listed-twice")
def shared_module(a: Any, t: Trial) -> str | None:
    module, shared = a.MiniModule(), a.MiniModule()
    module.left, module.right = shared, shared
    if outline(module.named_modules()) == ["", "left", "right"]:
        return "one child in two places is listed twice by named_modules; asked for is each module once"
    return None


@probe("none-is-listed")
def none_listed(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("mask", None)
    module.weight = parameter(t)
    module.weight = None
    attempts = {
        "the lists": t.attempt(
            lambda: [*outline(module.named_buffers()), *outline(module.named_parameters())]
        ),
        "state_dict": t.attempt(lambda: list(module.state_dict())),
    }
    for where, attempt in attempts.items():
        if attempt.value or attempt.raised(AttributeError, TypeError):
            found = attempt.value or f"{type(attempt.error).__name__}: {attempt.error}"
            return f"a buffer and a parameter are None, and {where} gave {found}; asked for is nothing"
    return None


@probe("train-stops-at-the-top")
def train_not_recursive(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    result = net.eval()
    if net.training is False and net.fc.training is False and net.fc.dropout.training is True:
        return "after net.eval(), net.fc.dropout.training is still True: go down to the children's children"
    if net.training is False and net.fc.training is True:
        return "after net.eval(), net.fc.training is still True: a dropout in there would go on dropping"
    if net.training is not False:
        return (
            f"after net.eval(), net.training is {net.training!r}: train(mode) sets what it is given, "
            "here False"
        )
    if result is not net:
        return f"net.eval() returned {result!r}: return self, so that `model = model.eval()` works"
    net.train()
    if net.fc.dropout.training is not True:
        return "after net.train(), net.fc.dropout.training is still False"
    return None
