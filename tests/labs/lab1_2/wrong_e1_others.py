"""Wrong answers to E1, third part: wrong only on unusual trees."""

from __future__ import annotations

import copy

from phase1_foundations.lab2_nn_module.solution import MiniModule as Reference
from tests.labs.answers import Answers

wrong = Answers()


def variation(name, **methods):
    """The reference with some methods written wrongly."""
    wrong.add("E1", name, lambda: {"MiniModule": type("MiniModule", (Reference,), dict(methods))})


def by_address(self, prefix="", recurse=True, remove_duplicate=True):
    seen = set()
    for name, parameter in Reference.named_parameters(self, prefix, recurse, False):
        if not remove_duplicate or parameter.data_ptr() not in seen:
            yield name, parameter
        seen.add(parameter.data_ptr())


def trained_only(self, prefix="", recurse=True, remove_duplicate=True):
    for name, parameter in Reference.named_parameters(self, prefix, recurse, remove_duplicate):
        if parameter.requires_grad:
            yield name, parameter


def stops_early(self, mode=True):
    return Reference.train(self, mode) if self.training != mode else self


def none_is_ordinary(self, name, tensor, persistent=True):
    if tensor is None:
        object.__setattr__(self, name, None)
    else:
        Reference.register_buffer(self, name, tensor, persistent)


def converts_a_copy(self, dtype):
    return Reference.to(copy.deepcopy(self), dtype)


def thaws(self, dtype):
    Reference.to(self, dtype)
    for parameter in self.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return self


variation("memory_for_identity", named_parameters=by_address)
variation("frozen_left_out", named_parameters=trained_only)
variation("train_stops_early", train=stops_early)
variation("none_buffer_is_ordinary", register_buffer=none_is_ordinary)
variation("converts_a_copy", to=converts_a_copy)
variation("to_thaws", to=thaws)
