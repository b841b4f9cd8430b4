"""The known mistakes of E2's loss at its edges: infinite logits, padding, nothing left, precision, layout."""

from __future__ import annotations

import math
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e2_mistakes import pair_of, right_loss
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import F64, tensor

probe = Probes()


@probe("overflow")
def overflow(a: Any, t: Trial) -> str | None:
    total, _ = pair_of(t, a.seq_loss(tensor([[[1e4, 0.0, -1e4]]]), torch.tensor([[1]]), pad=0))
    if not same(total, tensor(1e4)):
        return (
            f"logits (10⁴, 0, −10⁴) with target 1 cost {float(total):.4g}, expected 10⁴: exp overflows or "
            "log(0) appears. Use `log_softmax`, or subtract the maximum first"
        )
    return None


@probe("infinite-logits")
def infinite(a: Any, t: Trial) -> str | None:
    logits, target = tensor([[[0.0, 0.0, -math.inf]]]), torch.tensor([[1]])
    total, _ = pair_of(t, a.seq_loss(logits, target, pad=0))
    if not same(total, tensor(math.log(2))):
        return (
            f"a logit of −∞ for a class that is not the target gives {float(total):.4g} with smoothing 0, "
            "expected log 2 = 0.6931: 0 · ∞ is NaN, so leave the uniform part out when smoothing is 0"
        )
    for label, smoothing in ((1, 0.1), (2, 0.0), (2, 0.1)):
        total, _ = pair_of(t, a.seq_loss(logits, torch.tensor([[label]]), pad=0, smoothing=smoothing))
        t.that(
            same(total, tensor(math.inf)),
            f"with smoothing={smoothing:g} a class of probability 0 that has a share of the mass gives "
            f"{float(total):.4g}, expected inf: its −log p is ∞",
            diagnosis="infinity-lost",
        )
    return None


@probe("needs-contiguous-tensors")
def layouts(a: Any, t: Trial) -> str | None:
    logits, target = t.randn(3, 2, 5).transpose(0, 1), torch.tensor([[1, 2], [3, 0], [4, 4]]).T
    given = (logits, logits.contiguous()), (target, target.contiguous())
    right, tokens = right_loss(logits, target, 0)
    for x, y, words in (
        (given[0][0], given[1][1], "logits that are a transposed view"),
        (given[0][1], given[1][0], "targets that are a transposed view"),
    ):
        answer = value_of(
            t, lambda x=x, y=y: a.seq_loss(x, y, pad=0), "needs-contiguous-tensors", f"seq_loss of {words}"
        )
        total, count = pair_of(t, answer)
        if not same(total, right) or count != tokens:
            return f"{words} give {float(total):.4f} and {count}, as a copy {float(right):.4f} and {tokens}"
    return None


@probe("padding-not-silent")
def silent_padding(a: Any, t: Trial) -> str | None:
    logits = t.randn(1, 3, 4)
    logits[0, 2] = math.nan
    logits.requires_grad_()
    total, _ = pair_of(t, a.seq_loss(logits, torch.tensor([[1, 2, 0]]), pad=0, smoothing=0.1))
    if bool(total.isnan()):
        return "NaN logits at a padded position make the total NaN: 0 · NaN is NaN. Select the real positions"
    t.that(
        total.requires_grad,
        "the total has no graph: it cannot be trained with. Something was detached",
        diagnosis="detached",
    )
    total.backward()
    assert logits.grad is not None
    if not bool((logits.grad[0, 2] == 0).all()):
        t.fail(
            f"the gradient at a padded position is {numbers(logits.grad[0, 2])}, expected zeros: NaN comes "
            "back through a multiplication by 0. Select the real positions before computing",
            diagnosis="padding-gets-gradient",
        )
    return None


@probe("nothing-left")
def nothing(a: Any, t: Trial) -> str | None:
    logits = t.randn(1, 2, 3).requires_grad_()
    words = "seq_loss of padding alone"
    for eps in (0.0, 0.1):
        total, count = pair_of(
            t,
            value_of(
                t,
                lambda eps=eps: a.seq_loss(logits, torch.zeros(1, 2).long(), pad=0, smoothing=eps),
                "nothing-left",
                words,
            ),
        )
        if not same(total, tensor(0.0)) or count != 0:
            return f"{words} gave ({float(total):.4g}, {count}), expected (0, 0)"
        if not total.requires_grad:
            return f"{words} has no graph: `backward()` must work, and give gradients of 0"
        total.backward()
        if logits.grad is None or bool(logits.grad.any()):
            return (
                f"{words} does not hang on the logits: after `backward()` they have no gradient, expected 0"
            )
    return None


@probe("precision")
def precision(a: Any, t: Trial) -> str | None:
    target = torch.randint(1, 50, (1, 300), generator=t.generator)
    for dtype in (torch.bfloat16, torch.float16, torch.float32, F64):
        logits = (3 * t.randn(1, 300, 50)).to(dtype)
        total, _ = pair_of(t, a.seq_loss(logits, target, pad=0, smoothing=0.1))
        wanted = F64 if dtype == F64 else torch.float32
        if total.dtype != wanted:
            return f"logits in {dtype} give a total in {total.dtype}, expected {wanted}"
        right = right_loss(logits, target, 0, 0.1)[0]
        if not same(total, right, rtol=2e-5, atol=1e-3):
            return (
                f"logits in {dtype} give {float(total):.3f}, expected {float(right):.3f}: convert to "
                "float32 before the softmax and the sum"
            )
    return None


@probe("infinite-target-all-smoothed")
def all_smoothed(a: Any, t: Trial) -> str | None:
    logits = tensor([[[0.0, 0.0, -math.inf]]])
    total, _ = pair_of(t, a.seq_loss(logits, torch.tensor([[2]]), pad=0, smoothing=1.0))
    if not same(total, tensor(math.inf)):
        return (
            f"with smoothing=1 a target of probability 0 makes the loss {float(total):.4g}, expected inf: "
            "(1 − ε)·(−log p_y) is 0 · ∞. Leave the target's part out when smoothing is 1"
        )
    return None
