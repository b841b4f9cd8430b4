"""The reward of E3: memory against work, over the number of segments."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint_sequential

from courseware.check.observe import saved_bytes
from shared.plotting import COLOURS, panels, show


def beside_torch(a: Any, blocks: nn.ModuleList, x: Tensor) -> None:
    """The same gradients from the learner's chain and from torch's, which leaves its last segment plain."""
    found = []
    for run in (a.checkpoint_chain, lambda b, v, k: checkpoint_sequential(b, k, v, use_reentrant=False)):
        blocks.zero_grad()
        run(blocks, x, 6).square().sum().backward()
        found.append([p.grad.clone() for p in blocks.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    print("Your chain and torch.utils.checkpoint give the same gradients, to the bit.")


def pareto(a: Any) -> None:
    """36 equal blocks: bytes kept through the forward pass, and the largest sum during backward."""
    count, rows, width = 36, 256, 64
    blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(count))
    parameters = tuple(blocks.parameters())
    x = torch.randn(rows, width, generator=torch.Generator().manual_seed(0))

    def plain(part: Any, h: Tensor) -> Tensor:
        for block in part:
            h = block(h)
        return h

    beside_torch(a, blocks, x)
    everything = saved_bytes(lambda: plain(blocks, x), exclude=parameters)
    choices = [1, 2, 3, 4, 6, 9, 12, 18, 36]
    kept = {k: saved_bytes(lambda k=k: a.checkpoint_chain(blocks, x, k), exclude=parameters) for k in choices}
    rest = {
        k: saved_bytes(lambda k=k: plain(blocks[: math.ceil(count / k)], x), exclude=parameters)
        for k in choices
    }
    peaks = {k: kept[k] + rest[k] for k in choices}
    best = min(peaks, key=lambda k: peaks[k])
    fig, ax = panels(height=2.9)
    ax.axhline(everything / 1e6, color=COLOURS["black"], linestyle=":", label="no checkpoints")
    ax.plot(choices, [peaks[k] / 1e6 for k in choices], "o-", color=COLOURS["blue"], label="peak in backward")
    ax.plot(choices, [kept[k] / 1e6 for k in choices], "o-", color=COLOURS["orange"], label="kept by forward")
    ax.set(xlabel="segments of 36 blocks", ylabel="megabytes", ylim=(0, None))
    ax.legend(loc="center right")
    show(
        fig,
        caption=f"Your checkpoint_chain on 36 blocks. Everything kept: {everything / 1e6:.2f} MB. The "
        f"peak is "
        f"smallest at {best} = √36 segments: {peaks[best] / 1e6:.2f} MB, for one more forward pass.",
        alt="Over the number of segments, the bytes kept by the forward pass rise in a straight line, and "
        "the peak "
        "falls to its smallest value at six segments and rises again.",
    )
    sizes = [64] * 6 + [8, 4, 8] + [64] * 6
    print("Uneven blocks:", sizes)
    print("your cuts:    ", a.best_segments(len(sizes), sizes))
