"""What a learner sees after a warm-up: drawn with the code just written."""

from typing import Any

import torch
from matplotlib.colors import ListedColormap

from shared.plotting import COLOURS, curve, heatmap, panels, show

GREY = "#DDDDDD"
MASK_COLOURS = ListedColormap([GREY, COLOURS["blue"]])


def windows(a: Any) -> None:
    time = torch.arange(120)
    series = torch.sin(time / 9) + 0.25 * torch.sin(time / 2)
    dataset = a.Windows(series, 30)
    fig, ax = panels(height=2.6)
    curve(ax, time, series, colour="black", label=f"series of {len(series)}")
    for index, colour in ((0, "blue"), (25, "orange"), (len(dataset) - 1, "red")):
        ax.plot(time[index : index + 30], dataset[index] - 0.25, color=COLOURS[colour], linewidth=3)
        ax.text(index + 12, float(dataset[index].min()) - 0.6, f"windows[{index}]", color=COLOURS[colour])
    ax.set(ylim=(-2.3, 1.6), xlabel="time")
    ax.legend(loc="upper right")
    show(
        fig,
        caption=(
            f"Three of your {len(dataset)} windows of 30, drawn just below the series of {len(series)}. The "
            "last one ends where the series ends."
        ),
        alt="A wavy line of 120 points; three coloured pieces of 30 points run along below it.",
    )


def batches(a: Any) -> None:
    cut = a.index_batches(23, 5)
    table = torch.full((len(cut), 5), float("nan"))
    for row, batch in zip(table, cut, strict=True):
        row[: len(batch)] = torch.tensor(batch, dtype=torch.float32)
    fig, ax = panels(height=2.6, width=4.6)
    heatmap(ax, table, rows=[f"batch {i}" for i in range(len(cut))], cols=[""] * 5, limits=(0, 23))
    show(
        fig,
        caption=f"23 examples in your batches of 5: {len(cut)} batches, the last with {len(cut[-1])}.",
        alt="Five rows of up to five numbered cells, 0 to 22; the last row has three.",
    )


def masks(a: Any) -> None:
    words = ("a", "mask", "knows", "what", "is", "real")
    lengths, width = torch.tensor([len(word) for word in words]), 8
    mask = a.length_mask(lengths, width)
    letters = [list(word.ljust(width, "·")) for word in words]
    fig, ax = panels(height=2.8, width=4.6)
    heatmap(
        ax, mask, text=letters, cmap=MASK_COLOURS, limits=(0, 1), cols=range(width), rows=lengths.tolist()
    )
    ax.set(ylabel="length", xlabel="column")
    show(
        fig,
        caption="Your mask under six words: blue is real, grey is filler.",
        alt="Six words written into rows of eight cells; the cells with letters are blue, the rest grey.",
    )


def orders(a: Any) -> None:
    table = torch.stack([a.epoch_order(12, 0, epoch) for epoch in (0, 1, 2, 1)])
    fig, ax = panels(height=2.2)
    heatmap(ax, table, rows=["epoch 0", "epoch 1", "epoch 2", "epoch 1 again"], limits=(0, 11))
    ax.set_xlabel("place in the epoch")
    show(
        fig,
        caption="Which example comes when. Epoch 1 is found again without a look at epoch 2.",
        alt="Four rows with the numbers 0 to 11 in random orders; the second and the fourth row are equal.",
    )
