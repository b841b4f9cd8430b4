"""Fingerprints: two things with the same one are equal to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of all names, formats, shapes and bits of a model's state, in the order of names."""
    return digest((name, state[name]) for name in sorted(state))


def digest(parts: Iterable[tuple[str, Tensor | str | int]]) -> str:
    """SHA-256 of named tensors, texts and whole numbers, in the order given."""
    total = hashlib.sha256()
    for name, value in parts:
        if isinstance(value, Tensor):
            value = value.detach().cpu().contiguous()
            total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            total.update(value.flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b"")
        else:
            total.update(f"{name} {value!r}\n".encode())
    return total.hexdigest()
