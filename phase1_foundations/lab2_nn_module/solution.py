# %% [markdown]
# # Lab 1.2 · Custom nn.Module
#
# Four warm-ups, then five exercises. At the start you use `nn.Module`, in E1 you rebuild it, and at the end
# a network of thirty layers that no optimizer could train learns to read digits, because you repaired it.
#
# How this notebook works:
#
# - Replace each `raise NotImplementedError` with your answer and run the cell.
# - The cell below it checks your answer. A check that says "not quite" costs nothing; run it as often as
#   you like.
# - Stuck? `lab.hint("W1")` gives the first of three hints, each more concrete. After an attempt,
#   `lab.solution("W1")` shows one good answer beside yours.
# - Once a check passes, the next cell draws or measures something with *your* code.
#
# Any right answer passes, however it is written. You may add helper functions and methods to a cell. The
# theory notebook beside this one explains the ideas; for the warm-ups you need no more than its first
# sections.

# %% tags=["parameters"] cut={"full_depths": [8], "full_epochs": 1}
profile = "laptop"  # "full" trains the deepest networks of the last section
full_depths = [30, 60, 120, 240]
full_epochs = 20

# %%
import copy
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import shared.nn
import shared.profiling
from courseware import open_lab
from shared.data import digits

if __name__ == "__main__":
    torch.set_num_threads(1)  # these networks are small: a second thread would only wait for the first
    lab = open_lab("phase1_foundations/lab2_nn_module")

# %% [markdown]
# # Warm-ups
#
# A *module* is an object that holds tensors and has a `forward` method. `class Name(nn.Module)` makes a new
# kind; its `__init__` must call `super().__init__()` before it does anything else. You call the object
# itself, `model(x)`, and torch calls your `forward(x)`.

# %% [markdown] exercise="W1" minutes=5
# ## W1 · Parameter and buffer
#
# A module holds three kinds of things, and torch treats each kind differently:
#
# | written in `__init__` | is it trained? | is it saved with the model? |
# |---|---|---|
# | `self.scale = nn.Parameter(t)` | yes | yes |
# | `self.register_buffer("mean", t)` | no | yes |
# | `self.label = "digits"` | no | no |
#
# Afterwards all three are read the same way: `self.scale`, `self.mean`, `self.label`.
#
# **Write the module `Standardize(mean, std)`**, which computes `scale * (x - mean) / std`. `mean` and `std`
# are tensors of shape `[D]`, measured on some data set: facts, not to be trained, but the model is useless
# without them. `scale` is trained; it has shape `[D]` and the dtype of `mean`, and starts at 1.
#
# - Use exactly the names `mean`, `std` and `scale`.
# - `x` has shape `[N, D]`, and so has the result.
#
# ```text
#   module = Standardize(mean=[1, 2], std=[1, 4])
#   module([[3, 10]])   is   [[2, 2]]
# ```
#
# *Easy to misread:* a plain tensor (`self.mean = mean`) is neither trained nor saved.


# %% exercise="W1"
class Standardize(nn.Module):
    """scale * (x - mean) / std, with a trainable scale [D] and fixed mean [D] and std [D]."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.scale = nn.Parameter(torch.ones_like(mean))
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] → [N, D]."""
        # BEGIN SOLUTION
        return self.scale * (x - self.mean) / self.std
        # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", Standardize)

# %% reward="W1"
if __name__ == "__main__":
    lab.reward("W1")

# %% [markdown] exercise="W1" tags=["discussion"]
# The optimizer asks `module.parameters()` what to train, and gets `scale` alone. A checkpoint asks
# `module.state_dict()` what to save, and gets all three. `module.to("cuda")` moves all three as well: a
# plain tensor attribute would stay behind on the CPU, and the subtraction would fail.

# %% [markdown] exercise="W2" minutes=5
# ## W2 · Modules inside modules
#
# A module that is assigned to an attribute of another one becomes its *child*, and the parent lists the
# child's parameters as its own: `self.first = nn.Linear(3, 3)` is enough. For a variable number of children
# there is `nn.ModuleList`, which is used like a Python list.
#
# A plain Python list looks the same, works the same in `forward`, and hides its modules: nothing in it would
# ever be trained.
#
# **Write the module `Stack(width, depth)`:** `depth` layers `nn.Linear(width, width)`, each with weights of
# its own, and each followed by a relu (`torch.relu`), also the last one. With `depth=0` it returns its
# input.


# %% exercise="W2"
class Stack(nn.Module):
    """`depth` times a linear layer and a relu: [N, width] → [N, width]."""

    def __init__(self, width: int, depth: int) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x
        # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", Stack)

# %% reward="W2"
if __name__ == "__main__":
    lab.reward("W2")

# %% [markdown] exercise="W2" tags=["discussion"]
# `nn.Sequential` with linear layers and `nn.ReLU()` is as good. `[nn.Linear(width, width)] * depth` is not,
# not even inside a `ModuleList`: it repeats the *same* layer, so `depth` layers share one set of weights.

# %% [markdown] exercise="W3" minutes=5
# ## W3 · Dotted names
#
# A model is a tree: modules hold modules, and at the leaves are tensors. Torch gives each tensor a name by
# joining the names on the way to it with dots: `encoder.layers.0.weight`.
#
# **Write `dotted(tree)`** for a tree of plain Python dicts: a dict's values are dicts (branches) or anything
# else (leaves). Return one flat dict from dotted name to leaf, in the order in which the leaves stand in the
# tree. Keys are strings, never empty ones. An empty branch contributes nothing. The tree may be nested to
# any depth up to 100, and stays as it is.
#
# ```python
# dotted({"scale": 1, "fc": {"weight": 2, "bias": 3}})
# # {"scale": 1, "fc.weight": 2, "fc.bias": 3}
# ```


# %% exercise="W3"
def dotted(tree: dict) -> dict:
    """A nested dict as a flat one, its keys joined by dots."""
    # BEGIN SOLUTION
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{rest}": leaf for rest, leaf in dotted(value).items()}
        else:
            flat[name] = value
    return flat
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", dotted)

# %% reward="W3"
if __name__ == "__main__":
    lab.reward("W3")

# %% [markdown] exercise="W3" tags=["discussion"]
# The function trusts itself with the smaller problem: "give me the names inside this branch, then I put my
# own name in front". The other common way hands the prefix down: `dotted(value, prefix + name + ".")`. Torch
# does the latter, which is why so many of its methods have an argument `prefix=""`.

