"""The known mistakes of E2, first part: fans, and writing in place."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e2_tools import DENSE, fill

probe = Probes()


# ---- fans -----------------------------------------------------------------------------------------------


@probe("fans-exchanged")
def fans_exchanged(a: Any, t: Trial) -> str | None:
    found = tuple(a.fans(torch.empty(32, 64)))
    if found == (32, 64):
        return (
            "for Linear(64 → 32), whose weight has shape [32, 64], you return (32, 64): fan_in is 64 = "
            "weight.shape[1], since each output adds up 64 products; fan_out is weight.shape[0]"
        )
    return None


@probe("kernel-area-forgotten")
def area_forgotten(a: Any, t: Trial) -> str | None:
    found = tuple(a.fans(torch.empty(8, 4, 3, 3)))
    if found == (4, 8):
        return (
            "conv 3×3 with 4 input channels: fan_in is 4·9 = 36, you return 4. Each output adds up a "
            "whole window"
        )
    if found in ((36, 8), (4, 72)):
        return (
            f"conv 3×3, weight [8, 4, 3, 3]: you return {found}, expected (36, 72): the area multiplies both"
        )
    if found in ((12, 24), (24, 48)):
        return (
            f"conv 3×3, weight [8, 4, 3, 3]: you return {found}, expected (36, 72): the area is 3·3, not "
            "3 or 3 + 3"
        )
    return None


@probe("fans-are-tensors")
def fans_are_tensors(a: Any, t: Trial) -> str | None:
    found = tuple(a.fans(torch.empty(8, 4, 3, 3)))
    if any(isinstance(fan, Tensor) for fan in found):
        return f"`fans` gives tensors, {found}; asked for are two numbers: use `math.prod` for the area"
    return None


@probe("kernels-of-other-ranks")
def other_ranks(a: Any, t: Trial) -> str | None:
    if tuple(a.fans(torch.empty(8, 4, 3, 3))) != (36, 72):
        return None
    for shape, right in (
        ((4, 5), (5, 4)),
        ((6, 4, 7), (28, 42)),
        ((2, 3, 2, 3, 4), (72, 48)),
        ((0, 5), (5, 0)),
    ):
        attempt = t.tried(lambda shape=shape: tuple(a.fans(torch.empty(shape))))
        if attempt.error is not None or attempt.value != right:
            what = f"raised {type(attempt.error).__name__}" if attempt.error else f"gave {attempt.value}"
            return (
                f"`fans` of shape {shape} {what}, expected {right}: a kernel has any number of axes, all "
                "after the first two, and any axis may be empty. Take the product of the sizes"
            )
    return None


@probe("another-fan")
def another_fan(a: Any, t: Trial) -> str | None:
    for shape, right in (((32, 64), (64, 32)), ((8, 4, 3, 3), (36, 72))):
        found = tuple(a.fans(torch.empty(shape)))
        if found != right:
            return (
                f"the fans of {list(shape)} are {found} in your answer, expected {right}: each output adds "
                f"up {right[0]} products, each input takes part in {right[1]} outputs"
            )
    return None


# ---- in place -------------------------------------------------------------------------------------------


@probe("returns-a-new-tensor")
def new_tensor(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        weight = torch.full((6, 5), math.nan)
        result = fill(a, name, weight)
        if result is not weight and bool(weight.isnan().all()):
            return (
                f"`{name}` returned a new tensor and left the old one as it was: a name that ends in `_` "
                "writes in place. `t = …` only binds the name anew; use `t.normal_()`, `t.copy_(…)`"
            )
        if result is not weight and isinstance(result, Tensor):
            return f"`{name}` filled t, but returned another tensor than t itself"
    return None


@probe("memory-is-exchanged")
def exchanged(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        large = torch.full((6, 5), math.nan)
        view = large[:4]
        fill(a, name, view)
        if not bool(view.isnan().any()) and bool(large[:4].isnan().any()):
            return (
                f"`{name}` gave t new memory (`t.data = …`): whoever looks at the old one, a view or a tied "
                "weight, sees no change. Write into it: `t.copy_(…)`"
            )
    return None


@probe("parameter-refused")
def parameter_refused(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        attempt = t.attempt(lambda name=name: fill(a, name, nn.Parameter(torch.zeros(6, 5))))
        if attempt.raised(RuntimeError) and "leaf" in str(attempt.error):
            return (
                f"`{name}` of a parameter raised “{attempt.error}”: initialising is not to be "
                "differentiated. Write inside `with torch.no_grad():`"
            )
        weight = nn.Parameter(torch.zeros(6, 5))
        fill(a, name, weight)
        if not weight.requires_grad:
            return (
                f"after `{name}` the parameter does not require a gradient any more: it would never be "
                "trained"
            )
        plain = torch.zeros(6, 5)
        fill(a, name, plain)
        if plain.requires_grad:
            return f"after `{name}` a plain tensor requires a gradient: leave `requires_grad` as it was"
    return None


@probe("vector-accepted")
def vector(a: Any, t: Trial) -> str | None:
    for name in ("fans", *DENSE, "orthogonal_"):
        attempt = t.tried(lambda name=name: getattr(a, name)(torch.zeros(5)))
        if not attempt.raised(ValueError):
            what = "was accepted" if attempt.error is None else f"raised {type(attempt.error).__name__}"
            return f"`{name}` of a vector {what}: it has no fan_in; raise ValueError"
    for shape in ((5,), (4, 3, 2)):
        attempt = t.tried(lambda shape=shape: a.sparse_(torch.zeros(shape), 0.5))
        if not attempt.raised(ValueError):
            return f"`sparse_` of shape {shape}: it takes exactly two axes; raise ValueError"
    return None
