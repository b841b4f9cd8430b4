"""The known mistakes of E5 in how a network is trained, from losses that look at it or lead it astray."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e5_mistakes_benchmark import probe
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e5_watch import (
    Notes,
    one_row_a_class,
    three_clusters,
)


@probe("another-activation")
def saturates(a: Any, t: Trial) -> str | None:
    ray = torch.tensor([1e4, 2e4, 3e4])[:, None] * torch.tensor([[1.0, -2.0, 3.0, 0.5]])
    seen: dict[int, Tensor] = {}

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        seen.update({int(c): row.detach().clone() for c, row in zip(target, logits, strict=True)})
        return 0 * logits.sum()

    a.benchmark(
        {"look": loss}, lambda seed: (ray, torch.arange(3), ray, torch.arange(3)), seeds=(0,), epochs=1
    )
    if torch.allclose(seen[0], seen[1], atol=1e-2):
        return (
            "an input of length 40,000 and one of length 80,000 get the same logits, so the hidden units "
            "saturate (tanh, sigmoid): the hidden layer has ReLU"
        )
    return None


@probe("gradients-pile-up")
def pile_up(a: Any, t: Trial) -> str | None:
    x, y = torch.full((2, 4), 3.0), torch.arange(2)
    seen: list[Tensor] = []

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        """A gradient in the first batch alone: what AdamW remembers of it is gone a hundred steps later."""
        seen.append(logits.detach()[0].clone())
        return logits.sum() * (len(seen) == 1)

    a.benchmark({"once": loss}, lambda seed: (x, y, x, y), seeds=(0,), epochs=120)
    if len(seen) >= 120 and float((seen[119] - seen[109]).abs().max()) > 0.012:
        return (
            "a loss with a gradient in the first batch alone still moves the weights a hundred batches on: "
            "`backward()` adds to what is in `.grad`, so call `optimizer.zero_grad()` for every batch"
        )
    return None


@probe("default-of-an-option")
def other_defaults(a: Any, t: Trial) -> str | None:
    kept = len(a.long_tail(torch.arange(2).repeat_interleave(200))) - 200
    if kept != 4:
        return f"long_tail without `ratio` keeps {kept} of 200 rows of the last class, expected 4: it is 50"
    held = len(a.hold_out(torch.arange(20), torch.zeros(20, dtype=torch.int64))[1])
    if held != 4:
        return f"hold_out without `share` holds {held} of 20 rows, expected 4: it is 0.2"
    notes = Notes()
    rows = a.benchmark({"noted": notes}, one_row_a_class(3))
    if sorted(row.seed for row in rows) != [0, 1, 2] or len(notes.targets) != 120:
        return (
            f"benchmark without `seeds` and `epochs` trains for {len(notes.targets)} batches where an epoch "
            f"has one, with the seeds {[row.seed for row in rows]}: it is 40 epochs for each of 0, 1 and 2"
        )
    return None


@probe("no-weight-decay")
def no_decay(a: Any, t: Trial) -> str | None:
    x, y = torch.full((2, 4), 3.0), torch.arange(2)
    seen: list[Tensor] = []

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        seen.append(logits.detach()[0].clone())
        return 0 * logits.sum()

    a.benchmark({"nothing": loss}, lambda seed: (x, y, x, y), seeds=(0,), epochs=60)
    if torch.equal(seen[0], seen[-1]):
        return (
            "a loss whose gradient is 0 leaves your weights as they are: asked for is AdamW, which also "
            "shrinks them a little at every step (weight decay 0.01, its default)"
        )
    return None


@probe("chosen-on-the-test-set")
def chosen_on_test(a: Any, t: Trial) -> str | None:
    calls = [0]

    def spoilt(logits: Tensor, target: Tensor) -> Tensor:
        """Teaches the right classes for half of the way and the next ones after that."""
        if logits.requires_grad:
            calls[0] += 1
        return F.cross_entropy(logits, target if calls[0] <= 45 else (target + 1) % 3)

    row = a.benchmark({"spoilt": spoilt}, three_clusters(t), seeds=(0,), epochs=30)[0]  # 90 steps
    if row.balanced > 0.5:
        return (
            "a loss that goes astray in the second half of the training leaves a network that knows nothing, "
            f"and your Row has recall {numbers(row.recall)}: that is of earlier networks. Choosing the best "
            "epoch by the test set reports luck; the test set is for the end alone"
        )
    return None
