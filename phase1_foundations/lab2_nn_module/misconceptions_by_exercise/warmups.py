"""Wrong answers to the warm-ups."""

import torch
from torch import nn

from courseware.check import misconception

# ---- W1 -------------------------------------------------------------------------------------------------


@misconception("W1", diagnosis="statistics-are-not-saved")
def plain_tensors():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.mean, self.std = mean, std
            self.scale = nn.Parameter(torch.ones_like(mean))

        def forward(self, x):
            return self.scale * (x - self.mean) / self.std

    return {"Standardize": Standardize}


@misconception("W1", diagnosis="statistics-are-trained")
def everything_is_a_parameter():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.mean, self.std = nn.Parameter(mean), nn.Parameter(std)
            self.scale = nn.Parameter(torch.ones_like(mean))

        def forward(self, x):
            return self.scale * (x - self.mean) / self.std

    return {"Standardize": Standardize}


@misconception("W1", diagnosis="scale-is-not-trained")
def everything_is_a_buffer():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            for name, tensor in (("mean", mean), ("std", std), ("scale", torch.ones_like(mean))):
                self.register_buffer(name, tensor)

        def forward(self, x):
            return self.scale * (x - self.mean) / self.std

    return {"Standardize": Standardize}


@misconception("W1", diagnosis="no-super-init")
def forgets_super():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            self.register_buffer("mean", mean)
            self.register_buffer("std", std)
            self.scale = nn.Parameter(torch.ones_like(mean))

        def forward(self, x):
            return self.scale * (x - self.mean) / self.std

    return {"Standardize": Standardize}


@misconception("W1", diagnosis="statistics-of-the-batch")
def standardizes_by_the_batch():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.register_buffer("mean", mean)
            self.register_buffer("std", std)
            self.scale = nn.Parameter(torch.ones_like(mean))

        def forward(self, x):
            return self.scale * (x - x.mean(dim=0)) / x.std(dim=0)

    return {"Standardize": Standardize}


# ---- W2 -------------------------------------------------------------------------------------------------


@misconception("W2", diagnosis="a-list-hides-its-modules")
def python_list():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = [nn.Linear(width, width) for _ in range(depth)]

        def forward(self, x):
            for layer in self.layers:
                x = torch.relu(layer(x))
            return x

    return {"Stack": Stack}


@misconception("W2", diagnosis="all-layers-share-their-weights")
def repeats_one_layer():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(width, width)] * depth)

        def forward(self, x):
            for layer in self.layers:
                x = torch.relu(layer(x))
            return x

    return {"Stack": Stack}


@misconception("W2", diagnosis="layers-are-made-in-forward")
def makes_layers_in_forward():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.width, self.depth = width, depth

        def forward(self, x):
            for _ in range(self.depth):
                x = torch.relu(nn.Linear(self.width, self.width)(x))
            return x

    return {"Stack": Stack}


@misconception("W2", diagnosis="no-relu")
def linear_all_through():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])

        def forward(self, x):
            return self.layers(x)

    return {"Stack": Stack}


@misconception("W2", diagnosis="relu-somewhere-else")
def no_relu_at_the_end():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

        def forward(self, x):
            for i, layer in enumerate(self.layers):
                x = layer(x)
                if i + 1 < len(self.layers):
                    x = torch.relu(x)
            return x

    return {"Stack": Stack}


# ---- W3 -------------------------------------------------------------------------------------------------


@misconception("W3", diagnosis="path-is-lost")
def last_name_only():
    def dotted(tree):
        flat = {}
        for name, value in tree.items():
            if isinstance(value, dict):
                flat.update(dotted(value))
            else:
                flat[name] = value
        return flat

    return {"dotted": dotted}


@misconception("W3", diagnosis="branches-are-left-as-they-are")
def two_levels():
    def dotted(tree):
        flat = {}
        for name, value in tree.items():
            if isinstance(value, dict):
                for inner, leaf in value.items():
                    flat[f"{name}.{inner}"] = leaf
            else:
                flat[name] = value
        return flat

    return {"dotted": dotted}


@misconception("W3", diagnosis="dot-at-an-end")
def dot_before_everything():
    def dotted(tree, prefix=""):
        flat = {}
        for name, value in tree.items():
            path = prefix + "." + name
            if isinstance(value, dict):
                flat |= dotted(value, path)
            else:
                flat[path] = value
        return flat

    return {"dotted": dotted}


@misconception("W3", diagnosis="keeps-names-from-call-to-call")
def mutable_default():
    def dotted(tree, prefix="", flat={}):  # noqa: B006
        for name, value in tree.items():
            if isinstance(value, dict):
                dotted(value, prefix + name + ".", flat)
            else:
                flat[prefix + name] = value
        return flat

    return {"dotted": dotted}


@misconception("W3", diagnosis="returns-nothing")
def forgets_to_return():
    def dotted(tree, prefix="", flat=None):
        flat = {} if flat is None else flat
        for name, value in tree.items():
            if isinstance(value, dict):
                dotted(value, prefix + name + ".", flat)
            else:
                flat[prefix + name] = value

    return {"dotted": dotted}


# ---- W4 -------------------------------------------------------------------------------------------------


@misconception("W4", diagnosis="calls-itself-for-ever")
def assigns_inside():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "names", [])

        def __setattr__(self, name, value):
            if name not in self.names:
                self.names.append(name)
            setattr(self, name, value)

    return {"Diary": Diary}


@misconception("W4", diagnosis="list-is-not-there-yet")
def ordinary_init():
    class Diary:
        def __init__(self):
            self.names = []

        def __setattr__(self, name, value):
            if name not in self.names:
                self.names.append(name)
            object.__setattr__(self, name, value)

    return {"Diary": Diary}


@misconception("W4", diagnosis="value-is-not-stored")
def only_writes_down():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "names", [])

        def __setattr__(self, name, value):
            if name not in self.names:
                self.names.append(name)

    return {"Diary": Diary}


@misconception("W4", diagnosis="one-list-for-all")
def list_in_the_class():
    class Diary:
        names = []  # noqa: RUF012

        def __setattr__(self, name, value):
            if name not in self.names:
                self.names.append(name)
            object.__setattr__(self, name, value)

    return {"Diary": Diary}


@misconception("W4", diagnosis="names-twice")
def every_assignment():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "names", [])

        def __setattr__(self, name, value):
            self.names.append(name)
            object.__setattr__(self, name, value)

    return {"Diary": Diary}
