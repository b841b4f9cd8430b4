"""The reward of E4: which consumer handed out which row, and when."""

from typing import Any

from phase1_foundations.lab4_data_loading.checks_by_exercise.e4_world import consume
from shared.plotting import COLOURS, panels, show

LANES = ("blue", "orange", "green", "red")


def swim_lanes(a: Any) -> None:
    sizes = (10, 8, 12, 9, 11, 10, 7)
    start = [sum(sizes[:shard]) for shard in range(len(sizes))]
    fig, axes = panels(2, 1, height=4.6)
    for ax, buffer in zip(axes, (0, 8), strict=True):
        found = consume(a, sizes, world=2, workers=2, shuffle_buffer=buffer)
        for lane, (rows, colour) in enumerate(zip(found.by_consumer, LANES, strict=True)):
            place = [start[shard] + row for shard, row in rows]
            ax.scatter(place, [lane] * len(place), c=range(len(place)), cmap="viridis", marker="s", s=22)
            ax.text(
                -1.5, lane, f"machine {lane // 2}, worker {lane % 2}", ha="right", va="center", fontsize=8
            )
            ax.axhline(lane, color=COLOURS[colour], linewidth=0.6, zorder=0)
        for edge in start[1:]:
            ax.axvline(edge - 0.5, color="#BBBBBB", linewidth=0.8, zorder=0)
        ax.set(yticks=[], ylim=(3.6, -0.6), xlim=(-1, sum(sizes)))
        ax.set_title(f"shuffle_buffer={buffer}", fontsize=9)
    axes[1].set_xlabel("row, over all seven shards; dark comes first, bright comes last")
    show(
        fig,
        caption=(
            f"All {sum(sizes)} rows of seven shards and the four consumers that you served: each column has "
            "exactly one square. Above, dark turns to bright in order; below, your buffer stirs it, though "
            "only over a few places."
        ),
        alt=(
            "Four horizontal lanes, one a consumer; squares mark the rows that it read, shard by shard, and "
            "their colour the order, smooth above and stirred below."
        ),
    )
