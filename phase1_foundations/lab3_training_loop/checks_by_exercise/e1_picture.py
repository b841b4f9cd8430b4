"""The reward of E1: four paths on Beale's function."""

from typing import Any

import torch
from torch import Tensor

from shared.plotting import COLOURS, panels, show

STEPS = 400


def beale(x: Tensor, y: Tensor) -> Tensor:
    """A narrow curved valley; 0 at (3, 0.5), and nowhere less."""
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def path(make: Any) -> Tensor:
    """[STEPS + 1, 2]: where a point that starts at (1, 1.5) is after each step."""
    p = torch.tensor([1.0, 1.5], dtype=torch.float64, requires_grad=True)
    optimizer, points = make([p]), [p.detach().clone()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        beale(*p).backward()
        optimizer.step()
        points.append(p.detach().clone())
    return torch.stack(points)


def paths_on_beale(a: Any) -> None:
    runs = {
        "plain": (lambda p: a.SGD(p, lr=2e-3), "black"),
        "momentum 0.9": (lambda p: a.SGD(p, lr=2e-3, momentum=0.9), "blue"),
        "Nesterov 0.9": (lambda p: a.SGD(p, lr=2e-3, momentum=0.9, nesterov=True), "red"),
        "momentum 0.9, decay 0.1": (lambda p: a.SGD(p, lr=2e-3, momentum=0.9, weight_decay=0.1), "green"),
    }
    fig, (left, right) = panels(1, 2, height=3.4, widths=[1.2, 1])
    xs, ys = torch.linspace(0, 4, 240), torch.linspace(-1.7, 1.8, 240)
    grid = beale(xs[None, :], ys[:, None])
    left.contourf(xs, ys, grid.clamp(min=1e-3).log10(), levels=18, cmap="Greys", alpha=0.6)
    for name, (make, colour) in runs.items():
        points = path(make)
        left.plot(points[:, 0], points[:, 1], color=COLOURS[colour], linewidth=1.4)
        left.plot(*points[-1], marker="o", markersize=5, color=COLOURS[colour])
        right.plot(beale(points[:, 0], points[:, 1]), color=COLOURS[colour], label=name, linewidth=1.4)
    left.plot(3, 0.5, marker="*", markersize=11, color=COLOURS["orange"])
    left.set(xlim=(0, 4), ylim=(-1.7, 1.8), xticks=[], yticks=[])
    right.set(yscale="log", xlabel="step", ylabel="height", ylim=(1e-4, 100))
    right.legend(loc="upper right")
    show(
        fig,
        caption=(
            f"{STEPS} of your steps down Beale's valley, all with lr = 0.002. Momentum gets along the flat "
            "floor where plain descent crawls; weight decay pulls the end point away from the star, "
            "towards 0."
        ),
        alt=(
            "Left, grey contours of a curved valley with four paths that start at the upper left and end "
            "near a star at (3, 0.5) at different distances. Right, the height along each path: momentum and "
            "Nesterov fall fastest, plain descent slowly, the decayed one stops above zero."
        ),
    )
