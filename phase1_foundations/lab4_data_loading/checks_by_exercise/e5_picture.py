"""The rewards of E5: what the network sees, how many workers pay, and what a label is worth."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_world import (
    accuracy,
    epoch,
    few_digits,
    test_digits,
)
from shared.plotting import curve, panels, show


class Sleeping(Dataset[Tensor]):
    """Each example waits 4 ms, as if it came over a network."""

    def __len__(self) -> int:
        return 256

    def __getitem__(self, index: int) -> Tensor:
        time.sleep(0.004)
        return torch.zeros(64)


def forty_digits(a: Any) -> None:
    x, y = few_digits(torch.Generator().manual_seed(0), 8)
    loader = a.build_pipeline(x, y, seed=0)
    fig, axes = panels(5, 8, height=4.4)
    for number, row in enumerate(axes):
        images, labels = (x, y) if number == 0 else epoch(loader)
        for ax, image in zip(row, images[labels.argsort(stable=True)], strict=True):
            ax.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
            ax.set_axis_off()
    show(
        fig,
        caption=(
            "Eight labelled digits, sorted by class (first row), and the same eight in four epochs of your "
            "pipeline. No two images are equal; each can still be read."
        ),
        alt="Five rows of eight digits: the first upright, the others turned, scaled and shifted a little.",
    )
    measured_workers(a)


def measured_workers(a: Any) -> None:
    """With real processes: what they cost, and what they bring."""
    memory = TensorDataset(*few_digits(torch.Generator().manual_seed(0), 1437))
    for name, data in (("1,437 digits in memory", memory), ("256 examples that wait 4 ms", Sleeping())):
        best, seconds = a.choose_workers(data, (0, 2), 3.0)
        row = ", ".join(f"{workers} workers {value:.2f} s" for workers, value in seconds.items())
        print(f"{name:28} {row}: your choice is {best}")


def label_curve(
    build_pipeline: Callable[..., Any],
    train: Callable[..., nn.Module],
    few_labels: Callable[..., tuple[Tensor, Tensor]],
    counts: Sequence[int],
    steps: int,
) -> None:
    """Crooked digits read against labels, with the learner's distortions and without."""
    crooked, _, target = test_digits()
    found: dict[str, list[float]] = {"with your distortions": [], "without": []}
    for count in counts:
        x, y = few_labels(count)
        plain = DataLoader(
            TensorDataset(x, y), batch_size=50, shuffle=True, generator=torch.Generator().manual_seed(0)
        )
        for name, loader in (("with your distortions", build_pipeline(x, y, seed=0)), ("without", plain)):
            found[name].append(accuracy(train(loader, steps=steps), crooked, target))
    fig, ax = panels(height=3.0)
    for (name, values), colour in zip(found.items(), ("blue", "red"), strict=True):
        curve(ax, counts, values, label=name, colour=colour, marker="o")
    ax.set(xscale="log", xlabel="labelled digits", ylabel="crooked test digits read", ylim=(0, 1))
    ax.set_xticks(list(counts), [str(count) for count in counts])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    show(
        fig,
        caption=(
            f"After {steps} steps each. With {counts[0]} labels your distortions read "
            f"{found['with your distortions'][0]:.2f} of the crooked digits; {counts[-1]} labels without "
            f"them read {found['without'][-1]:.2f}."
        ),
        alt="Two curves that rise with the number of labels; that with distortions lies far above the other.",
    )
