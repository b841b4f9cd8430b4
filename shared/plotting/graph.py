"""A small directed graph as a picture: computations, models, pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shared.plotting.style import CARD, COLOURS, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]


@dataclass(frozen=True)
class Node:
    """One box: its label, with an optional value in black above it and gradient in red below it."""

    label: str
    value: str = ""
    grad: str = ""
    kind: Literal["input", "op", "output"] = "op"


def draw_graph(
    ax: Axes,
    nodes: Mapping[str, Node],
    edges: Sequence[tuple[str, str] | tuple[str, str, str]],
    *,
    positions: Mapping[str, Point] | None = None,
    backward: bool = False,
    fontsize: float = 10,
) -> None:
    """Draw `nodes` and arrows between them, left to right.

    edges: (from, to) or (from, to, text on the arrow); backward=True draws the arrows from end to start, in
    red, as gradients flow. positions: node → (x, y); by default x is the longest path from an input and y
    spreads each column evenly. Raises ValueError for an edge with an unknown end or a cycle.
    """
    for source, target, *_ in edges:
        for name in (source, target):
            if name not in nodes:
                raise ValueError(
                    f"draw_graph() has an edge to {name!r}, which is not among the nodes {list(nodes)}"
                )
    where = dict(positions) if positions is not None else layered(list(nodes), [(e[0], e[1]) for e in edges])
    for edge in edges:
        _arrow(ax, where[edge[0]], where[edge[1]], edge[2] if len(edge) == 3 else "", backward, fontsize)
    for name, node in nodes.items():
        _box(ax, where[name], node, fontsize)
    xs, ys = [p[0] for p in where.values()], [p[1] for p in where.values()]
    ax.set_xlim(min(xs) - 0.55, max(xs) + 0.55)
    ax.set_ylim(min(ys) - 0.6, max(ys) + 0.6)
    ax.set_axis_off()


def layered(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, Point]:
    """Positions by columns: each node one column right of its furthest parent, columns centred on y = 0."""
    parents: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        parents[target].append(source)
    column: dict[str, int] = {}
    while len(column) < len(names):
        ready = [n for n in names if n not in column and all(p in column for p in parents[n])]
        if not ready:
            raise ValueError(
                "draw_graph() expects a graph without cycles: no node left has all its inputs placed"
            )
        for name in ready:
            column[name] = 1 + max((column[p] for p in parents[name]), default=-1)
    members: dict[int, list[str]] = {}
    for name in names:
        members.setdefault(column[name], []).append(name)
    return {
        name: (float(x), (len(group) - 1) / 2 - row)
        for x, group in members.items()
        for row, name in enumerate(group)
    }


def _arrow(ax: Axes, start: Point, end: Point, text: str, backward: bool, fontsize: float) -> None:
    colour = COLOURS["red"] if backward else MUTED
    tail, head = (end, start) if backward else (start, end)
    ax.annotate(
        "",
        xy=head,
        xytext=tail,
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.4, "shrinkA": 19, "shrinkB": 19},
    )
    if text:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        ax.text(
            *middle, text, ha="center", va="center", color=colour, fontsize=fontsize - 1,
            bbox={"facecolor": CARD, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def _box(ax: Axes, at: Point, node: Node, fontsize: float) -> None:
    edge = {"input": COLOURS["blue"], "op": MUTED, "output": COLOURS["green"]}[node.kind]
    ax.text(
        *at, node.label, ha="center", va="center", fontsize=fontsize, color=INK, zorder=3,
        bbox={"boxstyle": "round,pad=0.45", "facecolor": "#FFFFFF", "edgecolor": edge, "linewidth": 1.6},
    )  # fmt: skip
    for text, offset, colour in ((node.value, 17, INK), (node.grad, -17, COLOURS["red"])):
        if text:
            ax.annotate(
                text, at, xytext=(0, offset), textcoords="offset points", ha="center",
                va="bottom" if offset > 0 else "top", color=colour, fontsize=fontsize - 0.5, zorder=4,
            )  # fmt: skip
