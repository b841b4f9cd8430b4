"""Is this the expected value?  Shapes and dtypes first, then numbers, to a tolerance by dtype."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from courseware.check.describe import describe, dtype_name, is_tensor


@dataclass(frozen=True)
class Difference:
    """The first thing in which two values differ, in words, and both as a learner may compare them."""

    words: str
    observed: str
    expected: str


def tolerance(dtype: Any, reduction: int = 1) -> tuple[float, float]:
    """(rtol, atol) for a dtype; float32 grows with the root of the reduction's length, as rounding does."""
    root = math.sqrt(max(reduction, 1))
    return {
        "float64": (1e-9, 1e-11),
        "float32": (1e-5 * root, 1e-6 * root),
        "complex128": (1e-9, 1e-11),
        "complex64": (1e-5 * root, 1e-6 * root),
        "bfloat16": (2.0**-7, 2.0**-7),
        "float16": (2.0**-9, 2.0**-9),
    }.get(dtype_name(dtype), (0.0, 0.0))


def same(observed: Any, expected: Any, **how: Any) -> bool:
    """Equal to the tolerance of the dtype; shapes count, dtypes do not unless `dtype=True`."""
    return difference(observed, expected, **{"dtype": False, **how}) is None


def difference(
    observed: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    reduction: int = 1,
    dtype: bool = True,
    where: str = "",
) -> Difference | None:
    """The first difference, or None.

    Tensors compare by shape, dtype (unless `dtype=False`) and value; NaN equals NaN.
    """
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "reduction": reduction, "dtype": dtype}
    if is_tensor(expected):
        return _tensor_difference(observed, expected, where=where, **options)
    if isinstance(expected, Mapping):
        return _mapping_difference(observed, expected, where=where, **options)
    if isinstance(expected, tuple | list):
        return _sequence_difference(observed, expected, where=where, **options)
    if isinstance(expected, float) and not isinstance(expected, bool):
        return _number_difference(observed, expected, rtol, atol, where)
    if is_tensor(observed) and observed.numel() == 1 and isinstance(expected, int | bool):
        observed = observed.item()
    try:
        same = bool(observed == expected)
    except Exception:
        same = False
    return None if same else _differ(f"{where or 'the result'} differs", observed, expected)


def _differ(words: str, observed: Any, expected: Any) -> Difference:
    return Difference(words, describe(observed), describe(expected))


def _tensor_difference(
    observed: Any,
    expected: Any,
    *,
    where: str,
    rtol: float | None,
    atol: float | None,
    reduction: int,
    dtype: bool,
) -> Difference | None:
    import torch

    name = where or "the result"
    if not is_tensor(observed):
        return _differ(f"{name} is a {type(observed).__name__}, expected a tensor", observed, expected)
    if observed.shape != expected.shape:
        return _differ(
            f"{name} has shape {tuple(observed.shape)}, expected {tuple(expected.shape)}", observed, expected
        )
    if dtype and observed.dtype != expected.dtype:
        return _differ(
            f"{name} is {dtype_name(observed.dtype)}, expected {dtype_name(expected.dtype)}",
            observed,
            expected,
        )
    coarser = observed.dtype if observed.dtype.itemsize < expected.dtype.itemsize else expected.dtype
    default_rtol, default_atol = tolerance(coarser, reduction)
    left, right = observed.detach(), expected.detach()
    if left.dtype != right.dtype:
        left, right = left.to(torch.float64), right.to(torch.float64)
    close = torch.isclose(
        left,
        right,
        rtol=default_rtol if rtol is None else rtol,
        atol=default_atol if atol is None else atol,
        equal_nan=True,
    )
    if bool(close.all()):
        return None
    index = tuple(int(i) for i in (~close).nonzero()[0])
    wrong = int((~close).sum())
    place = f" at index {list(index)}" if index else ""
    words = f"{name} is {left[index].item():.6g}{place}, expected {right[index].item():.6g}"
    if close.numel() > 1:
        words += f" ({wrong} of {close.numel()} elements differ)"
    return _differ(words, observed, expected)


def _number_difference(
    observed: Any, expected: float, rtol: float | None, atol: float | None, where: str
) -> Difference | None:
    name = where or "the result"
    try:
        value = float(observed)
    except (TypeError, ValueError):
        return _differ(f"{name} is a {type(observed).__name__}, expected a number", observed, expected)
    if math.isnan(expected) and math.isnan(value):
        return None
    if math.isclose(
        value, expected, rel_tol=1e-9 if rtol is None else rtol, abs_tol=1e-11 if atol is None else atol
    ):
        return None
    return _differ(f"{name} is {value:.6g}, expected {expected:.6g}", observed, expected)


def _sequence_difference(observed: Any, expected: Any, *, where: str, **options: Any) -> Difference | None:
    name = where or "the result"
    try:
        items = list(observed)
    except TypeError:
        return _differ(
            f"{name} is a {type(observed).__name__}, expected {len(expected)} items", observed, expected
        )
    if len(items) != len(expected):
        return _differ(f"{name} has {len(items)} items, expected {len(expected)}", observed, expected)
    for i, (item, wanted) in enumerate(zip(items, expected, strict=True)):
        found = difference(item, wanted, where=f"{where}[{i}]" if where else f"item {i}", **options)
        if found:
            return found
    return None


def _mapping_difference(
    observed: Any, expected: Mapping[Any, Any], *, where: str, **options: Any
) -> Difference | None:
    name = where or "the result"
    if not isinstance(observed, Mapping):
        return _differ(f"{name} is a {type(observed).__name__}, expected a dict", observed, expected)
    missing = [key for key in expected if key not in observed]
    extra = [key for key in observed if key not in expected]
    if missing or extra:
        parts = [f"misses {missing}"] if missing else []
        parts += [f"has {extra} that nobody asked for"] if extra else []
        return _differ(f"{name} {' and '.join(parts)}", list(observed), list(expected))
    for key, wanted in expected.items():
        found = difference(observed[key], wanted, where=f"{where}[{key!r}]", **options)
        if found:
            return found
    return None
