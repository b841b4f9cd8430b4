"""Right answers to E1: the reference with single methods written otherwise."""

from __future__ import annotations

from collections import OrderedDict

import torch

from phase1_foundations.lab2_nn_module.solution import MiniModule as Reference
from tests.labs.answers import Answers

right = Answers()


def variation(name, **methods):
    """The reference with some methods written otherwise."""

    right.add("E1", name, lambda: {"MiniModule": type("MiniModule", (Reference,), dict(methods))})


def state_by_recursion(self, prefix="", out=None):
    out = {} if out is None else out
    for name, p in self._parameters.items():
        if p is not None:
            out[prefix + name] = p.data
    for name, b in self._buffers.items():
        if b is not None and name not in self._not_saved:
            out[prefix + name] = b
    for name, child in self._modules.items():
        if child is not None:
            child.state_dict(prefix + name + ".", out)
    return out


def load_by_recursion(self, sd, strict=True):
    missing, used = [], set()

    def down(module, prefix):
        for registry in (module._parameters, module._buffers):
            for name, tensor in registry.items():
                key = prefix + name
                if tensor is None or name in module._not_saved:
                    continue
                if key not in sd:
                    missing.append(key)
                    continue
                used.add(key)
                if sd[key].shape != tensor.shape:
                    raise RuntimeError(f"size mismatch for {key}")
        for name, child in module._modules.items():
            if child is not None:
                down(child, prefix + name + ".")

    def fill(module, prefix):
        for registry in (module._parameters, module._buffers):
            for name, tensor in registry.items():
                if prefix + name in used and tensor is not None:
                    tensor.data.copy_(sd[prefix + name])
        for name, child in module._modules.items():
            if child is not None:
                fill(child, prefix + name + ".")

    down(self, "")
    unexpected = [key for key in sd if key not in used]
    if strict and (missing or unexpected):
        raise RuntimeError(f"Missing key(s): {missing}. Unexpected key(s): {unexpected}.")
    fill(self, "")
    return missing, unexpected


def parameters_as_a_list(self, prefix="", recurse=True, remove_duplicate=True):
    dot = prefix + "." if prefix else ""
    found = [(dot + n, p) for n, p in self._parameters.items() if p is not None]
    if recurse:
        for n, child in self._modules.items():
            if child is not None:
                found += child.named_parameters(dot + n, True, False)
    if remove_duplicate:
        first = {}
        for n, p in found:
            first.setdefault(id(p), (n, p))
        found = list(first.values())
    return found


def getattr_by_a_merged_view(self, name):
    merged = {}
    for registry in ("_modules", "_buffers", "_parameters"):
        merged.update(vars(self).get(registry) or {})
    try:
        return merged[name]
    except KeyError:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None


def train_recursively(self, mode=True):
    self.training = bool(mode)
    for child in self._modules.values():
        if child is not None:
            child.train(mode)
    return self


def to_in_place(self, dtype):
    for child in self._modules.values():
        if child is not None:
            child.to(dtype)
    for p in self._parameters.values():
        if p is not None and p.dtype.is_floating_point:
            p.data = p.data.type(dtype)
    for name, b in list(self._buffers.items()):
        if b is not None and torch.is_floating_point(b):
            self._buffers[name] = b.type(dtype)
    return self


def modules_with_a_memo(self, prefix="", memo=None):
    memo = set() if memo is None else memo
    if self in memo:
        return
    memo.add(self)
    yield prefix, self
    for name, child in self._modules.items():
        if child is not None:
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name, memo)


variation("state_and_load_by_recursion", state_dict=state_by_recursion, load_state_dict=load_by_recursion)
variation("lists_instead_of_generators", named_parameters=parameters_as_a_list)
variation("one_merged_view", __getattr__=getattr_by_a_merged_view)
variation("train_and_to_by_recursion", train=train_recursively, to=to_in_place)
variation("memo_of_modules", named_modules=modules_with_a_memo)
variation(
    "ordered_state",
    state_dict=lambda self: OrderedDict(Reference.state_dict(self)),
    __repr__=lambda self: "Mini()",
)


def helper(self, *arguments):
    """A method that a learner may have added, under whatever name."""


variation("helpers_with_plain_names", first=helper, own=helper, walk=helper, items=helper, children=helper)
