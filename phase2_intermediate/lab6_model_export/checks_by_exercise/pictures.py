"""The rewards of E1 to E5, drawn with the learner's own answers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from phase2_intermediate.lab6_model_export.checks_by_exercise.digits_net import accuracy, all_digits, trained
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import quiet
from shared.plotting import COLOURS, bars, panels, show


class Conditional(nn.Module):
    """The same gate with `torch.cond`: both branches are in the program, one is run."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        net = self.net
        h = torch.cond(
            x.mean() > net.threshold,
            lambda x: torch.relu(net.bright(x)),
            lambda x: torch.tanh(net.dark(x)),
            (x,),
        )
        scores = net.out(h)
        return scores - scores.mean(dim=0)


def exported_graph(a: Any) -> None:
    """The learner's program beside one with a cond node, and their parity."""
    net = a.ExportableNet().eval()
    if not hasattr(net, "threshold"):
        net.threshold = 0.0
    with quiet():
        programs = {
            "your network": a.export_dynamic(net, torch.randn(2, 6), {0: "batch"}),
            "with torch.cond": a.export_dynamic(Conditional(net), torch.randn(2, 6), {0: "batch"}),
        }
    for name, program in programs.items():
        names = [
            str(n.target).removeprefix("aten.").split(".")[0]
            for n in program.graph.nodes
            if n.op == "call_function"
        ]
        print(f"{name:16} {' · '.join(names)}")
    batches = [torch.randn(rows, 6) + shift for rows in (1, 2, 7, 64) for shift in (-1, 1)]
    report = a.parity(programs["your network"].module(), programs["with torch.cond"].module(), batches)
    print(report)


def quantisation_error(a: Any) -> None:
    """The staircase of 3 bits, and how the error spreads over one step."""
    x = torch.linspace(-2.0, 3.0, 2001)
    scale, zero = a.choose_qparams(torch.tensor(-1.0), torch.tensor(2.0), bits=3)
    y = a.FakeQuant.apply(x, scale, zero, 3, True, None)
    sample = torch.rand(50_000, generator=torch.Generator().manual_seed(0)) * 3 - 1
    fine, offset = a.choose_qparams(torch.tensor(-1.0), torch.tensor(2.0))
    error = a.dequantize(a.quantize(sample, fine, offset), fine, offset) - sample
    fig, (left, right) = panels(1, 2, height=2.8)
    left.plot(x, x, color=COLOURS["black"], linewidth=0.6, linestyle=":")
    left.plot(x, y, color=COLOURS["blue"])
    left.set(xlabel="x", ylabel="after 3 bits")
    right.hist(error / fine, bins=40, range=(-0.6, 0.6), color=COLOURS["sky"])
    right.set(xlabel="error in steps", ylabel="count")
    spread, predicted = float(error.square().mean().sqrt() / fine), 12**-0.5
    show(
        fig,
        caption=f"Your staircase, and the error of 50,000 values with 8 bits: even over one step. Its root "
        f"mean "
        f"square is {spread:.4f} steps; an even spread predicts 1/√12 = {predicted:.4f}.",
        alt="Left: a staircase of eight steps along the diagonal, flat at both ends. Right: a histogram "
        "that is flat "
        "from −½ to ½ and 0 outside.",
    )


def outlier_row(a: Any) -> None:
    """Bytes and accuracy of the digit network, and what one huge row does to its neighbours."""
    net = trained()
    _, _, X, y = all_digits()
    forms = {"float32": net, "int8 linear layers": a.quantize_model(net)}
    forms["int8, last layer kept"] = a.quantize_model(net, skip=lambda name: name == "11")
    for name, form in forms.items():
        print(f"{name:24}{a.artefact_bytes(form) / 1000:7.1f} kB   {accuracy(form, X, y):.3f} right")
    torch.manual_seed(0)
    layer, x = nn.Linear(64, 64), torch.randn(32, 64)
    x[0] *= 1000
    errors = {}
    for name, per_row in (("one range a row", True), ("one range for all", False)):
        with torch.no_grad():
            off = a.DynamicQuantLinear.from_float(layer, per_row=per_row)(x) - layer(x)
        errors[name] = off[1:].square().mean().sqrt().item()
    fig, ax = panels(height=1.8)
    bars(ax, errors, fmt=lambda v: f"{v:.4f}", highlight=["one range for all"])
    ax.set(xlabel="error of the 31 ordinary rows (root mean square)")
    show(
        fig,
        caption=f"32 rows, the first one a thousand times larger. With one range for all the others are off "
        f"by "
        f"{errors['one range for all'] / errors['one range a row']:.0f} times as much.",
        alt=f"Two bars: {errors['one range a row']:.4f} with one range a row, "
        f"{errors['one range for all']:.4f} with one "
        "for all.",
    )


def accuracy_by_bits(a: Any) -> None:
    """The digit network with 8, 4, 3 and 2 bits a weight: rounded only, and trained through the rounding."""
    X, y, images, truth = all_digits()
    net = trained()
    params = a.calibrate(net, X[:256].split(64))
    bits = (8, 4, 3, 2)
    rounded = [accuracy(a.static_quant(net, params, b), images, truth) for b in bits]
    tuned = [accuracy(a.qat_finetune(net, X, y, qparams=params, bits_w=b), images, truth) for b in bits]
    fig, ax = panels(height=2.8)
    ax.plot(bits, rounded, "o-", color=COLOURS["red"], label="rounded (PTQ)")
    ax.plot(bits, tuned, "s-", color=COLOURS["blue"], label="trained through it (QAT)")
    ax.axhline(
        accuracy(net, images, truth), color=COLOURS["black"], linewidth=0.8, linestyle=":", label="float32"
    )
    ax.set(xlabel="bits a weight", ylabel="test digits right", xticks=bits)
    ax.invert_xaxis()
    ax.legend(loc="lower left")
    show(
        fig,
        caption=f"With 2-bit weights (three levels) rounding alone leaves {rounded[-1]:.3f} of the test "
        f"digits right; "
        f"four epochs through the rounding bring back {tuned[-1]:.3f}.",
        alt=f"Two curves over 8, 4, 3 and 2 bits; rounded {', '.join(f'{v:.3f}' for v in rounded)}; trained "
        f"{', '.join(f'{v:.3f}' for v in tuned)}.",
    )
