"""E2: affine quantisation, held against torch's own kernels. The known mistakes stand in two other files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from phase2_intermediate.lab6_model_export.checks_by_exercise import e2_fake, e2_mistakes, e2_precision
from phase2_intermediate.lab6_model_export.checks_by_exercise.pictures import quantisation_error

READY_MADE = (
    "quantize_per_tensor",
    "quantize_per_channel",
    "quantize_per_tensor_dynamic",
    "fake_quantize_per_tensor_affine",
    "fake_quantize_per_channel_affine",
    "fused_moving_avg_obs_fake_quant",
    "choose_qparams_optimized",
    "_choose_qparams_per_tensor",
    "_fake_quantize_learnable_per_tensor_affine",
    "_fake_quantize_learnable_per_channel_affine",
    "fake_quantize_per_tensor_affine_cachemask",
    "fake_quantize_per_channel_affine_cachemask",
)

e2 = Exercise(
    "E2",
    takes={"choose_qparams": tuple, "quantize": Tensor, "dequantize": Tensor, "FakeQuant": None},
    forbids=forbid(
        *READY_MADE,
        aten=tuple(name for name in READY_MADE if name != "choose_qparams_optimized"),
        why="it is the answer itself. Divide, round, add, clamp",
    ),
    hints=(
        "First make the range contain 0. Then the two ends of the range go to the two ends of the levels, "
        "and "
        "everything between them follows.",
        "s = (hi − lo) / (2ᵇ − 1), z = round(qmin − lo/s); q = clamp(round(x/s) + z); x̂ = s (q − z). For "
        "the "
        "gradient remember where round(x/s) + z was inside *before* the clamp.",
        "`ctx.save_for_backward((q >= qmin) & (q <= qmax))` in forward, `return grad * inside, None, None, "
        "None, None, "
        "None` in backward. `along(scale, x, axis)` makes a row of scales broadcast. `q.float()` before "
        "subtracting.",
    ),
)
e2_mistakes.probe.add_to(e2)
e2_fake.probe.add_to(e2)
e2_precision.probe.add_to(e2)


def ends(bits: int, signed: bool) -> tuple[int, int]:
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def near_a_tie(x: Tensor, scale: Tensor) -> Tensor:
    """Where x/s lies within rounding of a half: there one level more or less is right, too."""
    steps = x.double() / scale.double()
    return ((steps - steps.floor()) - 0.5).abs() < 1e-4


@e2.property("scale and zero point of any range", points=6)
def qparams(a: Any, t: Trial) -> None:
    for _ in range(12):
        ends_ = t.randn(2, 3, dtype=torch.float32) * 10 ** t.random.uniform(-3, 3) + t.random.choice(
            (0, 5, -5)
        )
        low, high = ends_.amin(dim=0), ends_.amax(dim=0)
        for bits in (2, 3, 4, 8):
            for signed in (True, False):
                qmin, qmax = ends(bits, signed)
                scale, zero = a.choose_qparams(low, high, bits=bits, signed=signed)
                wide = high.double().clamp(min=0) - low.double().clamp(max=0)
                where = f"{low.tolist()} … {high.tolist()}, bits={bits}, signed={signed}"
                t.equal(scale, (wide / (2**bits - 1)).float(), f"scale of {where}", rtol=1e-5)
                exact = qmin - low.double().clamp(max=0) / (wide / (2**bits - 1))
                off = (zero.double() - exact).abs()
                t.that(
                    bool((off <= 0.5 + 1e-3).all()),
                    f"zero point of {where} is {zero.tolist()}, not near {exact.tolist()}",
                )
                t.that(bool(((zero >= qmin) & (zero <= qmax)).all()), f"zero point of {where} is no level")
            scale, zero = a.choose_qparams(low, high, bits=bits, symmetric=True)
            right = torch.maximum(low.abs(), high.abs()) / (2 ** (bits - 1) - 1)
            t.equal(scale, right, f"symmetric scale, bits={bits}", rtol=1e-5)
            t.that(not zero.any(), "a symmetric zero point is 0")


@e2.property("the whole numbers of torch's kernels", points=6)
def integers(a: Any, t: Trial) -> None:
    for signed, dtype in ((True, torch.qint8), (False, torch.quint8)):
        x = t.randn(4, 5, 3, dtype=torch.float32) * 3
        scale = t.rand(5, low=0.01, high=0.2, dtype=torch.float32)
        zero = t.randint(0, 60, 5).int()
        with t.oracle():
            whole = torch.quantize_per_tensor(x, float(scale[0]), int(zero[0]), dtype).int_repr()
            rows = torch.quantize_per_channel(x, scale.double(), zero.long(), 1, dtype).int_repr()
        one = a.quantize(x, scale[0], zero[0], signed=signed)
        each = a.quantize(x, scale, zero, signed=signed, axis=-2)
        for found, right, s in ((one, whole, scale[0]), (each, rows, scale[:, None])):
            t.that(found.dtype == right.dtype, f"the dtype is {found.dtype}, expected {right.dtype}")
            off = (found.int() - right.int()).abs()
            t.that(
                bool(((off == 0) | ((off == 1) & near_a_tie(x, s))).all()),
                f"signed={signed}: {int((off > 0).sum())} of {off.numel()} levels are not those of torch",
            )
    for bits in range(2, 9):
        qmin, qmax = ends(bits, True)
        x = t.randn(200) * 4
        q = a.quantize(x, torch.tensor(0.3), torch.tensor(1, dtype=torch.int32), bits=bits)
        t.that(
            qmin <= int(q.min()) and int(q.max()) <= qmax,
            f"bits={bits}: levels {int(q.min())} … {int(q.max())}",
        )
        order = x.argsort()
        t.that(bool((q[order].int().diff() >= 0).all()), f"bits={bits}: a larger x got a smaller level")


@e2.property("there and back: at most half a step off, and 0 stays 0", points=4)
def round_trip(a: Any, t: Trial) -> None:
    for bits in (2, 4, 8):
        for symmetric in (False, True):
            x = t.randn(6, 20, dtype=torch.float32) * t.rand(6, 1, low=0.1, high=9.0, dtype=torch.float32)
            x[:, 0] = 0
            low, high = x.amin(dim=1), x.amax(dim=1)
            scale, zero = a.choose_qparams(low, high, bits=bits, symmetric=symmetric)
            y = a.dequantize(a.quantize(x, scale, zero, bits=bits, axis=0), scale, zero, 0)
            where = f"bits={bits}, symmetric={symmetric}"
            # The range may be shifted by the rounding of the zero point: half a step more at its ends.
            bound = (0.5 if symmetric else 1.0) * scale[:, None] * (1 + 1e-4) + 1e-6
            t.that(bool(((x - y).abs() <= bound).all()), f"{where}: an error is larger than half a step")
            t.that(not y[:, 0].any(), f"{where}: 0 came back as {y[:, 0].tolist()}")
            again = a.dequantize(a.quantize(y, scale, zero, bits=bits, axis=0), scale, zero, 0)
            t.equal(again, y, f"{where}: quantising twice changes the values", rtol=1e-5, atol=1e-6)


@e2.property("FakeQuant: torch's values and torch's gradient", points=4)
def fake(a: Any, t: Trial) -> None:
    for bits in (2, 4, 8):
        for signed in (True, False):
            qmin, qmax = ends(bits, signed)
            x = t.randn(3, 8, dtype=torch.float32) * 2
            scale, zero = torch.tensor(3.0 / 2**bits), torch.tensor((qmin + qmax + 1) // 2, dtype=torch.int32)
            x = torch.where(near_a_tie(x, scale), x + 0.1 * scale, x)
            ours, theirs = (x.clone().requires_grad_() for _ in range(2))
            weight = t.randn(3, 8, dtype=torch.float32)
            with t.oracle():
                right = torch.fake_quantize_per_tensor_affine(theirs, scale, zero, qmin, qmax)
            y = a.FakeQuant.apply(ours, scale, zero, bits, signed, None)
            (y * weight).sum().backward()
            (right * weight).sum().backward()
            t.equal(y.detach(), right.detach(), f"bits={bits}, signed={signed}: values", rtol=1e-5, atol=1e-6)
            t.equal(ours.grad, theirs.grad, f"bits={bits}, signed={signed}: gradient", rtol=1e-6)


e2.reward(quantisation_error)
