"""Reward of E2: who owns which example, in three modes."""

from typing import Any

from shared.plotting import COLOURS, panels, show

N, WORLD = 22, 4


def owners(a: Any) -> None:
    """One row a rank and mode; a repeated example is framed."""
    fig, ax = panels(height=3.2)
    row, names = 0, []
    colours = [COLOURS[name] for name in ("blue", "orange", "green", "red")]
    for mode in ("pad", "drop", "exact"):
        seen: set[int] = set()
        for rank in range(WORLD):
            for index in a.ShardSampler(N, rank, WORLD, mode=mode):
                again = index in seen
                seen.add(index)
                ax.barh(
                    row, 0.9, left=index, height=0.8, color=colours[rank], alpha=0.45 if again else 1.0,
                    edgecolor="black" if again else "none",
                )  # fmt: skip
            names.append(f"{mode}, rank {rank}")
            row += 1
        row += 1
        names.append("")
    ax.set(yticks=range(len(names)), xlabel="example", xlim=(0, N), xticks=range(0, N, 3))
    ax.set_yticklabels(names, fontsize=7)
    ax.invert_yaxis()
    show(
        fig,
        caption="22 examples for four ranks, dealt out by your sampler. `pad` gives two examples "
        "(framed) to a second "
        "rank; `drop` leaves two without an owner; `exact` does neither, and its ranks are not equally long.",
        alt="Three blocks of four rows. In each column of a block one rank owns the example, "
        "twice where padded.",
    )
