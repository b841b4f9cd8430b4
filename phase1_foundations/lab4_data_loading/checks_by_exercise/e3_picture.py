"""The reward of E3: how much of each batch is padding, and how the batches look."""

import random
from typing import Any

import numpy as np

from phase1_foundations.lab4_data_loading.checks_by_exercise.e3_data import (
    BUDGET,
    cost,
    name_lengths,
    random_batches,
    waste,
)
from shared.plotting import COLOURS, panels, show


def waste_histogram(a: Any) -> None:
    lengths = name_lengths()
    groups = {
        "random order": (random_batches(lengths, BUDGET, random.Random(0)), "red"),
        "your buckets": ([list(batch) for batch in a.BucketBatchSampler(list(lengths), BUDGET)], "blue"),
    }
    fig, (left, right) = panels(1, 2, height=3.0)
    for name, (batches, colour) in groups.items():
        shares = [100 * waste(lengths, [batch]) for batch in batches]
        label = f"{name}: {waste(lengths, batches):.0%} in all, {len(batches)} batches"
        left.hist(shares, bins=np.arange(0, 101, 5), color=COLOURS[colour], alpha=0.75, label=label)
        sizes = [len(batch) for batch in batches]
        longest = [cost(lengths, batch) / len(batch) for batch in batches]
        right.plot(longest, sizes, "o", color=COLOURS[colour], markersize=3, alpha=0.6)
    left.set(xlabel="padding in a batch, percent", ylabel="batches", ylim=(0, 160))
    left.legend(fontsize=7, loc="upper right")
    right.set(xlabel="longest name of the batch", ylabel="names in the batch")
    shares = {name: waste(lengths, batches) for name, (batches, _) in groups.items()}
    show(
        fig,
        caption=(
            f"8,400 names with a budget of {BUDGET} tokens. At the left: {shares['your buckets']:.0%} of "
            f"what is computed is padding in your batches, {shares['random order']:.0%} in random ones. At "
            f"the right: yours follow the hyperbola items × longest = {BUDGET}; short names travel in large "
            "groups."
        ),
        alt=(
            "Left: a histogram of the padding in each batch, random batches around 60 percent, bucketed "
            "ones near zero. Right: the number of names against the longest name, the bucketed batches "
            "along a hyperbola."
        ),
    )
