"""Derivatives by differences, in float64: the oracle that knows nothing of autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEP = 1e-6


def numeric_gradient(f: Callable[[Tensor], Tensor | float], x: Tensor, step: float = STEP) -> Tensor:
    """∂f/∂x of a scalar function by central differences; exact to about 1e-8 for smooth f of size one."""
    x = x.detach().to(torch.float64)
    flat = x.reshape(-1)
    gradient = torch.zeros_like(flat)
    for i in range(flat.numel()):
        up, down = flat.clone(), flat.clone()
        up[i] += step
        down[i] -= step
        gradient[i] = (float(f(up.reshape(x.shape))) - float(f(down.reshape(x.shape)))) / (2 * step)
    return gradient.reshape(x.shape)


def inner(left: Tensor, right: Tensor) -> float:
    """⟨left, right⟩ in float64, for adjoint identities ⟨Bx, g⟩ = ⟨x, Bᵀg⟩."""
    return float((left.detach().to(torch.float64) * right.detach().to(torch.float64)).sum())
