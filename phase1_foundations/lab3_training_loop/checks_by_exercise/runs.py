"""Optimizers side by side: the learner's and torch's twin get the same gradients."""

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial

Make = Callable[[list[Tensor]], Any]


def leaf(values: Any, dtype: torch.dtype = torch.float64) -> Tensor:
    """A parameter of its own, in the memory layout of `values`."""
    values = values if isinstance(values, Tensor) else torch.tensor(values, dtype=dtype)
    return values.detach().clone().requires_grad_()


def walk(
    make: Callable[..., Any],
    gradients: Iterable[float | None],
    *,
    start: float = 1.0,
    rates: dict[int, float] | None = None,
    **options: Any,
) -> list[float]:
    """Where one parameter is after each gradient. `rates`: learning rates set before a step (from 1)."""
    p = leaf([start])
    optimizer = make([p], **options)
    path = []
    for step, g in enumerate(gradients, start=1):
        p.grad = None if g is None else torch.full_like(p, g)
        if rates and step in rates:
            optimizer.param_groups[0]["lr"] = rates[step]
        optimizer.step()
        path.append(p.item())
    return path


def through_a_file(state: Any) -> Any:
    """As it comes back from a file, read with `weights_only=True`."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def moved_house(make: Make, optimizer: Any, params: Sequence[Tensor]) -> tuple[Any, list[Tensor]]:
    """The same optimizer over copies of its parameters, as in another process."""
    copies = [leaf(p) for p in params]
    for copy, p in zip(copies, params, strict=True):
        copy.grad = None if p.grad is None else p.grad.clone()
    state = through_a_file(optimizer.state_dict())
    again = make(copies)
    again.load_state_dict(state)
    return again, copies


def race(
    t: Trial,
    words: str,
    mine: Make,
    theirs: Make,
    start: Sequence[Tensor],
    *,
    steps: int = 50,
    scale: float = 1.0,
    skipped: Callable[[int, int], bool] = lambda step, i: False,
    slower_at: int = 0,
    saved_at: int = 0,
    rtol: float = 1e-12,
) -> None:
    """Miss the property at the first step after which a parameter is not where torch's is."""
    t.given(words)
    own, other = [leaf(x) for x in start], [leaf(x) for x in start]
    optimizer = mine(own)
    with t.oracle():
        twin = theirs(other)
    for step in range(1, steps + 1):
        for i, (p, q) in enumerate(zip(own, other, strict=True)):
            g = None if skipped(step, i) else t.randn(*p.shape) * scale
            p.grad, q.grad = (None, None) if g is None else (g.clone(), g.clone())
        if step == slower_at:
            for group in [*optimizer.param_groups, *twin.param_groups]:
                group["lr"] *= 0.3
        if step == saved_at:
            optimizer, own = moved_house(mine, optimizer, own)
        optimizer.step()
        with t.oracle():
            twin.step()
        for i, (p, q) in enumerate(zip(own, other, strict=True)):
            where = f"{words}: parameter {i} after step {step}"
            t.equal(p.detach(), q.detach(), where=where, rtol=rtol, atol=rtol / 10)
