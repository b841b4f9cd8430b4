"""Inputs at the edge, by name: what a statement covers, a check tries."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from courseware.check.trial import Trial


def layouts(t: Trial, *shape: int, dtype: torch.dtype = torch.float64) -> Iterator[tuple[str, Tensor]]:
    """The same kind of values in every memory layout: contiguous, transposed, sliced, strided, expanded."""
    yield "contiguous", t.randn(*shape, dtype=dtype)
    if len(shape) >= 2:
        swapped = (*shape[:-2], shape[-1], shape[-2])
        yield "transposed", t.randn(*swapped, dtype=dtype).transpose(-1, -2)
    if shape:
        yield (
            "sliced, so that its storage offset is not 0",
            t.randn(shape[0] + 2, *shape[1:], dtype=dtype)[2:],
        )
        yield "every second row of a larger tensor", t.randn(2 * shape[0], *shape[1:], dtype=dtype)[::2]
        yield "expanded, with stride 0 on the first axis", t.randn(1, *shape[1:], dtype=dtype).expand(*shape)


def sizes(t: Trial, *shape: int, dtype: torch.dtype = torch.float64) -> Iterator[tuple[str, Tensor]]:
    """Size one along each axis, then empty along each axis."""
    for size, word in ((1, "size 1"), (0, "empty")):
        for axis in range(len(shape)):
            small = tuple(size if i == axis else n for i, n in enumerate(shape))
            yield f"{word} along axis {axis}: shape {small}", t.randn(*small, dtype=dtype)


def magnitudes(t: Trial, *shape: int, dtype: torch.dtype = torch.float64) -> Iterator[tuple[str, Tensor]]:
    """Large, tiny and mixed finite values."""
    x = t.randn(*shape, dtype=dtype)
    yield "values around 1e4", x * 1e4
    yield "values around 1e-8", x * 1e-8
    yield "values shifted by 1e4", x + 1e4
    yield "all zeros", torch.zeros(*shape, dtype=dtype)


def not_finite(t: Trial, *shape: int, dtype: torch.dtype = torch.float64) -> Iterator[tuple[str, Tensor]]:
    """One special value among ordinary ones."""
    for value in (float("nan"), float("inf"), float("-inf")):
        x = t.randn(*shape, dtype=dtype)
        x.reshape(-1)[0] = value
        yield f"with one {value}", x
