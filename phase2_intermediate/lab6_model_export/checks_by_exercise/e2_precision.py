"""Known mistakes of E2 in the order of operations, and in numbers of too few digits."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab6_model_export.checks_by_exercise.e2_mistakes import ZERO, scalar, whole

probe = Probes()


@probe("clamped-before-the-zero-point")
def clamp_order(a: Any, t: Trial) -> str | None:
    found = a.quantize(torch.tensor([300.0, -300.0]), scalar(1.0), whole(50)[0]).tolist()
    if found in ([127, -78], [177 - 256, -78]):
        return (
            f"300 and −300 with scale 1 and zero point 50 became {found}, expected [127, −128]: clamp "
            "*after* the zero point is added"
        )
    return None


@probe("rounded-after-the-zero-point")
def round_order(a: Any, t: Trial) -> str | None:
    found = a.quantize(torch.tensor([0.5, 1.5, 2.5, -0.5]), scalar(1.0), whole(1)[0]).tolist()
    if found == [2, 2, 4, 0]:
        return (
            f"[0.5, 1.5, 2.5, −0.5] with scale 1 and zero point 1 became {found}, expected [1, 3, 3, 1]: x/s "
            "is rounded first, and then the zero point is added. An odd zero point turns ties round"
        )
    return None


@probe("quantised-in-low-precision")
def low_precision(a: Any, t: Trial) -> str | None:
    scale = scalar(0.037)
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.arange(1.0, 4.5, 0.0625).to(dtype)
        steps = x.double() / scale.double()
        clear = ((steps - steps.floor()) - 0.5).abs() > 0.02
        found = a.quantize(x, scale, ZERO)
        if not torch.equal(found[clear].double(), steps.round()[clear]):
            wrong = int((found.double() != steps.round())[clear].nonzero()[0])
            value = x[clear][wrong]
            return (
                f"x in {dtype} with scale 0.037: {value:g} became {found[clear][wrong]:d}, expected "
                f"{steps[clear][wrong].round():g}. x/s in 16 bits has too few digits: make x float32 first"
            )
    return None


@probe("dequantised-in-low-precision")
def back_precision(a: Any, t: Trial) -> str | None:
    q = torch.arange(-128, 128).to(torch.int8)
    found = a.dequantize(q, scalar(1 / 3), ZERO)
    right = q.double() * float(scalar(1 / 3))
    if not same(found.double(), right, rtol=1e-6) and same(found.double(), right, rtol=1e-2):
        return f"q = 127 with scale 1/3 stands for 42.33333, you give {found[-1]:.7g}: s · (q − z) in float32"
    return None


@probe("scale-gets-a-gradient")
def scale_gradient(a: Any, t: Trial) -> str | None:
    scale = torch.tensor(0.5, requires_grad=True)
    x = torch.tensor([0.4, 9.0], requires_grad=True)
    a.FakeQuant.apply(x, scale, ZERO, 3, True, None).sum().backward()
    if scale.grad is not None:
        return (
            f"the scale got the gradient {numbers(scale.grad)}: nothing but x gets one, and zeros are not "
            "None. Return None for the other five"
        )
    return None


@probe("symmetric-by-default")
def by_default(a: Any, t: Trial) -> str | None:
    scale, _ = a.choose_qparams(torch.tensor(-1.0), torch.tensor(3.0))
    if same(scale, torch.tensor(3 / 127)):
        return (
            "without `symmetric=True` the range from −1 to 3 has the affine scale 4/255, and yours is the "
            "symmetric one, 3/127"
        )
    return None


@probe("tiny-ranges-lost")
def tiny(a: Any, t: Trial) -> str | None:
    for exponent in (-4, -6, -8, -10):
        size = 10.0**exponent
        scale, _ = a.choose_qparams(torch.tensor([-size, -1.0]), torch.tensor([3 * size, 1.0]))
        if not same(scale[0] / size, torch.tensor(4 / 255), rtol=1e-3):
            return (
                f"values from −{size:g} to {3 * size:g} have the scale {4 * size / 255:.4g}, yours is "
                f"{scale[0]:.4g}: a small range is a range; only lo = hi = 0 has the scale 1"
            )
    return None
