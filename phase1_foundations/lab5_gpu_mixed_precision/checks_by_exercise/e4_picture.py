"""The reward of E4: a network's layers on the learner's own roofline."""

from typing import Any

import torch
from torch import nn

from shared.plotting import COLOURS, panels, show
from shared.profiling import flops


def roofline(a: Any) -> None:
    peak, bandwidth = a.measure_machine(0.6)
    print(
        f"This machine: {peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s; ridge at "
        f"{peak / bandwidth:.1f} FLOP/byte"
    )
    print(
        "For comparison, an H100's data sheet: bfloat16 about 989,000 GFLOP/s, 3,350 GB/s; ridge at 295 "
        "FLOP/byte"
    )
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, groups=64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 1000),
    )
    costs = a.count_cost(model, torch.zeros(8, 3, 32, 32))
    leaves = dict(model.named_modules())
    yours = sum(costs[n].flops for n, m in leaves.items() if isinstance(m, nn.Linear | nn.Conv2d))
    library = flops(lambda: model.eval()(torch.zeros(8, 3, 32, 32)))
    assert yours == library
    print(f"Products and convolutions: {yours:,} FLOPs in your count, {library:,} in shared.profiling.flops")
    fig, ax = panels(height=3.4)
    intensity = torch.logspace(-3.5, 3.0, 200).tolist()
    ax.plot(intensity, [a.attainable(i, 1.0, peak, bandwidth)[0] for i in intensity], color=COLOURS["black"])
    groups: dict[str, list[tuple[float, float]]] = {}
    for name, cost in costs.items():
        moved = cost.bytes_read + cost.bytes_written
        speed, _ = a.attainable(cost.flops, moved, peak, bandwidth)
        leaf = leaves[name]
        kind = "depthwise Conv2d" if getattr(leaf, "groups", 1) > 1 else type(leaf).__name__
        kind = kind if kind in ("Conv2d", "Linear", "depthwise Conv2d") else "norm, relu, pooling"
        groups.setdefault(kind, []).append((cost.flops / moved, speed))
    colours = ("blue", "red", "green", "orange")
    for (kind, points), colour in zip(groups.items(), colours, strict=False):
        ax.plot(*zip(*points, strict=True), "o", color=COLOURS[colour], label=kind)
    ax.set(xscale="log", yscale="log", xlabel="FLOPs per byte", ylabel="FLOP/s at best")
    ax.legend(loc="lower right")
    show(
        fig,
        caption="Each dot is a layer, at the speed that your roofline allows it. On the slope a layer waits "
        "for memory, under the flat roof for arithmetic. Norms, activations and pooling stand far left: "
        "faster arithmetic would not help them. The depthwise convolution has a tenth of the intensity "
        "of its neighbours.",
        alt="A line that rises and then turns flat, with dots on it: elementwise layers far left on the "
        "slope, the depthwise convolution further right, ordinary convolutions far right.",
    )
