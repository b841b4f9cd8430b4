"""The known mistakes of E1, first part: what happens when an attribute is set, read or deleted."""

import copy
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab2_nn_module.checks_by_exercise.e1_trees import outline, parameter

probe = Probes()


def borrowed_from_torch(work: Callable[[], Any]) -> list[str]:
    """The functions of torch's own `nn.Module` that run while `work` does."""
    source, found = nn.Module.named_parameters.__code__.co_filename, []

    def look(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename == source:
            found.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


@probe("torch-does-the-work")
def torch_does_it(a: Any, t: Trial) -> str | None:
    if issubclass(a.MiniModule, nn.Module):
        return "MiniModule inherits from `nn.Module`, which is the answer itself: start from a plain class"

    def use() -> None:
        module, weight = a.MiniModule(), parameter(t)
        for step in (
            lambda: setattr(module, "weight", weight),
            lambda: module.weight,
            lambda: setattr(module, "child", a.MiniModule()),
            lambda: module.register_buffer("mean", torch.ones(2)),
            lambda: list(module.named_parameters()),
            lambda: list(module.named_buffers()),
            lambda: list(module.named_modules()),
            lambda: module.load_state_dict(module.state_dict()),
            lambda: module.train(False),
            lambda: module.to(torch.float64),
            lambda: delattr(module, "weight"),
        ):
            t.attempt(step)

    borrowed = borrowed_from_torch(lambda: t.attempt(use))
    if borrowed:
        return (
            f"inside your MiniModule torch's own `nn.Module` does the work (`{borrowed[0]}` of it ran): "
            "build the registries yourself"
        )
    return None


@probe("setattr-calls-itself")
def setattr_recursion(a: Any, t: Trial) -> str | None:
    def use() -> None:
        module = a.MiniModule()
        module.label = "x"
        module.weight = parameter(t)

    if t.attempt(use).raised(RecursionError):
        return (
            "an assignment never ended: inside `__setattr__`, `self.… = value` calls `__setattr__` again, "
            "and reading a registry that does not exist calls `__getattr__`. Create the registries in "
            "`__init__` with `object.__setattr__`, and store ordinary attributes with it too"
        )
    return None


@probe("registries-not-there-yet")
def not_there(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.MiniModule())
    if attempt.raised(AttributeError, KeyError):
        return (
            f"`MiniModule()` raised {type(attempt.error).__name__}: {attempt.error}. In `__init__`, `self.x "
            "= {}` is an assignment too: your `__setattr__` runs before the registries exist. Create them "
            "with `object.__setattr__(self, name, {})`"
        )
    return None


@probe("getattr-calls-itself")
def getattr_recursion(a: Any, t: Trial) -> str | None:
    raw = object.__new__(a.MiniModule)
    if t.attempt(lambda: raw.anything).raised(KeyError):
        return (
            "reading an attribute before `__init__` has run raised KeyError: the registries are not there "
            "yet. Ask with `self.__dict__.get(registry, {})`, and end with AttributeError"
        )
    if t.attempt(lambda: raw.anything).raised(RecursionError) or t.attempt(
        lambda: copy.deepcopy(a.MiniModule())
    ).raised(RecursionError):
        return (
            "reading an attribute of an object whose `__init__` has not run never ends (copy.deepcopy makes "
            "such objects): in `__getattr__`, `self._parameters` calls `__getattr__` again when there is no "
            "such dict. Look into `self.__dict__` instead"
        )
    return None


@probe("unknown-name-gives-something")
def unknown_name(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    attempt = t.attempt(lambda: module.nothing_of_this_name)
    if attempt.error is None:
        return (
            f"reading an attribute that does not exist gave {attempt.value!r}: `__getattr__` must end with "
            "`raise AttributeError(…)`, otherwise typing errors pass silently and `hasattr` is always true"
        )
    if attempt.raised(KeyError):
        return (
            "reading an attribute that does not exist raised KeyError: Python (and `hasattr`) expects "
            "AttributeError"
        )
    return None


@probe("registered-things-cannot-be-read")
def cannot_be_read(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight = parameter(t)
    module.child = a.MiniModule()
    module.register_buffer("mean", torch.ones(2))
    for name, what in (("weight", "parameter"), ("child", "child"), ("mean", "buffer")):
        if t.attempt(lambda name=name: getattr(module, name)).raised(AttributeError):
            return (
                f"the {what} `{name}` was registered, but `module.{name}` cannot be read: `__getattr__` has "
                "to look into the registries, into all three of them"
            )
    return None


@probe("training-is-not-true-at-first")
def training_at_first(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.MiniModule().training)
    if attempt.raised(AttributeError):
        return "a new module has no attribute `training`; asked for is True, set in `__init__`"
    if attempt.error is None and attempt.value is not True:
        return f"`training` of a new module is {attempt.value!r}, expected True"
    return None


@probe("shared-between-instances")
def between_instances(a: Any, t: Trial) -> str | None:
    first, second = a.MiniModule(), a.MiniModule()
    first.weight = parameter(t)
    first.register_buffer("mean", torch.ones(2))
    if outline(second.named_parameters()) or outline(second.named_buffers()):
        return (
            "a second module lists what was assigned to the first: a dict in the class body is one dict for "
            "all. Make the registries in `__init__`"
        )
    return None


@probe("any-tensor-becomes-a-parameter")
def any_tensor(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.cache = torch.ones(2)
    if outline(module.named_parameters()):
        return (
            "`module.cache = torch.ones(2)` became a parameter: only `nn.Parameter` registers, a plain "
            "tensor is an ordinary attribute. (A Parameter is a Tensor, but not the other way round)"
        )
    if outline(module.named_buffers()):
        return "`module.cache = torch.ones(2)` became a buffer: only `register_buffer` makes one"
    return None


@probe("a-list-is-registered")
def list_registered(a: Any, t: Trial) -> str | None:
    module, inner = a.MiniModule(), a.MiniModule()
    inner.weight = parameter(t)
    module.layers, module.table, module.pair = [inner], {"x": inner}, (inner, inner)
    if outline(module.named_parameters()) or len(outline(module.named_modules())) > 1:
        return (
            "after `module.layers = [child]`, `module.table = {'x': child}` and `module.pair = (child, "
            f"child)` the modules are {outline(module.named_modules())[1:]}: a plain list, dict or tuple "
            "hides its modules, here as in torch (that is what nn.ModuleList is for)"
        )
    return None


@probe("parameter-replaced-by-a-tensor")
def replaced(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight = parameter(t)
    attempt = t.attempt(lambda: setattr(module, "weight", torch.zeros(2)))
    if attempt.error is None:
        return (
            "`module.weight = torch.zeros(2)` silently took the place of a parameter: an optimizer would go "
            "on training the old one. Raise TypeError"
        )
    return None


@probe("child-replaced-by-anything")
def child_replaced(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.body = a.MiniModule()
    if t.attempt(lambda: setattr(module, "body", 3)).error is None:
        return "`module.body = 3` silently took the place of a child module: raise TypeError"
    return None


@probe("buffer-lost-by-assignment")
def buffer_lost(a: Any, t: Trial) -> str | None:
    module, new = a.MiniModule(), torch.full((2,), 7.0)
    module.register_buffer("mean", torch.ones(2))
    if "mean" not in dict(module.named_buffers()):
        return None
    module.mean = new
    listed = dict(module.named_buffers())
    if "mean" not in listed:
        return (
            "after `module.mean = new_tensor` the buffer `mean` is gone from `named_buffers`: a tensor "
            "assigned to a buffer's name is the buffer from then on"
        )
    if not same(listed["mean"], new):
        return (
            "after `module.mean = new_tensor` the registry still holds the old tensor: the new one became an "
            "ordinary attribute that hides it. Look whether the name is a buffer's first"
        )
    if t.attempt(lambda: setattr(module, "mean", "text")).error is None:
        return '`module.mean = "text"` silently replaced a buffer: it takes tensors and None, else TypeError'
    return None


@probe("none-is-refused")
def none_refused(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight = parameter(t)
    module.body = a.MiniModule()
    module.register_buffer("mean", torch.ones(2))
    for name in ("weight", "body", "mean"):
        if t.attempt(lambda name=name: setattr(module, name, None)).raised(TypeError):
            return f"`module.{name} = None` raised TypeError: None is allowed, the place then is empty"
        if t.attempt(lambda name=name: getattr(module, name)).raised(AttributeError):
            return (
                f"after `module.{name} = None` reading it raised AttributeError, expected None: ask whether "
                "the name is in the registry, not whether there is a value"
            )
    return None


@probe("place-lost-by-none")
def place_lost(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight, module.bias = parameter(t), parameter(t)
    if outline(module.named_parameters()) != ["weight", "bias"]:
        return None
    module.weight = None
    module.weight = parameter(t)
    if outline(module.named_parameters()) == ["bias", "weight"]:
        return (
            "weight, bias, then `module.weight = None`, then a new weight: the order is now bias, weight. A "
            "registered name keeps its place, also while it is None"
        )
    if t.attempt(lambda: module.missing).error is None:
        return None
    module.weight = None
    if t.attempt(lambda: setattr(module, "weight", torch.zeros(2))).error is None:
        return (
            "after `module.weight = None` a plain tensor was accepted under that name: it is a parameter's "
            "name still, only empty"
        )
    return None


@probe("hidden-by-an-old-attribute")
def hidden_by_old(a: Any, t: Trial) -> str | None:
    module, weight = a.MiniModule(), parameter(t)
    module.weight = 3
    module.weight = weight
    if module.weight is not weight:
        return (
            "`module.weight = 3`, then `module.weight = nn.Parameter(…)`: reading still gives 3. Python "
            "finds the old attribute in `__dict__` and never asks `__getattr__`. Remove it when you register"
        )
    module.register_buffer("mean", torch.ones(2))
    module.mean = parameter(t)
    if "mean" in dict(module.named_buffers()):
        return (
            "a name that was a buffer got a Parameter, and is now listed as both: take it out of the "
            "other registry"
        )
    return None


@probe("deleted-is-still-there")
def deleted(a: Any, t: Trial) -> str | None:
    module = a.MiniModule()
    module.weight, module.body, module.label = parameter(t), a.MiniModule(), "x"
    module.register_buffer("mean", torch.ones(2))
    for name in ("weight", "body", "mean", "label"):
        attempt = t.tried(lambda name=name: delattr(module, name))
        left = (
            outline(module.named_parameters())
            + outline(module.named_modules())
            + outline(module.named_buffers())
        )
        if attempt.error is not None:
            return (
                f"`del module.{name}` raised {type(attempt.error).__name__}: {attempt.error}. A registered "
                "name is not in `__dict__`; take it out of its registry, and leave the rest to "
                "`object.__delattr__`"
            )
        if attempt.error is None and (name in left or hasattr(module, name)):
            return f"after `del module.{name}` it is still there: remove it from its registry"
    if t.attempt(lambda: delattr(module, "weight")).error is None:
        return "`del module.weight` a second time raised nothing; expected AttributeError"
    return None


@probe("before-init-is-unclear")
def before_init(a: Any, t: Trial) -> str | None:
    class Forgot(a.MiniModule):  # type: ignore[misc, name-defined]
        def __init__(self, value: Any) -> None:
            self.value = value

    for what, value in (("parameter", parameter(t)), ("child", a.MiniModule())):
        attempt = t.attempt(lambda value=value: Forgot(value))
        if attempt.error is None:
            return (
                f"a class that forgets `super().__init__()` may assign a {what} without an error: it lands "
                "nowhere (or in a registry of somebody else). Raise AttributeError"
            )
        if not (attempt.raised(AttributeError) and "__init__" in str(attempt.error)):
            return (
                f"a class that forgets `super().__init__()` and assigns a {what} gets "
                f"{type(attempt.error).__name__}: {attempt.error}. Raise AttributeError with a message that "
                "says `__init__` is missing"
            )
    return None
