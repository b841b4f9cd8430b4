"""The reward of E5: where the gradients are, and what half precision can see of them."""

from typing import Any

import torch

from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e5_watch import (
    Noting,
    accuracy,
    all_digits,
    train,
)
from shared.plotting import COLOURS, panels, show


def exponents(a: Any) -> None:
    X, y, X_test, y_test = all_digits()
    scaler = Noting()
    train(a, X, y, fmt=None, scaler=scaler, epochs=4)
    last = torch.cat([g.flatten() for g in scaler.gradients[-1] if g is not None])
    sizes = last[last != 0].abs().log2()
    results = {
        "float32": (None, None),
        "bfloat16, no scaler": ((8, 7), None),
        "float16, no scaler": ((5, 10), None),
        "float16, scaler": ((5, 10), Noting(2.0**24, interval=50)),
    }
    fig, axes = panels(1, 2, height=3.2, widths=(3, 2))
    axes[0].axvspan(-24, 16, color=COLOURS["sky"], alpha=0.25, label="float16 can hold this")
    axes[0].hist(sizes, bins=60, color=COLOURS["red"], alpha=0.7, label="gradients of loss / 2¹⁸")
    axes[0].hist(sizes + 24, bins=60, color=COLOURS["blue"], alpha=0.7, label="times a scale of 2²⁴")
    axes[0].set(xlabel="log₂ |gradient|", ylabel="entries", yticks=[], ylim=(0, None))
    axes[0].legend(loc="lower left", fontsize=8, bbox_to_anchor=(0.0, 1.0))
    facts = []
    styles = (("black", 4.0, "-"), ("green", 2.2, "-"), ("red", 1.5, "-"), ("yellow", 1.2, "--"))
    for (name, (fmt, own)), (colour, width, dash) in zip(results.items(), styles, strict=True):
        run = train(a, X, y, fmt=fmt, scaler=own, epochs=12)
        losses = [row["loss"] for row in run.log]
        axes[1].plot(losses, dash, color=COLOURS[colour], label=name, linewidth=width)
        right = accuracy(run.model, X_test, y_test)
        skipped = sum(not row["stepped"] for row in run.log)
        facts.append(f"{name} {right:.3f}")
        print(
            f"{name:20} {right:.3f} of the test digits right   {run.log[-1]['zeros']:4.0%} zeros   "
            f"{skipped} skipped"
        )
    print("logistic regression  0.969;  support vector machine 0.983")
    axes[1].set(xlabel="batch", ylabel="loss", ylim=(0, None))
    axes[1].legend(fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, columnspacing=1.0)
    show(
        fig,
        caption="Left: sizes of your network's gradients. Divided by 2¹⁸ nearly all lie below float16; "
        "a scale moves the whole hill into the window. Right: 12 epochs each; " + ", ".join(facts) + ".",
        alt="Left a histogram of gradient exponents left of a shaded window, and the same one shifted into "
        "it. Right four loss curves: three fall together, float16 without a scaler stays flat.",
    )
