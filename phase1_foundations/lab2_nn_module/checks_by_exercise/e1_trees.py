"""The oracle of E1: the same random tree twice, of the learner's MiniModule and of torch's nn.Module."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial

NAMES = ("weight", "bias", "fc", "body", "scale", "a", "b", "c", "head")
Pair = tuple[Any, nn.Module]


def parameter(t: Trial, *shape: int) -> nn.Parameter:
    return nn.Parameter(t.randn(*(shape or (2,)), dtype=torch.float32))


def random_pair(t: Trial, base: Callable[[], Any], size: int) -> Pair:
    """Two trees with the same names and the very same tensors; some tied, some shared, some None."""
    tensors: list[nn.Parameter] = []
    done: list[Pair] = []

    def grow(depth: int, left: int) -> Pair:
        mine, theirs = base(), nn.Module()
        for name in t.random.sample(NAMES, min(left, len(NAMES))):
            _add(name, mine, theirs, depth, left)
        done.append((mine, theirs))
        return mine, theirs

    def _add(name: str, mine: Any, theirs: nn.Module, depth: int, left: int) -> None:
        kind = t.random.choice(
            ("parameter", "parameter", "buffer", "child", "child", "tied", "shared", "odd")
        )
        if kind == "child" and depth:
            values: Pair = grow(depth - 1, max(left - 2, 0))
        elif kind == "shared" and done:
            values = t.random.choice(done)
        elif kind == "tied" and tensors:
            values = (t.random.choice(tensors),) * 2  # type: ignore[assignment]
        elif kind == "buffer":
            buffer, persistent = _buffer(t), t.random.random() < 0.7
            for module in (mine, theirs):
                module.register_buffer(name, buffer, persistent)
            return
        elif kind == "odd":
            value = t.random.choice((3, "text", None, [nn.Parameter(torch.zeros(1))], torch.zeros(2)))
            values = (value, value)  # type: ignore[assignment]
        else:
            tensors.append(parameter(t, t.random.randint(1, 3)))
            values = (tensors[-1], tensors[-1])  # type: ignore[assignment]
        setattr(mine, name, values[0])
        setattr(theirs, name, values[1])

    return grow(3, size)


def _buffer(t: Trial) -> Tensor | None:
    draw = t.random.random()
    if draw < 0.15:
        return None
    return torch.tensor(3) if draw < 0.3 else t.randn(2, dtype=torch.float32)


def outline(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def described(module: nn.Module) -> str:
    """The tree in a line, for the report: its parameters, then its buffers, then its modules."""
    names = outline(module.named_parameters(remove_duplicate=False))
    buffers, modules = outline(module.named_buffers()), outline(module.named_modules())[1:]
    return f"parameters {names}, buffers {buffers}, modules {modules}"


def small_net(a: Any, t: Trial) -> Any:
    """scale; a buffer mean; fc with weight, bias and dropout; then a last parameter."""
    net, fc = a.MiniModule(), a.MiniModule()
    net.scale = parameter(t)
    net.register_buffer("mean", torch.ones(2))
    fc.weight, fc.bias = parameter(t, 2, 2), parameter(t)
    fc.dropout = a.MiniModule()
    net.fc = fc
    net.last = parameter(t)
    return net


def twins_of_many_kinds(a: Any, t: Trial) -> Any:
    """Five parameters, no two of them tied: frozen, over the same memory, without elements."""
    module, memory = a.MiniModule(), t.randn(2, dtype=torch.float32)
    module.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    module.over, module.under = nn.Parameter(memory), nn.Parameter(memory)
    module.none, module.neither = nn.Parameter(torch.zeros(0)), nn.Parameter(torch.zeros(0))
    return module
