"""Reward of E4: memory by stage and number of ranks, from the learner's plan."""

from typing import Any

from shared.plotting import COLOURS, panels, show

BILLION = 10**9


def memory(a: Any) -> None:
    """Stacked bars for a model of 7 billion parameters."""
    fig, ax = panels(height=2.8)
    labels, at = [], 0
    for world in (1, 8, 64):
        for stage in (0, 1, 2, 3) if world > 1 else (0,):
            plan, bottom = a.memory_plan(7 * BILLION, world, stage), 0.0
            for name, colour in (("params", "blue"), ("grads", "orange"), ("states", "green")):
                height = plan[name] / BILLION
                ax.bar(at, height, bottom=bottom, color=COLOURS[colour], label=name if at == 0 else None)
                bottom += height
            labels.append(f"{world} rank{'s' if world > 1 else ''}\nstage {stage}")
            at += 1
    ax.axhline(80, color=COLOURS["red"], linestyle=":")
    ax.set(ylabel="GB per rank", xticks=range(at))
    ax.set_xticklabels(labels, fontsize=7)
    ax.legend()
    show(
        fig,
        caption="Your plan for 7 billion parameters. The dotted line is a GPU with 80 GB: stage 0 is "
        "above it with any "
        "number of ranks, stage 1 with eight ranks is below it.",
        alt="Stacked bars: 112 GB in stage 0; with 8 ranks 38.5, 26.25 and 14 GB in stages 1, 2 "
        "and 3; with 64 less still.",
    )
