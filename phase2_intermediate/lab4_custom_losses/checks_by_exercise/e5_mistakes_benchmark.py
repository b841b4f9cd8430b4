"""The known mistakes of E5 in the benchmark and the recipe."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e5_mistakes import probe
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.e5_watch import (
    Notes,
    one_row_a_class,
    rows_of,
    three_clusters,
)
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import close

# ---- benchmark ----------------------------------------------------------------------------------------


@probe("rows-of-the-table")
def table(a: Any, t: Trial) -> str | None:
    result = a.benchmark(
        {"a": F.cross_entropy, "b": F.cross_entropy}, three_clusters(t), seeds=(4, 9), epochs=1
    )
    found = sorted((row.loss, row.seed) for row in result)
    if found != [("a", 4), ("a", 9), ("b", 4), ("b", 9)]:
        return (
            f"two losses and seeds (4, 9) give the rows {found}, expected one Row for each loss and each seed"
        )
    row = result[0]
    if not isinstance(row.balanced, float):
        return f"Row.balanced is a {type(row.balanced).__name__}, expected a Python float"
    if not isinstance(row.recall, Tensor) or tuple(row.recall.shape) != (3,):
        return (
            f"Row.recall should be a tensor with one recall for each of the 3 classes, it is "
            f"{row.recall!r:.80}"
        )
    return None


@probe("not-the-seed-s-own-data")
def own_data(a: Any, t: Trial) -> str | None:
    asked: list[int] = []

    def data(seed: int) -> Any:
        asked.append(seed)
        return three_clusters(t)(seed)

    a.benchmark({"a": F.cross_entropy}, data, seeds=(4, 9), epochs=1)
    if set(asked) != {4, 9}:
        return (
            f"`data` was called with {asked}, expected once for each of the seeds 4 and 9: every seed "
            f"has its own draw"
        )
    return None


def noted(a: Any, seeds: tuple[int, ...] = (0, 1), epochs: int = 2) -> list[list[Notes]]:
    """One Notes for each loss (two) and seed, in a single call of the benchmark for each seed."""
    found = []
    for seed in seeds:
        pair = [Notes(), Notes()]
        a.benchmark({"first": pair[0], "second": pair[1]}, one_row_a_class(), seeds=(seed,), epochs=epochs)
        found.append(pair)
    return found


@probe("epochs-and-batches")
def epochs_and_batches(a: Any, t: Trial) -> str | None:
    notes = noted(a, (0,))[0][0]
    sizes = [len(target) for target in notes.targets]
    if sizes == [70, 70]:
        return "all 70 rows came as one batch: batches of 64 rows, the last may be smaller"
    if sizes == [64, 64]:
        return (
            "the last, smaller batch of each epoch was dropped: 6 of 70 rows are left out. Every row counts"
        )
    if sizes != [64, 6, 64, 6]:
        return f"70 rows in 2 epochs came in batches of {sizes[:8]}, expected [64, 6, 64, 6]"
    first, second = torch.cat(notes.targets[:2]), torch.cat(notes.targets[2:])
    if sorted(first.tolist()) != list(range(70)):
        return "an epoch does not meet every row exactly once: use a permutation (randperm), not random draws"
    if torch.equal(first, second) or first.tolist() == list(range(70)):
        return "the rows come in the same order in every epoch: draw a new random order for each"
    return None


@probe("another-start-for-each-loss")
def another_start(a: Any, t: Trial) -> str | None:
    (one, two), (other, _) = noted(a)
    if not torch.equal(torch.cat(one.targets), torch.cat(two.targets)):
        return (
            "under one seed the two losses meet their batches in different orders: seed the order again "
            "for every "
            "loss, or the comparison is not paired"
        )
    assert one.first_logits is not None
    assert two.first_logits is not None
    if not torch.allclose(one.first_logits, two.first_logits, rtol=1e-5, atol=1e-6):
        return (
            "under one seed the two losses start from different weights (their first logits differ): "
            "seed again "
            "before each network, or the comparison is not paired. Training on with the same network is "
            "no better"
        )
    if torch.equal(torch.cat(one.targets), torch.cat(other.targets)):
        return "seeds 0 and 1 meet the rows in the same order: the order comes from the seed"
    if len(one.start) == len(other.start) and all(
        close(p, q) for p, q in zip(one.start, other.start, strict=True) if p.dim() == 2
    ):
        return "seeds 0 and 1 start from the same weights: the start comes from the seed"
    return None


@probe("another-network")
def another_network(a: Any, t: Trial) -> str | None:
    notes = noted(a, (0,), 1)[0][0]
    size = sum(math.prod(shape) for shape in notes.shapes)
    if size != 4 * 128 + 128 + 128 * 70 + 70:
        return (
            f"for D = 4 and 70 classes the network has the parameters {notes.shapes}, expected one "
            f"hidden layer of 128: "
            "(128, 4), (128,), (70, 128), (70,)"
        )
    if not 1.8e-3 < notes.step < 2.3e-3:
        return (
            f"the first step moved a weight by {notes.step:.2g}, AdamW with lr = 2e-3 moves it by 0.002: "
            f"another "
            "optimizer or learning rate makes another comparison"
        )
    return None


@probe("plain-accuracy")
def plain_accuracy(a: Any, t: Trial) -> str | None:
    row = a.benchmark({"ce": F.cross_entropy}, three_clusters(t), seeds=(0,), epochs=15)[0]
    if close(torch.tensor(row.balanced), (20 + 7 + 2) / 34, atol=1e-3):
        return (
            f"Row.balanced is {row.balanced:.3f}: that is plain accuracy, in which the 20 zeros outvote "
            f"the rest. The "
            "recalls are 1, 0.7 and 0.5, their mean is 0.733"
        )
    if close(row.recall, torch.tensor([20 / 25, 1.0, 1.0]), atol=1e-3):
        return (
            f"Row.recall is {numbers(row.recall)}: that is precision. Divide by the test rows *of* the "
            f"class, not by "
            "those predicted as it"
        )
    if not close(row.recall, torch.tensor([1.0, 0.7, 0.5]), atol=1e-3):
        return (
            f"on three clusters that anybody can tell apart Row.recall is {numbers(row.recall)}, "
            f"expected [1, 0.7, 0.5]:"
            " of each class of the *test* rows, the share whose largest logit is its own"
        )
    if not close(torch.tensor(row.balanced), 2.2 / 3, atol=1e-3):
        return f"Row.balanced is {row.balanced:.3f}, expected 0.733, the mean of Row.recall"
    return None


@probe("not-the-same-twice")
def not_the_same_twice(a: Any, t: Trial) -> str | None:
    data = three_clusters(t)
    losses = {"a": F.cross_entropy, "b": lambda z, y: 3 * F.cross_entropy(z, y), "c": F.cross_entropy}
    torch.manual_seed(1)
    first = a.benchmark(losses, data, seeds=(5,), epochs=1)
    torch.manual_seed(2)
    second = a.benchmark(dict(reversed(losses.items())), data, seeds=(5,), epochs=1)
    for name in losses:
        if not torch.equal(rows_of(first, name, 5).recall, rows_of(second, name, 5).recall):
            return (
                "the same call with the losses in another order gives other rows: everything random "
                "comes from the seed"
            )
    if not torch.equal(rows_of(first, "a", 5).recall, rows_of(first, "c", 5).recall):
        return "the same loss under two names gives two results (the A/A test fails): it is not paired"
    return None


# ---- the recipe ---------------------------------------------------------------------------------------


@probe("recipe-is-not-a-loss")
def not_a_loss(a: Any, t: Trial) -> str | None:
    recipe = t.tried(lambda: a.best_recipe(torch.tensor([70, 20, 10])))
    if recipe.error is not None or not callable(recipe.value):
        got = f"raised {type(recipe.error).__name__}" if recipe.error else f"returned {recipe.value!r:.60}"
        return f"best_recipe(counts) {got}; it returns a function loss(logits, target)"
    z = t.randn(4, 3, dtype=torch.float32).requires_grad_()
    attempt = t.tried(lambda: recipe.value(z, torch.tensor([0, 1, 2, 0])))
    if attempt.error is not None:
        return (
            f"the loss of best_recipe raised {type(attempt.error).__name__} for float32 logits [4, 3]: "
            f"{str(attempt.error).splitlines()[0] if str(attempt.error) else ''}"
        )
    if not isinstance(attempt.value, Tensor) or attempt.value.dim() or not attempt.value.requires_grad:
        return "the loss of best_recipe should be a 0-d tensor with a graph, so that `.backward()` works"
    return None


@probe("recipe-ignores-the-counts")
def ignores_counts(a: Any, t: Trial) -> str | None:
    z, y = t.randn(6, 3, dtype=torch.float32), torch.tensor([0, 1, 2, 0, 1, 2])
    one, two = (a.best_recipe(torch.tensor(n))(z, y) for n in ([70, 20, 10], [10, 20, 70]))
    if close(one, two):
        return (
            "best_recipe gives the same loss for counts [70, 20, 10] and [10, 20, 70]: a recipe for "
            "imbalance must know "
            "which class is rare. Focal loss and smoothing do not"
        )
    return None


@probe("recipe-favours-the-frequent")
def favours_frequent(a: Any, t: Trial) -> str | None:
    z = torch.zeros(2, 2, requires_grad=True)
    a.best_recipe(torch.tensor([90, 10]))(z, torch.tensor([0, 1])).backward()
    pull = z.grad[:, 1].sum() if z.grad is not None else torch.zeros(())
    if float(pull) > 1e-4:
        return (
            "with counts [90, 10] and undecided logits, one row of each class, your loss pushes the "
            "logit of the "
            "*rare* class down: the sign of log π, or the weights, are the wrong way round"
        )
    return None
