"""The reward of E2: how far each coordinate goes when one feature is seldom there."""

from typing import Any

import torch

from shared.plotting import heatmap, panels, show

STEPS = 200
SHARES = (1.0, 0.3, 0.1, 0.03, 0.01)


def travelled(make: Any) -> list[float]:
    """For each coordinate its way in all, for each time that its gradient was not 0, in units of lr."""
    generator = torch.Generator().manual_seed(0)
    p = torch.zeros(len(SHARES), requires_grad=True)
    optimizer = make([p])
    lengths, counts = torch.zeros(len(SHARES)), torch.zeros(len(SHARES))
    for _ in range(STEPS):
        there = torch.rand(len(SHARES), generator=generator) < torch.tensor(SHARES)
        p.grad = there * (1 + 0.1 * torch.randn(len(SHARES), generator=generator))
        before = p.detach().clone()
        optimizer.step()
        lengths += (p.detach() - before).abs()
        counts += there
    return (lengths / counts.clamp(min=1) / 1e-3).tolist()


def dense_and_rare(a: Any) -> None:
    rows = {
        "SGD": lambda p: _Descent(p),
        "Adagrad": lambda p: a.Adagrad(p, lr=1e-3),
        "RMSprop": lambda p: a.RMSprop(p, lr=1e-3),
        "Adam": lambda p: a.Adam(p, lr=1e-3),
    }
    table = [travelled(make) for make in rows.values()]
    fig, ax = panels(height=2.8)
    logs = torch.tensor(table).log10().tolist()  # the colours; the numbers are written in
    text = [[f"{value:.2g}" for value in row] for row in table]
    heatmap(ax, logs, text=text, rows=list(rows), cols=[f"{share:.0%}" for share in SHARES])
    ax.set_aspect("auto")
    ax.set_xlabel("how often the feature is there")
    show(
        fig,
        caption=(
            "How far a coordinate goes in all (in units of lr) for each time that its feature appears. Plain "
            "descent treats all alike; with your adaptive optimizers a rare feature gets farther."
        ),
        alt=(
            "A table of step lengths: rows are SGD, Adagrad, RMSprop and Adam, columns are features present "
            "in 100, 30, 10, 3 and 1 per cent of the steps. SGD's row is constant; the others grow to the "
            "right."
        ),
    )


class _Descent:
    """Plain descent, to compare with."""

    def __init__(self, params: list[torch.Tensor]) -> None:
        self.params = params

    def step(self) -> None:
        with torch.no_grad():
            for p in self.params:
                p -= 1e-3 * p.grad
