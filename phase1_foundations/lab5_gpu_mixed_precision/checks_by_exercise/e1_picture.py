"""The reward of E1: the numbers of several formats on one ruler, found by the learner's own rounding."""

from typing import Any

import torch

from shared.plotting import COLOURS, panels, show


def rulers(a: Any) -> None:
    x = torch.logspace(-12, 6, 60_000, base=10.0)
    formats = {"(5, 10) half": (5, 10), "(8, 7) bfloat16": (8, 7), "(5, 2) e5m2": (5, 2), "(4, 3)": (4, 3)}
    fig, axes = panels(2, 1, height=4.6)
    for row, ((name, fmt), colour) in enumerate(
        zip(formats.items(), ("red", "green", "orange", "blue"), strict=True)
    ):
        rounded = a.round_to_format(x, *fmt)
        error = (rounded - x).abs() / x
        marks = a.round_to_format(torch.linspace(0.9, 4.3, 3000), *fmt).unique()
        axes[0].plot(marks, torch.full_like(marks, -float(row)), "|", color=COLOURS[colour], markersize=11)
        error[rounded.isinf()] = torch.nan
        worst = error.reshape(300, 200).amax(dim=1)
        axes[1].plot(x[::200], worst, color=COLOURS[colour], linewidth=1.5, label=name)
        facts = a.format_info(*fmt)
        print(
            f"{name:16} max {facts['max']:10.4g}   smallest {facts['min_subnormal']:9.3g}   eps "
            f"{facts['eps']:.3g}"
        )
    axes[0].set(yticks=range(0, -4, -1), yticklabels=list(formats), xlabel="numbers from 1 to 4")
    axes[1].set(xscale="log", yscale="log", xlabel="x", ylabel="largest relative error", ylim=(1e-4, 3))
    axes[1].legend(loc="lower left", ncols=4, fontsize=8, bbox_to_anchor=(0.0, 1.0), columnspacing=1.2)
    show(
        fig,
        caption="Above: every number between 1 and 4 that your formats have; their gaps double at 2 and "
        "at 4. "
        "Below: the error of your rounding. It is even over the normal range and rises to 1 where a format's "
        "subnormals end; half precision is 256 times finer than e5m2, over the same range.",
        alt="Above four rows of tick marks, densest for half precision, sparsest for e5m2. Below four "
        "curves of the relative error over eighteen powers of ten, flat in the middle and rising to 1 at "
        "the left.",
    )
