"""Wrong answers to the warm-ups beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn

from tests.labs.answers import Answers

wrong = Answers()


# ---- W1 -------------------------------------------------------------------------------------------------


def standardize(name, compute=None, scale=None, persistent=True, exercise="W1"):
    """A sound Standardize but for one thing."""

    def build():
        class Standardize(nn.Module):
            def __init__(self, mean, std):
                super().__init__()
                self.register_buffer("mean", mean, persistent=persistent)
                self.register_buffer("std", std, persistent=persistent)
                self.scale = scale(mean) if scale else nn.Parameter(torch.ones_like(mean))

            def forward(self, x):
                if compute:
                    return compute(self, x)
                return self.scale * (x - self.mean) / self.std

        return {"Standardize": Standardize}

    wrong.add(exercise, name, build)


standardize("not_persistent", persistent=False)
standardize("frozen_scale", scale=lambda m: nn.Parameter(torch.ones_like(m), requires_grad=False))
standardize("scale_is_zero", scale=lambda m: nn.Parameter(torch.zeros_like(m)))
standardize("scale_is_random", scale=lambda m: nn.Parameter(torch.randn_like(m)))
standardize("one_scale_for_all", scale=lambda m: nn.Parameter(torch.ones(1, dtype=m.dtype)))
standardize("scale_is_a_tensor", scale=lambda m: torch.ones_like(m, requires_grad=True))
standardize("multiplies_by_std", lambda s, x: s.scale * (x - s.mean) * s.std)
standardize("adds_the_mean", lambda s, x: s.scale * (x + s.mean) / s.std)
standardize("no_brackets", lambda s, x: s.scale * x - s.mean / s.std)
standardize("forgets_the_scale", lambda s, x: (x - s.mean) / s.std)
standardize("variance_taken_for_deviation", lambda s, x: s.scale * (x - s.mean) / s.std.sqrt())
standardize("subtracts_in_place", lambda s, x: s.scale * x.sub_(s.mean) / s.std)
standardize("exchanged", lambda s, x: s.scale * (x - s.std) / s.mean)
standardize("axis_of_the_batch", lambda s, x: s.scale * (x - x.mean(0)) / x.std(0, correction=0))
standardize("returns_none", lambda s, x: None)


@wrong("W1")
def no_module_at_all():
    class Standardize:
        def __init__(self, mean, std):
            self.mean, self.std, self.scale = mean, std, nn.Parameter(torch.ones_like(mean))

        def __call__(self, x):
            return self.scale * (x - self.mean) / self.std

    return {"Standardize": Standardize}


# ---- W2 -------------------------------------------------------------------------------------------------


def stack(name, forward, make=None):
    def build():
        class Stack(nn.Module):
            def __init__(self, width, depth):
                super().__init__()
                layers = make(width, depth) if make else [nn.Linear(width, width) for _ in range(depth)]
                self.layers = nn.ModuleList(layers)

            def forward(self, x):
                return forward(self.layers, x)

        return {"Stack": Stack}

    wrong.add("W2", name, build)


def all_with_relu(layers, x):
    for layer in layers:
        x = torch.relu(layer(x))
    return x


def relu_at_the_end(layers, x):
    for layer in layers:
        x = layer(x)
    return torch.relu(x)


def relu_first(layers, x):
    for layer in layers:
        x = layer(torch.relu(x))
    return x


def residual(layers, x):
    for layer in layers:
        x = x + torch.relu(layer(x))
    return x


def first_layer_only(layers, x):
    return torch.relu(layers[0](x)) if len(layers) else x


def each_from_the_input(layers, x):
    y = x
    for layer in layers:
        y = torch.relu(layer(x))
    return y


def forgets_to_return(layers, x):
    for layer in layers:
        x = torch.relu(layer(x))


def tanh(layers, x):
    for layer in layers:
        x = torch.tanh(layer(x))
    return x


def relu_once_more(layers, x):
    return torch.relu(all_with_relu(layers, x))


stack("relu_at_the_end", relu_at_the_end)
stack("relu_first", relu_first)
stack("residual", residual)
stack("first_layer_only", first_layer_only)
stack("each_from_the_input", each_from_the_input)
stack("forgets_to_return", forgets_to_return)
stack("tanh", tanh)
stack("relu_once_more", relu_once_more)
stack("one_too_many", all_with_relu, lambda w, d: [nn.Linear(w, w) for _ in range(d + 1)])
stack("one_too_few", all_with_relu, lambda w, d: [nn.Linear(w, w) for _ in range(d - 1)])
stack("always_three", all_with_relu, lambda w, d: [nn.Linear(w, w) for _ in range(3)])
stack("without_bias", all_with_relu, lambda w, d: [nn.Linear(w, w, bias=False) for _ in range(d)])


@wrong("W2")
def hidden_in_a_dict():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = {i: nn.Linear(width, width) for i in range(depth)}

        def forward(self, x):
            for layer in self.layers.values():
                x = torch.relu(layer(x))
            return x

    return {"Stack": Stack}


@wrong("W2")
def one_layer_applied_again():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layer, self.depth = nn.Linear(width, width), depth

        def forward(self, x):
            for _ in range(self.depth):
                x = torch.relu(self.layer(x))
            return x

    return {"Stack": Stack}
