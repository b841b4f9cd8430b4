"""Values in words: short, exact, the same in text and HTML."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_SHOWN = 24  # elements of a tensor that are printed in full


def dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def is_tensor(value: Any) -> bool:
    """Without importing torch: a value can be a tensor only if torch is loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def describe(value: Any, *, limit: int = 300) -> str:
    """One line a learner can compare: a tensor with its shape, dtype and, if small, its values."""
    if is_tensor(value):
        return _describe_tensor(value)
    if isinstance(value, tuple | list) and any(is_tensor(item) for item in value):
        inner = ", ".join(describe(item, limit=limit) for item in value[:4])
        more = ", …" if len(value) > 4 else ""
        return f"({inner}{more})" if isinstance(value, tuple) else f"[{inner}{more}]"
    if isinstance(value, type) or callable(value):
        return getattr(value, "__name__", type(value).__name__)
    try:
        text = repr(value)
    except Exception:  # a learner's own __repr__ may be broken
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def numbers(values: Any, digits: int = 4) -> str:
    """A small tensor, a list or a number as a learner would write it: [1, 2.5]."""
    if is_tensor(values):
        values = values.detach().tolist()
    if isinstance(values, list | tuple):
        return "[" + ", ".join(numbers(item, digits) for item in values) + "]"
    is_number = isinstance(values, int | float) and not isinstance(values, bool)
    return f"{values:.{digits}g}" if is_number else describe(values)


def _describe_tensor(value: torch.Tensor) -> str:
    shape = tuple(value.shape)
    facts = f"shape {shape}, {dtype_name(value.dtype)}"
    if value.layout is sys.modules["torch"].strided and not value.is_contiguous():
        facts += f", strides {tuple(value.stride())}"
    if value.numel() <= _SHOWN and value.device.type == "cpu":
        return f"{_numbers(value.detach())}  ({facts})"
    return f"tensor of {facts}"


def _numbers(value: torch.Tensor) -> str:
    def render(item: Any) -> str:
        if isinstance(item, list):
            return "[" + ", ".join(render(part) for part in item) + "]"
        return f"{item:.6g}" if isinstance(item, float) else str(item)

    return render(value.tolist())
