"""The activations of blocks, by name, and the gain that each asks of the weights before it."""

import math
from collections.abc import Callable
from typing import Final, Literal, get_args

from torch import Tensor
from torch.nn import functional as F

Activation = Literal["relu", "gelu", "silu", "tanh"]

_FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": F.tanh,
}


def activation_function(name: Activation) -> Callable[[Tensor], Tensor]:
    """The function of that name."""
    if name not in _FUNCTIONS:
        raise ValueError(f"no activation is called {name!r}; there are {', '.join(get_args(Activation))}")
    return _FUNCTIONS[name]


GAINS: Final[dict[str, float]] = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2.0),
    "leaky_relu": math.sqrt(2.0 / (1.0 + 0.01**2)),
    "selu": 3 / 4,
    "gelu": 1.5335,
    "silu": 1.6765,
}
"""What weights are multiplied with, so that a layer hands on the mean square that it was given.

For a piecewise linear f, and for gelu and silu, this is 1/√E[f(z)²] with z ~ N(0, 1). For tanh and selu it
is torch's constant, chosen by experience so that deep stacks stay alive.
"""
