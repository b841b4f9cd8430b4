"""What a learner sees after E1 to E4: drawn and counted with the learner's own code."""

from __future__ import annotations

from typing import Any

import torch

from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e3_step_mistakes import operations
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_tables import BOS, EOS, Table
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import Plain
from shared.nn import TransformerLayer
from shared.plotting import COLOURS, curve, heatmap, panels, show


def where_it_looks(a: Any) -> None:
    torch.manual_seed(2)
    layer = a.DecoderLayer(32, 1, 64).eval()
    memory = torch.randn(1, 12, 32)
    y = torch.cat((memory[:, [4, 1, 9]], torch.randn(1, 3, 32)), 1)
    with torch.no_grad():
        layer.cross.query.weight.copy_(3 * torch.eye(32))
        layer.cross.key.weight.copy_(3 * torch.eye(32))
        out = layer(y, memory)
        library = TransformerLayer(32, 1, 64, kind="relu", cross=True).eval()
        library.attention.load_state_dict(layer.attention.state_dict())
        assert library.cross is not None
        library.cross.load_state_dict(layer.cross.state_dict())
        library.feedforward = layer.feedforward
        assert torch.allclose(library(y, memory), out, atol=1e-5)
        q, k = layer.cross.query(layer.norms[1](y)), layer.cross.key(memory)
        weights = (q @ k.transpose(-1, -2) / 32**0.5).softmax(-1)[0]
    fig, ax = panels(height=3.0)
    heatmap(ax, weights, fmt=lambda x: f"{x:.1f}" if x > 0.05 else "", limits=(0, 1), fontsize=7)
    ax.set(xlabel="source position (key)", ylabel="target position (query)")
    show(
        fig,
        caption="The cross-attention of your layer, its query and key matrices set to multiples of the "
        "identity. "
        "Target positions 0, 1 and 2 hold the vectors of source positions 4, 1 and 9, and find them; "
        "the others are random, and look wherever they fit. The library's layer, with your weights, gives "
        "the same output.",
        alt="A heat map of six rows and twelve columns. Row 0 is bright at column 4, row 1 at column 1, row "
        "2 at "
        "column 9; each of the other rows has a bright cell, too.",
    )


def warm_up(a: Any) -> None:
    steps = list(range(1, 4001, 10))
    fig, ax = panels(height=2.8)
    for d, warmup, colour in ((64, 400, "orange"), (64, 1000, "blue"), (256, 1000, "green")):
        rates = [a.noam(step, d, warmup) for step in steps]
        curve(ax, steps, rates, label=f"d = {d}, w = {warmup}", colour=colour)
    ax.set(xlabel="step", ylabel="learning rate")
    ax.legend()
    show(
        fig,
        caption="Your schedule: a straight line up to step w, then one over the root. A wider model gets a "
        "smaller "
        "rate, a longer warm-up a lower peak.",
        alt="Three curves that rise linearly to a peak at step 400 or 1000 and then fall slowly.",
    )


def operations_per_token(a: Any) -> None:
    torch.manual_seed(0)
    model, memory = Plain(10, 10, d=32, heads=4, layers=2).eval(), torch.randn(1, 20, 32)
    tokens, cache = torch.randint(0, 10, (1, 96)), a.KVCache(2, 96)
    without, with_cache = [], []
    with torch.no_grad():
        for n in range(1, 97):
            newest = tokens[:, n - 1 : n]
            with_cache.append(
                operations(lambda x=newest: a.decode_step(model, x, cache, memory, None)) / 1000
            )
            prefix = tokens[:, :n]
            without.append(operations(lambda x=prefix: model.decode(memory, None, x)) / 1000)
    fig, axes = panels(1, 2, height=2.8)
    lengths = list(range(1, 97))
    for ax, of in zip(axes, (lambda x: x, lambda x: torch.tensor(x).cumsum(0).tolist()), strict=True):
        curve(ax, lengths, of(without), label="whole prefix", colour="orange")
        curve(ax, lengths, of(with_cache), label="your cache", colour="blue")
        ax.set(xlabel="tokens written")
    axes[0].set(ylabel="thousand operations", title="for the next token")
    axes[1].set(title="for all so far")
    axes[0].legend()
    show(
        fig,
        caption=f"Counted, two layers of width 32: token 96 takes {without[-1]:,.0f} thousand operations "
        "from scratch "
        f"and {with_cache[-1]:,.0f} with your cache, which holds {cache.nbytes():,} bytes by then. In all "
        "it is "
        f"{sum(without) / sum(with_cache):.0f} times less.",
        alt="Two plots. Operations for the next token rise steeply without a cache and stay nearly flat "
        "with it; the "
        "sum over all tokens bends upwards without and is nearly straight with it.",
    )


WORDS = ("<s>", "</s>", "the", "cat", "sat", "nice")
ROWS = {
    (): [0, 0, 0.5, 0.1, 0, 0.4],
    (2,): [0, 0.05, 0, 0.45, 0.05, 0.45],
    (5,): [0, 0.1, 0, 0.85, 0.05, 0],
}
AFTER = {
    2: [0, 0.1, 0, 0.5, 0.1, 0.3],
    3: [0, 0.4, 0, 0, 0.6, 0],
    4: [0, 0.9, 0.05, 0, 0, 0.05],
    5: [0, 0.1, 0, 0.8, 0.1, 0],
}


def beam_tree(a: Any) -> None:
    table = Table("tree", 6, rows=lambda prefix: ROWS.get(prefix) or AFTER[prefix[-1]])
    asked: list[tuple[int, ...]] = []

    def step(prefixes: torch.Tensor) -> torch.Tensor:
        asked.extend(tuple(row[1:]) for row in prefixes.tolist())
        return table(prefixes)

    found = a.beam_search(step, BOS, EOS, beam=3, max_len=5, n_best=3)
    single, total = a.greedy(table, BOS, EOS, 5)
    nodes = sorted(
        {prefix[:n] for prefix in [*asked, *(tuple(y) for y, _ in found)] for n in range(len(prefix) + 1)}
    )
    height: dict[tuple[int, ...], float] = {}
    columns: dict[int, list[tuple[int, ...]]] = {}
    for node in nodes:
        columns.setdefault(len(node), []).append(node)
    for group in columns.values():
        for i, node in enumerate(group):
            height[node] = (len(group) - 1) / 2 - i
    best = {tuple(found[0][0][:n]) for n in range(len(found[0][0]) + 1)}
    fig, ax = panels(height=3.4)
    for node in nodes:
        colour = COLOURS["blue"] if node in best else COLOURS.get("grey", "0.6")
        if node:
            ax.plot([len(node) - 1, len(node)], [height[node[:-1]], height[node]], color=colour, zorder=1)
        word = WORDS[node[-1]] if node else WORDS[BOS]
        box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": colour}
        ax.text(len(node), height[node], word, ha="center", va="center", fontsize=8, bbox=box)
    tallest = max(len(group) for group in columns.values()) / 2
    ax.set(xlim=(-0.3, len(columns) - 0.7), ylim=(-tallest, tallest))
    ax.set_axis_off()
    text = "; ".join(f"{' '.join(WORDS[i] for i in tokens)} ({score:.2f})" for tokens, score in found)
    show(
        fig,
        caption=f"What your beam of 3 looked at: prefixes that it asked about, and the three best, {text}. "
        "Greedy "
        f"search finds {' '.join(WORDS[i] for i in single)}, with a plain sum of {total:.2f}.",
        alt="A tree that grows to the right from the begin token, at most three branches in each column, "
        "the path of "
        "the best hypothesis in blue.",
    )
