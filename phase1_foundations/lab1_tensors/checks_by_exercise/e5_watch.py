"""What the check of E5 sees of a training run: only the learner's own class is watched, never the loop."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The lab's split: 1,437 to learn from, 360 to be tested on, pixels 0 … 1."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    X, y = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))
    return X[order[360:]], y[order[360:]], X[order[:360]], y[order[:360]]


def few_digits(t: Trial, count: int) -> tuple[Tensor, Tensor]:
    X, y, _, _ = digits()
    some = torch.randperm(len(X), generator=t.generator)[:count]
    return X[some], y[some]


def scores_of(predict: Callable[[Tensor], Any], X: Tensor) -> Tensor:
    """What predict returns, as a tensor; a Var is refused by name in a probe."""
    result = predict(X)
    return torch.as_tensor(result).detach()


def accuracy(predict: Callable[[Tensor], Any], X: Tensor, y: Tensor) -> float:
    result = scores_of(predict, X)
    labels = result.argmax(dim=1) if result.dim() == 2 else result
    return float((labels.long() == y).double().mean())


@dataclass
class Seen:
    """A training run, seen from the learner's Var."""

    calls: int = 0
    """How often `backward` ran."""
    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Data and gradients after the first backward, by the identity of their Var."""
    piled_up: list[tuple[float, float]] = field(default_factory=list)
    """Norms, before and after the second backward, of gradients that outlived a step in between."""
    nodes: dict[int, int] = field(default_factory=dict)
    """Living Vars at some of the calls."""
    constant_rows: bool = False
    """Did a weight matrix have equal columns (or rows) late in training?"""

    @property
    def nodes_growth(self) -> int:
        return self.nodes[12] - self.nodes[3] if 12 in self.nodes else 0


@contextmanager
def watch(var: type, inputs: int = 64, hidden: int = 64) -> Iterator[Seen]:
    """Exchange `var.backward` for a version that takes notes, as long as the body runs."""
    seen = Seen()

    def outlived(v: Any) -> bool:
        """Has this Var been moved since the first backward, and does it still hold its gradient?"""
        data, grad = seen.kept.get(id(v), (None, None))
        still_there = grad is not None and v.grad is not None and torch.equal(v.grad, grad)
        return still_there and not torch.equal(v.data, data)

    def before(call: int) -> list[tuple[Any, Tensor]]:
        if call == 2:
            return [(v, v.grad.clone()) for v in living(var) if outlived(v)]
        if call in (3, 12):
            gc.collect()
            seen.nodes[call] = len(living(var))
        if call == 8:
            seen.constant_rows = any(same_units(v.data, inputs, hidden) for v in living(var))
        return []

    def after(call: int, suspects: list[tuple[Any, Tensor]]) -> None:
        if call == 1:
            moving = [v for v in living(var) if v.grad is not None and v.grad.any()]
            seen.kept = {id(v): (v.data.clone(), v.grad.clone()) for v in moving}
        for v, old in suspects:
            if v.grad is not None and v.grad.shape == old.shape and not torch.equal(v.grad, old):
                seen.piled_up.append((float(old.norm()), float(v.grad.norm())))

    def watched(original: Callable[..., None], self: Any, *args: Any, **kwargs: Any) -> None:
        seen.calls += 1
        call = seen.calls
        suspects = before(call)
        original(self, *args, **kwargs)
        after(call, suspects)

    gc.freeze()  # what is older than the run needs no look: each search takes a hundredth of the time
    try:
        with exchanged(var, watched):
            yield seen
    finally:
        gc.unfreeze()


@contextmanager
def sabotaged(var: type) -> Iterator[None]:
    """Every backward pass starts from the opposite seed: descent becomes ascent."""

    def reversed_backward(original: Callable[..., None], self: Any, seed: Tensor | None = None) -> None:
        original(self, -torch.ones_like(self.data) if seed is None else -seed)

    with exchanged(var, reversed_backward):
        yield


@contextmanager
def exchanged(var: type, replacement: Callable[..., None]) -> Iterator[None]:
    """`var.backward` calls `replacement(original, self, …)` inside the body."""
    original, own = var.backward, "backward" in vars(var)

    def backward(self: Any, *args: Any, **kwargs: Any) -> None:
        replacement(original, self, *args, **kwargs)

    var.backward = backward
    try:
        yield
    finally:
        if own:
            var.backward = original
        else:
            del var.backward


def living(var: type) -> list[Any]:
    """All Vars that were made during the run and are still there."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), var)]


def same_units(weights: Any, inputs: int, hidden: int) -> bool:
    """A first-layer matrix whose hidden units all have the same weights."""
    if not isinstance(weights, Tensor) or tuple(weights.shape) not in ((inputs, hidden), (hidden, inputs)):
        return False
    columns = weights if weights.shape == (inputs, hidden) else weights.T
    apart = (columns - columns[:, :1]).abs().max()
    return bool(apart <= 1e-5 * columns.abs().max())  # sums of equal numbers may round differently
