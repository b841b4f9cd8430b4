"""Reward of E1: every message of the learner's ring, in swim lanes."""

from typing import Any

from shared.plotting import COLOURS, panels, show

RANKS = 4


def lanes(a: Any) -> None:
    """Record what four real ranks send for eight numbers, and draw it."""
    from shared.distributed import ready_ranks

    function = a.raw("ring_all_reduce")

    def record() -> list[tuple[int, list[float]]]:
        import torch
        import torch.distributed as dist

        sent: list[tuple[int, list[float]]] = []
        original = dist.ProcessGroup.send

        def send(self: Any, tensors: Any, dst: int, *rest: Any) -> Any:
            sent.append((dst, tensors[0].tolist()))
            return original(self, tensors, dst, *rest)

        dist.ProcessGroup.send = send  # type: ignore[method-assign]
        function(torch.full((8,), 10.0 ** dist.get_rank()))
        return sent

    lanes_of = ready_ranks().run(record, ranks=RANKS)
    fig, ax = panels(height=3.0)
    for rank, sent in enumerate(lanes_of):
        for step, (to, values) in enumerate(sent):
            complete = values and values[0] == 1111
            colour = COLOURS["green"] if complete else COLOURS["blue"]
            around = to < rank  # from the last rank back to the first
            ax.annotate(
                "",
                xy=(step + 0.85, RANKS - 0.55 if around else to),
                xytext=(step + 0.1, rank),
                arrowprops={"arrowstyle": "->", "color": colour, "linestyle": ":" if around else "-"},
            )
            ax.text(
                step + 0.1, rank - 0.12, f"{values[0]:04.0f}" if values else "–", fontsize=8, color=colour
            )
    steps = max((len(sent) for sent in lanes_of), default=1)
    ax.set(xlim=(0, max(steps, 1)), ylim=(RANKS - 0.4, -0.5), xlabel="message", yticks=range(RANKS))
    ax.set_yticklabels([f"rank {rank}" for rank in range(RANKS)])
    show(
        fig,
        caption="Your messages: rank r began with 10^r, so the digits tell whose numbers are in a "
        "chunk. Partial sums "
        "are blue, complete ones green; dotted arrows go around to rank 0.",
        alt="Four lanes. In three steps each rank sends a chunk that grows by one digit, in "
        "three more it sends 1111.",
    )
