"""E1: focal loss, label smoothing, Huber. What must hold; the known mistakes stand in `e1_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Exercise, Trial
from phase2_intermediate.lab4_custom_losses.checks_by_exercise import pictures
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e1_mistakes_smoothing import probe
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import (
    F64,
    closed,
    double,
    expect,
    expect_gradient,
    gradients,
    right_dtype,
    zero_with_graph,
)

e1 = Exercise(
    "E1",
    takes={"focal_loss": Tensor, "smooth_ce": Tensor, "huber": Tensor},
    forbids=closed(
        *("cross_entropy", "cross_entropy_loss", "linear_cross_entropy", "binary_cross_entropy"),
        *("binary_cross_entropy_with_logits", "huber_loss", "smooth_l1_loss"),
        aten=("binary_cross_entropy", "binary_cross_entropy_with_logits", "huber_loss", "smooth_l1_loss"),
        shared="classification regression",
        why="it is the answer, or most of it. Build it from `log_softmax`, `logsigmoid` and indexing",
    ),
    hints=(
        "Stay in logarithms. For a yes/no question turn the logit to the side of the truth first: z for a "
        "target 1, −z for a target 0. Then p_t = σ(side), log p_t = logsigmoid(side), and log(1 − p_t) = "
        "logsigmoid(−side).",
        "Focal = −exp(γ · log(1 − p_t)) · log p_t. For classes log(1 − p_t) = logsumexp of the other "
        "logits − "
        "logsumexp of all. Smoothing = (1 − ε) · (−log p_y) + ε · mean over classes of −log p. Huber = ½ "
        "m² + "
        "δ (|e| − m) with m = min(|e|, δ).",
        "`others = logits.scatter(1, target[:, None], -1e30).logsumexp(1)`; `log_rest = (others - total)"
        ".clamp(max=0)`; `losses = -torch.exp(gamma * log_rest) * log_p`; times `alpha[target]`; the mean is "
        "`losses.sum() / max(losses.numel(), 1)`. For smoothing: `kept = target != ignore_index`, then work "
        "on `log_p[kept]` and `target[kept]`.",
    ),
)
probe.add_to(e1)


def focal_binary(z: Tensor, y: Tensor, gamma: float, alpha: float | None, reduction: str) -> Tensor:
    side = torch.where(y > 0.5, z, -z)
    losses = torch.sigmoid(-side) ** gamma * -F.logsigmoid(side)
    if alpha is not None:
        losses = losses * torch.where(y > 0.5, alpha, 1 - alpha)
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


def focal_classes(z: Tensor, y: Tensor, gamma: float, alpha: Tensor | None, reduction: str) -> Tensor:
    p, rows = z.softmax(1), torch.arange(len(z))
    others = torch.where(F.one_hot(y, z.shape[1]).bool(), 0.0, p).sum(1)
    losses = others**gamma * -z.log_softmax(1)[rows, y]
    losses = losses if alpha is None else losses * alpha.to(F64)[y]
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


@e1.property("focal loss of yes/no questions", points=3)
def focal_yes_no(a: Any, t: Trial) -> None:
    words = "yes/no questions: −α_t (1 − p_t)^γ log p_t with p_t the probability of what is true"
    for shape in ((1,), (5,), (4, 3), (2, 3, 4), ()):
        for gamma, alpha in ((2.0, None), (0.5, 0.25), (0.0, 0.9), (1.0, 0.0), (3.5, None)):
            z, y = t.randn(*shape) * 3, t.randint(0, 2, *shape).double()
            for reduction in ("mean", "sum", "none") if gamma < 1 else ("mean",):
                options: Any = {"gamma": gamma, "alpha": alpha, "reduction": reduction}
                expect_gradient(
                    t,
                    lambda z, y=y, o=options: a.focal_loss(z, y, **o),
                    lambda z, y=y, o=options: focal_binary(z, y, **o),
                    [z],
                    words,
                    diagnosis="focal-of-yes-no-questions",
                )


@e1.property("focal loss of classes", points=3)
def focal_of_classes(a: Any, t: Trial) -> None:
    words = "classes: −α_t (1 − p_t)^γ log p_t with p_t the softmax at the target and α_t = alpha[target]"
    for rows, classes in ((1, 2), (3, 4), (6, 3), (2, 9)):
        for gamma, weighed in ((2.0, False), (0.5, True), (0.0, False), (1.0, True)):
            z, y = t.randn(rows, classes) * 2, t.randint(0, classes, rows)
            alpha = t.rand(classes, low=0.1, high=3.0) if weighed else None
            for reduction in ("mean", "sum", "none") if weighed else ("mean",):
                options: Any = {"gamma": gamma, "alpha": alpha, "reduction": reduction}
                expect_gradient(
                    t,
                    lambda z, y=y, o=options: a.focal_loss(z, y, **o),
                    lambda z, y=y, o=options: focal_classes(z, y, **o),
                    [z],
                    words,
                    diagnosis="focal-of-classes",
                )


@e1.property("label smoothing", points=3)
def label_smoothing(a: Any, t: Trial) -> None:
    for rows, classes in ((1, 2), (4, 3), (5, 8), (3, 1)):
        for eps, ignore in ((0.1, -100), (0.0, -100), (0.3, 0), (1.0, -1), (0.2, 255)):
            y = t.randint(0, classes, rows)
            y[t.random.randrange(rows)] = ignore
            if classes > 1 and rows > 1:
                y[0] = 1
            if bool((y == ignore).all()):
                continue
            expect_gradient(
                t,
                lambda z, y=y, o=(eps, ignore): a.smooth_ce(z, y, *o),
                lambda z, y=y, o=(eps, ignore): F.cross_entropy(
                    z, y, label_smoothing=o[0], ignore_index=o[1]
                ),
                [t.randn(rows, classes) * 2],
                f"smooth_ce with eps={eps}, ignore_index={ignore} and targets {y.tolist()}",
                diagnosis="label-smoothing",
            )


@e1.property("Huber", points=2)
def huber(a: Any, t: Trial) -> None:
    for shape in ((1,), (6,), (3, 4), ()):
        for delta in (1.0, 0.3, 2.5):
            for reduction in ("mean", "sum", "none"):
                expect_gradient(
                    t,
                    lambda p, q, o=(delta, reduction): a.huber(p, q, *o),
                    lambda p, q, o=(delta, reduction): F.huber_loss(p, q, delta=o[0], reduction=o[1]),
                    [t.randn(*shape) * 2, t.randn(*shape) * 2],
                    f"huber with delta={delta}, reduction={reduction!r}",
                    diagnosis="huber-value",
                )
    edge = double([2.0, -2.0, 0.0])
    expect(
        t,
        lambda: a.huber(edge, double([0.0] * 3), 2.0, "none"),
        double([2.0, 2.0, 0.0]),
        "huber where |e| is exactly δ, or 0",
        diagnosis="huber-value",
    )


@e1.property("logits of ±10,000", points=2)
def extremes(a: Any, t: Trial) -> None:
    for dtype in (torch.float32, F64):
        for gamma in (0.0, 0.5, 2.0):
            z, y = torch.tensor([-1e4, 1e4, 1e4, -1e4], dtype=dtype), torch.tensor([1, 1, 0, 0], dtype=dtype)
            expect(
                t,
                lambda z=z, y=y, g=gamma: gradients(
                    lambda z: a.focal_loss(z, y, gamma=g, reduction="sum"), z
                ),
                (double(2e4), [double([-1.0, 0.0, 1.0, 0.0])]),
                f"focal_loss([−10,000, 10,000, 10,000, −10,000], [1., 1., 0., 0.]) with gamma={gamma}, "
                f"and its "
                "gradient",
                diagnosis="extreme-logits",
            )
            rows = torch.tensor([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0]], dtype=dtype)
            expect(
                t,
                lambda z=rows, g=gamma: gradients(
                    lambda z: a.focal_loss(z, torch.tensor([0, 1]), gamma=g, reduction="sum"), z
                ),
                (double(2e4), [double([[0.0, 0.0, 0.0], [1.0, -1.0, 0.0]])]),
                f"focal_loss([[10,000, −10,000, 0]] twice, [0, 1]) with gamma={gamma}, and its gradient",
                diagnosis="extreme-logits",
            )
        expect(
            t,
            lambda z=rows: a.smooth_ce(z, torch.tensor([0, 1]), 0.0),
            double(1e4),
            "smooth_ce of logits ±10,000 with eps=0",
            diagnosis="extreme-logits",
        )
        expect(
            t,
            lambda dtype=dtype: a.huber(torch.tensor([1e4], dtype=dtype), torch.tensor([-1e4], dtype=dtype)),
            double(19999.5),
            "huber(10,000, −10,000)",
            diagnosis="extreme-logits",
        )


@e1.property("nothing, one class, other layouts and dtypes", points=2)
def edges(a: Any, t: Trial) -> None:
    empty, none = t.randn(0, 4), torch.empty(0, dtype=torch.int64)
    zero_with_graph(t, lambda z: a.focal_loss(z, none), empty, "focal_loss of no rows", "mean-over-nothing")
    zero_with_graph(
        t, lambda z: a.focal_loss(z, empty), empty, "focal_loss of no elements", "mean-over-nothing"
    )
    zero_with_graph(t, lambda z: a.smooth_ce(z, none), empty, "smooth_ce of no rows", "mean-over-nothing")
    zero_with_graph(t, lambda p: a.huber(p, empty), empty, "huber of no elements", "mean-over-nothing")
    zero_with_graph(
        t,
        lambda z: a.smooth_ce(z, torch.tensor([-100, -100])),
        t.randn(2, 3),
        "smooth_ce with every row ignored",
        "mean-over-nothing",
    )
    for gamma in (0.0, 0.5, 2.0):
        expect(
            t,
            lambda g=gamma: gradients(
                lambda z: a.focal_loss(z, torch.tensor([0, 0]), gamma=g), double([[3.0], [-1.0]])
            ),
            (double(0.0), [double([[0.0], [0.0]])]),
            f"focal_loss with one class (C = 1) and gamma={gamma}: "
            "p_t is 1, loss and gradient are 0 (0 · inf is nan)",
            diagnosis="one-class",
        )
    z, y = t.randn(4, 6).T, t.randint(0, 4, 6)
    expect(
        t,
        lambda: a.focal_loss(z, y),
        focal_classes(z, y, 2.0, None, "mean"),
        "focal_loss of transposed logits",
        diagnosis="other-layout",
    )
    wide = t.randn(3, 8)[:, ::2]
    expect(
        t,
        lambda: a.focal_loss(wide, (wide > 0).double()),
        focal_binary(wide, (wide > 0).double(), 2.0, None, "mean"),
        "focal_loss of strided logits",
        diagnosis="other-layout",
    )
    right_dtype(t, "focal_loss", lambda d: a.focal_loss(z.to(d), y))
    right_dtype(t, "focal_loss", lambda d: a.focal_loss(z.to(d), (z > 0).to(d), alpha=0.25))
    right_dtype(t, "smooth_ce", lambda d: a.smooth_ce(z.to(d), y))
    right_dtype(t, "huber", lambda d: a.huber(z.to(d), z.to(d) * 0))
    half = (t.randn(4000, 4) * 3).bfloat16()
    labels = t.randint(0, 4, 4000)
    expect(
        t,
        lambda: (a.focal_loss(half, labels), a.smooth_ce(half, labels), a.huber(half, half * 0)),
        (
            focal_classes(half.double(), labels, 2.0, None, "mean"),
            F.cross_entropy(half.double(), labels, label_smoothing=0.1),
            F.huber_loss(half.double(), half.double() * 0),
        ),
        "4,000 rows of bfloat16: compute in float32, a bfloat16 sum stops growing",
        diagnosis="half-precision",
        rtol=2.0**-7,
    )
    near = half + (t.randn(4000, 4) / 10).bfloat16()
    expect(
        t,
        lambda: (a.focal_loss(half, labels, reduction="none"), a.huber(half, near, 0.5, "none")),
        (
            focal_classes(half.double(), labels, 2.0, None, "none"),
            F.huber_loss(half.double(), near.double(), delta=0.5, reduction="none"),
        ),
        "4,000 rows of bfloat16, loss by loss: each is computed in float32, and rounded at the end at most",
        diagnosis="half-precision",
        rtol=2.0**-7,
    )


e1.reward(pictures.gallery)
