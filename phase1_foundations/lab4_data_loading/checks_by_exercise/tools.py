"""Small things that several checks of this lab need."""

import builtins
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from courseware.check.compare import same


def listed(value: Any) -> Any:
    """A tensor or a sequence as plain lists, to be compared and shown."""
    if isinstance(value, Tensor):
        return value.detach().tolist()
    return [listed(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass
class Drawn:
    """Which global random generators moved while the body ran."""

    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names)

    def __str__(self) -> str:
        return " and ".join(self.names)


@contextmanager
def global_draws() -> Iterator[Drawn]:
    """Watch torch's, NumPy's and Python's global generators.

    Each draws once first: whoever seeds it again with its old seed does not put it back where it was.
    """
    drawn = Drawn()
    torch.rand(1), np.random.rand(), random.random()
    before = _states()
    yield drawn
    after = _states()
    drawn.names = tuple(name for name in before if before[name] != after[name])


def _states() -> dict[str, bytes]:
    numpy_state = np.random.get_state(legacy=False)["state"]
    return {
        "torch's": torch.get_rng_state().numpy().tobytes(),
        "NumPy's": f"{numpy_state['key'].tobytes()!r}{numpy_state['pos']}".encode(),
        "Python's": repr(random.getstate()).encode(),
    }


# ---- hashes of strings ----------------------------------------------------------------------------------

STRING_HASHES = (
    "the `hash` of a string is another number in each Python process, so a run that goes on after a crash "
    "draws other ones: make a number of seed and epoch instead, 1_000_003 · seed + epoch, or hash a tuple "
    "of ints"
)


def hashes_strings(draw: Callable[[], Any]) -> bool:
    """Do the learner's numbers depend on the hash of a string? What differs anyway has another reason."""
    here, again = draw(), draw()
    with other_process():
        there = draw()
    return same(here, again) and not same(here, there)


_LIBRARIES = sys.stdlib_module_names | {"torch", "numpy"}


@contextmanager
def other_process() -> Iterator[None]:
    """`hash` of anything but numbers gives the learner other values, as in another Python process."""
    original = builtins.hash

    def rehashed(value: Any) -> int:
        asking = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
        return original(value if asking in _LIBRARIES or _only_numbers(value) else (71_993, value))

    builtins.hash = rehashed
    try:
        yield
    finally:
        builtins.hash = original


def _only_numbers(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_only_numbers(part) for part in value)
    return isinstance(value, int | float)
