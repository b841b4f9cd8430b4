"""E2: shift, loss, warm-up, accuracy. What must hold; the known mistakes stand in `e2_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.naming import family
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import (
    e2_edge_mistakes,
    e2_other_mistakes,
    pictures,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e2_mistakes import (
    pair_of,
    probe,
    right_loss,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import F64

e2 = Exercise(
    "E2",
    takes={"shift_right": Tensor, "seq_loss": None, "noam": None, "token_accuracy": None},
    forbids=forbid(
        "cross_entropy",
        "cross_entropy_loss",
        "linear_cross_entropy",
        why="it is the answer itself. `log_softmax` and a look at the target's number are all it takes",
    ),
    hints=(
        "The decoder reads the answer one step late: y[:-1] after a begin token. Padding is taken out "
        "first, then there is nothing to mask.",
        "loss of a token = (1 − ε)·(−log p_y) + ε·mean over all classes of (−log p_c); add up over real "
        "tokens. noam: max(step, 1), then the smaller of s^(−½) and s·w^(−3/2), times d^(−½).",
        "`real = target != pad`; `log_p = logits[real].log_softmax(-1)`; `-(1 - s) * log_p.gather(1, "
        "target[real][:, None]).sum()`, and if s > 0 also `- s * log_p.mean(-1).sum()`.",
    ),
)
e2_other_mistakes.probe.add_to(e2)
probe.add_to(e2)
e2_edge_mistakes.probe.add_to(e2)


def drawn(t: Trial, batch: int, length: int, classes: int) -> tuple[Tensor, Tensor]:
    target = torch.randint(0, classes, (batch, length), generator=t.generator)
    return 2 * t.randn(batch, length, classes), target


@e2.property("shifting", points=4)
def shifting(a: Any, t: Trial) -> None:
    for shape in ((1, 1), (2, 3), (3, 0), (4, 7)):
        for dtype in (torch.int64, torch.int32):
            y = torch.randint(0, 99, shape, generator=t.generator).to(dtype)
            right = torch.cat((torch.full((shape[0], 1), 5, dtype=dtype), y[:, :-1]), 1)[:, : shape[1]]
            with family("shift-at-the-edge", f"shift_right of {tuple(shape)}, {dtype}"):
                t.equal(a.shift_right(y, 5), right)
                t.equal(a.shift_right(y.T.contiguous().T, bos=5), right)


@e2.property("the loss and its gradient", points=8)
def losses(a: Any, t: Trial) -> None:
    for batch, length, classes in ((1, 1, 2), (2, 3, 2), (3, 5, 7), (0, 3, 4), (2, 0, 4), (4, 6, 30)):
        for smoothing in (0.0, 0.1, 1.0):
            logits, target = drawn(t, batch, length, classes)
            for pad in (0, classes - 1, -100):
                with family(
                    "loss-at-the-edge", f"logits {tuple(logits.shape)}, pad={pad}, smoothing={smoothing}"
                ):
                    mine = logits.clone().requires_grad_()
                    total, count = pair_of(t, a.seq_loss(mine, target, pad=pad, smoothing=smoothing))
                    right, tokens = right_loss(logits, target, pad, smoothing)
                    # to six digits: what of smoothing was computed in float32 does no harm
                    t.equal(total, right, rtol=1e-6)
                    t.equal(count, tokens, "the count")
                    t.that(total.requires_grad, "the total has no graph")
                    total.backward()
                    theirs = logits.clone().requires_grad_()
                    with t.oracle():
                        F.cross_entropy(
                            theirs.reshape(-1, classes),
                            target.flatten(),
                            ignore_index=pad,
                            label_smoothing=smoothing,
                            reduction="sum",
                        ).backward()
                    grad = torch.zeros_like(logits) if mine.grad is None else mine.grad
                    t.equal(grad, theirs.grad.nan_to_num(0), where="the gradient", rtol=1e-6, atol=1e-7)


@e2.property("more padding changes nothing", points=2)
def padding(a: Any, t: Trial) -> None:
    logits, target = drawn(t, 2, 4, 6)
    target = target.clamp(min=1)
    wide = torch.cat((logits, 50 * t.randn(2, 3, 6)), 1)
    padded = torch.cat((target, torch.zeros(2, 3).long()), 1)
    with family("padding-changes-the-loss", "three padded positions more"):
        for smoothing in (0.0, 0.2):
            t.equal(
                pair_of(t, a.seq_loss(wide, padded, pad=0, smoothing=smoothing)),
                (right_loss(logits, target, 0, smoothing)[0], 8),
                rtol=1e-6,
            )
        t.equal(a.token_accuracy(wide, padded, 0), a.token_accuracy(logits, target, 0))


@e2.property("the learning rate", points=3)
def rates(a: Any, t: Trial) -> None:
    for d, warmup, factor in ((1, 1, 1.0), (64, 400, 2.0), (512, 4000, 1.0)):
        for step in (0, 1, 2, warmup - 1, warmup, warmup + 1, 10 * warmup):
            s = max(step, 1)
            right = factor / d**0.5 * (s / warmup**1.5 if s <= warmup else 1 / s**0.5)
            with family("noam-at-the-edge", f"noam({step}, {d}, {warmup}, {factor})"):
                t.equal(a.noam(step, d, warmup, factor), right, rtol=1e-9)


@e2.property("the share of right tokens", points=3)
def shares(a: Any, t: Trial) -> None:
    for batch, length, classes in ((1, 1, 2), (3, 4, 3), (2, 0, 3), (5, 6, 4)):
        logits, target = drawn(t, batch, length, classes)
        for pad in (0, 2, -100):
            rows = zip(logits.reshape(-1, classes).tolist(), target.flatten().tolist(), strict=True)
            hits = [row.index(max(row)) == label for row, label in rows if label != pad]
            with family("accuracy-at-the-edge", f"logits {tuple(logits.shape)}, pad={pad}"):
                t.equal(a.token_accuracy(logits, target, pad), sum(hits) / max(len(hits), 1), rtol=1e-6)
                t.equal(
                    a.token_accuracy(logits.to(torch.bfloat16).to(F64), target, pad=pad),
                    float(a.token_accuracy(logits.to(torch.bfloat16), target, pad)),
                )


e2.reward(pictures.warm_up)
