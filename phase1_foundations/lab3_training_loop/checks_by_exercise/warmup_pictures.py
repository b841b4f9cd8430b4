"""What a learner sees after a warm-up: drawn with the function just written."""

from typing import Any

import torch

from shared.plotting import COLOURS, bars, curve, panels, show


def path_downhill(a: Any) -> None:
    fig, axes = panels(1, 3, height=2.4)
    x = torch.linspace(-2.2, 2.2, 100)
    for ax, lr in zip(axes, (0.02, 0.15, 0.52), strict=True):
        p = torch.tensor(-2.0, requires_grad=True)
        path = [p.item()]
        for _ in range(12):
            p.grad = None
            (2 * p**2).backward()
            a.descend_(p, lr)
            path.append(max(min(p.item(), 2.2), -2.2))
        ax.plot(x, 2 * x**2, color=COLOURS["sky"], linewidth=1)
        ax.plot(path, [2 * v**2 for v in path], marker="o", markersize=4, linewidth=1, color=COLOURS["red"])
        ax.set_title(f"lr = {lr}")
        ax.set(xticks=[], yticks=[])
    show(
        fig,
        caption=(
            "Twelve of your steps on the loss 2p²: too small a rate crawls, too large a one climbs out. "
            "Above lr = 0.5 each step lands farther away than it started."
        ),
        alt=(
            "Three parabolas with a path of twelve points. With rate 0.02 the points creep down one side, "
            "with 0.15 they reach the bottom quickly, with 0.52 they jump from side to side and climb."
        ),
    )


def smoothed_losses(a: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(1, 121)
    losses = (0.4 + 2 * torch.exp(-t / 25) + 0.35 * torch.randn(120, generator=generator)).tolist()
    averages = a.running_averages(losses, 0.95)
    raw = [average * (1 - 0.95**n) for n, average in enumerate(averages, start=1)]
    fig, ax = panels(height=2.8)
    ax.plot(t, losses, color="#B9BEC6", linewidth=1, label="one batch")
    curve(ax, t, raw, colour="orange", label="β = 0.95, as it starts at 0")
    curve(ax, t, averages, colour="blue", label="yours, corrected")
    ax.set(xlabel="step", ylabel="loss", ylim=(0, None))
    ax.legend()
    show(
        fig,
        caption="A noisy loss and its running average. Uncorrected, it begins near 0 and tells of a rise.",
        alt=(
            "A noisy falling curve; a smooth average through its middle; and an uncorrected average that "
            "starts near zero and reaches the others after some sixty steps."
        ),
    )


def means_of_digits(a: Any) -> None:
    from shared.data import digits

    inputs, targets = digits(flat=True).train.inputs, digits(flat=True).train.targets
    templates = torch.stack([inputs[targets == k].mean(0) for k in range(10)])
    order = (inputs - templates[targets]).square().mean(1).argsort()  # the hardest come last
    batches = (inputs - templates[targets]).square().mean(1)[order].split(200)
    means, counts = [float(b.mean()) for b in batches], [len(b) for b in batches]
    fig, ax = panels(height=1.8)
    values = {"mean of the batches' means": sum(means) / len(means), "yours": a.overall_mean(means, counts)}
    bars(ax, values, fmt=lambda value: f"{value:.5f}", highlight=["yours"])
    show(
        fig,
        caption=(
            f"The distance of {sum(counts):,} digits from their class's mean image, in batches of 200 and a "
            f"last one of {counts[-1]}, sorted by distance. The last, hardest batch weighs too much in the "
            "mean of means."
        ),
        alt="Two bars; the mean of the means is longer than the mean over all examples.",
    )


def the_same_shuffle(a: Any) -> None:
    generator = torch.Generator().manual_seed(7)
    torch.rand(100, generator=generator)
    foretold = [f"{x:.4f}" for x in a.peek(generator, 5).tolist()]
    came = [f"{x:.4f}" for x in torch.rand(5, generator=generator).tolist()]
    print("you foretold", *foretold)
    print("then came   ", *came)
