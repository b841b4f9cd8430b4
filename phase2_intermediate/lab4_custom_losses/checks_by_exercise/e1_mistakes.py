"""The known mistakes of E1, each by its signature on a few logits."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.defaults import defaults
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import (
    F64,
    CloseProbes,
    close,
    double,
    gradients,
)

probe = CloseProbes()

Z, ZERO, ONE = double([2.0]), double([0.0]), double([1.0])
P, NLL = 1 / (1 + math.exp(-2)), math.log1p(math.exp(2))  # σ(2), and −log(1 − σ(2)) = 2.1269
ROWS, CLASS = double([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]]), torch.tensor([1, 0])
LOG_P = ROWS.log_softmax(1)
NLLS = -LOG_P[[0, 1], CLASS]
P_T = torch.exp(-NLLS)
FOCAL = (1 - P_T) ** 2 * NLLS


defaults(
    probe,
    ("focal_loss", (ROWS, CLASS), {"gamma": 2.0, "alpha": None, "reduction": "mean"}),
    ("focal_loss", (Z, ONE), {"gamma": 2.0, "alpha": None, "reduction": "mean"}),
    ("smooth_ce", (ROWS, CLASS), {"eps": 0.1, "ignore_index": -100}),
    ("huber", (double([3.0, 0.2]), double([0.0, 0.0])), {"delta": 1.0, "reduction": "mean"}),
)

# ---- focal: form, then stability ---------------------------------------------------------------------------


@probe("target-ignored")
def target_ignored(a: Any, t: Trial) -> str | None:
    zero, one = a.focal_loss(Z, ZERO), a.focal_loss(Z, ONE)
    if close(zero, one) and not close(zero, 0.0):
        return (
            f"focal_loss([2], [0.]) and focal_loss([2], [1.]) are both {numbers(zero)}, expected 1.65 and "
            "0.001804: a floating point target decides whether p_t is σ(z) or 1 − σ(z)"
        )
    return None


probe.value(
    "modulates-the-wrong-way",
    lambda a: torch.cat([a.focal_loss(Z, ZERO)[None], a.focal_loss(ROWS, CLASS)[None]]),
    [torch.stack([double((1 - P) ** 2 * NLL), (P_T**2 * NLLS).mean()]), double([(1 - P) ** 2 * NLL] * 2)],
    "the factor is p_t^γ, which turns the *hard* examples down: it should be (1 − p_t)^γ",
)
probe.value(
    "modulates-with-p",
    lambda a: a.focal_loss(Z, ZERO),
    [(1 - P) ** 2 * NLL, (1 - P) ** 2 * -math.log(P)],
    "focal_loss([2], [0.]) is {found}, expected 1.65: the factor holds 1 − p with p = σ(2), but the target "
    "is 0, so what is true has the probability p_t = 1 − p. Turn p into p_t before you modulate",
)
probe.value(
    "target-zero-costs-nothing",
    lambda a: a.focal_loss(Z, ZERO),
    0.0,
    "focal_loss([2], [0.]) is 0, expected 1.65: an element whose target is 0 is a question too, with p_t = "
    "1 − p",
)
probe.value(
    "no-modulation",
    lambda a: a.focal_loss(ROWS, CLASS),
    NLLS.mean(),
    "focal_loss([[1, 2, −1], [0.5, 0, 3]], [1, 0]) is {found}: plain cross-entropy. With gamma = 2 each loss "
    "is multiplied by (1 − p_t)²",
)
probe.value(
    "focal-sign",
    lambda a: a.focal_loss(ROWS, CLASS),
    -FOCAL.mean(),
    "focal_loss is {found}, negative: log p_t is below 0, so the loss needs the minus sign",
)
probe.value(
    "gamma-fixed",
    lambda a: a.focal_loss(ROWS, CLASS, gamma=0.5),
    FOCAL.mean(),
    "gamma=0.5 gives {found}, the same as gamma=2: use the argument",
)
probe.value(
    "gamma-rounded",
    lambda a: a.focal_loss(ROWS, CLASS, gamma=0.5),
    NLLS.mean(),
    "gamma=0.5 gives {found}, cross-entropy, as gamma=0 does: it was rounded to a whole number",
)
probe.value(
    "gamma-as-a-factor",
    lambda a: a.focal_loss(ROWS, CLASS),
    (2 * (1 - P_T) * NLLS).mean(),
    "focal_loss is {found}: γ multiplies 1 − p_t. It is an exponent, (1 − p_t)^γ",
)
probe.value(
    "mean-before-modulation",
    lambda a: a.focal_loss(ROWS, CLASS),
    (1 - torch.exp(-NLLS.mean())) ** 2 * NLLS.mean(),
    "focal_loss of two rows is {found}: the mean was taken before the factor. Every row has its own p_t: "
    "modulate first, then reduce",
)


@probe("alpha-on-both-classes")
def alpha_on_both(a: Any, t: Trial) -> str | None:
    whole = a.focal_loss(Z, ZERO)
    found = a.focal_loss(Z, ZERO, alpha=0.25)
    ones = a.focal_loss(Z, ONE, alpha=0.25), 0.25 * a.focal_loss(Z, ONE)
    if close(found, 0.25 * whole) and close(*ones) and not close(whole, 0.0):
        return (
            f"alpha=0.25 multiplies the loss of a target 0 by 0.25 ({numbers(whole)} → {numbers(found)}): "
            "α weighs the ones, the zeros get 1 − α = 0.75"
        )
    return None


@probe("alpha-the-wrong-way-round")
def alpha_swapped(a: Any, t: Trial) -> str | None:
    whole, found = a.focal_loss(Z, ONE), a.focal_loss(Z, ONE, alpha=0.25)
    if close(found, 0.75 * whole):
        return (
            "alpha=0.25 multiplies the loss of a target 1 by 0.75: α belongs to the ones, 1 − α to the zeros"
        )
    return None


@probe("alpha-spares-the-zeros")
def alpha_spares(a: Any, t: Trial) -> str | None:
    whole = a.focal_loss(Z, ZERO)
    if close(a.focal_loss(Z, ZERO, alpha=0.25), whole) and close(
        a.focal_loss(Z, ONE, alpha=0.25), 0.25 * a.focal_loss(Z, ONE)
    ):
        return "alpha=0.25 leaves the loss of a target 0 as it is: the zeros get the weight 1 − α, here 0.75"
    return None


@probe("alpha-ignored")
def alpha_ignored(a: Any, t: Trial) -> str | None:
    if close(a.focal_loss(Z, ONE, alpha=0.25, reduction="sum"), a.focal_loss(Z, ONE, reduction="sum")):
        return "alpha=0.25 changes nothing for yes/no questions: ones are weighed by α, zeros by 1 − α"
    if close(a.focal_loss(Z, ONE, alpha=0.0), a.focal_loss(Z, ONE)):
        return "alpha=0.0 was taken for None: `if alpha:` is False for 0. Ask `is not None`"
    if close(a.focal_loss(ROWS, CLASS, alpha=double([0.3, 2.0, 1.0])), FOCAL.mean()):
        return "an alpha [C] changes nothing for classes: row i is weighed by alpha[target[i]]"
    return None


@probe("divides-by-alpha")
def divides_by_alpha(a: Any, t: Trial) -> str | None:
    weight = double([0.3, 2.0, 1.0])
    weighted = weight[CLASS] * FOCAL
    if close(a.focal_loss(ROWS, CLASS, alpha=weight), weighted.sum() / weight[CLASS].sum()):
        return (
            f"with alpha = [0.3, 2, 1] two rows of classes 1 and 0 gave {weighted.sum() / 2.3:.4g}: the sum "
            "of losses was divided by Σα = 2.3. Here the mean divides by the number of losses, 2"
        )
    scaled = a.focal_loss(torch.cat([Z, Z]), double([0.0, 1.0]), alpha=0.2)
    zero, one = P**2 * NLL, (1 - P) ** 2 * -math.log(P)
    plain = a.focal_loss(torch.cat([Z, Z]), double([0.0, 1.0]))
    if close(scaled, 0.8 * zero + 0.2 * one) and close(plain, (zero + one) / 2):
        return "with a number alpha the sum was divided by Σα: the mean divides by the number of losses"
    return None


@probe("another-alpha")
def another_alpha(a: Any, t: Trial) -> str | None:
    weight = double([0.3, 2.0, 1.0])
    found = a.focal_loss(ROWS, CLASS, alpha=weight)
    for wrong, words in (
        ((weight / weight.sum())[CLASS] * FOCAL, "α was scaled to a sum of 1. Take it as it comes"),
        ((1 - weight)[CLASS] * FOCAL, "1 − α was used. For classes α_t is alpha[target]"),
        (FOCAL[:, None] * weight, "every row met the α of every class. Pick alpha[target], one for each row"),
    ):
        if close(found, wrong.mean()):
            return f"with alpha = [0.3, 2, 1] two rows of classes 1 and 0 gave {numbers(found)}: {words}"
    return None


@probe("one-loss-for-each-element")
def each_element(a: Any, t: Trial) -> str | None:
    found = t.attempt(lambda: a.focal_loss(double([[2.0, 0.0, -1.0]]), ONE.expand(1, 3), reduction="none"))
    if found.error is None and found.value.numel() in (1, 3) and tuple(found.value.shape) != (1, 3):
        return (
            f'logits [1, 3] with floating point targets [1, 3] and reduction="none" gave the shape '
            f"{tuple(found.value.shape)}: three questions, three losses, in the shape of the logits"
        )
    return None


@probe("softmax-for-yes-no")
def softmax_for_yes_no(a: Any, t: Trial) -> str | None:
    logits, target = double([[2.0, 0.0, -1.0]]), double([[1.0, 0.0, 1.0]])
    side = logits * (2 * target - 1)
    right = (torch.sigmoid(-side) ** 2 * -torch.nn.functional.logsigmoid(side)).mean()
    attempt = t.attempt(lambda: a.focal_loss(logits, target))
    if attempt.error is None and close(attempt.value, right):
        return None
    if attempt.error is None and close(attempt.value, 3 * right):
        return (
            f"logits [1, 3] with *floating point* targets [1, 3] gave {numbers(attempt.value)}, three times "
            "what is expected: these are three losses, not one row. The mean divides by all elements"
        )
    if attempt.raised(RuntimeError, IndexError, ValueError, TypeError) or (
        attempt.error is None and close(a.focal_loss(Z, ZERO), P**2 * NLL)
    ):
        got = f"raised {type(attempt.error).__name__}" if attempt.error else f"gave {numbers(attempt.value)}"
        return (
            f"logits [1, 3] with *floating point* targets [1, 3] {got}, expected {right:.4g}: these are "
            "three yes/no questions, each with its own sigmoid. Decide by the dtype of the target, not by "
            "the number of axes"
        )
    return None


@probe("log-of-a-rounded-probability")
def rounded_probability(a: Any, t: Trial) -> str | None:
    for z, target, shown in (
        (torch.tensor([-200.0]), torch.tensor([1.0]), "[−200] and target 1"),
        (torch.tensor([200.0]), torch.tensor([0.0]), "[200] and target 0"),
        (torch.tensor([[200.0, 0.0]]), torch.tensor([1]), "[[200, 0]] and class 1"),
    ):
        found = a.focal_loss(z, target)
        if found.dim() == 0 and (not bool(found.isfinite()) or 3 < float(found) < 150):
            return (
                f"the loss of logits {shown} is {float(found):.4g}, expected 200: the probability was "
                "rounded to 0 (or clamped) before the logarithm. Use logsigmoid(z), or z − logsumexp(z)"
            )
    return None


@probe("nan-gradient-where-all-is-right")
def nan_gradient(a: Any, t: Trial) -> str | None:
    for z, target, shown in (
        (torch.tensor([200.0]), torch.tensor([1.0]), "[200] and target 1"),
        (torch.tensor([[200.0, 0.0]]), torch.tensor([0]), "[[200, 0]] and class 0"),
    ):
        loss, (grad,) = gradients(lambda x, y=target: a.focal_loss(x, y, gamma=0.5), z)
        if bool(loss.isfinite()) and grad is not None and not bool(grad.isfinite().all()):
            return (
                f"gamma=0.5, logits {shown}: the gradient is {numbers(grad)}. (1 − p_t)^0.5 is infinitely "
                "steep at p_t = 1. Take exp(γ · log(1 − p_t)) with log(1 − p_t) from the logits, or clamp 1 "
                "− p_t away from 0"
            )
    return None


@probe("gradient-cut")
def gradient_cut(a: Any, t: Trial) -> str | None:
    def f(z: Tensor) -> Tensor:
        return a.focal_loss(z, CLASS)

    loss, (grad,) = gradients(f, ROWS)
    if not close(loss, FOCAL.mean()):
        return None
    if grad is None or not bool(grad.any()):
        return "no gradient arrives at the logits: something was detached (`.item()`, `.detach()`, `.data`)"
    frozen = ((1 - P_T) ** 2)[:, None] * (LOG_P.exp() - torch.eye(3, dtype=F64)[CLASS]) / 2
    side = gradients(lambda z: a.focal_loss(z, ZERO), Z)[1][0]
    if close(grad, frozen) or close(side, double([P**3])):
        return "the factor (1 − p_t)^γ was detached: its derivative belongs to the gradient too"
    return None
