"""Bytes, counted from the tensors themselves: exact, and the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


def parameter_bytes(model: nn.Module, *, buffers: bool = True) -> int:
    """Bytes of a model's parameters and buffers; a tied parameter counts once."""
    tensors = [*model.parameters(), *(model.buffers() if buffers else ())]
    return sum({_key(t): t.untyped_storage().nbytes() for t in tensors}.values())


def saved_bytes(call: Callable[[], Any], *, exclude: nn.Module | None = None) -> int:
    """Bytes that autograd keeps for the backward pass of what the call computes.

    A storage counts once however many nodes save it. With `exclude`, a model's own parameters count as
    nothing: they are there anyway.
    """
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[_key(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call()
    for parameter in exclude.parameters() if exclude is not None else ():
        kept.pop(_key(parameter), None)
    del result  # it kept the storages alive while they were counted: a freed address may be used again
    return sum(kept.values())


def allocated_bytes(call: Callable[[], Any]) -> int:
    """Bytes of all fresh storages that the call's operators make, whether or not they live on."""
    with _Allocations() as seen:
        call()
    return int(seen.total)


class _Allocations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        known = {_key(tensor) for tensor in _tensors((args, kwargs))}
        for tensor in _tensors(result):
            if _key(tensor) not in known:
                known.add(_key(tensor))
                self.total += tensor.untyped_storage().nbytes()
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
