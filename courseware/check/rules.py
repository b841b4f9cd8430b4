"""What an exercise forbids, refused whatever route leads to it.

A name in the source proves nothing: `getattr(torch, "ex" + "pand")` is a route, and `itertools.repeat`
is none. So the calls themselves are intercepted, while the learner's code runs and only then:

- torch functions and tensor methods by name (`torch.expand_copy` is another name: list it too);
- operators by their aten name, for routes that start inside torch's C++;
- Python functions wherever they were imported to, by exchanging their code;
- torch's backward engine, through which every `backward()` and `autograd.grad` must pass.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from courseware.check.outcomes import Diagnosed

FORBIDDEN = "forbidden"
"""The diagnosis that every refused call gets."""


@dataclass(frozen=True)
class Rules:
    """The names an exercise forbids, and the reason a learner is told."""

    why: str
    functions: frozenset[str] = frozenset()
    aten: frozenset[str] = frozenset()
    python: tuple[str, ...] = ()
    autograd: bool = False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Refuse everything forbidden inside the body. Re-entrant; `suspended` lifts it for an oracle."""
        if self in _holding:
            yield
            return
        _holding.append(self)
        try:
            with self._interception():
                yield
        finally:
            _holding.remove(self)

    @contextmanager
    def _interception(self) -> Iterator[None]:
        from courseware.check.intercept import FunctionWatch, OperatorWatch

        with ExitStack() as stack:
            if self.autograd:
                stack.enter_context(_closed_engine(self))
            for path in self.python:
                stack.enter_context(_closed_function(path, self))
            if self.functions:
                stack.enter_context(FunctionWatch(lambda name: self._refuse(name, self.functions)))
            if self.aten:
                stack.enter_context(OperatorWatch(lambda name: self._refuse(name, self.aten)))
            yield

    def _refuse(self, name: str, names: frozenset[str]) -> None:
        if name in names and self in _holding and not _suspended:
            raise self.refusal(name)

    def refusal(self, name: str) -> Diagnosed:
        shown = name.removesuffix(".__init__")
        return Diagnosed(FORBIDDEN, f"`{shown}` is not allowed in this exercise: {self.why}")


def forbid(
    *functions: str,
    why: str,
    aten: tuple[str, ...] = (),
    python: tuple[str, ...] = (),
    autograd: bool = False,
) -> Rules:
    """Rules for an exercise.

    `functions`: torch functions and tensor methods by their last name (`"expand"`, `"cross_entropy"`).
    `aten`: operators refused also when torch calls them internally: use it only where no right answer can.
    `python`: dotted paths of Python functions (`"torch.autograd.functional.hvp"`), decorated or not, also of
    a class's method (`"torch.optim.Optimizer.__init__"`).
    `autograd`: refuse torch's backward and forward-mode engines.
    """
    return Rules(why, frozenset(functions), frozenset(aten), tuple(python), autograd)


_holding: list[Rules] = []
_suspended: list[bool] = []


@contextmanager
def suspended() -> Iterator[None]:
    """Lift every rule inside the body: for the oracle that a check computes between the learner's calls."""
    _suspended.append(True)
    try:
        yield
    finally:
        _suspended.pop()


def _guard_call(rules: Rules, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not _suspended:
            raise rules.refusal(name)
        return original(*args, **kwargs)

    return guarded


@contextmanager
def _closed_engine(rules: Rules) -> Iterator[None]:
    """Every reverse pass goes through one function, every forward-mode pass through one level."""
    import torch
    import torch.autograd.forward_ad as forward_ad
    import torch.autograd.graph as graph

    places = [
        (torch.autograd, "_engine_run_backward", "torch.autograd (backward, grad)"),
        (graph, "_engine_run_backward", "torch.autograd (backward, grad)"),
        (forward_ad, "make_dual", "torch.autograd.forward_ad"),
    ]
    with ExitStack() as stack:
        for module, name, shown in places:
            original = getattr(module, name)
            setattr(module, name, _guard_call(rules, shown, original))
            stack.callback(setattr, module, name, original)
        yield


@contextmanager
def _closed_function(path: str, rules: Rules) -> Iterator[None]:
    """Exchange a Python function's code: `from module import name` made earlier is refused as well."""
    function, name = pkgutil.resolve_name(path), path.rpartition(".")[2]
    if not isinstance(function, FunctionType):
        raise TypeError(f"{path} cannot be forbidden as a Python function: list it under functions or aten")
    original = FunctionType(
        function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    code, _closed[path] = function.__code__, _guard_call(rules, path, original)
    function.__code__ = _doorway(path, code.co_freevars)
    try:
        yield
    finally:
        function.__code__ = code
        del _closed[path]


_closed: dict[str, Callable[..., Any]] = {}


def call_closed(path: str, *args: Any, **kwargs: Any) -> Any:
    return _closed[path](*args, **kwargs)


@cache  # a check opens and closes the doors at every call
def _doorway(path: str, closure: tuple[str, ...]) -> CodeType:
    """Code that runs in the forbidden function's place, in its module's namespace and with its closure."""
    variables = "".join(f"{name}, " for name in closure)
    source = (
        "def wall():\n"
        f"    {variables or '_, '}= {(None,) * max(len(closure), 1)}\n"
        "    def door(*args, **kwargs):\n"
        f"        ({variables})\n"
        "        from courseware.check.rules import call_closed\n"
        f"        return call_closed({path!r}, *args, **kwargs)\n"
        "    return door\n"
    )
    namespace: dict[str, Any] = {}
    exec(compile(source, __file__, "exec"), namespace)
    code: CodeType = namespace["wall"]().__code__
    return code
