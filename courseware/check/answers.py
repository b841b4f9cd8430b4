"""The learner's objects as a check sees them: the same behaviour, watched from outside.

A function is wrapped, so that each call is remembered (the report shows the smallest failing one), inputs
that change are noticed, a missing `return` is named, and the exercise's rules hold. A class is passed through
as it is: a check must meet the learner's own class, and says itself what it watches.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from courseware.check.describe import describe, is_tensor
from courseware.check.outcomes import Diagnosed
from courseware.check.rules import Rules

CHANGED_INPUT = "changes-its-input"
RETURNS_NOTHING = "returns-nothing"
WRONG_TYPE = "returns-the-wrong-type"


class Answers:
    """The answer to one exercise: every object under the name that the exercise gave it."""

    def __init__(
        self, objects: Mapping[str, Any], returns: Mapping[str, Any], rules: Rules | None = None
    ) -> None:
        self._calls: list[Call] = []
        self._objects = dict(objects)
        for name, value in objects.items():
            wrap = callable(value) and not isinstance(value, type)
            setattr(
                self, name, Guarded(name, value, returns.get(name), rules, self._calls) if wrap else value
            )

    def __getattr__(self, name: str) -> Any:  # typed: the names are the exercise's own
        raise AttributeError(f"this exercise has no object {name!r}; it takes {sorted(self._objects)}")

    @property
    def last_call(self) -> Call | None:
        """The learner's function that was called last, with what."""
        return self._calls[-1] if self._calls else None

    @property
    def has_class(self) -> bool:
        return any(isinstance(value, type) for value in self._objects.values())

    def raw(self, name: str) -> Any:
        """The learner's own object, unwatched: for pictures, and for `inspect`."""
        return self._objects[name]

    def forget_calls(self) -> None:
        self._calls.clear()


class Call:
    """One call of a learner's function, described only when somebody asks."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.name, self.args, self.kwargs = name, args, kwargs
        self.returned: Any = _NOT_YET

    def __str__(self) -> str:
        parts = [describe(value) for value in self.args]
        parts += [f"{key}={describe(value)}" for key, value in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"


_NOT_YET = object()


class Guarded:
    """A learner's function: call it as usual."""

    def __init__(
        self, name: str, function: Callable[..., Any], returns: Any, rules: Rules | None, calls: list[Call]
    ) -> None:
        self.__name__, self.__wrapped__ = name, function
        self._returns, self._rules, self._calls = returns, rules, calls
        self.__doc__ = getattr(function, "__doc__", None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = Call(self.__name__, args, kwargs)
        del self._calls[:-8]  # a check may call thousands of times: the last few are enough
        self._calls.append(call)
        before = [] if self.__name__.endswith("_") else _snapshots((args, kwargs))
        try:
            with self._rules.hold() if self._rules else nullcontext():
                result = self.__wrapped__(*args, **kwargs)
        finally:  # the next check, perhaps of a right answer, finds its tensors as they were
            changes = [_put_back(*pair) for pair in before if not _unchanged(*pair)]
        call.returned = result
        for was, became in changes[:1]:
            raise Diagnosed(
                CHANGED_INPUT,
                f"`{self.__name__}` changed its input in place: the caller's tensor was {was} "
                f"and is {became} afterwards. Work on a new tensor instead.",
            )
        self._check_type(result)
        return result

    def _check_type(self, result: Any) -> None:
        if self._returns is None or isinstance(result, self._returns):
            return
        wanted = _type_names(self._returns)
        if result is None:
            raise Diagnosed(
                RETURNS_NOTHING,
                f"`{self.__name__}` returned None, expected {wanted}: did the `return` go missing?",
            )
        raise Diagnosed(
            WRONG_TYPE,
            f"`{self.__name__}` returned a {type(result).__name__} ({describe(result)}), expected {wanted}",
        )


def _type_names(types: Any) -> str:
    names = [t.__name__ for t in (types if isinstance(types, tuple) else (types,))]
    return " or ".join(f"{'an' if n[0].lower() in 'aeiou' else 'a'} {n}" for n in names)


def _snapshots(value: Any) -> list[tuple[Any, Any]]:
    """(tensor, its copy) for every tensor in nested arguments."""
    if is_tensor(value):
        return [(value, value.detach().clone())]
    if isinstance(value, Mapping):
        return [pair for item in value.values() for pair in _snapshots(item)]
    if isinstance(value, list | tuple):
        return [pair for item in value for pair in _snapshots(item)]
    return []


def _unchanged(tensor: Any, copy: Any) -> bool:
    import torch

    if tensor.shape != copy.shape:
        return False
    left = tensor.detach()
    if not left.dtype.is_floating_point and not left.dtype.is_complex:
        return bool(torch.equal(left, copy))
    return bool(((left == copy) | (left.isnan() & copy.isnan())).all())


def _put_back(tensor: Any, copy: Any) -> tuple[str, str]:
    """What the tensor was and what it had become."""
    words = describe(copy), describe(tensor)
    if tensor.shape == copy.shape:
        tensor.detach().copy_(copy)
    else:
        tensor.data = copy
    return words


def usage_problem(takes: tuple[str, ...], objects: tuple[Any, ...]) -> str | None:
    """What is wrong with the way `lab.check` was called, or None."""
    wanted = ", ".join(takes)
    if len(objects) != len(takes):
        given = ", ".join(describe(value) for value in objects) or "nothing"
        return f"this check takes {len(takes)} of your objects ({wanted}), but was given {given}"
    names = [getattr(value, "__name__", None) for value in objects]
    if sorted(str(n) for n in names) == sorted(takes) and tuple(names) != takes:
        return f"the objects came in another order: pass them as {wanted}"
    for name, value in zip(takes, objects, strict=True):
        if not callable(value) and not inspect.ismodule(value) and not _is_a_value(name, value):
            return (
                f"pass the function `{name}` itself, without calling it; "
                f"you passed {describe(value)}, which is what a call returned"
            )
    return None


def _is_a_value(name: str, value: Any) -> bool:
    """Some exercises ask for a constant, in capitals; elsewhere a value is a function called too early."""
    return name.isupper()
