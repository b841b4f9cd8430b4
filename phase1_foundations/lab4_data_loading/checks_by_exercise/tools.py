"""Small things that several checks of this lab need."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


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
