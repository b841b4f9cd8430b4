"""Modes that see every torch call: the public functions as Python calls them, and the operators below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode


def function_name(function: Any) -> str:
    """`expand` for torch.Tensor.expand and torch.ops.aten.expand.default; `T` for the property's getter."""
    name = str(getattr(function, "__name__", ""))
    if name == "__get__":  # a property: the descriptor knows which
        return str(getattr(getattr(function, "__self__", None), "__name__", name))
    if "." in name:  # an operator overload such as `expand.default`
        return name.split(".")[0]
    return name or str(resolve_name(function) or "").rpartition(".")[2]


class FunctionWatch(TorchFunctionMode):
    """Tells `see` the name of every torch function or tensor method before it runs."""

    def __init__(self, see: Callable[[str], None]) -> None:
        super().__init__()
        self._see = see

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._see(function_name(function))
        return function(*args, **(kwargs or {}))


class OperatorWatch(TorchDispatchMode):
    """Tells `see` the aten name of every operator before it runs, also those that torch calls itself."""

    def __init__(self, see: Callable[[str], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._see = see

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._see(operator.overloadpacket.__name__)
        return operator(*args, **(kwargs or {}))
