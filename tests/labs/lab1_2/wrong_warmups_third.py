"""Wrong answers to the warm-ups, third part: gradients, names that are taken apart, state kept elsewhere."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tests.labs.answers import Answers

wrong = Answers()


# ---- W1 -------------------------------------------------------------------------------------------------


def standardize(name, forward=None, std=lambda s: s, scale=torch.ones_like, method="forward"):
    """A sound Standardize but for one thing."""

    def build():
        def __init__(self, mean, deviation):
            nn.Module.__init__(self)
            self.register_buffer("mean", mean)
            self.register_buffer("std", std(deviation))
            self.scale = nn.Parameter(scale(mean))

        body = {"__init__": __init__, method: forward or (lambda s, x: s.scale * (x - s.mean) / s.std)}
        return {"Standardize": type("Standardize", (nn.Module,), body)}

    wrong.add("W1", name, build)


standardize("scale_without_gradient", lambda s, x: s.scale.data * (x - s.mean) / s.std)
standardize("input_cut_off", lambda s, x: (s.scale * (x - s.mean) / s.std).detach())
standardize("keeps_the_inverse", lambda s, x: s.scale * (x - s.mean) * s.std, std=torch.reciprocal)
standardize("float32_scale", scale=lambda mean: torch.ones(len(mean)))
standardize("scale_on_x_alone", lambda s, x: (s.scale * x - s.mean) / s.std)
standardize("guards_against_zero", lambda s, x: s.scale * (x - s.mean) / (s.std + 1e-5))
standardize("call_instead_of_forward", method="__call__")


# ---- W2 -------------------------------------------------------------------------------------------------


@wrong("W2")
def detaches_between_layers():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

        def forward(self, x):
            for layer in self.layers:
                x = torch.relu(layer(x.detach()))
            return x

    return {"Stack": Stack}


@wrong("W2")
def one_list_for_all_stacks():
    class Stack(nn.Module):
        layers = []  # noqa: RUF012

        def __init__(self, width, depth):
            super().__init__()
            self.layers += [nn.Linear(width, width) for _ in range(depth)]

        def forward(self, x):
            for layer in self.layers:
                x = torch.relu(layer(x))
            return x

    return {"Stack": Stack}


@wrong("W2")
def relu_in_place_on_the_input():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return x.relu_()

    return {"Stack": Stack}


# ---- W3 -------------------------------------------------------------------------------------------------


@wrong("W3")
def takes_lists_apart():
    def dotted(tree, prefix=""):
        flat = {}
        for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            if isinstance(value, dict | list):
                flat |= dotted(value, f"{prefix}{name}.")
            else:
                flat[f"{prefix}{name}"] = value
        return flat

    return {"dotted": dotted}


# ---- W4 -------------------------------------------------------------------------------------------------


def diary(name, is_new, keep=lambda value: value):
    def build():
        class Diary:
            def __init__(self):
                object.__setattr__(self, "names", [])

            def __setattr__(self, name, value):
                if is_new(self, name, value):
                    self.names.append(name)
                object.__setattr__(self, name, keep(value))

        return {"Diary": Diary}

    wrong.add("W4", name, build)


def unlisted(self, name, value):
    return name not in self.names


diary("asks_for_the_attribute", lambda self, name, value: not hasattr(self, name))
diary("asks_the_text", lambda self, name, value: name not in " ".join(self.names))
diary("leaves_none_out", lambda self, name, value: value is not None and name not in self.names)
diary("stores_a_copy", unlisted, copy.copy)
