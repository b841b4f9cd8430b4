"""The reward of E2: tanh(a @ b + a.sum()) as a graph, with the gradients that travel back along its edges."""

from typing import Any

import torch
from torch import Tensor

from shared.plotting import Node, draw_graph, panels, show


def short(values: Tensor) -> str:
    return " ".join(f"{value:.2f}" for value in values.flatten().tolist())


def gradients_on_a_graph(a: Any) -> None:
    """Inner gradients are found with leaves only: the rest of the computation is run again from each node."""
    x, w = torch.tensor([[0.5, -0.3]]), torch.tensor([[0.8], [0.4]])
    product, total = x @ w, x.sum()

    def gradient(run: Any, value: Tensor, seed: Tensor | None = None) -> Tensor:
        leaf = a.Var(value)
        run(leaf).backward(seed)
        return leaf.grad

    at_sum = gradient(lambda v: v.tanh(), product + total)
    at_product = gradient(lambda v: (v + a.Var(total)).tanh(), product)
    at_total = gradient(lambda v: (a.Var(product) + v).tanh(), total)
    through_product = gradient(lambda v: v @ a.Var(w), x, at_product)
    through_total = gradient(lambda v: v.sum(), x, at_total)
    to_w = gradient(lambda v: a.Var(x) @ v, w, at_product)
    both = gradient(lambda v: (v @ a.Var(w) + v.sum()).tanh(), x)
    result = (a.Var(x) @ a.Var(w) + a.Var(x).sum()).tanh().data
    nodes = {
        "a": Node("a", short(x), short(both), "input"),
        "b": Node("b", short(w), short(to_w), "input"),
        "@": Node("@", short(product), short(at_product)),
        "sum": Node("sum", short(total), short(at_total)),
        "+": Node("+", short(product + total), short(at_sum)),
        "tanh": Node("tanh", short(result), "1", "output"),
    }
    edges = [
        ("a", "@", short(through_product)),
        ("b", "@", short(to_w)),
        ("a", "sum", short(through_total)),
        ("@", "+", short(at_product)),
        ("sum", "+", short(at_total)),
        ("+", "tanh", short(at_sum)),
    ]
    positions = {
        ("a"): (0, 0.2),
        "b": (0, 1.4),
        "@": (1.2, 1.1),
        "sum": (1.2, -0.2),
        "+": (2.4, 0.5),
        "tanh": (3.4, 0.5),
    }
    fig, ax = panels(height=3.4)
    draw_graph(ax, nodes, edges, positions=positions, backward=True)
    show(
        fig,
        caption=(
            "**tanh(a @ b + a.sum())** with values above and gradients below each node. On the arrows: "
            "what your tape sends back. Two messages reach a, and its gradient is their sum."
        ),
        alt=(
            "A graph of six nodes. The gradient of the result, 1, flows back through tanh and +, splits "
            f"towards the matrix product and the sum, and arrives at a twice: {short(through_product)} and "
            f"{short(through_total)} add up to {short(both)}."
        ),
    )
