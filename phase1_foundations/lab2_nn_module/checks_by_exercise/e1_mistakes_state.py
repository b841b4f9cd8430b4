"""The known mistakes of E1, third part: what is saved, loaded and converted."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.observe import same_storage
from phase1_foundations.lab2_nn_module.checks_by_exercise.e1_trees import parameter, small_net
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run

probe = Probes()


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
        return (
            "the buffer `mean` is missing from state_dict: a saved model would have forgotten its statistics"
        )
    return None


@probe("not-persistent-for-ever")
def for_ever(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("cache", torch.ones(2), persistent=False)
    del module.cache
    module.register_buffer("cache", torch.ones(2))
    if "cache" not in module.state_dict():
        return (
            "a buffer that was not persistent was deleted, then registered again as a persistent one, and is "
            "still missing from state_dict: forget it completely in `__delattr__`"
        )
    return None


@probe("saved-in-another-order")
def saved_order(a: Any, t: Trial) -> str | None:
    names, right = list(small_net(a, t).state_dict()), ["scale", "last", "mean", "fc.weight", "fc.bias"]
    if names != right and sorted(names) == sorted(right):
        return (
            f"the names in state_dict are {names}, expected {right}: a module's parameters, then its "
            "buffers, then its children one after the other"
        )
    return None


@probe("tied-name-is-not-saved")
def tied_unsaved(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.a = parameter(t)
    module.b = module.a
    if list(module.state_dict()) == ["a"]:
        return (
            "a tied parameter stands in state_dict under its first name only; asked for are both: a model "
            "without the tie must be able to load it"
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
        return (
            "state_dict copies: asked for are tensors that share the parameters' memory (`p.detach()` does)"
        )
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
                "after load_state_dict an optimizer still holds the old tensor, with the old values: you put "
                "a new tensor in its place. Copy into the one that is there: `p.copy_(value)` under no_grad"
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
    attempt = t.tried(lambda: net.load_state_dict(state))
    if attempt.error is None:
        return (
            f"a state without fc.bias was loaded without an error and gave {attempt.value!r}: a strict load "
            "must report missing ['fc.bias'] by a RuntimeError"
        )
    if attempt.raised(KeyError):
        return (
            "a missing key raised KeyError: collect all that is missing first, then raise RuntimeError "
            "naming it"
        )
    if not attempt.raised(RuntimeError):
        return f"a state without fc.bias raised {type(attempt.error).__name__}; asked for is RuntimeError"
    if attempt.raised(RuntimeError) and "fc.bias" not in str(attempt.error):
        return f"a strict load without fc.bias says “{attempt.error}”: the message must name what is missing"
    return None


@probe("silent-on-unexpected-keys")
def silent_unexpected(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    state = {k: v.clone() for k, v in net.state_dict().items()} | {"head.weight": torch.zeros(1)}
    attempt = t.tried(lambda: net.load_state_dict(state))
    if attempt.error is None:
        return (
            "a state with head.weight, which the module does not have, was loaded without an error: a strict "
            "load must report unexpected ['head.weight'] by a RuntimeError"
        )
    if not attempt.raised(RuntimeError):
        return f"a state with head.weight raised {type(attempt.error).__name__}; asked for is RuntimeError"
    if attempt.raised(RuntimeError) and "head.weight" not in str(attempt.error):
        return (
            f"a strict load with head.weight says “{attempt.error}”: the message must name what is unexpected"
        )
    return None


@probe("load-returns-something-else")
def load_result(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    attempt = t.attempt(lambda: net.load_state_dict({k: v.clone() for k, v in net.state_dict().items()}))
    value = attempt.value
    if attempt.error is None and not (
        isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(part, list) for part in value)
    ):
        return (
            f"load_state_dict returned {value!r}; asked for are two lists, (missing, unexpected), here "
            "([], [])"
        )
    return None


@probe("load-forgets-something")
def load_forgets(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    state = {name: torch.full_like(value, 5.0) for name, value in net.state_dict().items()}
    if t.attempt(lambda: net.load_state_dict(state)).error is not None:
        return None
    left = [name for name, value in net.state_dict().items() if not same(value, state[name])]
    if left and len(left) < 5:
        return (
            f"after loading, {left[0]} still has its old value: parameters and buffers are loaded, in "
            "the children too"
        )
    return None


@probe("not-strict-raises")
def not_strict(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    attempt = t.attempt(
        lambda: net.load_state_dict({"scale": torch.zeros(2), "extra": torch.zeros(1)}, strict=False)
    )
    if attempt.error is not None:
        return (
            f"load_state_dict(…, strict=False) raised {type(attempt.error).__name__}: {attempt.error}. Not "
            "strict means: load what fits and return (missing, unexpected)"
        )
    if same(attempt.value, (["extra"], ["last", "mean", "fc.weight", "fc.bias"])) or attempt.value[0] == [
        "extra"
    ]:
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
                "a value of shape (1,) was loaded into fc.bias of shape (2,), which is now "
                f"{numbers(net.fc.bias)}: `copy_` broadcasts. Compare the shapes and raise RuntimeError"
                + ("" if strict else ", also with strict=False")
            )
    state["fc.bias"], state["fc.weight"] = torch.zeros(2), torch.zeros(4)
    if t.attempt(lambda: net.load_state_dict(state)).error is None:
        return (
            "a value of shape (4,) was loaded into fc.weight of shape (2, 2): any other shape raises "
            "RuntimeError"
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
            "after to(float64) fc.weight is a new object, so an optimizer made before holds the old one, and "
            "ties are cut. Convert in place: `p.data = p.data.to(dtype)`"
        )
    return None


@probe("to-converts-integers")
def to_integers(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.register_buffer("count", torch.tensor(3))
    module.table = nn.Parameter(torch.tensor([1, 2]), requires_grad=False)
    module.to(torch.float64)
    for name, what in (("count", "buffer"), ("table", "parameter")):
        if getattr(module, name).dtype != torch.int64:
            return (
                f"after to(float64) an int64 {what} is {getattr(module, name).dtype}: convert floating "
                "point tensors only"
            )
    return None


@probe("to-fails-at-none")
def to_none(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight, module.child = parameter(t), a.MiniModule()
    module.weight, module.child = None, None
    module.register_buffer("mean", None)
    attempt = t.attempt(lambda: module.to(torch.float64))
    if attempt.raised(AttributeError, TypeError):
        return (
            "to() of a module with a parameter, a child and a buffer that are None raised "
            f"“{attempt.error}”: skip None"
        )
    return None


@probe("to-forgets-something")
def to_forgets(a: Any, t: Trial) -> str | None:
    net = small_net(a, t)
    result = net.to(torch.float64)
    dtypes = {name: tensor.dtype for name, tensor in net.state_dict().items()}
    left = [name for name, dtype in dtypes.items() if dtype != torch.float64]
    if len(left) == len(dtypes) and getattr(result, "scale", net.scale).dtype == torch.float64:
        return "to() converted a copy of the module: asked for is the module itself, its tensors changed"
    if left:
        return (
            f"after to(float64), {left[0]} is still {dtypes[left[0]]}: convert parameters and buffers, "
            "in the children too"
        )
    if result is not net:
        return f"to() returned {result!r}: return self"
    return None


@probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    module, weight = a.MiniModule(), parameter(t)
    steps: dict[str, Callable[[], Any]] = {
        "module.weight = nn.Parameter(…)": lambda: setattr(module, "weight", weight),
        "reading module.weight": lambda: module.weight,
        "module.child = MiniModule()": lambda: setattr(module, "child", a.MiniModule()),
        "module.label = 'text'": lambda: setattr(module, "label", "text"),
        "module.layers = [child]": lambda: setattr(module, "layers", [module.child]),
        "register_buffer": lambda: module.register_buffer("mean", torch.ones(2)),
        "named_parameters('p', True, False)": lambda: list(module.named_parameters("p", True, False)),
        "named_parameters(recurse=False)": lambda: list(module.named_parameters(recurse=False)),
        "parameters": lambda: list(module.parameters()),
        "named_buffers": lambda: list(module.named_buffers()),
        "named_modules": lambda: list(module.named_modules()),
        "state_dict": lambda: module.state_dict(),
        "load_state_dict": lambda: module.load_state_dict(module.state_dict()),
        "train": lambda: module.train(False),
        "to": lambda: module.to(torch.float64),
        "module.child = None": lambda: setattr(module, "child", None),
        "listing what is None": lambda: [
            *module.named_parameters(),
            *module.named_modules(),
            *module.state_dict(),
        ],
        "del module.weight": lambda: delattr(module, "weight"),
    }
    must_run(t, "MiniModule()", a.MiniModule)
    for what, step in steps.items():
        must_run(t, what, step)
