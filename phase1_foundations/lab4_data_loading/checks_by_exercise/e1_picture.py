"""The reward of E1: a padded batch of names."""

from typing import Any

import torch

from phase1_foundations.lab4_data_loading.checks_by_exercise.pictures import MASK_COLOURS
from shared.plotting import heatmap, panels, show


def padded_batch(a: Any) -> None:
    words = ["data", "loader", "map", "augmentation", "tokens", "a"]
    sequences = [torch.tensor([ord(letter) for letter in word]) for word in words]
    ds = a.SequenceDataset(sequences, torch.arange(len(words)))
    fig, axes = panels(2, 1, height=4.6)
    for ax, multiple_of in zip(axes, (1, 8), strict=True):
        x, _, lengths, mask = a.pad_collate([ds[i] for i in range(len(ds))], pad=183, multiple_of=multiple_of)
        letters = [[chr(code) for code in row] for row in x.tolist()]
        heatmap(ax, mask, text=letters, cmap=MASK_COLOURS, limits=(0, 1), rows=lengths.tolist())
        waste = 1 - int(lengths.sum()) / mask.numel()
        ax.set_title(f"multiple_of={multiple_of}: {waste:.0%} padding")
    show(
        fig,
        caption=(
            "Six words in your batch; the numbers at the left are your lengths, grey is padding. One long "
            "word is enough to make more than half of the table grey: E3 does something about it."
        ),
        alt="Two tables of six words, one letter a cell; the cells after the end of each word are grey.",
    )
