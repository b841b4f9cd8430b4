"""The known mistakes of E1, second part: what is listed, saved and loaded."""

from typing import Any

import torch
from torch import nn

from courseware.check import Trial
from courseware.check.observe import same_storage
from phase1_foundations.lab2_nn_module.checks_by_exercise.e1_trees import outline, parameter
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import Probes, numbers, same

probe = Probes()


def small_net(a: Any, t: Trial) -> Any:
    """scale; a buffer mean; fc with weight, bias and dropout; then a last parameter."""
    net, fc = a.MiniModule(), a.MiniModule()
    net.scale = parameter(t)
    net.register_buffer("mean", torch.ones(2))
    fc.weight, fc.bias = parameter(t, 2, 2), parameter(t)
    fc.dropout = a.MiniModule()
    net.fc = fc
    net.last = parameter(t)
    return net


# ---- listing --------------------------------------------------------------------------------------------


@probe("nothing-is-registered")
def nothing(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight = parameter(t)
    if not outline(module.named_parameters()):
        return (
            "`module.weight = nn.Parameter(…)`, and `named_parameters()` is empty: `__setattr__` has to put it "
            "into the registry of parameters"
        )
    return None


@probe("buffers-are-parameters")
def buffers_as_parameters(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("running_mean", torch.zeros(2))
    if "running_mean" in outline(module.named_parameters()):
        return "`running_mean` would be trained: buffers are state, not parameters; keep them in a dict of their own"
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
            f"named_parameters gives {names}; expected scale, last, fc.weight, fc.bias: the path, joined by dots, "
            "with no dot where there is no prefix"
        )
    modules = outline(net.named_modules())
    if len(modules) == 3 and modules != ["", "fc", "fc.dropout"]:
        return (
            f"named_modules gives {modules}, expected ['', 'fc', 'fc.dropout']: the module itself comes first, under "
            "the name `prefix`"
        )
    return None


@probe("prefix-ignored")
def prefix_ignored(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    for method in ("named_parameters", "named_buffers", "named_modules"):
        names = outline(getattr(net, method)(prefix="model"))
        wrong = [name for name in names if not (name == "model" or name.startswith("model."))]
        if wrong:
            return f"{method}(prefix='model') gives {wrong[0]!r}: with a prefix every name begins with `model.`"
    return None


@probe("order")
def order(a: Any, t: Trial) -> str | None:
    names = outline(small_net(a, t).named_parameters())
    if names != ["scale", "last", "fc.weight", "fc.bias"] and sorted(names) == ["fc.bias", "fc.weight", "last", "scale"]:
        return (
            f"the order is {names}, expected ['scale', 'last', 'fc.weight', 'fc.bias']: first a module's own "
            "parameters, as they were registered, then its children's"
        )
    return None


@probe("equal-is-taken-for-tied")
def equal_tied(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.a, module.b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    attempt = t.attempt(lambda: outline(module.named_parameters()))
    if attempt.value == ["a"]:
        return (
            "two different parameters that are both 0 count as one: `in` and `==` compare values. Two names are "
            "tied when it is the same *object*: compare `id(parameter)`"
        )
    module.b = nn.Parameter(torch.zeros(3))
    attempt = t.attempt(lambda: outline(module.named_parameters()))
    if attempt.raised(RuntimeError):
        return (
            f"listing two parameters of different shapes raised {attempt.error}: `in` on a list of tensors compares "
            "their values. Keep a set of `id(parameter)`"
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
            f"tied weight listed twice, {names}: the optimizer would step it twice. Remember the ids that you "
            "have listed, over the whole tree"
        )
    module = a.MiniModule()
    module.a = parameter(t)
    module.b = module.a
    if outline(module.named_parameters()) == ["a", "b"]:
        return "one parameter under two names of the same module is listed twice: the optimizer would step it twice"
    return None


@probe("remove-duplicate-ignored")
def keep_duplicates(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.a = parameter(t)
    module.b = module.a
    if outline(module.named_parameters(remove_duplicate=False)) == ["a"]:
        return "with remove_duplicate=False a tied parameter is asked for under both its names, you list ['a']"
    shared, module = a.MiniModule(), a.MiniModule()
    shared.weight = parameter(t)
    module.left, module.right = shared, shared
    if outline(module.named_parameters(remove_duplicate=False)) == ["left.weight"]:
        return (
            "one child in two places: remove_duplicate=False must list left.weight *and* right.weight; you skip "
            "modules that were seen before"
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
    attempts = [
        t.attempt(lambda: [*outline(module.named_buffers()), *outline(module.named_parameters())]),
        t.attempt(lambda: list(module.state_dict())),
    ]
    for attempt in attempts:
        if attempt.value or attempt.raised(AttributeError, TypeError):
            found = attempt.value or f"{type(attempt.error).__name__}: {attempt.error}"
            return f"a buffer and a parameter that are None: listing gave {found}; asked for is nothing"
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
        return f"after net.eval(), net.training is {net.training!r}: train(mode) sets what it is given, here False"
    if result is not net:
        return f"net.eval() returned {result!r}: return self, so that `model = model.eval()` works"
    net.train()
    if net.fc.dropout.training is not True:
        return "after net.train(), net.fc.dropout.training is still False"
    return None


# ---- state ----------------------------------------------------------------------------------------------


@probe("not-persistent-is-saved")
def not_persistent(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("cache", torch.ones(2), persistent=False)
    if "cache" in module.state_dict():
        return "`cache` was registered with persistent=False and stands in state_dict all the same"
    return None


@probe("buffers-are-not-saved")
def buffers_unsaved(a: Any, t: Trial) -> str | None:
    state = small_net(a, t).state_dict()
    if "scale" in state and "mean" not in state:
        return "the buffer `mean` is missing from state_dict: a saved model would have forgotten its statistics"
    return None


@probe("tied-name-is-not-saved")
def tied_unsaved(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.a = parameter(t)
    module.b = module.a
    if list(module.state_dict()) == ["a"]:
        return (
            "a tied parameter stands in state_dict under its first name only; asked for are both: a model without the "
            "tie must be able to load it"
        )
    shared, module = a.MiniModule(), a.MiniModule()
    shared.weight = parameter(t)
    module.left, module.right = shared, shared
    if list(module.state_dict()) == ["left.weight"]:
        return "one child in two places: state_dict must hold left.weight and right.weight"
    return None


@probe("state-requires-a-gradient")
def state_requires(a: Any, t: Trial) -> str | None:
    state = small_net(a, t).state_dict()
    if state["scale"].requires_grad:
        return "the tensors in state_dict require a gradient: save `p.detach()`, plain values without history"
    return None


@probe("state-is-a-copy")
def state_copy(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    state = net.state_dict()
    if not same_storage(state["scale"], net.scale):
        return "state_dict copies: asked for are tensors that share the parameters' memory (`p.detach()` does)"
    return None


@probe("load-in-place-forbidden-by-autograd")
def leaf_in_place(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    attempt = t.attempt(lambda: net.load_state_dict({k: v.clone() + 1 for k, v in net.state_dict().items()}))
    if attempt.raised(RuntimeError) and "leaf" in str(attempt.error):
        return f"load_state_dict raised “{attempt.error}”: copy inside `with torch.no_grad():`"
    return None


@probe("load-rebinds")
def load_rebinds(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    held = net.fc.weight
    state = {name: torch.full_like(v, 5.0) for name, v in net.state_dict().items()}
    memory = net.state_dict()["fc.weight"]
    net.load_state_dict(state)
    if net.fc.weight is not held or not (same(held, state["fc.weight"]) and same(memory, state["fc.weight"])):
        if same(net.fc.weight, state["fc.weight"]):
            return (
                "after load_state_dict an optimizer still holds the old tensor, with the old values: you put a new tensor "
                "in its place. Copy into the one that is there: `p.copy_(value)` under no_grad"
            )
        return f"after loading, fc.weight is {numbers(net.fc.weight)}, expected all 5"
    if same_storage(net.fc.weight, state["fc.weight"]):
        return "after loading, the parameter shares its memory with the dict that was loaded: copy the values"
    return None


@probe("silent-on-missing-keys")
def silent(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    del state["fc.bias"]
    attempt = t.attempt(lambda: net.load_state_dict(state))
    if attempt.error is None:
        return (
            f"a state without fc.bias was loaded without an error and gave {attempt.value!r}: a strict load must "
            "report missing ['fc.bias'] by a RuntimeError"
        )
    if attempt.raised(KeyError):
        return "a missing key raised KeyError: collect all that is missing first, then raise RuntimeError naming it"
    if attempt.raised(RuntimeError) and "fc.bias" not in str(attempt.error):
        return f"a strict load without fc.bias says “{attempt.error}”: the message must name what is missing"
    return None


@probe("silent-on-unexpected-keys")
def silent_unexpected(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    state = {k: v.clone() for k, v in net.state_dict().items()} | {"head.weight": torch.zeros(1)}
    attempt = t.attempt(lambda: net.load_state_dict(state))
    if attempt.error is None:
        return (
            "a state with head.weight, which the module does not have, was loaded without an error: a strict load "
            "must report unexpected ['head.weight'] by a RuntimeError"
        )
    if attempt.raised(RuntimeError) and "head.weight" not in str(attempt.error):
        return f"a strict load with head.weight says “{attempt.error}”: the message must name what is unexpected"
    return None


@probe("not-strict-raises")
def not_strict(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    attempt = t.attempt(lambda: net.load_state_dict({"scale": torch.zeros(2), "extra": torch.zeros(1)}, strict=False))
    if attempt.error is not None:
        return (
            f"load_state_dict(…, strict=False) raised {type(attempt.error).__name__}: {attempt.error}. Not strict means: "
            "load what fits and return (missing, unexpected)"
        )
    if same(attempt.value, (["extra"], ["last", "mean", "fc.weight", "fc.bias"])) or attempt.value[0] == ["extra"]:
        return "the two lists are exchanged: first what `sd` lacks, then what nobody has"
    if not same(net.scale, torch.zeros(2)):
        return "with strict=False the keys that do fit were not loaded"
    return None


@probe("shape-mismatch-broadcasts")
def mismatch(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    state["fc.bias"] = torch.tensor([7.0])
    for strict in (True, False):
        if t.attempt(lambda strict=strict: net.load_state_dict(state, strict=strict)).error is None:
            return (
                f"a value of shape (1,) was loaded into fc.bias of shape (2,), which is now {numbers(net.fc.bias)}: "
                "`copy_` broadcasts. Compare the shapes and raise RuntimeError"
                + ("" if strict else ", also with strict=False")
            )
    return None


# ---- to -------------------------------------------------------------------------------------------------


@probe("to-rebinds")
def to_rebinds(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    held = net.fc.weight
    net.to(torch.float64)
    if net.fc.weight is not held and net.fc.weight.dtype == torch.float64:
        return (
            "after to(float64) fc.weight is a new object, so an optimizer made before holds the old one, and ties "
            "are cut. Convert in place: `p.data = p.data.to(dtype)`"
        )
    return None


@probe("to-converts-integers")
def to_integers(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("count", torch.tensor(3))
    module.to(torch.float64)
    if module.count.dtype != torch.int64:
        return f"after to(float64) an int64 buffer is {module.count.dtype}: convert floating point tensors only"
    return None


@probe("to-forgets-something")
def to_forgets(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    result = net.to(torch.float64)
    dtypes = {name: tensor.dtype for name, tensor in net.state_dict().items()}
    left = [name for name, dtype in dtypes.items() if dtype != torch.float64]
    if left:
        return f"after to(float64), {left[0]} is still {dtypes[left[0]]}: convert parameters and buffers, in the children too"
    if result is not net:
        return f"to() returned {result!r}: return self"
    return None
