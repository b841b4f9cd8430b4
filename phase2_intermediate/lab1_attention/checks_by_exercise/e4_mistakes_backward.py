"""The known mistakes of E4 in the autograd Function and its backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.naming import name_it
from courseware.check.observe import observe, saved_bytes
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_formula import (
    BACKWARD,
    backward_with,
    right_gradients,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.e4_mistakes import (
    BLOCK,
    LENGTH,
    LIMIT,
    NO_AUTOGRAD,
    WIDTH,
    apply,
    draw,
    long_inputs,
    probe,
    too_large,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import right_attention


def with_gradients(a: Any, t: Trial, inputs: list[Tensor], *blocks: Any) -> tuple[Tensor, list[Any], Tensor]:
    """(out, gradients, the gradient that was sent back)."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    out = apply(a, t, *leaves, *blocks)
    grad = t.randn(*out.shape).to(out.dtype)
    t.that(
        out.requires_grad,
        "no gradient can flow back from `out`: `apply` must run your `forward`",
        diagnosis="no-gradient",
    )
    out.backward(grad)
    return out.detach(), [x.grad for x in leaves], grad


@probe("the-function-s-forward")
def function_forward(a: Any, t: Trial) -> str | None:
    t.that(
        isinstance(a.BlockwiseAttention, type) and issubclass(a.BlockwiseAttention, torch.autograd.Function),
        "BlockwiseAttention must be a torch.autograd.Function",
        diagnosis="not-a-function",
    )
    for is_causal in (False, True):
        q, k, v = draw(t, (1, 2), 5, 7)
        out = apply(a, t, q, k, v, 2, 3, is_causal)
        if not same(out, right_attention(q, k, v, is_causal=is_causal)):
            return (
                f"BlockwiseAttention.apply(q, k, v, 2, 3, {is_causal}) is not the output of attention: pass "
                "the block sizes and is_causal on"
            )
    return None


@probe("forbidden")
def autograd_inside(a: Any, t: Trial) -> str | None:
    q, k, v = (x.requires_grad_() for x in draw(t, (1, 1), 4, 4))
    with NO_AUTOGRAD.hold():
        out = apply(a, t, q, k, v, 2, 2, False)
        if out.grad_fn is not None and hasattr(out.grad_fn, "apply"):
            out.grad_fn.apply(torch.ones_like(out))  # the learner's backward, without the engine
    return None


@probe("the-number-of-gradients")
def how_many(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: with_gradients(a, t, draw(t, (1, 1), 3, 3), 2, 2, False))
    if attempt.error is not None and "gradient" in str(attempt.error):
        return (
            f"torch refuses what backward returns: {attempt.error}. One gradient for each of the six inputs "
            "of `forward`: dQ, dK, dV, and None for the three that are no tensors"
        )
    if attempt.error is None and any(g is None for g in attempt.value[1]):
        missing = [name for name, g in zip("qkv", attempt.value[1], strict=True) if g is None]
        return f"backward gives no gradient for {' and '.join(missing)}"
    return None


@probe("the-backward-pass")
def backward(a: Any, t: Trial) -> None:
    inputs = draw(t, (1, 1), 5, 7)
    _, found, grad = with_gradients(a, t, inputs, 2, 3, False)
    right = right_gradients(inputs[0], inputs[1], inputs[2], grad)
    if all(same(x, y) for x, y in zip(found, right, strict=True)):
        return
    wide = inputs[0], inputs[1], inputs[2]
    made = {name: backward_with(name, *wide, grad, 2, 3) for name in (*BACKWARD, "nothing wrong")}
    assert all(same(x, y) for x, y in zip(made["nothing wrong"], right, strict=True))
    fine = [same(x, y) for x, y in zip(found, right, strict=True)]
    for n, name in enumerate(("dQ", "dK")):
        alone = fine[2] and fine[1 - n] and not fine[n]
        for mistake, words in (("scale-forgotten", "misses the factor"), ("scale-twice", "has it twice:")):
            if alone and same(found[n], made[mistake][n]):
                t.fail(f"dQ and dK both have the factor s = 1/√D once; {name} {words}", diagnosis=mistake)
    for n in range(3):
        name_it(
            t,
            found[n],
            right[n],
            [(name, each[n], BACKWARD[name]) for name, each in made.items() if name in BACKWARD],
        )
    shapes = [tuple(x.shape) for x in found]
    if same(found[0], right[1]) or shapes[:2] == [(1, 1, 7, 4), (1, 1, 5, 4)]:
        t.fail(
            "dQ and dK are exchanged: backward returns dQ, dK, dV in this order",
            diagnosis="gradients-in-another-order",
        )
    for n, (name, words) in enumerate(
        (
            ("dQ", "dQ = s · dS · K"),
            ("dK", "dK = s · dSᵀ · Q"),
            ("dV", "dV = Pᵀ · dO, with P = exp(S − lse)"),
        )
    ):
        if not fine[n] and sum(fine) == 2:
            t.fail(
                f"the other two gradients are right, {name} is not: {words}",
                diagnosis=f"only-{name.lower()}-is-wrong",
                observed=found[n],
                expected=right[n],
            )
    if fine[2] and not fine[0]:
        t.fail(
            "dV is right, dQ and dK are not: look at dS = P ⊙ (dP − Δ), whose rows have the sum 0, and at "
            "the factor s",
            diagnosis="ds-is-wrong",
            observed=found[0],
            expected=right[0],
        )


@probe("causal-in-the-backward-pass")
def causal_backward(a: Any, t: Trial) -> str | None:
    inputs = draw(t, (1, 2), 6, 6)
    _, found, grad = with_gradients(a, t, inputs, 2, 3, True)
    right = right_gradients(*inputs, grad, is_causal=True)
    without = with_gradients(a, t, inputs, 2, 3, False)
    fine = all(same(x, y) for x, y in zip(without[1], right_gradients(*inputs, without[2]), strict=True))
    if fine and not all(same(x, y) for x, y in zip(found, right, strict=True)):
        return (
            "the gradients are right without is_causal and wrong with it: what was hidden in the forward "
            "pass has weight 0 in the backward pass, too"
        )
    return None


@probe("saves-the-weights")
def saved(a: Any, t: Trial) -> str | None:
    q, k, v = (x.requires_grad_() for x in long_inputs(t))
    kept = saved_bytes(lambda: apply(a, t, q, k, v, BLOCK, BLOCK, False))
    allowed = 4 * 2 * LENGTH * (4 * WIDTH + 1)  # q, k, v, out and lse in float32
    if kept > 2 * allowed:
        square = 2 * LENGTH * LENGTH * 4
        return (
            f"T = {LENGTH}: {kept:,} bytes are kept for the backward pass, at most {2 * allowed:,} are "
            f"allowed; the weights, T × T numbers a head, are {square:,}. Keep q, k, v, out and lse, and "
            "compute the rest again"
        )
    return None


@probe("backward-of-size-t-squared")
def memory_backward(a: Any, t: Trial) -> str | None:
    q, k, v = (x.requires_grad_() for x in long_inputs(t))
    for is_causal in (False, True):
        with observe() as seen:
            out = apply(a, t, q, k, v, BLOCK, BLOCK, is_causal)
            forward_alone = seen.largest
            out.backward(torch.ones_like(out))
        if seen.largest > LIMIT:
            return too_large(
                "`apply`" if forward_alone > LIMIT else "the backward pass", seen.largest, is_causal
            )
    return None
