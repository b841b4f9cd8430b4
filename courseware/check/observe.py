"""Counted observations: bytes, largest tensors, operators, saved tensors, graph nodes. Nothing is timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass
class Seen:
    """What torch did while it was watched."""

    allocated_bytes: int = 0
    """Bytes of all fresh storages; a view or an in-place result adds none."""
    largest: int = 0
    """Elements of the largest tensor with a fresh storage."""
    largest_bytes: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """Operators by their aten name, forward and backward (`mm`, `expand`, `convolution` …)."""


@contextmanager
def observe() -> Iterator[Seen]:
    """Watch every operator that runs in the body: `with observe() as seen: f(x)`."""
    watch = _Watch()
    with watch:
        yield watch.seen


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = Seen()

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        self.seen.calls[operator.overloadpacket.__name__] += 1
        known = {storage_key(t) for t in tensors_in((args, kwargs))}
        for tensor in tensors_in(result):
            key = storage_key(tensor)
            if key not in known:
                known.add(key)
                size = tensor.untyped_storage().nbytes()
                self.seen.allocated_bytes += size
                if size > self.seen.largest_bytes:
                    self.seen.largest_bytes = size
                    self.seen.largest = size // max(tensor.element_size(), 1)
        return result


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)


def storage_key(tensor: Tensor) -> int:
    """The same for all views of one storage."""
    return int(tensor.untyped_storage()._cdata)


def same_storage(left: Tensor, right: Tensor) -> bool:
    """Do both read the same memory? True for views, also for empty and zero-stride ones."""
    return storage_key(left) == storage_key(right)


def largest_tensor(call: Callable[[], Any]) -> int:
    """Elements of the largest tensor that the call allocates."""
    with observe() as seen:
        call()
    return seen.largest


def allocated_bytes(call: Callable[[], Any]) -> int:
    """Bytes that the call allocates in all, counted by fresh storages."""
    with observe() as seen:
        call()
    return seen.allocated_bytes


def saved_bytes(call: Callable[[], Tensor], *, exclude: tuple[Tensor, ...] = ()) -> int:
    """Bytes kept alive for backward by the graph that the call builds.

    Counts unique storages once, both those saved through torch's own machinery and those that a custom
    Function stashed as attributes on its `ctx`. Storages of `exclude` (parameters, say) count as nothing.
    """
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[storage_key(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call()
    for node in graph_nodes(result):
        for tensor in tensors_in(dict(getattr(node, "__dict__", {}))):
            pack(tensor)
    for tensor in exclude:
        storages.pop(storage_key(tensor), None)
    return sum(storages.values())


def graph_nodes(result: Tensor) -> list[Any]:
    """All autograd nodes reachable from a tensor, nearest first."""
    found, waiting = {}, [result.grad_fn]
    while waiting:
        node = waiting.pop(0)
        if node is not None and id(node) not in found:
            found[id(node)] = node
            waiting.extend(parent for parent, _ in node.next_functions)
    return list(found.values())
