"""E3: an int8 linear layer. What must hold; the known mistakes stand in three other files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from courseware.check import Exercise, Trial, forbid
from phase2_intermediate.lab6_model_export.checks_by_exercise import e3_fine, e3_inputs, e3_layer, e3_model
from phase2_intermediate.lab6_model_export.checks_by_exercise.digits_net import all_digits, trained
from phase2_intermediate.lab6_model_export.checks_by_exercise.e3_layer import by_numpy, linear
from phase2_intermediate.lab6_model_export.checks_by_exercise.pictures import outlier_row

e3 = Exercise(
    "E3",
    takes={"DynamicQuantLinear": None, "quantize_model": nn.Module, "artefact_bytes": int},
    forbids=forbid(
        "quantize_per_tensor",
        "quantize_per_channel",
        "quantize_per_tensor_dynamic",
        "_int_mm",
        "_weight_int8pack_mm",
        python=("torch.ao.quantization.quantize_dynamic",),
        why="the layer is to be built from whole numbers, scales and zero points",
    ),
    hints=(
        "Three scales meet in a result: that of the row, that of the output channel, and, for the zero "
        "point, the sum of "
        "each row of weights.",
        "y = s_x · s_w · (Σ q_x q_w − z_x Σ q_w) + bias. With one range a row: low, high over the last "
        "axis, then "
        "`choose_qparams`, then `quantize(…, axis=0)`.",
        "`rows = x.reshape(-1, I).float()`; `low, high = rows.aminmax(dim=1)`; `whole = q.double() @ "
        "w_q.double().T - "
        "zero[:, None].double() * w_q.double().sum(dim=1)`; zero rows first, they have no minimum.",
    ),
)
e3_fine.early.add_to(e3)
e3_layer.probe.add_to(e3)
e3_inputs.probe.add_to(e3)
e3_model.probe.add_to(e3)
e3_fine.probe.add_to(e3)


@e3.property("the numbers of exact integer arithmetic", points=8)
def integers(a: Any, t: Trial) -> None:
    for rows, inputs, outputs in ((1, 1, 1), (3, 5, 4), (8, 64, 10)):
        for per_channel in (True, False):
            for per_row in (True, False):
                layer = linear(t.randn(outputs, inputs), t.randn(outputs) if rows != 3 else None)
                x = (t.randn(rows, inputs) * 3 + t.random.choice((0, 2, -8))).float()
                ours = a.DynamicQuantLinear.from_float(layer, per_channel=per_channel, per_row=per_row)
                right = by_numpy(layer, x, per_channel=per_channel, per_row=per_row)
                # A value within rounding of a tie may take the other level: one step of x times one weight.
                step = float(
                    (x.amax().clamp(min=0) - x.amin().clamp(max=0)) / 255 * layer.weight.detach().abs().max()
                )
                off = (ours(x).double() - right).abs()
                few = (off > 1e-4 * (1 + right.abs())).double().mean()
                where = f"{inputs} → {outputs}, {rows} rows, per_channel={per_channel}, per_row={per_row}"
                t.that(
                    float(off.max()) <= 2.1 * step + 1e-3 and few <= 0.05, f"{where}: off by {off.max():.4g}"
                )


@e3.property("the error stays within its bound", points=4)
def bounded(a: Any, t: Trial) -> None:
    layer = linear(t.randn(6, 40), t.randn(6))
    x = t.randn(20, 40, dtype=torch.float32)
    right = x.double() @ layer.weight.detach().double().T + layer.bias.detach().double()
    found = a.DynamicQuantLinear.from_float(layer)(x).double()
    w = layer.weight.detach().double()
    s_w = w.abs().amax(dim=1) / 127
    s_x = (x.double().amax(dim=1).clamp(min=0) - x.double().amin(dim=1).clamp(max=0)) / 255
    bound = (
        x.double().abs().sum(dim=1)[:, None] * s_w / 2
        + s_x[:, None] * w.abs().sum(dim=1)  # half a step, and half of one for the rounded zero point
        + 40 * s_x[:, None] * s_w / 2
    )
    t.that(
        bool(((found - right).abs() <= bound * 1.001 + 1e-5).all()),
        "an error is beyond the bound of its roundings",
    )


@e3.property("a whole network: a quarter of the bytes, the same classes", points=6)
def network(a: Any, t: Trial) -> None:
    torch.manual_seed(t.seed)
    net = trained()
    _, _, X, _y = all_digits()
    ours = a.quantize_model(net)
    with torch.no_grad():
        agree = (ours(X).argmax(dim=1) == net(X).argmax(dim=1)).double().mean().item()
    t.that(
        agree >= 0.99, f"on {agree:.3f} of the test digits the int8 model says the same class, expected 0.99"
    )
    wide = nn.Linear(512, 256)
    share = a.artefact_bytes(a.quantize_model(wide)) / a.artefact_bytes(wide)
    t.that(share <= 0.27, f"Linear(512, 256) takes {share:.3f} of its float bytes, expected at most 0.27")


@e3.property("bytes of any state dict", points=2)
def sizes(a: Any, t: Trial) -> None:
    for _ in range(4):
        i, o = t.random.randrange(1, 9), t.random.randrange(1, 9)
        model = nn.Sequential(nn.Linear(i, o), nn.Linear(o, i, bias=False).double())
        right = sum(np.prod(v.shape) * v.element_size() for v in model.state_dict().values())
        t.equal(a.artefact_bytes(model), int(right), f"Linear({i}, {o}) and a float64 one")
        ours = a.DynamicQuantLinear.from_float(nn.Linear(i, o))
        t.equal(a.artefact_bytes(ours), i * o + 8 * o, f"an int8 layer {i} → {o}")


e3.reward(outlier_row)
