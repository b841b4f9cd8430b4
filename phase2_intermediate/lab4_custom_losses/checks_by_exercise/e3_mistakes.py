"""The known mistakes of E3, each by its signature on a few pixels or counts."""

from __future__ import annotations

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

OFF = torch.full((1, 1, 2, 2), -1e4, dtype=F64)  # nothing predicted
NONE, ALL = torch.zeros(1, 2, 2, dtype=torch.int64), torch.ones(1, 2, 2, dtype=torch.int64)
SCORES = double([[[[2.0, -1.0], [0.5, 0.0]], [[0.0, 1.0], [0.5, 3.0]], [[-1.0, 0.0], [1.0, 0.0]]]] * 2)
SCORES[1] = SCORES[1].flip(-1) * 0.5
TRUTH = torch.tensor([[[0, 1], [1, 0]], [[1, 1], [0, 1]]])  # class 2 is absent
COUNTS = torch.tensor([90, 9, 1])
Z3, Y3 = double([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]]), torch.tensor([2, 0])
PRIORS = double([0.7, 0.2, 0.1])


def parts(smooth_axes: tuple[int, ...] = (2, 3)) -> tuple[Tensor, Tensor, Tensor]:
    """Σpg, Σp, Σg of the small example."""
    p = SCORES.softmax(1)
    g = torch.nn.functional.one_hot(TRUTH, 3).movedim(-1, 1).to(F64)
    return (p * g).sum(smooth_axes), p.sum(smooth_axes), g.sum(smooth_axes)


PG, SP, SG = parts()
PER_CLASS = 1 - (2 * PG + 1) / (SP + SG + 1)  # [2, 3]
ALL_PIXELS = [x.sum(1) for x in (PG, SP, SG)]
BATCH = [x.sum(0) for x in (PG, SP, SG)]


defaults(
    probe,
    ("soft_dice_loss", (SCORES, TRUTH), {"smooth": 1.0, "batch_dice": False, "ignore_index": None}),
    ("class_weights", (COUNTS, "effective"), {"beta": 0.999}),
    ("logit_adjusted_ce", (Z3, Y3, PRIORS), {"tau": 1.0}),
)

# ---- Dice ---------------------------------------------------------------------------------------------


@probe("dice-without-a-gradient")
def no_gradient(a: Any, t: Trial) -> str | None:
    _, (grad,) = gradients(lambda z: a.soft_dice_loss(z, TRUTH), SCORES)
    if grad is None or not bool(grad.any()):
        return (
            "no gradient arrives at the logits: argmax and thresholds (`> 0.5`) have none. Dice is computed "
            "with the probabilities themselves"
        )
    return None


@probe("softmax-of-one-class")
def softmax_of_one(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.soft_dice_loss(OFF, ALL))
    if attempt.error is None and close(attempt.value, 0.8):
        return None
    if attempt.error is not None:
        return (
            f"logits with one channel (C = 1) raised {type(attempt.error).__name__}: then p = sigmoid, and g "
            "is 1 where the target is 1"
        )
    if close(attempt.value, 0.0) or close(a.soft_dice_loss(-OFF, ALL), a.soft_dice_loss(OFF, ALL)):
        return (
            f"C = 1 gives {numbers(attempt.value)} whatever the logit says: the softmax over a single class "
            "is always 1. For one channel p is the sigmoid"
        )
    return None


@probe("one-class-marks-the-background")
def marks_background(a: Any, t: Trial) -> str | None:
    if close(a.soft_dice_loss(-OFF, NONE), 0.0) or close(a.soft_dice_loss(OFF, ALL), 0.0):
        return "for C = 1 your mask g is 1 where the target is 0: the one channel is the object, target 1"
    return None


probe.value(
    "overlap-not-returned-as-a-loss",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    [(1 - PER_CLASS).mean(), -(1 - PER_CLASS).mean()],
    "soft_dice_loss is {found}, the overlap itself: the loss is 1 − overlap",
)


probe.value(
    "absent-classes-left-out",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    PER_CLASS[:, :2].mean(),
    "soft_dice_loss is {found}: classes without a pixel were left out of the mean. They count: predicting "
    "what is not there has a cost",
)


@probe("smooth-only-below")
def smooth_below(a: Any, t: Trial) -> str | None:
    found = a.soft_dice_loss(OFF, NONE)
    if close(found, 1.0):
        return (
            "an empty prediction of an empty mask gives the loss 1, expected 0: `smooth` stands above *and* "
            "below the line"
        )
    if bool(found.isnan()):
        return (
            "an empty prediction of an empty mask gives nan, expected 0: 0/0. With `smooth` above *and* "
            "below the line each fraction is a number; take the mean over all of them"
        )
    return None


