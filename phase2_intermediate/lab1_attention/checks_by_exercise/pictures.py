"""What a learner sees after E1 to E4: drawn and counted with the learner's own code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check.observe import observe
from shared.nn import MultiHeadAttention as Library
from shared.plotting import curve, heatmap, panels, show

WORDS = ("the", "river", "bank", "was", "green", ";", "the", "bank", "lent", "money")
MEANING = {  # water, finance, colour, grammar
    "the": (0.0, 0.0, 0.0, 1.6),
    "river": (2.4, 0.0, 0.3, 0.0),
    "bank": (1.4, 1.4, 0.0, 0.0),
    "was": (0.0, 0.0, 0.0, 1.2),
    "green": (0.3, 0.0, 2.0, 0.0),
    ";": (0.0, 0.0, 0.0, 0.4),
    "lent": (0.0, 2.0, 0.0, 0.3),
    "money": (0.0, 2.4, 0.0, 0.0),
}


def weight(x: float) -> str:
    return f"{x:.2f}".removeprefix("0") if x >= 0.005 else ""


def sentence(a: Any) -> None:
    x = torch.tensor([MEANING[word] for word in WORDS])
    mask = torch.ones(10, 10, dtype=torch.bool)
    mask[:6, 6:] = mask[6:, :6] = False  # two sentences
    fig, axes = panels(1, 2, height=3.6)
    for ax, given, title in zip(axes, (None, mask), ("all words", "each sentence by itself"), strict=True):
        _, weights = a.sdpa(x, x, x, given, scale=1.0)
        heatmap(ax, weights, rows=WORDS, cols=WORDS, title=title, fmt=weight, fontsize=6, limits=(0, 1))
        ax.tick_params(axis="x", rotation=90)
    show(
        fig,
        caption="Your weights, for words with four hand-made properties (water, finance, colour, grammar). "
        "Look at "
        "the two rows “bank”: alone the word cannot know which bank it is; the mask decides whom it asks.",
        alt="Two heat maps of ten by ten weights. Without a mask both “bank” rows are alike; with the mask "
        "the first "
        "looks at river, the second at money.",
    )


def maps_of_heads(a: Any) -> None:
    torch.manual_seed(4)
    layer = a.MultiHeadAttention(32, 4, 2).eval()
    x = torch.randn(1, 8, 32)
    x[0, 4:] = x[0, :4]  # the second half repeats the first
    full, _ = layer(x)
    library = Library(32, 4, 2).eval()
    library.load_state_dict(layer.state_dict(), strict=False)
    assert torch.allclose(library(x), full, atol=1e-5)
    fig, axes = panels(1, 4, height=2.2)
    for head, ax in enumerate(axes):
        only = a.MultiHeadAttention(32, 4, 2).eval()
        only.load_state_dict(layer.state_dict())
        with torch.no_grad():
            rows = torch.arange(32) // 8 != head
            only.query.weight[rows] = 0  # the other heads have equal scores now …
            only.query.bias[rows] = 0
            _, weights = only(x, need_weights=True)
            assert weights is not None
            weights = 4 * weights[0] - 3 / 8  # … and attend evenly: what is left of the mean is this head
        heatmap(ax, weights, title=f"head {head}", fmt=lambda _: "", limits=(0, 0.25))
        ax.set_axis_off()
    show(
        fig,
        caption=f"The four heads of your untrained layer, output {tuple(full.shape)}. Positions 4 to 7 "
        "repeat 0 to 3, "
        "so every map consists of four equal quarters: attention sees content, not places. The library's "
        "layer, with your weights, gives the same output.",
        alt="Four heat maps of eight by eight weights, each with a different pattern that repeats in four "
        "quarters.",
    )


def mosaic(a: Any) -> None:
    ids = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2, 2, -1]])
    made = {
        "causal": a.causal(10, 10),
        "window (3, 1)": a.window(10, 10, 3, 1),
        "padding, 7 real": a.padding(torch.tensor([7]), 10),
        "documents": a.documents(ids),
        "causal ∧ documents": a.combine(a.causal(10, 10), a.documents(ids)),
        "causal ∧ padding": a.combine(a.causal(10, 10), a.padding(torch.tensor([7]), 10)),
    }
    fig, axes = panels(2, 3, height=4.4)
    for ax, (title, mask) in zip(axes.flat, made.items(), strict=True):
        heatmap(ax, mask.expand(1, 1, 10, 10)[0, 0].float(), title=title, fmt=lambda _: "", limits=(0, 1.2))
        ax.set(xticks=[], yticks=[])
    show(
        fig,
        caption="Your masks; bright means “may attend”, a row is a query. The last two are `combine` of two "
        "others.",
        alt="Six squares of two colours: a triangle, a diagonal band, seven full columns, three blocks on "
        "the "
        "diagonal, three small triangles, and a triangle cut off after seven columns.",
    )


def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v


def bytes_against_length(a: Any) -> None:
    lengths = (128, 256, 512, 1024, 2048)
    largest: dict[str, list[float]] = {"formula": [], "yours, blocks of 128": []}
    for length in lengths:
        q, k, v = (torch.randn(1, 1, length, 32) for _ in range(3))
        with observe() as seen:
            expected = naive(q, k, v)
        largest["formula"].append(seen.largest_bytes / 1024)
        with observe() as seen:
            out, _ = a.blockwise_attention(q, k, v, block_q=128, block_k=128)
        largest["yours, blocks of 128"].append(seen.largest_bytes / 1024)
        assert torch.allclose(out, expected, atol=1e-4)
    fig, ax = panels(height=2.8)
    for (name, sizes), colour in zip(largest.items(), ("orange", "blue"), strict=True):
        curve(ax, lengths, sizes, label=name, colour=colour, marker="o")
    ax.set(xscale="log", yscale="log", xlabel="T", ylabel="largest tensor, KiB")
    ax.set_xticks(lengths, [str(n) for n in lengths])
    ax.minorticks_off()
    ax.legend()
    show(
        fig,
        caption="Counted, one head of width 32: at T = 2048 the formula makes a tensor of "
        f"{largest['formula'][-1]:,.0f} "
        f"KiB, yours never one above {largest['yours, blocks of 128'][-1]:,.0f} KiB. The outputs agree.",
        alt="Two lines in a doubly logarithmic plot: the formula's largest tensor grows with the square of "
        "T, yours "
        "stays flat and then grows in proportion to T.",
    )
