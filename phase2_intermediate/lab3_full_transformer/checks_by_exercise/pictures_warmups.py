"""What a learner sees after a warm-up: drawn with the function just written."""

from __future__ import annotations

from typing import Any

import torch

from shared.data import Vocabulary
from shared.data.vocabulary import END
from shared.plotting import curve, heatmap, panels, show

SOURCE, TARGET = "30 avr. 2006", "2006-04-30"


def masks(a: Any) -> None:
    source_real = torch.arange(12) < torch.tensor([[12], [8]])
    target_real = torch.arange(10) < torch.tensor([[10], [7]])
    own, memory = a.decoder_masks(source_real, target_real)
    fig, axes = panels(1, 2, height=3.2, widths=(1, 1.15))
    heatmap(axes[0], own[1, 0].float(), title="self-attention, row 1", fmt=lambda _: "", limits=(0, 1.2))
    seen = memory.expand(2, 1, 10, 12)[1, 0].float()
    heatmap(axes[1], seen, title="cross-attention, row 1", fmt=lambda _: "", limits=(0, 1.2))
    for ax, keys in zip(axes, ("target", "source"), strict=True):
        ax.set(xlabel=f"key: position of the {keys}", ylabel="query: position of the target")
    show(
        fig,
        caption="Your masks for the second row of a batch: 7 of 10 target tokens and 8 of 12 source tokens "
        "are real. "
        "Bright means “may attend”. Left a triangle, right full columns.",
        alt="Two tables of two colours. Left a lower triangle that ends at column 7; right the first eight "
        "columns "
        "bright in every row.",
    )


def shrinking(a: Any) -> None:
    lengths = [1, 10, 50, 100, 150]
    logits = torch.zeros(1, 150, 200)
    logits[..., 0] = 5.0
    tokens = torch.zeros(1, 150, dtype=torch.long)
    print("every token has probability", f"{logits[0, 0].softmax(0)[0]:.3f}")
    print(f"{'tokens':>6} {'log p, yours':>13} {'p in float32':>13}")
    for length in lengths:
        real = torch.arange(150)[None] < length
        total = a.log_probability(logits, tokens, real)
        print(f"{length:6} {total.item():13.2f} {total.exp().item():13.3g}")


def noise(a: Any) -> None:
    vocabulary = Vocabulary.of(["0123456789-"])
    rows = [vocabulary.encode(TARGET, ends=True)[1:].tolist() for _ in range(2)]
    tokens = torch.tensor(
        [rows[0] + vocabulary.encode("000").tolist(), [*rows[1][:7], END, 4, 4, 5, END, 6, 7]]
    )
    for row, cut in zip(tokens, a.until_end(tokens, END), strict=True):
        raw = "".join("·" if x == END else vocabulary.decode([x]) for x in row.tolist())
        print(f"written {raw}   kept {vocabulary.decode(cut)}")


def memory(a: Any) -> None:
    positions = [2**n for n in range(9, 18)]
    fig, ax = panels(height=2.8)
    for heads, colour in ((32, "orange"), (8, "blue"), (1, "green")):
        size = [a.cache_bytes(32, heads, 128, n) / 2**30 for n in positions]
        curve(ax, positions, size, label=f"{heads} key heads", colour=colour, marker="o")
    ax.set(xscale="log", yscale="log", xlabel="positions", ylabel="GiB for one reader")
    ax.set_xticks(positions[::2], [f"{n:,}" for n in positions[::2]])
    ax.minorticks_off()
    ax.legend()
    show(
        fig,
        caption="Your formula for 32 layers with heads of width 128, in half precision. With 32 key heads a "
        "single "
        f"text of 131,072 positions takes {a.cache_bytes(32, 32, 128, 131_072) / 2**30:.0f} GiB.",
        alt="Three parallel rising lines in a doubly logarithmic plot: 32 key heads above 8 above 1.",
    )
