"""Rewards of the warm-ups, drawn with the learner's own functions."""

from typing import Any

from shared.plotting import COLOURS, panels, show

HUES = ("blue", "orange", "green", "red")


def parts(a: Any) -> None:
    """Who owns which of ten elements, for two to five ranks."""
    fig, ax = panels(height=2.2)
    for row, n in enumerate((2, 3, 4, 5)):
        for i, (start, stop) in enumerate(a.parts(10, n)):
            ax.barh(row, stop - start - 0.06, left=start, color=list(COLOURS.values())[i % 6])
            ax.text((start + stop) / 2, row, str(i), ha="center", va="center", color="white")
    ax.set(yticks=range(4), yticklabels=[f"{n} ranks" for n in (2, 3, 4, 5)], xlabel="element", xlim=(0, 10))
    show(
        fig,
        caption="Ten elements, cut by your function. The longer parts come first, and no element is "
        "without owner.",
        alt="Four rows of bars: ten elements cut into 2, 3, 4 and 5 parts whose lengths differ "
        "by at most one.",
    )


def traffic(a: Any) -> None:
    """Star and ring, as ranks are added."""
    ranks = list(range(1, 33))
    star, ring = zip(*(a.traffic(1_000_000, 4, n) for n in ranks), strict=True)
    fig, ax = panels(height=2.6)
    ax.plot(ranks, [b / 4e6 for b in star], color=COLOURS["red"], label="star, rank 0")
    ax.plot(ranks, [b / 4e6 for b in ring], color=COLOURS["blue"], label="ring, every rank")
    ax.set(xlabel="ranks", ylabel="traffic / size of the tensor", ylim=(0, 20))
    ax.legend()
    show(
        fig,
        caption="Your counts. The star's busiest rank has more to do with every helper; the ring "
        "stays below four "
        "times the tensor.",
        alt="A straight line that leaves the picture at eleven ranks, and a curve that flattens below four.",
    )


def circle(a: Any) -> None:
    """Pass the ranks' numbers once around the circle of four real processes."""
    import torch

    from shared.distributed import ready_ranks

    function = a.raw("pass_right")

    def around() -> list[int]:
        import torch.distributed as dist

        value, seen = torch.tensor(dist.get_rank()), []
        for _ in range(4):
            value = function(value)
            seen.append(int(value))
        return seen

    for rank, seen in enumerate(ready_ranks().run(around, ranks=4)):
        print(f"rank {rank} saw {' → '.join(map(str, seen))}")


def plan(a: Any) -> None:
    """What is complete after each step, if four ranks follow the plan."""
    n = 4
    held = [[{r} for _ in range(n)] for r in range(n)]
    print("chunks of rank 0 after each step (how many ranks are in each sum):")
    for step in range(2 * (n - 1)):
        moving = [set(held[r][a.ring_plan(r, n)[step][0]]) for r in range(n)]
        for r in range(n):
            receive = a.ring_plan(r, n)[step][1]
            came = moving[(r - 1) % n]
            held[r][receive] = came if step >= n - 1 else held[r][receive] | came
        print(f"  step {step}: {[len(chunk) for chunk in held[0]]}")