# %% [markdown] exercise="W4" minutes=6
# ## W4 · Listening to assignments
#
# How does `nn.Module` notice `self.scale = nn.Parameter(...)`? Python runs every assignment `obj.name =
# value` as a method call, `obj.__setattr__("name", value)`, and a class may bring its own. To really store
# the value, it hands on to the original: `object.__setattr__(self, name, value)`.
#
# **Write the class `Diary`:** an ordinary object in all respects, except that `diary.names` is a list of the
# names that were ever assigned, each once, in the order of their first assignment. A name stays in the list
# when the attribute is deleted. The name `names` itself is not in it. Every diary has a list of its own.
#
# ```python
# diary = Diary()
# diary.x = 1
# diary.y = 2
# diary.x = 3
# diary.names     # ["x", "y"]
# diary.x         # 3
# ```
#
# *Two traps:* inside `__setattr__` the line `self.x = value` calls `__setattr__` again, for ever. And
# `self.names = []` in `__init__` is an assignment too.


# %% exercise="W4"
class Diary:
    """An object that writes down in `names` which attributes were assigned."""

    names: list[str]

    def __init__(self) -> None:
        # BEGIN SOLUTION
        object.__setattr__(self, "names", [])
        # END SOLUTION

    def __setattr__(self, name: str, value: object) -> None:
        # BEGIN SOLUTION
        if name not in self.names:
            self.names.append(name)
        super().__setattr__(name, value)
        # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", Diary)

# %% reward="W4"
if __name__ == "__main__":
    lab.reward("W4")

# %% [markdown] exercise="W4" tags=["discussion"]
# `super().__setattr__(name, value)`, `object.__setattr__(self, name, value)` and
# `self.__dict__[name] = value` store equally well. A list in the class body (`names = []`) would be *one*
# list for all diaries: the class body runs once, `__init__` once an object. You have now met everything that
# E1 is made of.

# %% [markdown]
# # The machine behind `nn.Module`
#
# `nn.Module` looks like magic and is bookkeeping: three dicts, filled by `__setattr__` (W4), walked as a
# tree with dotted names (W3).

# %% [markdown] exercise="E1" minutes=45
# ## E1 · Rebuild `nn.Module`'s registry
#
# **Write `MiniModule`**, a class that a user inherits from exactly as from `nn.Module`. The parameters are
# torch's own `nn.Parameter`; everything else is yours. (`parameters`, `eval` and `__call__` are written
# below already; `_register` and `_tree` are only a proposal, use them or not.)
#
# ```python
# class Net(MiniModule):
#     def __init__(self):
#         super().__init__()
#         self.weight = nn.Parameter(torch.zeros(3))      # registered
#         self.register_buffer("mean", torch.ones(3))     # registered
#         self.body = OtherMiniModule()                   # registered
#         self.label = "digits"                           # an ordinary attribute
# ```
#
# **Attributes**
# - A `nn.Parameter` that is assigned becomes a parameter, a `MiniModule` a child. Anything else is an
#   ordinary attribute: a plain tensor, and also a list, tuple or dict of modules. Whatever was there under
#   that name before is gone, of whatever kind it was.
# - A registered name keeps its kind, and its place in the order. Assigning something else to the name of a
#   parameter raises `TypeError`, and so for a child. A buffer's name takes any tensor, which is the buffer
#   from then on, and otherwise raises `TypeError`. All three take `None`: reading gives `None`, and nothing
#   is listed under the name.
# - `register_buffer(name, tensor, persistent=True)`: a tensor or `None`. A buffer that is not persistent is
#   in `named_buffers` but not in `state_dict`.
# - Reading an unknown name raises `AttributeError`, also on an object whose `__init__` has not run yet.
#   `copy.deepcopy(module)` works (it comes for free, unless reading goes wrong).
# - `del module.name` removes an attribute of any kind. An unknown name raises `AttributeError`.
# - A parameter, a child or a buffer before `super().__init__()` raises `AttributeError` with `__init__` in
#   its message. Ordinary attributes before it: as you like.
#
# **Listing.** Own entries first, in the order in which they were registered; then each child's, in the
# order of the children. A name is the path from the module that was asked, joined by dots, and `prefix`
# stands in front, with a dot, unless it is empty.
# - `named_parameters(prefix="", recurse=True, remove_duplicate=True)`: `recurse=False` lists the module's
#   own alone. A parameter that is there under two names (*tied*) is listed under the first one only;
#   `remove_duplicate=False` lists it under both. Two different parameters with equal values are not tied.
# - `named_buffers(prefix="")`: the same for buffers, each once.
# - `named_modules(prefix="")`: first the module itself, under the name `prefix`, then all below it, each
#   once, also if it is a child in two places. (A parameter in such a shared child has two names as well.)
# - `training` is `True` at first; `train(mode=True)` sets it here and in everything below, and returns the
#   module.
#
# **State**
# - `state_dict()` maps every name to a tensor that shares its memory and does not require a gradient: a
#   module's parameters, then its persistent buffers, then its children. A tied parameter stands under both
#   its names.
# - `load_state_dict(sd, strict=True)` copies values **into** the tensors that are there: an optimizer that
#   holds them must not notice. It returns `(missing, unexpected)`: names that `sd` lacks, and names in `sd`
#   that nobody has, as lists. With `strict=True` either of them raises `RuntimeError` naming them instead.
#   A shape that differs at all raises `RuntimeError`, strict or not. Dtypes may differ: the module keeps
#   its own.
# - `to(dtype)` converts all floating point parameters and buffers, leaves integer ones alone, and returns
#   the module. Each parameter stays the same object (assign `p.data`), so ties and optimizers survive.
#   Nothing has a gradient yet at that time.
#
# **Not asked for:** children that are `nn.Module`s, hooks, names with dots, `register_buffer` for a name
# that is taken, trees that contain themselves. Trees may be 50 deep.
#
# **Not allowed:** `nn.Module` itself, neither as a base class nor hidden inside. It would leave nothing to
# build.


