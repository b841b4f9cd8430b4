"""What a learner sees after W1 to W4: drawn with the learner's own functions."""

from __future__ import annotations

import math
from typing import Any

import torch

from shared.plotting import curve, heatmap, panels, show


def turned_vectors(a: Any) -> None:
    steps = torch.arange(12) * math.pi / 6
    arrows = a.rotate(torch.tensor([1.0, 0.0]).expand(12, 2), steps)
    fig, ax = panels(height=2.8)
    for number, (x, y) in enumerate(arrows.tolist()):
        ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->"})
        ax.text(1.15 * x, 1.15 * y, f"{30 * number}°", ha="center", va="center", fontsize=8)
    ax.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
    ax.set_axis_off()
    show(
        fig,
        caption="The vector (1, 0), turned by your function in steps of 30°: counterclockwise, and never "
        "longer.",
        alt="Twelve arrows of equal length from one point, like the hours of a clock, labelled 0° to 330°.",
    )


def hands_of_a_clock(a: Any) -> None:
    time = torch.arange(0, 101)
    table = a.angles(time, 8, 1000.0)
    fig, ax = panels(height=2.6)
    for hand in range(4):
        curve(ax, time.tolist(), table[:, hand].sin().tolist(), label=f"hand {hand}")
    ax.set(xlabel="position", ylabel="sine of the angle")
    ax.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.22))
    show(
        fig,
        caption="The sines of your angles for d = 8 and base 1000. The first hand tells neighbours apart, "
        "the last "
        "one tells the beginning from the end.",
        alt="Four waves over positions 0 to 100: the first oscillates 16 times, the last rises slowly.",
    )


def normed_vectors(a: Any) -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 0.7]) + 1.5
    fig, axes = panels(1, 3, height=2.6)
    for ax, (title, points) in zip(
        axes,
        {"as they are": x, "your layer_norm": a.layer_norm(x), "your rms_norm": a.rms_norm(x)}.items(),
        strict=True,
    ):
        ax.scatter(points[:, 0], points[:, 1], s=5)
        ax.set(title=title, aspect="equal", xlim=(-4.5, 7.5), ylim=(-4, 6))
    show(
        fig,
        caption="300 vectors of width 2. RMSNorm puts them all on one circle. LayerNorm leaves of two "
        "numbers only "
        "their order: subtracting the mean costs one dimension, dividing by the deviation another.",
        alt="Three scatter plots: a cloud, two single points, and a circle of radius 1.4.",
    )


def a_padded_batch(a: Any) -> None:
    words = ("Ungheria", "Unkari", "Hungary", "Maďarsko", "Węgry")
    tokens, real = a.pad_batch([torch.tensor([ord(c) for c in word]) for word in words])
    fig, ax = panels(height=2.2)
    heatmap(ax, real.float(), rows=words, fmt=lambda _: "", limits=(0, 1.4))
    for row, column in real.nonzero().tolist():
        ax.text(
            column, row, chr(int(tokens[row, column])), ha="center", va="center", fontsize=9, color="white"
        )
    share = 1 - real.double().mean().item()
    show(
        fig,
        caption=f"Your batch: {tokens.shape[0]} names, {tokens.shape[1]} places each, and {share:.0%} of "
        "all places "
        "are padding.",
        alt="Five rows of letters in a grid of eight columns; the ends of the shorter names are dark.",
    )
