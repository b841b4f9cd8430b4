"""What several checks of this lab need: exports without noise, a family of mistakes under one name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import torch
import torch._dynamo  # the first export of a process imports it: a second that no answer should pay for
import torch._export.non_strict_utils
from torch import Tensor, nn


@contextmanager
def quiet() -> Iterator[None]:
    """The exporters log whole graphs when they fail; the report says it in a sentence."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class Wrapped(nn.Module):
    """A function as a module, to be exported."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def exported(function, example: Tensor, dims: dict[int, torch.export.Dim] | None = None):
    """The exported program of a function or a module."""
    module = function if isinstance(function, nn.Module) else Wrapped(function)
    with quiet():
        return torch.export.export(module, (example,), dynamic_shapes=(dims,) if dims else None)
