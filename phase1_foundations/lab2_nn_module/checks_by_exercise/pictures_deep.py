"""What a learner sees after E4 and E5: thirty layers, before and after the repair."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_watch import mlp
from phase1_foundations.lab2_nn_module.checks_by_exercise.e5_watch import accuracy, built, digits, trained
from shared.nn import initialise
from shared.plotting import SEQUENTIAL, heatmap, panels, show

BINS = 41
EDGE = 3.0
DEPTH, WIDTH, ROUNDS = 30, 32, 3
LAWS = ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse")


def histograms(model: nn.Module, X: Tensor) -> Tensor:
    """One row a linear layer: the shares of its outputs in the bins of [−3, 3]."""
    rows: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        rows.append(torch.histc(output.clamp(-EDGE, EDGE), BINS, -EDGE, EDGE) / output.numel())

    handles = [m.register_forward_hook(hook) for m in model.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        model(X)
    for handle in handles:
        handle.remove()
    return torch.stack(rows)


def heat_map(a: Any) -> None:
    X, _, _, _ = digits()
    torch.manual_seed(0)
    model = mlp(30, 64)
    fig, axes = panels(1, 2, height=3.6)
    ends = []
    for ax, title in zip(axes, ("PyTorch's default weights", "after your lsuv_init_"), strict=True):
        if title.startswith("after"):
            a.lsuv_init_(model, X[:256])
        with torch.no_grad(), a.ActivationProbe(model) as probe:
            model(X[:256])
            between = float(model[:-1](X[:256]).std(dim=0).mean())
        stds = [stats.std for stats in probe.stats.values()]
        ends.append((stds[0], stds[-1], between))
        picture = histograms(model, X[:256])
        ax.imshow(picture.clamp(max=0.2), aspect="auto", cmap=SEQUENTIAL, extent=(-EDGE, EDGE, 30.5, 0.5))
        ax.set(title=title, xlabel="output", ylabel="layer")
    show(
        fig,
        caption=(
            "Histograms of the outputs of thirty linear layers, one row a layer; bright means many. Your "
            f"probe: std {ends[0][0]:.2g} in the first layer and {ends[0][1]:.2g} in the last before, "
            f"{ends[1][0]:.2f} and {ends[1][1]:.2f} after. **On the left the digits have disappeared**: in "
            f"the last layer the outputs of different digits differ by {ends[0][2]:.0e} (std), on the right "
            f"by {ends[1][2]:.2f}."
        ),
        alt=(
            "Two heat maps. Left, with default weights, the outputs shrink to one narrow bright "
            "line from layer five on. Right, after LSUV, every row is spread over the whole range."
        ),
    )


class Plain(nn.Module):
    """Thirty layers after one another, or as residual blocks with a norm; initialised by one law."""

    def __init__(self, law: Any, residual: bool) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(64, WIDTH), nn.Linear(WIDTH, 10)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(DEPTH if residual else 0))
        self.residual = residual
        initialise(self, law, activation="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for i, layer in enumerate(self.layers):
            x = (
                x + DEPTH**-0.5 * layer(torch.relu(self.norms[i](x)))
                if self.residual
                else torch.relu(layer(x))
            )
        result: Tensor = self.head(x)
        return result


def matrix_of_networks(a: Any) -> None:
    """Twelve networks of the library and the learner's own, all trained by the learner's loop."""
    X, y, X_test, y_test = digits()

    def reached(make: Callable[[], nn.Module]) -> float:
        torch.manual_seed(0)
        return accuracy(trained(a, make(), X, y, epochs=ROUNDS), X_test, y_test)

    grid = [
        [reached(lambda law=law, residual=residual: Plain(law, residual)) for law in LAWS]
        for residual in (False, True)
    ]
    own = reached(lambda: built(a, 0, DEPTH, WIDTH))
    table = torch.cat([torch.tensor(grid), torch.full((1, 6), own)])
    text = [[f"{value:.2f}" for value in row] for row in grid] + [[""] * 6]
    fig, ax = panels(height=2.7)
    heatmap(
        ax,
        table,
        text=text,
        limits=(0.0, 1.0),
        rows=["plain layers", "residual, with norm", "yours"],
        cols=[law.replace("_", "\n") for law in LAWS],
    )
    ax.text(2.5, 2, f"{own:.2f}  your blocks, your weights", ha="center", va="center")
    ax.add_patch(_frame())
    show(
        fig,
        caption=(
            f"Share of test digits right after {ROUNDS} epochs, thirty layers of width {WIDTH}, all "
            "trained by your `train_deep`. The framed row is your own network. "
            "**Compare the rows, then the columns**: the residual path matters more than the law of "
            "the weights."
        ),
        alt="Accuracies for six initialisers. Plain layers: "
        + ", ".join(f"{law} {value:.2f}" for law, value in zip(LAWS, grid[0], strict=True))
        + ". Residual blocks: "
        + ", ".join(f"{law} {value:.2f}" for law, value in zip(LAWS, grid[1], strict=True))
        + f". Your network: {own:.2f}.",
    )


def _frame() -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((-0.5, 1.5), 6, 1, fill=False, edgecolor="#D55E00", linewidth=3)
