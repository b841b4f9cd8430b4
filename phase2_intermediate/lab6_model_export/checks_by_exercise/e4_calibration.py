"""E4: calibrate, then train through the quantisation. The known mistakes stand in five other files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab6_model_export.checks_by_exercise import (
    e4_batches,
    e4_frozen,
    e4_observers,
    e4_recipe,
    e4_static,
    e4_step,
    e4_training,
)
from phase2_intermediate.lab6_model_export.checks_by_exercise.digits_net import accuracy, all_digits, trained
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_observers import (
    error,
    heavy,
    scale_of,
    smallest_error,
    watched,
)
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_static import fake, parts
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_training import reference_ptq, tuned
from phase2_intermediate.lab6_model_export.checks_by_exercise.pictures import accuracy_by_bits

QAT = 0.92
MARGIN = 0.05

e4 = Exercise(
    "E4",
    takes={"Observer": None, "calibrate": dict, "static_quant": nn.Module, "qat_finetune": nn.Module},
    hints=(
        "Observe, freeze, replace: three stages that never mix. For training there are two sets of weights, "
        "the float ones "
        "that the optimizer moves and the rounded ones that the network computes with.",
        "Static: fold, w_q = quantize(w, s, axis 0), forward: layer(FakeQuant(x), dequantize(w_q), bias). "
        "QAT: layer("
        "FakeQuant(x), FakeQuant(w), bias) with w the parameter and s = max|w| / (2ᵇ⁻¹ − 1) of this step.",
        "`m.register_forward_pre_hook(lambda layer, inputs: observer.observe(inputs[0]))`; "
        "`replaced(fold_batchnorms(model), "
        "{name: QuantLayer(…)})`; in training a module that keeps `self.layer = layer` and calls "
        "`self.function(x, "
        "FakeQuant.apply(self.layer.weight, scale, zero, bits_w, True, 0), self.layer.bias)`.",
    ),
)
for group in (e4_observers, e4_batches, e4_static, e4_frozen, e4_training, e4_step, e4_recipe):
    group.probe.add_to(e4)


def numpy_range(mode: str, batches: list[Tensor], percentile: float, momentum: float) -> tuple[float, float]:
    """lo … hi by the definition."""
    if mode == "ema":
        low, high = float(batches[0].min()), float(batches[0].max())
        for x in batches[1:]:
            low = momentum * low + (1 - momentum) * float(x.min())
            high = momentum * high + (1 - momentum) * float(x.max())
        return low, high
    values = torch.cat([x.flatten() for x in batches]).double().numpy()
    if mode == "percentile":
        return float(np.percentile(values, 100 - percentile)), float(np.percentile(values, percentile))
    return float(values.min()), float(values.max())


def many(t: Trial, x: Tensor) -> Tensor:
    """20,000 numbers as large as those of x: a histogram cannot see between a few."""
    return t.randn(20_000, dtype=torch.float32) * x.abs().mean()


def held_to_numpy(a: Any, t: Trial) -> None:
    """Every mode on random tensors, held against its definition."""
    for _ in range(6):
        batches = [
            t.randn(t.random.randrange(1, 40), 5, dtype=torch.float32) * t.random.uniform(0.1, 9)
            for _ in range(t.random.randrange(1, 5))
        ]
        for mode in ("minmax", "ema", "percentile"):
            bits, p, m = t.random.choice((4, 8)), t.random.choice((99.0, 95.0)), t.random.choice((0.5, 0.9))
            seen = [many(t, x) for x in batches] if mode == "percentile" else batches
            low, high = numpy_range(mode, seen, p, m)
            found = watched(a, mode, *seen, bits=bits, percentile=p, momentum=m).qparams()
            spread = float(max(x.max() for x in seen) - min(x.min() for x in seen))
            levels = 2**bits - 1
            off = abs(float(found.scale) - scale_of(low, high, bits)) * levels
            slack = 2e-3 * spread if mode == "percentile" else 1e-4 * spread
            where = f'"{mode}", {bits} bits, {len(batches)} tensors'
            t.that(
                off <= slack,
                f"{where}: the range is {float(found.scale) * levels:.5g} wide, expected "
                f"{numbers(scale_of(low, high, bits) * levels)}",
            )
            zero = -(2 ** (bits - 1)) - min(low, 0.0) / scale_of(low, high, bits)
            t.that(
                abs(float(found.zero_point) - zero) <= 0.51 + (1 if mode == "percentile" else 0),
                f"{where}: zero point",
            )
        if t.random.random() < 0.5:
            x = torch.cat(batches)
            found = error(x, watched(a, "mse", *batches, bits=4))
            t.that(found <= 1.05 * smallest_error(x, 4) + 1e-9, f'"mse", 4 bits: error {found:.4g}')


def decibels(x: Tensor, y: Tensor) -> float:
    return float(10 * torch.log10(x.double().square().sum() / (x - y).double().square().sum()))


@e4.property("observers: each mode by its definition", points=5)
def observers(a: Any, t: Trial) -> None:
    held_to_numpy(a, t)


@e4.property("which range is better depends on what counts", points=3)
def trade(a: Any, t: Trial) -> None:
    x = t.randn(5000, dtype=torch.float32)
    x[::1000] *= 50
    inliers = x.abs() < 5
    plain, cut = (fake(x, watched(a, mode, x).qparams()) for mode in ("minmax", "percentile"))
    gain = decibels(x[inliers], cut[inliers]) - decibels(x[inliers], plain[inliers])
    t.that(
        gain >= 5,
        f"1 of 1,000 values fifty times larger: percentile writes the others {gain:.1f} dB better, expected "
        f"5",
    )
    loss = decibels(x, plain) - decibels(x, cut)
    t.that(loss > 0, "the outliers themselves must be worse with percentile than with minmax")
    y = heavy(t, 5000)
    plain, best = (fake(y, watched(a, mode, y, bits=4).qparams()) for mode in ("minmax", "mse"))
    gain = decibels(y, best) - decibels(y, plain)
    t.that(gain >= 1.5, f"heavy tails with 4 bits: mse is {gain:.1f} dB better than minmax, expected 1.5")


@e4.property("static: torch's numbers, and 8 bits cost next to nothing", points=5)
def static(a: Any, t: Trial) -> None:
    e4_static.equals_torch(a, t)
    X, _, images, y = all_digits()
    net = trained()
    found = a.calibrate(net, X[:256].split(64))
    ours = accuracy(a.static_quant(net, found), images, y)
    plain = accuracy(net, images, y)
    t.that(ours >= plain - 0.01, f"8 bits: {ours:.3f} of the test digits are right, float32 has {plain:.3f}")


@e4.property("2-bit weights: training brings the accuracy back", points=7)
def qat(a: Any, t: Trial) -> None:
    _, _, X, y = all_digits()
    model, plain = tuned(a, t), reference_ptq()
    for name in ("0", "4", "9", "11"):
        q = parts(model, name)[0]
        t.that(
            q.dtype == torch.int8 and int(q.abs().max()) <= 1, f"{name}.w_q has levels {q.unique().tolist()}"
        )
    found = accuracy(model, X, y)
    t.reaches(
        found, QAT, "of the test digits are right with 2-bit weights", more=f"rounding alone has {plain:.3f}"
    )
    t.that(found >= plain + MARGIN, f"{found:.3f} with training, {plain:.3f} without")


e4.reward(accuracy_by_bits)
