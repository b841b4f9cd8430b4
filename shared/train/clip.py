"""The gradient's global norm, and its upper bound."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor


def clip_global_norm(parameters: Iterable[Tensor], max_norm: float) -> float | Tensor:
    """Scale all gradients by one factor, so that their joint norm is at most ``max_norm``; return it as it
    was.

    One factor for all keeps the direction, and gradients below the bound keep every bit. The norm is NaN or
    infinite if a gradient is, and then the gradients are spoilt. On an accelerator it stays a tensor, so
    that nobody waits for the device; a CPU never runs ahead, so there the number is read at once, which is
    cheaper.
    """
    gradients = [grad for parameter in parameters if (grad := parameter.grad) is not None]
    if not gradients:
        return 0.0
    norms = list(torch._foreach_norm(gradients))
    if type(norms[0]) is Tensor and norms[0].device.type == "cpu":
        return _scale_on_host(gradients, norms, max_norm)
    return _scale_on_device(gradients, norms, max_norm)


def _scale_on_host(gradients: list[Tensor], norms: list[Tensor], max_norm: float) -> float:
    total = math.hypot(*[norm.item() for norm in norms])
    if total > max_norm:
        torch._foreach_mul_(gradients, torch.tensor(max_norm / total, dtype=torch.float64))
    return total


def _scale_on_device(gradients: list[Tensor], norms: list[Tensor], max_norm: float) -> Tensor:
    total: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    if hasattr(total, "full_tensor"):  # sharded gradients: each rank has seen its part of the sum only
        total = total.full_tensor()
    torch._foreach_mul_(gradients, torch.clamp_max(max_norm / total, 1.0))  # max_norm / 0 is inf, so 1
    return total
