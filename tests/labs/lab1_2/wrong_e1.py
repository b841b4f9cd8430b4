"""Wrong answers to E1 beyond the lab's own misconceptions."""

from __future__ import annotations

from torch import Tensor, nn

from phase1_foundations.lab2_nn_module.solution import MiniModule as Reference
from tests.labs.answers import Answers

wrong = Answers()


def variation(name, named=True, **methods):
    """The reference with some methods written wrongly."""

    wrong.add(
        "E1", name, lambda: {"MiniModule": type("MiniModule", (Reference,), dict(methods))}, named=named
    )


def join(prefix, name):
    return f"{prefix}.{name}" if prefix else name


# ---- attributes -----------------------------------------------------------------------------------------


def stores_in_both_places(self, name, value):
    Reference.__setattr__(self, name, value)
    if isinstance(value, nn.Parameter | Reference):
        self.__dict__[name] = value


def registers_lazily(self, name, value):
    if "_parameters" not in self.__dict__:
        Reference.__init__(self)
    Reference.__setattr__(self, name, value)


def none_removes(self, name, value):
    registries = [self.__dict__.get(r, {}) for r in ("_parameters", "_buffers", "_modules")]
    if value is None and any(name in r for r in registries):
        for registry in registries:
            registry.pop(name, None)
    Reference.__setattr__(self, name, value)


def none_is_an_error(self, name, value):
    if value is None and name in self.__dict__.get("_parameters", {}):
        raise TypeError("a parameter must not be None")
    Reference.__setattr__(self, name, value)


def everything_goes_for_buffers(self, name, value):
    if name in self.__dict__.get("_buffers", {}):
        self._buffers[name] = value
    else:
        Reference.__setattr__(self, name, value)


def anything_for_children(self, name, value):
    if name in self.__dict__.get("_modules", {}) and not isinstance(value, Reference):
        del self._modules[name]
    Reference.__setattr__(self, name, value)


def buffers_are_forgotten(self, name, value):
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        self.__dict__[name] = value
    else:
        Reference.__setattr__(self, name, value)


def keeps_old_attribute(self, name, value):
    old = self.__dict__.get(name)
    Reference.__setattr__(self, name, value)
    if old is not None and name not in self.__dict__:
        self.__dict__[name] = old


def moves_to_the_end(self, name, value):
    if isinstance(value, nn.Parameter):
        self.__dict__.get("_parameters", {}).pop(name, None)
    Reference.__setattr__(self, name, value)


def tensors_become_buffers(self, name, value):
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and "_buffers" in self.__dict__:
        self._buffers[name] = value
    else:
        Reference.__setattr__(self, name, value)


def tuples_of_modules_too(self, name, value):
    Reference.__setattr__(self, name, value)
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, Reference):
                self._modules[f"{name}.{key}"] = item


def deletes_what_python_finds(self, name):
    object.__delattr__(self, name)


def deletes_silently(self, name):
    for registry in (self._parameters, self._buffers, self._modules):
        registry.pop(name, None)
    self.__dict__.pop(name, None)


def deletes_parameters_only(self, name):
    if name in self._parameters:
        del self._parameters[name]
    elif name in self.__dict__:
        object.__delattr__(self, name)


def nothing_found_is_none(self, name):
    for registry in ("_parameters", "_buffers", "_modules"):
        if name in self.__dict__.get(registry, {}):
            return self.__dict__[registry][name]
    return None


def key_error(self, name):
    merged = {}
    for registry in ("_parameters", "_buffers", "_modules"):
        merged |= self.__dict__.get(registry, {})
    return merged[name]


def parameters_only(self, name):
    if name in self.__dict__.get("_parameters", {}):
        return self._parameters[name]
    raise AttributeError(name)


variation("stores_in_both_places", __setattr__=stores_in_both_places)
variation("registers_lazily", __setattr__=registers_lazily)
variation("none_removes", __setattr__=none_removes)
variation("none_is_an_error", __setattr__=none_is_an_error)
variation("everything_goes_for_buffers", __setattr__=everything_goes_for_buffers)
variation("anything_for_children", __setattr__=anything_for_children)
variation("buffers_are_forgotten", __setattr__=buffers_are_forgotten)
variation("keeps_old_attribute", __setattr__=keeps_old_attribute)
variation("moves_to_the_end", __setattr__=moves_to_the_end)
variation("tensors_become_buffers", __setattr__=tensors_become_buffers)
variation("tuples_of_modules_too", __setattr__=tuples_of_modules_too)
variation("deletes_what_python_finds", __delattr__=deletes_what_python_finds)
variation("deletes_silently", __delattr__=deletes_silently)
variation("deletes_parameters_only", __delattr__=deletes_parameters_only)
variation("nothing_found_is_none", __getattr__=nothing_found_is_none)
variation("key_error", __getattr__=key_error)
variation("parameters_only", __getattr__=parameters_only)


@wrong("E1")
def training_starts_false():
    class MiniModule(Reference):
        def __init__(self):
            super().__init__()
            self.training = False

    return {"MiniModule": MiniModule}


