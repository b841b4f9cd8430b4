"""Reward of E5: loss curves of one, two and four ranks, and what they cost."""

from typing import Any

from shared.plotting import COLOURS, panels, show

EPOCHS = 3


def curves(a: Any) -> None:
    """The same program with three numbers of ranks."""
    import json
    import tempfile
    import time
    from pathlib import Path

    from shared.distributed import ready_ranks

    found, seconds = {}, {}
    for world in (1, 2, 4):
        with tempfile.TemporaryDirectory() as name:
            started = time.perf_counter()
            ready_ranks().run(a.raw("main"), ["--out", name, "--epochs", str(EPOCHS)], ranks=world)
            seconds[world] = time.perf_counter() - started
            found[world] = json.loads((Path(name) / "metrics.json").read_text())["losses"]
    fig, (left, right) = panels(1, 2, height=2.6)
    for (world, losses), width, colour in zip(
        found.items(), (7, 4, 1.5), ("yellow", "blue", "black"), strict=True
    ):
        left.plot(
            range(1, EPOCHS + 1),
            losses,
            linewidth=width,
            color=COLOURS[colour],
            label=f"{world} rank{'s' if world > 1 else ''}",
        )
    left.set(xlabel="epoch", ylabel="loss", xticks=range(1, EPOCHS + 1))
    left.legend()
    right.bar([str(world) for world in seconds], list(seconds.values()), color=COLOURS["green"])
    right.set(xlabel="ranks", ylabel="seconds, start included")
    show(
        fig,
        caption="The three curves lie on each other: the number of ranks does not change what is "
        "learned. It changes what it "
        "costs, and for so small a network it costs more: each batch waits for messages.",
        alt="Left: three falling curves that coincide. Right: bars of the seconds that 1, 2 and "
        "4 ranks took.",
    )