probe.value(
    "smooth-only-above",
    lambda a: a.soft_dice_loss(OFF, ALL),
    1 - 1 / 4,
    "an empty prediction of a full 2×2 mask gives {found}, expected 1 − 1/5 = 0.8: `smooth` belongs below "
    "the line as well",
)
probe.value(
    "the-two-is-missing",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    (1 - (PG + 1) / (SP + SG + 1)).mean(),
    "soft_dice_loss is {found}: the overlap counts twice above the line, 2 Σpg, since the intersection is in "
    "both sums below",
)
probe.value(
    "intersection-over-union",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    (1 - (PG + 1) / (SP + SG - PG + 1)).mean(),
    "soft_dice_loss is {found}: that is intersection over *union*. Dice has 2 Σpg over Σp + Σg",
)
probe.value(
    "means-instead-of-sums",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    (1 - (2 * PG / 4 + 1) / (SP / 4 + SG / 4 + 1)).mean(),
    "soft_dice_loss is {found}: means over the pixels instead of sums, so `smooth` weighs as much as all "
    "pixels",
)
probe.value(
    "smooth-doubled",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    [(1 - 2 * (PG + 1) / (SP + SG + 1)).mean(), (1 - (2 * PG + 1) / (SP + SG + 2)).mean()],
    "soft_dice_loss is {found}: `smooth` comes in twice on one side of the line, once on the other",
)
probe.value(
    "squares-below",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    (1 - (2 * PG + 1) / (SCORES.softmax(1).square().sum((2, 3)) + SG + 1)).mean(),
    "soft_dice_loss is {found}: you sum p² below the line. That variant exists; here it is Σp + Σg",
)
probe.value(
    "sigmoid-for-many-classes",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    (
        1
        - (2 * (SCORES.sigmoid() * torch.nn.functional.one_hot(TRUTH, 3).movedim(-1, 1)).sum((2, 3)) + 1)
        / (SCORES.sigmoid().sum((2, 3)) + SG + 1)
    ).mean(),
    "with C = 3 soft_dice_loss is {found}: a sigmoid for each class. Classes that exclude each other share "
    "one softmax",
)
probe.value(
    "logits-instead-of-probabilities",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    (
        1
        - (2 * (SCORES * torch.nn.functional.one_hot(TRUTH, 3).movedim(-1, 1)).sum((2, 3)) + 1)
        / (SCORES.sum((2, 3)) + SG + 1)
    ).mean(),
    "soft_dice_loss is {found}: the logits were used as they are. Take the softmax over the classes first",
)
probe.value(
    "softmax-over-the-wrong-axis",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    [
        (
            1
            - (2 * (SCORES.softmax(d) * torch.nn.functional.one_hot(TRUTH, 3).movedim(-1, 1)).sum((2, 3)) + 1)
            / (SCORES.softmax(d).sum((2, 3)) + SG + 1)
        ).mean()
        for d in (0, 2, 3)
    ],
    "soft_dice_loss is {found}: the softmax runs over another axis than the classes, dim=1",
)
probe.value(
    "background-left-out",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    PER_CLASS[:, 1:].mean(),
    "soft_dice_loss is {found}: class 0 was left out. All classes count here, the background too",
)
probe.value(
    "batch-instead-of-sample",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    (1 - (2 * BATCH[0] + 1) / (BATCH[1] + BATCH[2] + 1)).mean(),
    "soft_dice_loss is {found}: the sums run over the whole batch. That is what batch_dice=True asks for; "
    "without it each image has its own",
)
probe.value(
    "classes-summed-together",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    [
        (1 - (2 * ALL_PIXELS[0] + 1) / (ALL_PIXELS[1] + ALL_PIXELS[2] + 1)).mean(),
        1 - (2 * PG.sum() + 1) / (SP.sum() + SG.sum() + 1),
    ],
    "soft_dice_loss is {found}: the sums run over the classes too, so a large class drowns a small one. A "
    "fraction for each class, then the mean",
)
probe.value(
    "dice-is-summed",
    lambda a: a.soft_dice_loss(SCORES, TRUTH),
    [PER_CLASS.sum(), PER_CLASS.sum(1).mean(), PER_CLASS.sum(0).mean()],
    "soft_dice_loss is {found}, a sum: asked for is the mean over images and classes",
)
probe.value(
    "batch-dice-ignored",
    lambda a: a.soft_dice_loss(SCORES, TRUTH, batch_dice=True),
    PER_CLASS.mean(),
    "batch_dice=True changes nothing: then the sums run over the pixels of all images before the division",
)
probe.value(
    "smooth-fixed",
    lambda a: a.soft_dice_loss(SCORES, TRUTH, smooth=5.0),
    PER_CLASS.mean(),
    "smooth=5 changes nothing: use the argument",
)


@probe("ignored-pixels")
def ignored_pixels(a: Any, t: Trial) -> str | None:
    target = TRUTH.clone()
    target[:, 0, 0] = 255
    kept = (target != 255)[:, None].to(F64)
    p = SCORES.softmax(1)
    g = torch.nn.functional.one_hot(target.where(target != 255, 0), 3).movedim(-1, 1).to(F64)

    def loss(p: Tensor, g: Tensor) -> Tensor:
        return (1 - (2 * (p * g).sum((2, 3)) + 1) / (p.sum((2, 3)) + g.sum((2, 3)) + 1)).mean()

    attempt = t.tried(lambda: a.soft_dice_loss(SCORES, target, ignore_index=255))
    if attempt.error is not None:
        return (
            f"with ignore_index=255 it raised {type(attempt.error).__name__}: 255 is no class, so `one_hot` "
            "and indexing cannot take it. Put a harmless class in its place, then mask those pixels out of "
            "every sum"
        )
    found = attempt.value
    if close(found, loss(p, g * kept)):
        return (
            f"ignored pixels are left out of g but not of p ({numbers(found)}): they belong in none of "
            f"the sums"
        )
    if close(found, loss(p * kept, g)) or close(found, loss(p, g)):
        return (
            f"ignored pixels are counted as class 0 ({numbers(found)}): they belong in none of the three sums"
        )
    masked = (SCORES * kept).softmax(1)
    if close(found, loss(masked, g * kept)):
        return "the *logits* of ignored pixels were set to 0, whose softmax is 1/3: mask the probabilities"
    return None


@probe("class-zero-cannot-be-ignored")
def ignore_zero(a: Any, t: Trial) -> str | None:
    if close(a.soft_dice_loss(SCORES, TRUTH, ignore_index=0), PER_CLASS.mean()):
        return "ignore_index=0 was taken for None: `if ignore_index:` is False for 0. Ask `is not None`"
    return None
