"""Six ways to draw a weight matrix, each keeping the mean square of what flows through it.

A weight has ``fan_in`` inputs for each output and ``fan_out`` outputs for each input. With g the gain of
the activation:

    Xavier      variance g² · 2 / (fan_in + fan_out)    between the two directions
    Kaiming     variance g² / fan_in                    forward, exactly
    orthogonal  all singular values are g               lengths are kept, at any depth
    sparse      a few inputs each, variance g² / (inputs kept)

Each fills a tensor in place, outside autograd, and returns it. ``initialise`` in ``rules.py`` applies them
to a whole model.
"""

import math
from collections.abc import Callable
from typing import Final, Literal, get_args

import torch
from torch import Generator, Tensor, nn

Initialiser = Literal[
    "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse"
]

SPARSITY: Final = 0.5


def fans(weight: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight [outputs, inputs, *window]; a window multiplies both."""
    if weight.ndim < 2:
        raise ValueError(f"fans need a weight of two dimensions or more, got shape {tuple(weight.shape)}")
    window = math.prod(weight.shape[2:])
    return weight.shape[1] * window, weight.shape[0] * window


@torch.no_grad()
def xavier_uniform_(weight: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """U(−a, a) with a = g √(6 / (fan_in + fan_out)); the variance of U(−a, a) is a²/3."""
    bound = gain * math.sqrt(6.0 / sum(fans(weight)))
    return weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def xavier_normal_(weight: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(0, g² · 2 / (fan_in + fan_out))."""
    return weight.normal_(0.0, gain * math.sqrt(2.0 / sum(fans(weight))), generator=generator)


@torch.no_grad()
def kaiming_uniform_(weight: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """U(−a, a) with a = g √(3 / fan_in)."""
    bound = gain * math.sqrt(3.0 / fans(weight)[0])
    return weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def kaiming_normal_(weight: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(0, g² / fan_in)."""
    return weight.normal_(0.0, gain / math.sqrt(fans(weight)[0]), generator=generator)


@torch.no_grad()
def orthogonal_(weight: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """g · Q with orthonormal rows or columns, whichever are fewer, Q uniform over all such matrices."""
    fans(weight)  # refuses a vector
    return nn.init.orthogonal_(weight, gain, generator=generator)


@torch.no_grad()
def sparse_(
    weight: Tensor, gain: float = 1.0, generator: Generator | None = None, sparsity: float = SPARSITY
) -> Tensor:
    """In each column ⌈sparsity · outputs⌉ zeros, elsewhere N(0, g² / ((1 − sparsity) · fan_in)).

    A window's positions count as columns of their own. The zeros are drawn from ``generator`` too (torch's
    own ``sparse_`` draws them from the global one).
    """
    if not 0.0 <= sparsity < 1.0:
        raise ValueError(f"sparsity is the share of zeros, in [0, 1); got {sparsity}")
    kept_inputs = max((1.0 - sparsity) * fans(weight)[0], 1.0)
    matrix = weight.flatten(1)
    zeros = math.ceil(sparsity * matrix.shape[0])
    drawn = torch.empty_like(matrix).normal_(0.0, gain / math.sqrt(kept_inputs), generator=generator)
    order = torch.rand(matrix.shape, device=weight.device, generator=generator).argsort(dim=0)
    drawn.scatter_(0, order[:zeros], 0.0)
    return weight.copy_(drawn.view_as(weight))


_BY_NAME: Final[dict[str, Callable[..., Tensor]]] = {
    "xavier_uniform": xavier_uniform_,
    "xavier_normal": xavier_normal_,
    "kaiming_uniform": kaiming_uniform_,
    "kaiming_normal": kaiming_normal_,
    "orthogonal": orthogonal_,
    "sparse": sparse_,
}


def initialiser(name: Initialiser) -> Callable[..., Tensor]:
    """The function ``(weight, gain, generator) -> weight`` of that name."""
    if name not in _BY_NAME:
        raise ValueError(f"no initialiser is called {name!r}; there are {', '.join(get_args(Initialiser))}")
    return _BY_NAME[name]