@wrong("E1")
def hidden_torch_module():
    class MiniModule(Reference):
        def __init__(self):
            super().__init__()
            self.__dict__["inner"] = nn.Module()

        def __setattr__(self, name, value):
            if isinstance(value, nn.Parameter):
                setattr(self.inner, name, value)
            super().__setattr__(name, value)

    return {"MiniModule": MiniModule}


@wrong("E1")
def borrows_torch_s_methods():
    class MiniModule(Reference):
        _named_members = nn.Module._named_members

        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            return nn.Module.named_parameters(self, prefix, recurse, remove_duplicate)

        def named_modules(self, memo=None, prefix="", remove_duplicate=True):
            return Reference.named_modules(self, prefix)

    return {"MiniModule": MiniModule}


# ---- listing --------------------------------------------------------------------------------------------


def listing(name, wrap, named=True):
    """named_parameters of the reference, changed by `wrap(self, prefix, recurse, remove_duplicate)`."""

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        return wrap(self, prefix, recurse, remove_duplicate)

    variation(name, named=named, named_parameters=named_parameters)


def breadth_first(self, prefix, recurse, once):
    waiting, seen = [(prefix, self)], set()
    while waiting:
        path, module = waiting.pop(0)
        for n, p in module._parameters.items():
            if p is not None and not (once and id(p) in seen):
                seen.add(id(p))
                yield join(path, n), p
        if recurse:
            waiting += [(join(path, n), m) for n, m in module._modules.items() if m is not None]


def no_grandchildren(self, prefix, recurse, once):
    yield from Reference.named_parameters(self, prefix, False, once)
    if recurse:
        for n, child in self._modules.items():
            if child is not None:
                yield from Reference.named_parameters(child, join(prefix, n), False, once)


def once_per_module(self, prefix, recurse, once):
    yield from Reference.named_parameters(self, prefix, False, once)
    if recurse:
        for n, child in self._modules.items():
            if child is not None:
                yield from child.named_parameters(join(prefix, n), True, once)


def leading_dot(self, prefix, recurse, once):
    for n, p in Reference.named_parameters(self, "", recurse, once):
        yield f"{prefix}.{n}", p


def prefix_without_dot(self, prefix, recurse, once):
    for n, p in Reference.named_parameters(self, "", recurse, once):
        yield prefix + n, p


def trainable_only(self, prefix, recurse, once):
    for n, p in Reference.named_parameters(self, prefix, recurse, once):
        if p.requires_grad and p.abs().sum() > 0:
            yield n, p


listing("breadth_first", breadth_first)
listing("no_grandchildren", no_grandchildren)
listing("once_per_module", once_per_module)
listing("leading_dot", leading_dot)
listing("prefix_without_dot", prefix_without_dot)
listing("sorted_names", lambda s, p, r, o: iter(sorted(Reference.named_parameters(s, p, r, o))))
listing("prefix_ignored", lambda s, p, r, o: Reference.named_parameters(s, "", r, o))
listing("recurse_ignored", lambda s, p, r, o: Reference.named_parameters(s, p, True, o))
listing("always_once", lambda s, p, r, o: Reference.named_parameters(s, p, r, True))
listing("tensors_without_names", lambda s, p, r, o: (q for _, q in Reference.named_parameters(s, p, r, o)))
listing("copies", lambda s, p, r, o: ((n, q.clone()) for n, q in Reference.named_parameters(s, p, r, o)))


def buffers_of_its_own(self, prefix=""):
    return ((join(prefix, n), b) for n, b in self._buffers.items() if b is not None)


def buffers_that_are_saved(self, prefix=""):
    for path, module in self.named_modules(prefix):
        for n, b in module._buffers.items():
            if b is not None and n not in module._not_saved:
                yield join(path, n), b


def buffers_with_none(self, prefix=""):
    for path, module in self.named_modules(prefix):
        for n, b in module._buffers.items():
            yield join(path, n), b


def modules_without_itself(self, prefix=""):
    return (pair for pair in Reference.named_modules(self, prefix) if pair[1] is not self)


def modules_in_every_place(self, prefix=""):
    return self._tree(prefix, None)


def modules_children_first(self, prefix=""):
    return iter(list(Reference.named_modules(self, prefix))[::-1])


variation("buffers_of_its_own", named_buffers=buffers_of_its_own)
variation("buffers_that_are_saved", named_buffers=buffers_that_are_saved)
variation("buffers_with_none", named_buffers=buffers_with_none)
variation("modules_without_itself", named_modules=modules_without_itself)
variation("modules_in_every_place", named_modules=modules_in_every_place)
variation("modules_children_first", named_modules=modules_children_first)


def train_ignores_mode(self, mode=True):
    for _, module in self.named_modules():
        module.training = True
    return self


def train_returns_nothing(self, mode=True):
    Reference.train(self, mode)


def train_children_only(self, mode=True):
    for child in self._modules.values():
        if child is not None:
            child.training = mode
    self.training = mode
    return self


variation("train_ignores_mode", train=train_ignores_mode)
variation("train_returns_nothing", train=train_returns_nothing)
variation("train_children_only", train=train_children_only)
