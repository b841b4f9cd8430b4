"""E3: Dice, class weights, logit adjustment. What must hold; the known mistakes stand in `e3_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Exercise, Trial
from phase2_intermediate.lab4_custom_losses.checks_by_exercise import pictures
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e3_mistakes_weights import probe
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

e3 = Exercise(
    "E3",
    takes={"soft_dice_loss": Tensor, "class_weights": Tensor, "logit_adjusted_ce": Tensor},
    forbids=closed(
        shared="segmentation imbalance classification",
        why="`shared.losses` holds the finished versions; here you write them",
    ),
    hints=(
        "Dice: make p and g of the same shape [N, C, H, W], then everything is three sums. Weights: raw "
        "weights first, then one common factor. Logit adjustment: one addition before the cross-entropy.",
        "loss[n, c] = 1 − (2 Σpg + s)/(Σp + Σg + s), sums over H and W (and N for batch_dice), then the "
        "mean. w = raw · Σn / Σ(n · raw), with raw = 0 where n = 0, in float64. CE(z + τ log π).",
        "`g = (target[:, None] == torch.arange(C).view(1, -1, 1, 1)).to(p.dtype)` makes one mask for each "
        "class and none for an ignored pixel (C = 1: compare with 1); `kept = (target != ignore_index)[:, "
        "None]`; `p, g = p * kept, g * kept`; `axes = (0, 2, 3) if batch_dice else (2, 3)`.",
    ),
)
probe.add_to(e3)


def dice(z: Tensor, target: Tensor, smooth: float, batch_dice: bool, ignore: int | None) -> Tensor:
    """Image by image and class by class, over lists of pixels."""
    classes = z.shape[1]
    p = z.sigmoid() if classes == 1 else z.softmax(1)
    groups = [list(range(len(z)))] if batch_dice else [[n] for n in range(len(z))]
    losses = []
    for group in groups:
        truth = torch.cat([target[n].reshape(-1) for n in group])
        kept = torch.ones_like(truth, dtype=torch.bool) if ignore is None else truth != ignore
        for c in range(classes):
            given = torch.cat([p[n, c].reshape(-1) for n in group])[kept]
            wanted = (truth[kept] == (1 if classes == 1 else c)).to(F64)
            losses.append(1 - (2 * given @ wanted + smooth) / (given.sum() + wanted.sum() + smooth))
    return torch.stack(losses).mean()


@e3.property("Dice", points=5)
def soft_dice(a: Any, t: Trial) -> None:
    for shape in ((1, 2, 1, 1), (1, 1, 2, 3), (2, 3, 2, 2), (3, 4, 3, 5), (2, 1, 4, 4)):
        n, classes, height, width = shape
        for smooth, batch_dice, ignore in (
            (1.0, False, None),
            (0.1, True, None),
            (2.0, False, 255),
            (1.0, True, -1),
            (1.0, False, 0),
        ):
            target = t.randint(0, max(classes, 2), n, height, width)
            if ignore is not None:
                target[t.rand(n, height, width) < 0.3] = ignore
            how: Any = {"smooth": smooth, "batch_dice": batch_dice, "ignore_index": ignore}
            expect_gradient(
                t,
                lambda z, y=target, h=how: a.soft_dice_loss(z, y, **h),
                lambda z, y=target, h=how: dice(z, y, h["smooth"], h["batch_dice"], h["ignore_index"]),
                [t.randn(*shape) * 2],
                f"soft_dice_loss, logits {shape}, smooth={smooth}, batch_dice={batch_dice}, "
                f"ignore_index={ignore}",
                diagnosis="dice-value",
            )


@e3.property("Dice: masks that are empty, full, ignored; ±10,000", points=3)
def dice_edges(a: Any, t: Trial) -> None:
    for dtype in (torch.float32, F64):
        off, size = torch.full((1, 1, 3, 3), -1e4, dtype=dtype), 9
        none, full = torch.zeros(1, 3, 3, dtype=torch.int64), torch.ones(1, 3, 3, dtype=torch.int64)
        for logits, target, wanted, words in (
            (off, none, 0.0, "nothing predicted, nothing there"),
            (off, full, 1 - 1 / (size + 1), "nothing predicted, everything there"),
            (-off, none, 1 - 1 / (size + 1), "everything predicted, nothing there"),
            (-off, full, 0.0, "everything predicted, everything there"),
        ):
            loss = lambda z, y=target: a.soft_dice_loss(z, y)  # noqa: E731
            expect(t, lambda z=logits, f=loss: f(z), double(wanted), words, diagnosis="dice-edges")
            grad = gradients(loss, logits)[1][0]
            t.that(
                grad is not None and bool(grad.isfinite().all()),
                f"{words}: the gradient is not finite",
                diagnosis="dice-edges",
            )
    blank = torch.full((2, 2, 2), 255)
    for batch_dice in (False, True):
        expect(
            t,
            lambda b=batch_dice: gradients(
                lambda z: a.soft_dice_loss(z, blank, ignore_index=255, batch_dice=b), t.randn(2, 3, 2, 2)
            ),
            (double(0.0), [torch.zeros(2, 3, 2, 2, dtype=F64)]),
            f"every pixel is ignored (batch_dice={batch_dice}): loss and gradient are 0",
            diagnosis="all-pixels-ignored",
        )
    half_blank, logits = torch.cat([t.randint(0, 3, 1, 2, 2), blank[:1]]), t.randn(2, 3, 2, 2)
    expect(
        t,
        lambda: a.soft_dice_loss(logits, half_blank, ignore_index=255),
        dice(logits[:1], half_blank[:1], 1.0, False, None) / 2,
        "two images, every pixel of the second is ignored: its loss is 0, and it counts in the mean",
        diagnosis="ignored-image-left-out",
    )
    z, ignored = t.randn(2, 3, 3, 3), t.randint(0, 3, 2, 3, 3)
    expect(
        t,
        lambda: a.soft_dice_loss(z, ignored, ignore_index=1),
        dice(z, ignored, 1.0, False, 1),
        "ignore_index = 1, which is also a class",
        diagnosis="dice-ignores-a-class",
    )


@e3.property("class weights", points=5)
def class_weights(a: Any, t: Trial) -> None:
    for counts in ([5], [3, 3], [100, 10, 1], [140, 97, 52, 41, 25, 16, 10, 6, 4, 3], [7, 0, 2], [0, 0, 4]):
        n = double(counts)
        cases = [("inverse", 0.999, n.reciprocal()), ("sqrt", 0.999, n.rsqrt())]
        cases += [("effective", b, (1 - b) / (1 - b**n)) for b in (0.0, 0.5, 0.999, 1 - 1e-6)]
        for scheme, beta, raw in cases:
            raw = raw.masked_fill(n == 0, 0.0)
            how = {"beta": beta} if scheme == "effective" else {}
            words = f"class_weights({counts}, {scheme!r}{f', beta={beta}' if how else ''})"
            expect(
                t,
                lambda c=counts, s=scheme, h=how: a.class_weights(torch.tensor(c), s, **h),
                raw * n.sum() / (n * raw).sum(),
                f"{words}, scaled so that Σ n·w = Σ n",
                diagnosis=f"weights-{scheme}",
                rtol=1e-4,
            )
    near = a.class_weights(torch.tensor([100, 10, 1]), "effective", beta=1 - 1e-9)
    t.equal(
        near,
        double([111 / 300, 111 / 30, 111 / 3]),
        "counts [100, 10, 1], beta = 1 − 1e-9",
        diagnosis="weights-effective",
        dtype=False,
        rtol=1e-3,
    )
    t.that(
        near.is_floating_point(), f"the weights are {near.dtype}, expected a float", diagnosis="other-dtype"
    )
    t.raises(
        ValueError,
        lambda: a.class_weights(torch.tensor([1, 2]), "linear"),
        "an unknown scheme",
        diagnosis="unknown-scheme",
    )


@e3.property("logit adjustment", points=3)
def logit_adjustment(a: Any, t: Trial) -> None:
    for rows, classes in ((1, 2), (3, 1), (5, 4), (2, 7)):
        for tau in (1.0, 0.0, 0.5, 2.0):
            priors = t.rand(classes, low=0.05) + 0.01
            priors, y = priors / priors.sum(), t.randint(0, classes, rows)
            expect_gradient(
                t,
                lambda z, y=y, q=priors, tau=tau: a.logit_adjusted_ce(z, y, q, tau),
                lambda z, y=y, q=priors, tau=tau: F.cross_entropy(z + tau * q.log(), y),
                [t.randn(rows, classes) * 2],
                f"logit_adjusted_ce with tau={tau}: the cross-entropy of z + τ log π",
                diagnosis="adjustment-value",
            )
    large = torch.tensor([[1e4, -1e4], [1e4, -1e4]])
    expect(
        t,
        lambda: a.logit_adjusted_ce(large, torch.tensor([0, 1]), torch.tensor([0.9, 0.1])),
        double(1e4),
        "logit_adjusted_ce at ±10,000",
        diagnosis="extreme-logits",
        rtol=1e-3,
    )
    zero_with_graph(
        t,
        lambda z: a.logit_adjusted_ce(z, torch.empty(0, dtype=torch.int64), double([0.9, 0.1])),
        t.randn(0, 2),
        "logit_adjusted_ce of no rows",
        "mean-over-nothing",
    )


@e3.property("what it learns is the balanced rule", points=2)
def balanced_rule(a: Any, t: Trial) -> None:
    """Two Gaussians at ∓1 with 90 % and 10 %: the plain z must change sign in the middle, at 0."""
    left, right = 0.9, 0.1
    q = (torch.arange(900, dtype=F64) + 0.5) / 900
    zero = torch.special.ndtri(q) * 0.8 - 1
    one = torch.special.ndtri(q[4::9]) * 0.8 + 1
    x, y = torch.cat([zero, one]), torch.tensor([0] * 900 + [1] * 100)
    w = torch.zeros(2, dtype=F64, requires_grad=True)
    for _ in range(12):  # Newton's method: the loss is convex in (slope, offset)
        z = w[0] * x + w[1]
        loss = a.logit_adjusted_ce(torch.stack([-z / 2, z / 2], 1), y, double([left, right]))
        (grad,) = torch.autograd.grad(loss, w, create_graph=True)
        rows = [torch.autograd.grad(g, w, retain_graph=True)[0] for g in grad]
        with torch.no_grad():
            w -= torch.linalg.solve(torch.stack(rows) + 1e-9 * torch.eye(2, dtype=F64), grad)
    boundary = float(-w[1] / w[0])
    t.that(
        abs(boundary) < 0.03,
        f"two Gaussians at −1 (90 %) and +1 (10 %): the model trained with your loss changes its answer at "
        f"{boundary:.3f}, expected in the middle, 0 ± 0.03",
        diagnosis="boundary-not-in-the-middle",
    )


@e3.property("other layouts and dtypes", points=2)
def layouts(a: Any, t: Trial) -> None:
    z, y = t.randn(2, 4, 4, 3).movedim(-1, 1), t.randint(0, 3, 2, 4, 4).transpose(1, 2)
    expect(
        t,
        lambda: a.soft_dice_loss(z, y),
        dice(z, y, 1.0, False, None),
        "soft_dice_loss of channels-last logits",
        diagnosis="other-layout",
    )
    right_dtype(t, "soft_dice_loss", lambda d: a.soft_dice_loss(z.to(d), y))
    right_dtype(t, "soft_dice_loss", lambda d: a.soft_dice_loss(z[:, :1].to(d), y.clamp(max=1)))
    priors = torch.tensor([0.5, 0.3, 0.2])
    right_dtype(
        t, "logit_adjusted_ce", lambda d: a.logit_adjusted_ce(z[:, :, 0, 0].to(d), y[:, 0, 0], priors)
    )
    large = t.randn(1, 2, 64, 64).bfloat16()
    truth = t.randint(0, 2, 1, 64, 64)
    expect(
        t,
        lambda: a.soft_dice_loss(large, truth),
        dice(large.double(), truth, 1.0, False, None),
        "4,096 pixels of bfloat16: compute in float32, a bfloat16 sum stops growing",
        diagnosis="half-precision",
        rtol=2.0**-7,
    )


e3.reward(pictures.boundaries)
