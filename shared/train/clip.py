"""The gradient's global norm, and its upper bound."""

from collections.abc import Iterable

import torch
from torch import Tensor


def clip_global_norm(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients by one factor, so that their joint norm is at most ``max_norm``; return it as it
    was.

    One factor for all keeps the direction. The norm stays a tensor, so nobody waits for the device; it is
    NaN or infinite if a gradient is, and then the gradients are spoilt. Gradients below the bound keep
    every bit.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if hasattr(norm, "full_tensor"):  # sharded gradients: each rank has seen its part of the sum only
        norm = norm.full_tensor()
    torch._foreach_mul_(gradients, torch.clamp_max(max_norm / norm, 1.0))  # max_norm / 0 is inf, so 1
    return norm
