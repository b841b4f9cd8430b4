"""The known mistakes of E1 at the edge: rows that see nothing, and precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab1_attention.checks_by_exercise.e1_mistakes import NEVER, attend, probe, three
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import right_attention, right_weights


@probe("fill-value-overflows-in-half")
def half_at_all(a: Any, t: Trial) -> str | None:
    q, k, v = (t.randn(n, 8, dtype=torch.float16) for n in (2, 3, 3))
    for mask, is_causal in ((None, False), (torch.tensor([True, True, False]), False), (None, True)):
        attempt = t.tried(lambda mask=mask, c=is_causal: attend(a, t, q, k, v, mask, is_causal=c))
        nan = attempt.error is None and bool(attempt.value[0].isnan().any())
        if nan or attempt.error is not None:
            with_ = "a mask" if mask is not None else "is_causal" if is_causal else "no mask"
            what = "a NaN" if nan else f"{type(attempt.error).__name__}: {attempt.error}"
            return (
                f"in float16, with {with_}, your code gives {what}. The numbers of float16 end at 65,504, "
                "and −10⁹ is not among them: fill with −∞, and compute in float32"
            )
    return None


@probe("scale-loses-its-sign")
def negative_scale(a: Any, t: Trial) -> str | None:
    q, k, v = three(t)
    _, weights = attend(a, t, q, k, v, scale=-0.5)
    if same(weights, right_weights(q, k, scale=0.5)):
        return "`scale=-0.5` gave the weights of 0.5: any number may be the scale, and its sign counts"
    if same(weights, right_weights(q, k)):
        return "`scale=-0.5` gave the weights of 1/√D: only `scale=None` stands for that"
    return None


BLIND = torch.tensor([[True, True], [False, False]])


def blind_cases() -> list[tuple[str, Tensor | None, bool, int]]:
    """(in words, mask, is_causal, keys): in each, query 1 or query 0 sees nothing."""
    return [
        ("a row of the boolean mask is all False", BLIND, False, 2),
        ("a row of the floating mask is all −∞", torch.zeros(2, 2).masked_fill(~BLIND, NEVER), False, 2),
        ("mask and is_causal together leave query 0 nothing", torch.tensor([False, True]), True, 2),
        ("T_k is 0", None, False, 0),
    ]


@probe("blind-row")
def blind_row(a: Any, t: Trial) -> None:
    for words, mask, is_causal, keys in blind_cases():
        q, k, v = (t.randn(n, 2) for n in (2, keys, keys))
        attempt = t.tried(lambda q=q, k=k, v=v, m=mask, c=is_causal: attend(a, t, q, k, v, m, is_causal=c))
        if attempt.error is not None:
            t.fail(
                f"{words}, and it raised {type(attempt.error).__name__}: {attempt.error}. Such a query "
                "gets zeros",
                diagnosis="blind-row-raises",
            )
        out, weights = attempt.value
        if bool(weights.isnan().any()) or bool(out.isnan().any()):
            t.fail(
                f"{words}: the softmax of nothing but −∞ is NaN. Such a query gets the weights 0 and the "
                "output 0",
                diagnosis="blind-row-is-nan",
                observed=weights,
                expected=right_weights(q, k, mask, is_causal=is_causal),
            )
        right = right_weights(q, k, mask, is_causal=is_causal)
        if weights.shape == right.shape and not same(weights, right) and keys:
            t.fail(
                f"{words}: its weights are {numbers(weights[int(not is_causal)])}, as if it saw everything. "
                "A finite number in place of −∞ does that. Such a query gets the weights 0 and the output 0",
                diagnosis="blind-row-attends-evenly",
                observed=weights,
                expected=right,
            )
        if same(weights, right) and not same(out, right_attention(q, k, v, mask, is_causal=is_causal)):
            t.fail(
                f"{words}: its weights are 0, as they should be, its output is "
                f"{numbers(out[int(not is_causal)])}, expected zeros: `out` is `weights @ v`",
                diagnosis="blind-row-output",
                observed=out,
                expected=right @ v,
            )


@probe("blind-row-gradient")
def blind_gradient(a: Any, t: Trial) -> str | None:
    for words, mask, is_causal, keys in blind_cases()[:3]:
        q, k, v = (t.randn(n, 2).requires_grad_() for n in (2, keys, keys))
        out, _ = attend(a, t, q, k, v, mask, is_causal=is_causal)
        out.sum().backward()
        for name, x in (("q", q), ("k", k), ("v", v)):
            if x.grad is not None and bool(x.grad.isnan().any()):
                return (
                    f"{words}: the output is right, but the gradient of {name} is {numbers(x.grad)}. 0 · NaN "
                    "is NaN on the way back. Give the row harmless scores before the softmax, and set its "
                    "weights to 0 after"
                )
    return None


@probe("half-precision")
def half(a: Any, t: Trial) -> None:
    for dtype, coarse in ((torch.bfloat16, 2.0**-7), (torch.float16, 2.0**-9)):
        q = 3 * t.randn(16, 1, 16)
        k = 0.8 * q + 0.4 * t.randn(16, 6, 16)
        q, k, v = q.to(dtype), k.to(dtype), t.randn(16, 6, 4, dtype=dtype)
        out, weights = attend(a, t, q, k, v)
        name = str(dtype).removeprefix("torch.")
        t.that(
            out.dtype == weights.dtype == dtype,
            f"for {name} inputs the results are {out.dtype} and {weights.dtype}: convert both back",
            diagnosis="dtype-not-restored",
        )
        right = right_attention(q, k, v)
        error = (out.double() - right).abs().max()
        t.that(
            same(out, right, rtol=2 * coarse, atol=2 * coarse),
            f"in {name} the output is off by {float(error):.3f}, more than rounding the result explains: "
            f"scores of this size have steps of {float(torch.finfo(dtype).eps * 16):.2g} there. Compute "
            "scores, softmax and sum in float32",
            diagnosis="half-computed-in-half",
        )


@probe("weights-rounded-before-the-sum")
def rounded_weights(a: Any, t: Trial) -> str | None:
    for dtype in (torch.bfloat16, torch.float16):
        q, k, v = (torch.tensor(x, dtype=dtype)[:, None] for x in ([1.0], [0.02, 0.0], [1.0, -1.0]))
        out, _ = attend(a, t, q, k, v, scale=1.0)
        right = right_attention(q, k, v, scale=1.0)
        if not same(out, right, rtol=2.0**-7, atol=0.0):
            name = str(dtype).removeprefix("torch.")
            return (
                f"in {name}, weights of 0.505 and 0.495 on the values 1 and −1 gave {out.item():.4g}, "
                f"expected {right.item():.4g}: the weights were rounded to {name} before the sum. Add "
                "up in float32, and convert at the end"
            )
    return None


@probe("float64-computed-in-float32")
def double(a: Any, t: Trial) -> str | None:
    q, k, v = three(t)
    out, _ = attend(a, t, q, k, v)
    right = right_attention(q, k, v)
    if out.dtype == torch.float32 or (same(out, right, rtol=1e-4, atol=1e-5) and not same(out, right)):
        return (
            f"float64 inputs are computed in float32: the error is {float((out - right).abs().max()):.1e}. "
            "Widen half precision only: torch.promote_types(q.dtype, torch.float32)"
        )
    return None