# %% exercise="E1"
class MiniModule:
    """The registry of `nn.Module`: parameters, buffers, children, and the state they make up."""

    training: bool

    def __init__(self) -> None:
        # BEGIN SOLUTION
        for registry in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, registry, {})
        object.__setattr__(self, "_not_saved", set())
        object.__setattr__(self, "training", True)
        # END SOLUTION

    def __setattr__(self, name: str, value: object) -> None:
        """Register a parameter or a child; replace what is registered; or set an ordinary attribute."""
        # BEGIN SOLUTION
        kinds = {"_parameters": nn.Parameter, "_modules": MiniModule, "_buffers": Tensor}
        for registry in ("_parameters", "_modules"):
            if isinstance(value, kinds[registry]):
                self._register(registry, name, value)
                return
        for registry, kind in kinds.items():
            if name in self.__dict__.get(registry, {}):
                if value is not None and not isinstance(value, kind):
                    raise TypeError(
                        f"{name} is one of {registry}: expected {kind.__name__}, got {type(value)}"
                    )
                self.__dict__[registry][name] = value
                return
        super().__setattr__(name, value)
        # END SOLUTION

    def __getattr__(self, name: str) -> object:
        """Python calls this only where the ordinary look-up has found nothing."""
        # BEGIN SOLUTION
        for registry in ("_parameters", "_buffers", "_modules"):
            entries = self.__dict__.get(registry, {})  # not self._parameters: that may call __getattr__ again
            if name in entries:
                return entries[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        # END SOLUTION

    def __delattr__(self, name: str) -> None:
        # BEGIN SOLUTION
        for registry in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(registry, {}):
                del self.__dict__[registry][name]
                self._not_saved.discard(name)
                return
        object.__delattr__(self, name)
        # END SOLUTION

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that belongs to the state but is not trained."""
        # BEGIN SOLUTION
        self._register("_buffers", name, tensor)
        if not persistent:
            self._not_saved.add(name)
        # END SOLUTION

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        # BEGIN SOLUTION
        once = set() if remove_duplicate else None
        modules = self._tree(prefix, once) if recurse else [(prefix, self)]
        seen = set()
        for path, module in modules:
            for name, parameter in module._parameters.items():
                if parameter is None or (remove_duplicate and id(parameter) in seen):
                    continue
                seen.add(id(parameter))
                yield (f"{path}.{name}" if path else name), parameter
        # END SOLUTION

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        # BEGIN SOLUTION
        seen = set()
        for path, module in self.named_modules(prefix):
            for name, buffer in module._buffers.items():
                if buffer is not None and id(buffer) not in seen:
                    seen.add(id(buffer))
                    yield (f"{path}.{name}" if path else name), buffer
        # END SOLUTION

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "MiniModule"]]:
        # BEGIN SOLUTION
        yield from self._tree(prefix, set())
        # END SOLUTION

    def state_dict(self) -> dict[str, Tensor]:
        # BEGIN SOLUTION
        state = {}
        for path, module in self._tree("", None):
            saved = {k: v for k, v in module._buffers.items() if k not in module._not_saved}
            for name, tensor in (module._parameters | saved).items():
                if tensor is not None:
                    state[f"{path}.{name}" if path else name] = tensor.detach()
        return state
        # END SOLUTION

    def load_state_dict(self, sd: Mapping[str, Tensor], strict: bool = True) -> tuple[list[str], list[str]]:
        """Copy `sd` into the tensors that are there; returns (missing, unexpected)."""
        # BEGIN SOLUTION
        own = self.state_dict()
        missing = [name for name in own if name not in sd]
        unexpected = [name for name in sd if name not in own]
        if strict and (missing or unexpected):
            raise RuntimeError(f"missing: {missing}, unexpected: {unexpected}")
        for name in own.keys() & sd.keys():
            if own[name].shape != sd[name].shape:
                raise RuntimeError(
                    f"{name}: expected shape {tuple(own[name].shape)}, got {tuple(sd[name].shape)}"
                )
        for name in own.keys() & sd.keys():
            own[name].copy_(sd[name].detach())  # shares its memory with the parameter
        return missing, unexpected
        # END SOLUTION

    def train(self, mode: bool = True) -> "MiniModule":
        # BEGIN SOLUTION
        for _, module in self.named_modules():
            module.training = mode
        return self
        # END SOLUTION

    def to(self, dtype: torch.dtype) -> "MiniModule":
        # BEGIN SOLUTION
        for _, module in self.named_modules():
            for parameter in module._parameters.values():
                if parameter is not None and parameter.is_floating_point():
                    parameter.data = parameter.data.to(dtype)
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = buffer.to(dtype)
        return self
        # END SOLUTION

    def _register(self, registry: str, name: str, value: object) -> None:
        """Put `value` into one registry, and out of wherever the name was before."""
        # BEGIN SOLUTION
        if registry not in self.__dict__:
            raise AttributeError(f"cannot register {name!r} before super().__init__() was called")
        self.__dict__.pop(name, None)
        for other in ("_parameters", "_buffers", "_modules"):
            if other != registry:
                self.__dict__[other].pop(name, None)
        self.__dict__[registry][name] = value
        # END SOLUTION

    def _tree(self, prefix: str, seen: set[int] | None) -> Iterator[tuple[str, "MiniModule"]]:
        """This module and all below it, with their paths; with `seen` (ids) each module once."""
        # BEGIN SOLUTION
        if seen is not None:
            if id(self) in seen:
                return
            seen.add(id(self))
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child._tree(f"{prefix}.{name}" if prefix else name, seen)
        # END SOLUTION

    # ---- written for you ---------------------------------------------------------------------------

    def parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def eval(self) -> "MiniModule":
        return self.train(False)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.forward(*args, **kwargs)


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", MiniModule)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown] exercise="E1" tags=["discussion"]
# **Why it is right.** Every tensor has one home, the dict of the module that it was assigned to. All lists
# are walks over these dicts, so they cannot disagree. `__getattr__` is called only after the ordinary
# look-up failed; that is why registered things must *not* also stand in `__dict__`, and why it must read
# `self.__dict__` and never `self._parameters`, which on a half-made object would call it again.
#
# **Identity, not equality.** Ties are found by `id`: `p in list_of_tensors` compares values, and two biases
# that both start at zero would count as one.
#
# **In place.** An optimizer holds references to the parameters, and its momenta are filed under them. Loading
# or converting must therefore change the tensor that is there. `state_dict` shares memory for the same
# reason, which has a sharp edge: `best = model.state_dict()` is no snapshot. It goes on changing as you
# train; use `copy.deepcopy`.
#
# **What the shape test prevents.** `copy_` broadcasts: a checkpoint with a bias of shape `(1,)` would fill
# all your biases with one number, silently.

# %% [markdown]
# # One number decides whether a deep network trains
#
# Each layer multiplies the size of its input by some factor. Thirty layers multiply it by that factor to the
# power of thirty: 0.7³⁰ is 0.00002, 1.4³⁰ is 24,000. The initial weights choose the factor.

# %% [markdown] exercise="E2" minutes=45
# ## E2 · Six initialisers
#
# **Write seven functions.** The weight of a linear layer has shape `[out, in]`, that of a convolution
# `[out, in/groups, kH, kW]`.
#
# **1. `fans(t)`** returns `(fan_in, fan_out)`: how many inputs each output adds up, and how many outputs
# each input reaches. A kernel's area multiplies both: `fan_in = t.shape[1] · area`, `fan_out = t.shape[0] ·
# area`.
#
# **2. Six initialisers** that fill `t` **in place** and return `t` itself:
#
# | function | law of each element |
# |---|---|
# | `xavier_normal_` | normal, with deviation gain · √(2 / (fan_in + fan_out)) |
# | `xavier_uniform_` | uniform on (−b, b), with the same deviation |
# | `kaiming_normal_` | normal, with deviation gain / √fan |
# | `kaiming_uniform_` | uniform on (−b, b), with the same deviation |
# | `orthogonal_` | gain · Q, with Q drawn uniformly from all matrices with orthonormal rows or columns |
# | `sparse_` | in each column `ceil(sparsity · rows)` zeros at random places, the rest normal with `std` |
#
# - A uniform law needs the bound b that gives it **the same standard deviation** as its normal sister.
# - Kaiming's `fan` is fan_in or fan_out, as `mode` says; its gain depends on `nonlinearity`:
#   `"leaky_relu"`: √(2 / (1 + a²)) · `"relu"`: √2 · `"tanh"`: 5/3 · `"linear"`: 1. (`a` matters for
#   `"leaky_relu"` alone.) Any other `mode` or `nonlinearity` raises `ValueError`.
# - `orthogonal_` looks at `t` as a matrix `[t.shape[0], the rest]`. A wide one gets orthonormal rows, a tall
#   one orthonormal columns, each of length `gain`. "Uniformly" (*Haar*): no direction is preferred.
# - `sparse_`: `sparsity` is in 0 … 1. Column j is `t[:, j]`, and each column's zeros are drawn for
#   themselves.
#
# ```text
#   fans(torch.empty(32, 64))          (64, 32)
#   fans(torch.empty(8, 4, 3, 3))      (36, 72)
#   kaiming_normal_ of [32, 64]        deviation √(2/64) = 0.177
#   kaiming_uniform_ of [32, 64]       the same deviation: elements between −0.306 and 0.306
#   sparse_ of [100, 50], sparsity 0.3 30 zeros in every column
# ```
#
# **For all six**
# - Fewer than two axes raise `ValueError` (in `fans` too); `sparse_` takes exactly two.
# - A tensor without elements comes back as it is.
# - `t` is `float32` or `float64` and stays so. It may be non-contiguous, and it may be a parameter that
#   requires a gradient: then it still does afterwards, and is still a leaf without history.
# - Everything random comes from `generator`; if it is None, from torch's global one. With a generator given,
#   the global one stays untouched. The same seed gives the same tensor.
# - Only the *law* is asked for. Which numbers come out of a seed is up to you.
#
# **Not allowed:** `torch.nn.init`, by any route. `t.normal_`, `t.uniform_`, `torch.randn` and
# `torch.linalg` are fine.


# %% exercise="E2"
def fans(t: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight [out, in, *kernel]; ValueError for fewer than two axes."""
    # BEGIN SOLUTION
    if t.dim() < 2:
        raise ValueError(f"fans need at least two axes, got shape {tuple(t.shape)}")
    area = math.prod(t.shape[2:])
    return t.shape[1] * area, t.shape[0] * area
    # END SOLUTION


def xavier_uniform_(t: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    # BEGIN SOLUTION
    std = gain * math.sqrt(2 / max(sum(fans(t)), 1))
    bound = math.sqrt(3) * std  # the variance of U(−b, b) is b²/3
    with torch.no_grad():
        return t.uniform_(-bound, bound, generator=generator)
    # END SOLUTION


def xavier_normal_(t: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    # BEGIN SOLUTION
    std = gain * math.sqrt(2 / max(sum(fans(t)), 1))
    with torch.no_grad():
        return t.normal_(0, std, generator=generator)
    # END SOLUTION


def kaiming_std(t: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """The standard deviation that both Kaiming laws share."""
    # BEGIN SOLUTION
    gains = {"leaky_relu": math.sqrt(2 / (1 + a**2)), "relu": math.sqrt(2), "tanh": 5 / 3, "linear": 1.0}
    if mode not in ("fan_in", "fan_out") or nonlinearity not in gains:
        raise ValueError(f"unknown mode {mode!r} or nonlinearity {nonlinearity!r}")
    fan = fans(t)[0 if mode == "fan_in" else 1]
    return gains[nonlinearity] / math.sqrt(max(fan, 1))
    # END SOLUTION


def kaiming_uniform_(
    t: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Tensor:
    # BEGIN SOLUTION
    bound = math.sqrt(3) * kaiming_std(t, a, mode, nonlinearity)
    with torch.no_grad():
        return t.uniform_(-bound, bound, generator=generator)
    # END SOLUTION


def kaiming_normal_(
    t: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Tensor:
    # BEGIN SOLUTION
    std = kaiming_std(t, a, mode, nonlinearity)
    with torch.no_grad():
        return t.normal_(0, std, generator=generator)
    # END SOLUTION


def orthogonal_(t: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    # BEGIN SOLUTION
    fans(t)  # refuses a vector
    if t.numel() == 0:
        return t
    rows, columns = t.shape[0], t.numel() // t.shape[0]
    tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=t.dtype)
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()  # makes the decomposition unique, and q uniform
    with torch.no_grad():
        return t.copy_(gain * (q if rows >= columns else q.T).reshape(t.shape))
    # END SOLUTION


def sparse_(
    t: Tensor, sparsity: float, std: float = 0.01, generator: torch.Generator | None = None
) -> Tensor:
    # BEGIN SOLUTION
    if t.dim() != 2:
        raise ValueError(f"sparse_ fills matrices, got shape {tuple(t.shape)}")
    zeros = math.ceil(sparsity * t.shape[0])
    with torch.no_grad():
        t.normal_(0, std, generator=generator)
        for column in range(t.shape[1]):
            t[torch.randperm(t.shape[0], generator=generator)[:zeros], column] = 0
    return t
    # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    lab.check(
        "E2",
        fans,
        xavier_uniform_,
        xavier_normal_,
        kaiming_uniform_,
        kaiming_normal_,
        orthogonal_,
        sparse_,
    )

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown] exercise="E2" tags=["discussion"]
# **Why it is right.** One output is a sum of `fan_in` independent products, so its second moment is `fan_in ·
# Var[w] · E[x²]`. A relu throws away half of a symmetric distribution, and half of the second moment with
# it: `Var[w] = 2 / fan_in` makes good for that. Backwards the same sum runs over `fan_out`; Xavier takes the
# mean of the two.
#
# **Uniform.** The variance of U(−b, b) is b²/3, so b = √3 · std. Both laws do the same job; the sum over
# many inputs is nearly normal in any case.
#
# **The sign fix.** A decomposition A = QR is unique only up to signs: LAPACK picks the one its algorithm
# arrives at, and its Q leans towards negative diagonals. Multiplying the columns of Q by the signs of R's
# diagonal gives the unique decomposition with positive diagonal. Since a Gaussian matrix looks the same from
# every direction, so does that Q (Mezzadri 2007).
#
# **What it costs.** QR takes O(n³), once: nothing beside training.

# %% [markdown]
# # Keeping the size right while training
#
# Initial weights are right for one moment. Normalisation keeps the size right from then on. There are many
# norms, and they are one formula; only the axes differ.

# %% [markdown] exercise="E3" minutes=60
# ## E3 · The norm family, and folding it away
#
# $$y = \gamma\,\frac{x - \mu_S}{\sqrt{\sigma_S^2 + \varepsilon}} + \beta$$
#
# with mean and variance over a set of axes S. The variance is the **biased** one (divided by the count n).
#
# **1. `normalize(x, dims, eps)`**: the fraction, over the axes `dims` (a tuple of at least one; they may be
# negative).
#
# **2. Four norms**, modules whose parameters are called `weight` (γ, starts at 1) and `bias` (β, starts at
# 0), or are both `None` with `affine=False`.
#
# | module | x | S |
# |---|---|---|
# | `BatchNorm(num_features)` | `[N, C]` or `[N, C, *]` | all axes but C |
# | `LayerNorm(shape)` | `[*, *shape]` | the last `len(shape)` axes |
# | `GroupNorm(num_groups, num_channels)` | `[N, C]` or `[N, C, *]` | a group of channels, and all `*` |
# | `InstanceNorm(num_features)` | `[N, C, *]` | all `*`; no running statistics |
#
# Their further arguments are `eps=1e-5` and `affine=True` (`InstanceNorm`: `affine=False`), for `BatchNorm`
# also `momentum=0.1`. γ and β have shape `[C]`, one a channel; those of `LayerNorm` have the shape `shape`,
# which is an int or a tuple. A group is a block of neighbouring channels: 6 channels in 2 groups are 0 1 2
# and 3 4 5.
# `GroupNorm` raises `ValueError` when it is made, if the channels cannot be divided evenly.
#
# **`BatchNorm` has a memory**: buffers `running_mean` (zeros `[C]`), `running_var` (ones `[C]`) and
# `num_batches_tracked` (0, int64, 0-d), all saved.
# - *Training mode*: normalise with the batch's own statistics, gradients flow through them. Then
#   `num_batches_tracked` grows by one and r ← (1 − m) r + m s, with m = `momentum` and s the batch's mean,
#   or its **unbiased** variance (divided by n − 1). `momentum=None`: r is the plain average of all batches
#   so far. No gradient history in r.
# - *Evaluation mode*: normalise with r, change nothing.
# - One value a channel (n = 1) in training raises `ValueError`. A batch of one image with several pixels is
#   fine.
#
# **3. `AdaLayerNorm(dim, cond_dim, gated=True)`**: `forward(x [B, T, dim], c [B, cond_dim])` returns
# `(modulated, gate)`:
#
# $$\text{modulated} = (1 + s(c)) \cdot \text{LN}(x) + b(c), \qquad \text{gate} = g(c)$$
#
# LN is over the last axis, ε = 1e-5, without γ and β. s, b and g are **linear layers of c with bias, all
# zero at first**: at the start modulated is plain LN(x) and the gate 0. The gate has shape `[B, 1, dim]`;
# with `gated=False` there is none, and the second value is `None`.
#
# **4. `fold_batchnorm(layer, bn)`**: a new `nn.Linear` or `nn.Conv2d` (of the kind of `layer`, with a bias)
# that computes what `bn(layer(x))` computes in evaluation mode. `bn` is your `BatchNorm`, with or without
# affine, in either mode. `layer` may lack a bias; a convolution may have groups, stride, dilation, padding
# (any `padding_mode` as well). Neither `layer` nor `bn` changes; the dtype is the layer's.
#
# **For all of them**
# - `bfloat16` and `float16` inputs: compute everything in `float32`, return the input's dtype. (The module's
#   own tensors are then `float32`; otherwise they have the input's dtype.)
# - An offset must not hurt: with x around 10,000 ± 1 in `float32`, E[x²] − E[x]² is rubbish.
# - A constant channel gives β, not NaN. Inputs may be non-contiguous.
#
# **Not allowed:** torch's own norms, neither the modules (`nn.LayerNorm` …) nor the functions
# (`F.layer_norm` …). `mean`, `var`, `var_mean` are fine.


# %% exercise="E3"
def normalize(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    """(x − mean) / √(biased variance + eps), over the axes `dims`; the same shape and dtype."""
    # BEGIN SOLUTION
    wide = wider(x)
    centred = wide - wide.mean(dims, keepdim=True)
    variance = centred.square().mean(dims, keepdim=True)
    return (centred * torch.rsqrt(variance + eps)).to(x.dtype)
    # END SOLUTION


def wider(x: Tensor) -> Tensor:
    """Half precision as float32, anything else as it is."""
    # BEGIN SOLUTION
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    # END SOLUTION


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """A vector [C] in a shape that broadcasts against x [N, C, *]."""
    # BEGIN SOLUTION
    return v.reshape(1, -1, *[1] * (x.dim() - 2))
    # END SOLUTION


class BatchNorm(nn.Module):
    """Each channel over the batch; running statistics in evaluation."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True
    ) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[N, C] or [N, C, *] → the same shape."""
        # BEGIN SOLUTION
        wide = wider(x)
        if self.training:
            dims = (0, *range(2, x.dim()))
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError(f"one value a channel has no variance: shape {tuple(x.shape)}")
            mean = wide.mean(dims)
            var = (wide - per_channel(mean, x)).square().mean(dims)
            with torch.no_grad():
                self.num_batches_tracked += 1
                m = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), m)
                self.running_var.lerp_((var * n / (n - 1)).to(self.running_var.dtype), m)
        else:
            mean, var = self.running_mean, self.running_var
        y = (wide - per_channel(mean, x)) * per_channel(torch.rsqrt(var + self.eps), x)
        if self.weight is not None:
            y = y * per_channel(self.weight, x) + per_channel(self.bias, x)
        return y.to(x.dtype)
        # END SOLUTION


class LayerNorm(nn.Module):
    """The last axes of each example."""

    def __init__(self, shape: int | tuple[int, ...], eps: float = 1e-5, affine: bool = True) -> None:
        # BEGIN SOLUTION
        super().__init__()
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.dims, self.eps = tuple(range(-len(shape), 0)), eps
        self.weight = nn.Parameter(torch.ones(shape)) if affine else None
        self.bias = nn.Parameter(torch.zeros(shape)) if affine else None
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        y = normalize(wider(x), self.dims, self.eps)
        if self.weight is not None:
            y = y * self.weight + self.bias
        return y.to(x.dtype)
        # END SOLUTION


class GroupNorm(nn.Module):
    """Blocks of neighbouring channels of each example."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        # BEGIN SOLUTION
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"{num_channels} channels cannot be split into {num_groups} groups")
        self.num_groups, self.eps = num_groups, eps
        self.weight = nn.Parameter(torch.ones(num_channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_channels)) if affine else None
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[N, C] or [N, C, *] → the same shape."""
        # BEGIN SOLUTION
        blocks = wider(x).reshape(x.shape[0], self.num_groups, -1)
        y = normalize(blocks, (2,), self.eps).reshape(x.shape)
        if self.weight is not None:
            y = y * per_channel(self.weight, x) + per_channel(self.bias, x)
        return y.to(x.dtype)
        # END SOLUTION


class InstanceNorm(nn.Module):
    """Each channel of each example."""

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, *] → the same shape."""
        # BEGIN SOLUTION
        y = normalize(wider(x), tuple(range(2, x.dim())), self.eps)
        if self.weight is not None:
            y = y * per_channel(self.weight, x) + per_channel(self.bias, x)
        return y.to(x.dtype)
        # END SOLUTION


class AdaLayerNorm(nn.Module):
    """A layer norm whose scale, shift and gate come from a condition."""

    def __init__(self, dim: int, cond_dim: int, gated: bool = True) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.parts = 3 if gated else 2
        self.project = nn.Linear(cond_dim, self.parts * dim)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        # END SOLUTION

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor | None]:
        """x [B, T, D], c [B, K] → modulated [B, T, D], gate [B, 1, D]."""
        # BEGIN SOLUTION
        parts = wider(self.project(c.to(self.project.weight.dtype)))[:, None, :].chunk(self.parts, dim=-1)
        y = (1 + parts[0]) * normalize(wider(x), (-1,), 1e-5) + parts[1]
        return y.to(x.dtype), parts[2].to(x.dtype) if self.parts == 3 else None
        # END SOLUTION


def fold_batchnorm(layer: nn.Linear | nn.Conv2d, bn: BatchNorm) -> nn.Linear | nn.Conv2d:
    """One layer that computes bn(layer(x)) as in evaluation mode."""
    # BEGIN SOLUTION
    scale = torch.rsqrt(bn.running_var + bn.eps)
    shift = -bn.running_mean * scale
    if bn.weight is not None:
        scale, shift = scale * bn.weight, shift * bn.weight + bn.bias
    folded = copy.deepcopy(layer)
    with torch.no_grad():
        folded.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.dim() - 1)))
        bias = shift if layer.bias is None else layer.bias * scale + shift
        folded.bias = nn.Parameter(bias.to(layer.weight.dtype))
    return folded
    # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", normalize, BatchNorm, LayerNorm, GroupNorm, InstanceNorm, AdaLayerNorm, fold_batchnorm)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")
    if lab.passed(
        "E3"
    ):  # the library folds torch's own norms; yours has the same state, so they can be compared
        conv, mine, theirs = nn.Conv2d(1, 4, 3), BatchNorm(4), nn.BatchNorm2d(4)
        mine(conv(torch.randn(32, 1, 8, 8)))
        theirs.load_state_dict(mine.state_dict())
        folded, reference = fold_batchnorm(conv, mine.eval()), shared.nn.fold_batchnorm(conv, theirs.eval())
        assert torch.allclose(folded.weight, reference.weight, atol=1e-6)
        assert torch.allclose(folded.bias, reference.bias, atol=1e-6)
        print("your fold_batchnorm and shared.nn.fold_batchnorm give the same weight and bias")

# %% [markdown] exercise="E3" tags=["discussion"]
# **Why it is right.** `normalize` is the whole family; what remains is bookkeeping of shapes. `GroupNorm`
# with one group is a layer norm over `(C, *)`, with C groups an instance norm.
#
# **Two variances.** The batch is normalised by its biased variance, because that makes the result have
# variance 1. The running variance stands in for the population's, of which the unbiased one is the fair
# estimate. Torch does the same.
#
# **Momentum** counts the new value: 0.1 means "a tenth of the way towards this batch". In an optimizer,
# momentum 0.9 counts the *old* one.
#
# **Two passes.** At an offset of 10⁴ the squares are 10⁸, and `float32` has steps of 8 there: the small
# variance is gone before the subtraction. Subtract the mean first.
#
# **Folding.** In evaluation a batch norm is an affine map per channel, and so is the layer before it; the
# product of both is one affine map. It costs nothing at run time and removes a whole pass over memory. It
# is wrong in training, where mean and variance depend on the batch.

# %% [markdown]
# # Seeing inside
#
# A network of a hundred layers that does not train tells you one number, the loss. Hooks let you look at
# every layer while it works, without touching the model's code.

# %% [markdown] exercise="E4" minutes=45
# ## E4 · Hooks that see 100 layers in O(1) memory
#
# `handle = layer.register_forward_hook(f)` makes torch call `f(layer, inputs, output)` after each forward of
# that layer. What `f` returns, unless None, *replaces* the output. `handle.remove()` ends it.
# `tensor.register_hook(g)` calls `g(gradient)` when a backward pass has computed the tensor's gradient; what
# `g` returns, unless None, replaces the gradient.
#
# **1. `ActivationProbe(model, types=(nn.Linear, nn.Conv2d))`**, a context manager:
#
# ```python
# with ActivationProbe(model) as probe:
#     for x, y in batches:
#         loss(model(x), y).backward()
# probe.stats["blocks.3.linear"].std
# ```
#
# It watches every module of `model` whose class is one of `types` (or inherits from one), the model itself
# included. Making the probe does nothing to the model yet: the hooks come with the `with`.
# `probe.stats` is a dict from the module's name in `model.named_modules()` to an object with these
# attributes, about **all** outputs of the layer between `with` and its end, as if they had been collected in
# one big tensor:
#
# | attribute | meaning |
# |---|---|
# | `n` | how many elements there were, an int |
# | `mean` | of the finite elements; nan if there are none |
# | `std` | of the finite elements, the population's (divided by their number); nan if there are none |
# | `frac_zero` | share of all elements that are exactly 0 |
# | `frac_nonfinite` | share of all elements that are nan or infinite |
# | `grad_norm` | √ of the sum of squares of all gradients of the layer's outputs; 0.0 before any |
#
# - `grad_norm` counts all backward passes, one after the other.
# - All but `n` are Python floats, to be read at any time, also after the `with`. Up to 10⁴ times as large a
#   mean as deviation must not spoil `std` (0.1 % is accurate enough): compute in `float64`.
# - A layer that never ran has no entry. A layer that ran twice has one, of both runs.
# - An output may be a tuple or list (with more of them inside): all floating point tensors in it count as
#   one, anything else is ignored.
# - **Nothing of the model changes**: outputs and gradients are what they would be without the probe. At the
#   end of the `with`, also when an exception ends it, every hook is gone that the probe attached, and no
#   other. What happens later, forward or backward, does not count. Probes may be nested.
# - **Memory:** no activation is kept, whole or in part; the numbers per layer are all there is.
# - It works under `torch.no_grad()` as well. `eval` mode stays as it is.
#
# **2. `lsuv_init_(model, x, *, target_std=1.0, tol=0.02, max_iter=10)`** makes every layer's output the right
# size, by measuring instead of theory (*layer-sequential unit variance*). For the `nn.Linear` and `nn.Conv2d`
# layers that `x` reaches when it runs through the model, in **the order in which they run**:
#
# - Each weight starts orthogonal (your `orthogonal_`). Biases stay as they are.
# - Then layer after layer: measure the standard deviation of its output (the population's, over all
#   elements), divide the weight by `std / target_std`, and measure again, until it is within `target_std ·
#   (1 ± tol)` or `max_iter` rounds are over. Only then comes the next layer: its input has just changed.
# - Measure in evaluation mode and without gradients. Afterwards each module is in the mode it was in before,
#   no hook is left, each parameter is the same object, without a `.grad` and with `requires_grad` as before,
#   and `x` is unchanged.
# - An output that is constant (std 0) cannot be scaled: leave that weight finite.
# - Return a dict from layer name to its final standard deviation, a float, in the order of execution.
#   Layers that `x` does not reach stay untouched and are not in it.
#
# Each layer runs once in a forward pass here. Everything of `torch` is allowed in this exercise.


# %% exercise="E4"
class LayerStats:
    """Statistics of a stream of tensors, in a few numbers. Written for you, except for `add`."""

    def __init__(self) -> None:
        self.n = 0  # elements seen
        self.finite = 0  # of these finite
        self.zeros = 0  # and of these exactly zero
        self.mean = math.nan  # of the finite ones
        self.m2 = 0.0  # sum of their squared distances from the mean
        self.grad_square = 0.0  # sum of squares of the gradients

    def add(self, values: Tensor) -> None:
        """Take one more tensor into account."""
        # BEGIN SOLUTION
        self.n += values.numel()
        self.zeros += int((values == 0).sum())
        values = values.detach()[values.detach().isfinite()].double()
        count = values.numel()
        if count == 0:
            return
        mean = float(values.mean())
        m2 = float((values - mean).square().sum())
        if self.finite == 0:
            self.finite, self.mean, self.m2 = count, mean, m2
            return
        total = self.finite + count
        delta = mean - self.mean
        self.m2 += m2 + delta**2 * self.finite * count / total
        self.mean += delta * count / total
        self.finite = total
        # END SOLUTION

    @property
    def std(self) -> float:
        return math.sqrt(self.m2 / self.finite) if self.finite else math.nan

    @property
    def frac_zero(self) -> float:
        return self.zeros / self.n if self.n else 0.0

    @property
    def frac_nonfinite(self) -> float:
        return (self.n - self.finite) / self.n if self.n else 0.0

    @property
    def grad_norm(self) -> float:
        return math.sqrt(self.grad_square)


def tensors_in(output: object) -> Iterator[Tensor]:
    """Every floating point tensor in nested tuples and lists."""
    # BEGIN SOLUTION
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, tuple | list):
        for part in output:
            yield from tensors_in(part)
    # END SOLUTION


class ActivationProbe:
    """Watches layers while they work: `with ActivationProbe(model) as probe: ...; probe.stats`."""

    stats: dict[str, LayerStats]

    def __init__(self, model: nn.Module, types: tuple[type, ...] = (nn.Linear, nn.Conv2d)) -> None:
        # BEGIN SOLUTION
        self.model, self.types = model, types
        self.stats = {}
        self._handles = []
        # END SOLUTION

    def __enter__(self) -> "ActivationProbe":
        # BEGIN SOLUTION
        self._open = True
        for name, module in self.model.named_modules():
            if isinstance(module, self.types):
                self._handles.append(module.register_forward_hook(self._watch(name)))
        return self
        # END SOLUTION

    def __exit__(self, *exception: object) -> None:
        # BEGIN SOLUTION
        self._open = False
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        # END SOLUTION

    def _watch(self, name: str) -> Callable[..., None]:
        """The hook for one layer."""

        # BEGIN SOLUTION
        def add_gradient(gradient: Tensor) -> None:
            if self._open:
                self.stats[name].grad_square += float(gradient.double().square().sum())

        def hook(module: nn.Module, inputs: object, output: object) -> None:
            stats = self.stats.setdefault(name, LayerStats())
            for tensor in tensors_in(output):
                stats.add(tensor.detach())
                if tensor.requires_grad:
                    tensor.register_hook(add_gradient)

        return hook
        # END SOLUTION


def lsuv_init_(
    model: nn.Module, x: Tensor, *, target_std: float = 1.0, tol: float = 0.02, max_iter: int = 10
) -> dict[str, float]:
    """Scale each layer's weight until its output has the target deviation; returns the final ones."""
    # BEGIN SOLUTION
    layers = {m: name for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    stds: dict[nn.Module, float] = {}  # of the latest forward pass, in the order of execution

    def note(module: nn.Module, inputs: object, output: Tensor) -> None:
        stds[module] = float(output.double().std(correction=0))

    handles = [module.register_forward_hook(note) for module in layers]
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(x)
            for layer in stds:
                orthogonal_(layer.weight)
            for layer in list(stds):
                for _ in range(max_iter):
                    model(x)
                    if stds[layer] == 0 or abs(stds[layer] / target_std - 1) <= tol:
                        break
                    layer.weight.mul_(target_std / stds[layer])
            model(x)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return {layers[layer]: std for layer, std in stds.items()}
    # END SOLUTION


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", ActivationProbe, lsuv_init_)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")
    if lab.passed("E4"):  # the library's probe beside yours
        net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        with ActivationProbe(net) as mine, shared.profiling.ActivationProbe(net) as theirs:
            for size in (8, 100):
                net(torch.randn(size, 64)).square().mean().backward()
        for name, reference in theirs.stats.items():
            for number in ("n", "mean", "std", "frac_zero", "frac_nonfinite", "grad_norm"):
                assert math.isclose(
                    getattr(mine.stats[name], number), getattr(reference, number), rel_tol=1e-4, abs_tol=1e-7
                )
        print("your probe and shared.profiling.ActivationProbe agree; the library's table:")
        print(shared.profiling.activation_table(theirs.stats))

# %% [markdown] exercise="E4" tags=["discussion"]
# **Why it is right.** Two batches with counts nₐ and n_b, means δ apart, have together the squared distances
# `M2 = M2ₐ + M2_b + δ² nₐ n_b / n`: the spread inside each batch and the spread between them. Averaging the
# two deviations would forget the latter. (Sums of x and x² in `float64` do as well at this offset; at 10⁸
# they would not.)
#
# **What it keeps.** Six numbers a layer. A hook that stores `output` keeps the activation alive, and with it
# the whole graph that leads to it; `output.detach()` lets go of the graph, but the memory stays.
#
# **Why remove.** A hook that was forgotten costs time in every forward pass, and holds on to whatever it
# refers to. `__exit__` runs also when the body raises: that is what context managers are for.
#
# **LSUV** needs about two forward passes a layer, so a hundred layers cost a few hundred passes on one batch.
# With zero biases one division is exact; a bias adds a part that does not scale, and so it takes rounds.

# %% [markdown]
# # Everything together
#
# Handwritten digits, 8×8 pixels, ten classes: 1,437 to learn from and 360 to be tested on, never seen in
# training. The pixels are scaled to 0 … 1. A logistic regression gets 0.969 of the test digits right, a
# support vector machine 0.994.


# %%
if __name__ == "__main__":
    data = digits(flat=True)
    X_train, y_train = data.train.inputs, data.train.targets
    X_test, y_test = data.test.inputs, data.test.targets
    print(X_train.shape, y_train.shape, X_test.shape, y_test.shape)

# %% [markdown] exercise="E5" minutes=60
# ## E5 · Rescue a 30-layer network
#
# Thirty plain layers of width 64 with torch's default weights, trained on these digits for eight epochs, get
# about one digit in ten right: chance. Better weights help, norms alone do not. What rescues depth is a
# *residual path*: each block adds a small change to what it is given, x + f(x).
#
# **1. `build_deep(depth=30, width=64, n_classes=10, *, zero_init=False)`** returns a network, an `nn.Module`,
# from `[N, 64]` to scores `[N, n_classes]`.
#
# - Its attribute **`blocks`** is an `nn.ModuleList` or `nn.Sequential` of exactly `depth` modules. Block i
#   maps `[N, width]` to `[N, width]`, is not linear, and has at least `width × width` parameters of its own.
#   In a forward pass each runs once, one after the other: block i gets what block i − 1 gave. What stands
#   before the first and after the last is up to you.
# - At the start no block is preferred: the norm of the gradient of the loss with respect to all parameters
#   of the first block is 0.1 to 10 times that of the last block. The standard deviation of what the last
#   block gives is 0.01 to 100 times that of what the first one gets. With `depth=60` all is still finite.
# - With **`zero_init=True`** each block is exactly the identity at the start, `block(x) == x`, and yet it
#   learns: the gradient reaches at least one of its parameters.
# - The weights come from torch's global generator: `torch.manual_seed` fixes them.
#
# **2. `train_deep(model, X, y, *, epochs=8, seed=0)`** trains `model` on `X` `[N, 64]`, `y` `[N]` (int64) for
# `epochs` rounds through all rows, and returns **the same model**, ready to be used: in evaluation mode. The
# optimizer, its learning rate and the batch size are up to you. `seed` fixes everything random in it: the
# same model and seed give the same result.
#
# **What it must reach** with the default settings: **0.93** of the test digits right. (Luck plays a part: the
# better of two seeds counts.) A shallow network can do that; yours must do it through all thirty blocks. In
# the trained network each block changes its input by at least 0.1 % (root mean square), and exchanging all
# blocks for the identity costs at least ten points of accuracy.
#
# **What the check also looks at.** A digit's scores do not depend on the other digits in the call. A second
# `build_deep` that loads the `state_dict` gives bit for bit the same scores. Labels in random order must
# lead to a network that knows nothing about test digits.
#
# **Not allowed:** torch's own norms and the six laws of `torch.nn.init`: use yours from E2 and E3.
# `nn.Linear` and its default weights are fine, and so are torch's optimizers and schedules.


# %% exercise="E5"
class Block(nn.Module):
    """x + scale · linear(relu(norm(x))): the identity, and a small change."""

    def __init__(self, width: int, scale: float, zero_init: bool) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.norm, self.linear, self.scale = LayerNorm(width), nn.Linear(width, width), scale
        kaiming_normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        if zero_init:
            nn.init.zeros_(self.linear.weight)
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[N, width] → [N, width]."""
        # BEGIN SOLUTION
        return x + self.scale * self.linear(torch.relu(self.norm(x)))
        # END SOLUTION


class DeepNet(nn.Module):
    """A stem, `blocks`, and a head: [N, 64] → [N, n_classes]."""

    def __init__(self, depth: int, width: int, n_classes: int, zero_init: bool) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.blocks = nn.Sequential(*[Block(width, depth**-0.5, zero_init) for _ in range(depth)])
        self.norm, self.head = LayerNorm(width), nn.Linear(width, n_classes)
        kaiming_normal_(self.stem.weight)
        xavier_normal_(self.head.weight)
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.head(self.norm(self.blocks(self.stem(x))))
        # END SOLUTION


def build_deep(
    depth: int = 30, width: int = 64, n_classes: int = 10, *, zero_init: bool = False
) -> nn.Module:
    """[N, 64] → [N, n_classes] through `depth` residual blocks, which stand in `model.blocks`."""
    # BEGIN SOLUTION
    return DeepNet(depth, width, n_classes, zero_init)
    # END SOLUTION


def train_deep(model: nn.Module, X: Tensor, y: Tensor, *, epochs: int = 8, seed: int = 0) -> nn.Module:
    """Train `model` in place on X [N, 64], y [N]; returns it in evaluation mode."""
    # BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    steps = epochs * math.ceil(len(X) / 64)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)  # down to a fiftieth
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(X), generator=generator).split(64):
            loss = F.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()
    # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", build_deep, train_deep)

# %% reward="E5"
if __name__ == "__main__":
    lab.reward("E5")

# %% [markdown] exercise="E5" tags=["discussion"]
# **Why it is right.** Through thirty plain layers the gradient is a product of thirty matrices; through
# thirty residual blocks it is a product of thirty factors (identity + small), which contains the identity
# itself. The first block gets its gradient undamped.
#
# **The scale.** Each block adds something of size `scale` to x. The variances add up, so with scale 1 the
# size grows like √depth; 1/√depth keeps the sum at the size of one block. The norm inside each block makes
# the change independent of how large x has become.
#
# **Zero at the start** is the same idea taken to its end: all blocks begin as the identity, and the network
# starts as shallow as its stem and head. Zero only the *last* factor of the branch: with both factors at
# zero neither would ever get a gradient.
#
# **Honesty.** On 1,437 digits thirty layers are no better than one. The lesson is not that deep is good, it
# is that deep is *possible*.

# %% [markdown]
# # How deep can it go?
#
# A last experiment, with everything yours. The full profile (first code cell) goes to the depths where plain
# networks have long since died.

# %%
if __name__ == "__main__":
    depths, rounds = ((10, 60), 4) if profile == "laptop" else (full_depths, full_epochs)
    if lab.passed("E5"):
        for depth in depths:
            torch.manual_seed(0)
            trained = train_deep(build_deep(depth=depth), X_train, y_train, epochs=rounds)
            with torch.no_grad():
                right = (trained(X_test).argmax(dim=1) == y_test).float().mean().item()
            print(f"{depth:4} blocks: {right:.3f} of the test digits right")
