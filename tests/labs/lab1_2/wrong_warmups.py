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

    build.__name__ = name
    wrong(exercise)(build)


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

    build.__name__ = name
    wrong("W2")(build)


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


# ---- W3 -------------------------------------------------------------------------------------------------


def flat(name, function):
    def build():
        return {"dotted": function}

    build.__name__ = name
    wrong("W3")(build)


def joined(sign, sort=False, turn=False):
    def dotted(tree, path=()):
        found = {}
        for name, value in sorted(tree.items()) if sort else tree.items():
            here = (name, *path) if turn else (*path, name)
            if isinstance(value, dict):
                found |= dotted(value, here)
            else:
                found[sign.join(here)] = value
        return found

    return dotted


def dot_at_the_end(tree, prefix=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= dot_at_the_end(value, prefix + name + ".")
        else:
            found[prefix + name + "."] = value
    return found


def only_truthy(tree, prefix=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= only_truthy(value, prefix + name + ".")
        elif value:
            found[prefix + name] = value
    return found


def nearest_parent_only(tree, parent=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= nearest_parent_only(value, name)
        else:
            found[f"{parent}.{name}" if parent else name] = value
    return found


def pops_as_it_goes(tree, prefix=""):
    found = {}
    while tree:
        name = next(iter(tree))
        value = tree.pop(name)
        if isinstance(value, dict):
            found |= pops_as_it_goes(value, prefix + name + ".")
        else:
            found[prefix + name] = value
    return found


def branches_last(tree, prefix=""):
    found = {prefix + n: v for n, v in tree.items() if not isinstance(v, dict)}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= branches_last(value, prefix + name + ".")
    return found


def list_of_pairs(tree, prefix=""):
    found = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += list_of_pairs(value, prefix + name + ".")
        else:
            found.append((prefix + name, value))
    return found


def returns_in_the_loop(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            return returns_in_the_loop(value, prefix + name + ".")
        return {prefix + name: value}
    return {}


def keeps_empty_branches(tree, prefix=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            found |= keeps_empty_branches(value, prefix + name + ".")
        else:
            found[prefix + name] = value
    return found


flat("underscores", joined("_"))
flat("slashes", joined("/"))
flat("no_dot_at_all", joined(""))
flat("sorted_names", joined(".", sort=True))
flat("turned_round", joined(".", turn=True))
flat("dot_at_the_end", dot_at_the_end)
flat("only_truthy", only_truthy)
flat("nearest_parent_only", nearest_parent_only)
flat("pops_as_it_goes", pops_as_it_goes)
flat("branches_last", branches_last)
flat("list_of_pairs", list_of_pairs)
flat("returns_in_the_loop", returns_in_the_loop)
flat("keeps_empty_branches", keeps_empty_branches)
flat("the_tree_itself", lambda tree: tree)


# ---- W4 -------------------------------------------------------------------------------------------------


def diary(name, note, store=object.__setattr__, start=list):
    def build():
        class Diary:
            def __init__(self):
                object.__setattr__(self, "names", start())

            def __setattr__(self, attribute, value):
                note(self.names, attribute, value)
                store(self, attribute, value)

        return {"Diary": Diary}

    build.__name__ = name
    wrong("W4")(build)


def once(names, name, value):
    if name not in names:
        names.append(name)


def last_assignment(names, name, value):
    if name in names:
        names.remove(name)
    names.append(name)


def in_front(names, name, value):
    if name not in names:
        names.insert(0, name)


def only_once(self, name, value):
    if name not in self.__dict__:
        object.__setattr__(self, name, value)


diary("a_set", lambda names, name, value: names.add(name), start=set)
diary("a_dict", lambda names, name, value: names.setdefault(name), start=dict)
diary("last_assignment", last_assignment)
diary("newest_first", in_front)
diary("values", lambda names, name, value: names.append(value))
diary("pairs", lambda names, name, value: names.append((name, value)))
diary("public_names_only", lambda n, name, v: None if name[0] == "_" else once(n, name, v))
diary("keeps_the_first_value", once, only_once)
diary("stores_text", once, lambda self, name, value: object.__setattr__(self, name, str(value)))
diary("writes_nothing_down", lambda names, name, value: None)
diary("starts_with_itself", once, start=lambda: ["names"])


@wrong("W4")
def all_attributes_that_are_there():
    class Diary:
        @property
        def names(self):
            return list(self.__dict__)

    return {"Diary": Diary}


@wrong("W4")
def everything_can_be_read():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "names", [])

        def __setattr__(self, name, value):
            once(self.names, name, value)
            object.__setattr__(self, name, value)

        def __getattr__(self, name):
            return None

    return {"Diary": Diary}


@wrong("W4")
def names_is_a_method():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "_names", [])

        def names(self):
            return self._names

        def __setattr__(self, name, value):
            once(self._names, name, value)
            object.__setattr__(self, name, value)

    return {"Diary": Diary}
