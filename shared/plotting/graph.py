"""A small directed graph as a picture: computations, models, pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shared.plotting.style import CARD, COLOURS, INK, MUTED, Number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

Point = tuple[Number, Number]


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
    fontsize: Number = 10,
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
    xs, ys = [p[0] for p in where.values()], [p[1] for p in where.values()]
    ax.set_xlim(min(xs) - 0.55, max(xs) + 0.55)
    ax.set_ylim(min(ys) - 0.6, max(ys) + 0.6)
    ax.set_axis_off()
    boxes = {name: _box(ax, where[name], node, fontsize) for name, node in nodes.items()}
    for source, target, *text in edges:
        start, end = (target, source) if backward else (source, target)
        left, right = where[source][0], where[target][0]
        # An arrow that passes over a column bends, so that it does not run through that column's boxes.
        bend = -0.28 if any(left < x < right for x, _ in where.values()) else 0.0
        _arrow(
            ax, boxes[start], boxes[end], -bend if backward else bend, COLOURS["red"] if backward else MUTED
        )
        if text:
            _label(ax, where[source], where[target], text[0], bend, fontsize)


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


def _box(ax: Axes, at: Point, node: Node, fontsize: Number) -> Text:
    edge = {"input": COLOURS["blue"], "op": MUTED, "output": COLOURS["green"]}[node.kind]
    style = {"boxstyle": "round,pad=0.45", "facecolor": "#FFFFFF", "edgecolor": edge, "linewidth": 1.6}
    box = ax.text(*at, node.label, ha="center", va="center", fontsize=fontsize, zorder=3, bbox=style)
    for text, up, colour in ((node.value, 1, INK), (node.grad, -1, COLOURS["red"])):
        if text:
            ax.annotate(
                text,
                at,
                xytext=(0, up * (fontsize + 6)),
                textcoords="offset points",
                ha="center",
                va="bottom" if up > 0 else "top",
                color=colour,
                fontsize=fontsize - 0.5,
                zorder=4,
            )
    return box


def _arrow(ax: Axes, start: Text, end: Text, bend: Number, colour: str) -> None:
    ax.annotate(
        "",
        xy=end.get_position(),
        xytext=start.get_position(),
        zorder=5,  # after the boxes: only then are their outlines known, at which the arrow ends
        arrowprops={
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": 1.4,
            "patchA": start.get_bbox_patch(),
            "patchB": end.get_bbox_patch(),
            "shrinkA": 2,
            "shrinkB": 2,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )


def _label(ax: Axes, start: Point, end: Point, text: str, bend: Number, fontsize: Number) -> None:
    (x0, y0), (x1, y1) = ax.transData.transform([start, end])
    # matplotlib's arc passes the chord's middle at half of `rad` times the chord, measured on the screen.
    across = ((x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2)
    x, y = ax.transData.inverted().transform(across)
    ax.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        color=INK,
        fontsize=fontsize - 1,
        zorder=6,
        bbox={"facecolor": CARD, "edgecolor": "none", "pad": 1.5},
    )
