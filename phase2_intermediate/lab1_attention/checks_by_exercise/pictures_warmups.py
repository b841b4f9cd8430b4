"""What a learner sees after a warm-up: drawn with the function just written."""

from __future__ import annotations

from typing import Any

import torch

from shared.plotting import COLOURS, curve, heatmap, panels, show


def smoothing(a: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    keys = torch.rand(40, generator=generator) * 6.28
    values = keys.sin() + 0.25 * torch.randn(40, generator=generator)
    query = torch.linspace(-0.5, 6.8, 300)
    fig, ax = panels(height=2.8)
    ax.plot(keys, values, ".", color=COLOURS["sky"])
    for bandwidth, colour in ((0.05, "orange"), (0.4, "blue"), (3.0, "green")):
        curve(
            ax,
            query,
            a.kernel_average(query, keys, values, bandwidth),
            colour=colour,
            label=f"h = {bandwidth}",
        )
    ax.set(xlabel="query", ylabel="mean of the values")
    ax.legend()
    show(
        fig,
        caption="Your mean, asked at 300 places. A small bandwidth repeats the nearest value, a large one "
        "forgets "
        "the question and gives the mean of everything.",
        alt="Forty noisy points of a sine and three curves: one jagged, one close to the sine, one nearly "
        "flat.",
    )


def spread_of_scores(a: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    print("deviation of the scores of random q and k")
    print(f"{'D':>6} {'as they are':>12} {'yours':>8}")
    for width in (4, 16, 64, 256, 1024):
        q, k = (torch.randn(100, width, generator=generator) for _ in range(2))
        print(f"{width:6} {(q @ k.T).std():12.2f} {a.scaled_scores(q, k).std():8.2f}")


def masked_rows(a: Any) -> None:
    scores = torch.zeros(5, 5)
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    weights = a.masked_weights(scores, mask)
    fig, axes = panels(1, 2, height=2.9)
    heatmap(axes[0], mask.float(), title="may attend", fmt=lambda x: "yes" if x else "")
    heatmap(axes[1], weights, title="your weights, all scores 0", fmt=lambda x: f"{x:.2f}" if x else "")
    for ax in axes:
        ax.set(xlabel="key", ylabel="query")
    show(
        fig,
        caption="With equal scores the visible keys share evenly. Each row adds up to 1, whatever is hidden.",
        alt="Two lower triangular tables: where attention is allowed, and the weights 1, 1/2, 1/3, 1/4, 1/5.",
    )


def heads_as_colours(a: Any) -> None:
    time, width, heads = 4, 6, 3
    x = torch.arange(time)[:, None] * 10 + torch.arange(width)
    cut = a.split_heads(x[None].float(), heads)[0]
    fig, axes = panels(1, heads + 1, height=2.2, widths=[width, *[width // heads] * heads])
    heatmap(axes[0], x.float(), title="x: [T, D]", fmt=lambda n: f"{n:.0f}", limits=(0, 36), fontsize=8)
    for head in range(heads):
        heatmap(
            axes[head + 1],
            cut[head],
            title=f"head {head}",
            fmt=lambda n: f"{n:.0f}",
            limits=(0, 36),
            fontsize=8,
        )
    for ax in axes:
        ax.set_axis_off()
    show(
        fig,
        caption="Your cut: every head keeps all positions, and two of the six numbers of each. The first "
        "digit is "
        "the position, the second the place in the vector.",
        alt="A table of four positions by six numbers, and beside it three tables of four by two: its "
        "columns.",
    )
