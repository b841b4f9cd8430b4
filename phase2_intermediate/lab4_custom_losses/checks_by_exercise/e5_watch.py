"""What E5's checks look through: a loss that takes notes, small data sets, and a benchmark of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from courseware.check.observe import graph_nodes
from courseware.check.trial import Trial
from shared.data import digits

Data = tuple[Tensor, Tensor, Tensor, Tensor]
SEEDS = (0, 1, 2)


class Notes:
    """Cross-entropy that remembers every training call: targets, logits, and the parameters behind them."""

    def __init__(self) -> None:
        self.targets: list[Tensor] = []
        self.first_logits: Tensor | None = None
        self.shapes: list[tuple[int, ...]] = []
        self.start: list[Tensor] = []
        self.step = 0.0
        self._before: list[tuple[Tensor, Tensor]] = []

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        if torch.is_grad_enabled() and logits.requires_grad:
            self._note(logits, target)
        return F.cross_entropy(logits, target)

    def _note(self, logits: Tensor, target: Tensor) -> None:
        if not self.targets:
            self.first_logits = logits.detach().clone()
            leaves = [node.variable for node in graph_nodes(logits) if hasattr(node, "variable")]
            self.shapes = sorted(tuple(leaf.shape) for leaf in leaves)
            self.start = [leaf.detach().clone() for leaf in sorted(leaves, key=lambda leaf: leaf.shape)]
            self._before = [(leaf, leaf.detach().clone()) for leaf in leaves]
        elif self._before:
            self.step = max(float((leaf.detach() - old).abs().max()) for leaf, old in self._before)
            self._before = []
        self.targets.append(target.detach().clone())


def one_row_a_class(rows: int = 70) -> Callable[[int], Data]:
    """Every row is a class of its own, so that the targets tell which rows a batch holds."""
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(5))
    return lambda seed: (x, torch.arange(rows), x, torch.arange(rows))


def three_clusters(t: Trial) -> Callable[[int], Data]:
    """Far apart, unequal: whoever learns them finds 1.0, 0.7 and 0.5 of the three classes of the test set."""
    centres = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]])

    def around(counts: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        y = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
        return centres[y] + 0.1 * t.randn(len(y), 3, dtype=torch.float32), y

    x, y = around((90, 50, 30))
    x_test, y_test = around((20, 10, 4))
    x_test[20:23] = x_test[:3]  # three ones and two twos lie among the zeros
    x_test[30:32] = x_test[3:5]
    return lambda seed: (x, y, x_test, y_test)


@lru_cache(maxsize=1)
def all_digits() -> Data:
    found = digits(flat=True)
    return found.train.inputs, found.train.targets, found.test.inputs, found.test.targets


def tail(seed: int) -> Tensor:
    """The check's own long tail of the digits."""
    _, y, _, _ = all_digits()
    generator = torch.Generator().manual_seed(1000 + seed)
    kept = []
    for c in range(10):
        rows = (y == c).nonzero().squeeze(1)
        kept.append(rows[torch.randperm(len(rows), generator=generator)[: int(len(rows) * 50 ** (-c / 9))]])
    return torch.cat(kept)


def long_tailed(seed: int) -> Data:
    x, y, x_test, y_test = all_digits()
    rows = tail(seed)
    return x[rows], y[rows], x_test, y_test


def shuffled(seed: int) -> Data:
    """The same with labels in random order: nothing can be learned."""
    x, y, x_test, y_test = long_tailed(seed)
    return x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))], x_test, y_test


def own_benchmark(loss: Callable[[Tensor, Tensor], Tensor], seed: int, epochs: int = 40) -> Tensor:
    """Recall of each class, by a training loop that is not the learner's."""
    x, y, x_test, y_test = long_tailed(seed)
    torch.manual_seed(77 + seed)
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss(net(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        predicted = net(x_test).argmax(1)
    return torch.stack([(predicted[y_test == c] == c).float().mean() for c in range(10)])


@lru_cache(maxsize=8)
def plain_cross_entropy(seeds: tuple[int, ...] = SEEDS) -> float:
    """What plain cross-entropy reaches in the check's own loop: 0.79 to 0.81."""
    return float(torch.stack([own_benchmark(F.cross_entropy, seed) for seed in seeds]).mean())


def rows_of(result: Any, name: str, seed: int) -> Any:
    """The one Row of a loss and a seed."""
    return next(row for row in result if row.loss == name and row.seed == seed)
