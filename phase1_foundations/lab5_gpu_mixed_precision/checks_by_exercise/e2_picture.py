"""The reward of E2: the learner's scaler looking for its scale."""

from typing import Any

import torch
from torch import nn

from shared.plotting import COLOURS, panels, show
from shared.train import Precision


def beside_the_library(a: Any) -> None:
    """The same gradients, some of them infinite, for the learner's scaler and that of shared.train."""
    library = Precision("fp16", torch.device("cpu"))
    assert library.scaler is not None
    yours, scales = a.DynamicLossScaler(), []
    left, right = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizers = [torch.optim.SGD([p], lr=1e-6) for p in (left, right)]
    for step in range(40):
        loss = torch.tensor(1.0 if step % 9 else float("inf"))
        yours.scale(loss * left.sum()).backward()
        library.scale(loss * right.sum()).backward()
        yours.step(optimizers[0])
        yours.update()
        library.step(optimizers[1])
        left.grad = right.grad = None
        scales.append(yours.get_scale())
        assert scales[-1] == library.scaler.get_scale()
    assert torch.equal(left, right)
    print(
        f"40 steps beside shared.train.Precision: equal scales, {scales[0]:g} … {scales[-1]:g}, and equal "
        "weights"
    )


def staircase_of_scales(a: Any) -> None:
    """Gradients of half precision that shrink while training goes on; the scale follows them."""
    beside_the_library(a)
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.zeros(64))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    scaler = a.DynamicLossScaler(init=2.0**24, interval=25)
    scales, limits, skipped = [], [], []
    for step in range(600):
        size = 10.0 ** (-1 - 3 * step / 600)
        true = torch.randn(64, generator=generator) * size
        weight.grad = (true * scaler.get_scale()).half().float()  # what backward in half precision would give
        scales.append(scaler.get_scale())
        limits.append(65504 / true.abs().max().item())
        if not scaler.step(optimizer):
            skipped.append(step)
        scaler.update()
    fig, ax = panels(height=2.9)
    ax.plot(limits, color=COLOURS["sky"], linewidth=0.8, label="65504 / largest gradient")
    ax.step(range(600), scales, where="post", color=COLOURS["blue"], label="your scale")
    ax.plot(skipped, [scales[s] for s in skipped], "x", color=COLOURS["red"], label="skipped step")
    ax.set(yscale="log", xlabel="step", ylabel="scale")
    ax.set_yscale("log", base=2)
    ax.legend(loc="upper left", bbox_to_anchor=(0.12, 1.0))
    show(
        fig,
        caption=f"Your scaler starts at 2²⁴, far too high, and finds its way down in "
        f"{scales.index(min(scales))} "
        f"steps. Then gradients shrink by a factor of 1,000 and it follows, always just below the limit: "
        f"{len(skipped)} of 600 steps were skipped.",
        alt="A staircase of scales over 600 steps: a steep fall at the beginning, then doublings with single "
        "halvings, marked by red crosses, along a rising noisy limit.",
    )
