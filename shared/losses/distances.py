"""Lengths, distances and directions whose gradients stay finite where two embeddings meet or one vanishes."""

import torch
from jaxtyping import Float
from torch import Tensor


def distance(first: Float[Tensor, "N D"], second: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
    """‖a − b‖ of each pair; where a = b the gradient is 0 (that of √Σ(a − b)² would be NaN)."""
    length: Tensor = torch.linalg.vector_norm(first - second, dim=-1)
    return length


def all_distances(embeddings: Float[Tensor, "N D"]) -> Float[Tensor, "N N"]:
    """‖a − b‖ of every two rows, exactly 0 on the diagonal."""
    return torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")


def direction(x: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
    """x / ‖x‖; the zero vector stays zero, and its gradient is of the size that comes in."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / length.where(length > 0, torch.ones_like(length))
