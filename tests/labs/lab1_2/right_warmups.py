"""Right answers to the warm-ups, written otherwise than the reference."""

from __future__ import annotations

import torch
from torch import nn

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def parameter_from_shape_and_dtype():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            nn.Module.__init__(self)
            self.scale = nn.Parameter(torch.ones(mean.shape, dtype=mean.dtype))
            for name, value in {"mean": mean.clone(), "std": std.clone()}.items():
                self.register_buffer(name, value, persistent=True)

        def forward(self, x):
            return torch.div(torch.sub(x, self.mean), self.std).mul(self.scale)

    return {"Standardize": Standardize}


@right("W1")
def registered_by_name():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.register_parameter("scale", nn.Parameter(mean * 0 + 1))
            self.register_buffer("std", std)
            self.register_buffer("mean", mean)

        def forward(self, x):
            return (self.scale / self.std) * (x - self.mean)

    return {"Standardize": Standardize}


@right("W1")
def buffer_class():
    class Standardize(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.mean = nn.Buffer(mean)
            self.std = nn.Buffer(std)
            self.scale = nn.Parameter(torch.full_like(mean, 1.0), requires_grad=True)

        def forward(self, x):
            rows = [self.scale * (row - self.mean) / self.std for row in x]
            return torch.stack(rows)

    return {"Standardize": Standardize}


@right("W1")
def with_a_helper():
    class Base(nn.Module):
        def remember(self, **tensors):
            for name, tensor in tensors.items():
                self.register_buffer(name, tensor.detach())

    class Standardize(Base):
        def __init__(self, mean, std):
            super().__init__()
            self.remember(mean=mean, std=std)
            self.scale = nn.Parameter(torch.ones(len(mean)).to(mean))

        def forward(self, x):
            z = (x - self.mean) / self.std
            return torch.einsum("nd,d->nd", z, self.scale)

    return {"Standardize": Standardize}


@right("W2")
def sequential():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            steps = []
            for _ in range(depth):
                steps += [nn.Linear(width, width), nn.ReLU()]
            self.net = nn.Sequential(*steps)

        def forward(self, x):
            return self.net(x)

    return {"Stack": Stack}


@right("W2")
def inherits_sequential():
    class Stack(nn.Sequential):
        def __init__(self, width, depth):
            super().__init__()
            for i in range(depth):
                self.add_module(f"linear{i}", nn.Linear(width, width))
                self.add_module(f"relu{i}", nn.ReLU())

    return {"Stack": Stack}


@right("W2")
def recursive():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.rest = Stack(width, depth - 1) if depth > 1 else None
            self.layer = nn.Linear(width, width) if depth else None

        def forward(self, x):
            if self.layer is None:
                return x
            x = self.layer(x).clamp(min=0)
            return self.rest(x) if self.rest is not None else x

    return {"Stack": Stack}


@right("W2")
def setattr_by_name():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.depth = depth
            for i in reversed(range(depth)):
                setattr(self, f"layer_{i}", nn.Linear(width, width))

        def forward(self, x):
            for i in range(self.depth):
                x = nn.functional.relu(getattr(self, f"layer_{i}")(x))
            return x

    return {"Stack": Stack}


@right("W2")
def module_dict():
    class Stack(nn.Module):
        def __init__(self, width, depth):
            super().__init__()
            self.layers = nn.ModuleDict({str(i): nn.Linear(width, width, bias=True) for i in range(depth)})

        def forward(self, x):
            for layer in self.layers.values():
                x = torch.maximum(layer(x), torch.zeros(()).to(x))
            return x

    return {"Stack": Stack}


@right("W3")
def prefix_goes_down():
    def dotted(tree, prefix=""):
        flat = {}
        for name, value in tree.items():
            if isinstance(value, dict):
                flat.update(dotted(value, prefix=f"{prefix}{name}."))
            else:
                flat[prefix + name] = value
        return flat

    return {"dotted": dotted}


@right("W3")
def generator_of_paths():
    def leaves(tree, path=()):
        for name, value in tree.items():
            if type(value) is dict:
                yield from leaves(value, (*path, name))
            else:
                yield ".".join((*path, name)), value

    def dotted(tree):
        return dict(leaves(tree))

    return {"dotted": dotted}


@right("W3")
def own_stack_instead_of_recursion():
    def dotted(tree):
        flat, waiting = {}, [("", tree)]
        while waiting:
            path, value = waiting.pop()
            if isinstance(value, dict):
                entries = [(f"{path}.{name}" if path else name, v) for name, v in value.items()]
                waiting.extend(reversed(entries))
            else:
                flat[path] = value
        return flat

    return {"dotted": dotted}


@right("W3")
def one_comprehension():
    def dotted(tree):
        return {
            (f"{name}.{rest}" if rest else name): leaf
            for name, value in tree.items()
            for rest, leaf in (dotted(value).items() if isinstance(value, dict) else [("", value)])
        }

    return {"dotted": dotted}


@right("W4")
def names_from_the_dict():
    class Diary:
        def __init__(self):
            self.__dict__["names"] = []

        def __setattr__(self, name, value):
            names = self.__dict__["names"]
            if names.count(name) == 0:
                names.append(name)
            super().__setattr__(name, value)

    return {"Diary": Diary}


@right("W4")
def property_over_an_ordered_dict():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "_seen", {})

        @property
        def names(self):
            return list(self._seen)

        def __setattr__(self, name, value):
            self._seen.setdefault(name)
            object.__setattr__(self, name, value)

    return {"Diary": Diary}


@right("W4")
def skips_its_own_list():
    class Diary:
        def __init__(self):
            self.names = []

        def __setattr__(self, name, value):
            if name != "names" and name not in self.names:
                self.names = [*self.names, name]
            self.__dict__[name] = value

    return {"Diary": Diary}


@right("W4")
def made_in_new():
    class Diary:
        def __new__(cls):
            diary = object.__new__(cls)
            diary.__dict__["names"] = []
            return diary

        def __setattr__(self, name, value):
            if name not in self.names:
                self.names.extend([name])
            object.__setattr__(self, name, value)

    return {"Diary": Diary}
