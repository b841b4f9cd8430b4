"""More mistakes of E5: options that change nothing, the order of the rows, what `losses` holds."""

import gc
import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_mistakes import HIDDEN, probe, short_run
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_watch import (
    exchanged,
    few_digits,
    living,
    scores_of,
    watch,
)


@probe("hidden-ignored")
def hidden_ignored(a: Any, t: Trial) -> str | None:
    with watch(a.Var) as seen:
        short_run(a, t, count=16, hidden=11)
    sizes = {size for data, _ in seen.kept.values() for size in data.shape}
    if 64 in sizes and 11 not in sizes:
        return (
            f"with hidden=11 no parameter has an axis of 11, their sizes are {sorted(sizes)}: `hidden` is "
            "the number of units between the 64 inputs and the 10 scores"
        )
    return None


@probe("batch-size-ignored")
def batch_size_ignored(a: Any, t: Trial) -> str | None:
    with watch(a.Var) as seen:
        short_run(a, t, count=96, epochs=1, batch_size=6)
    if 0 < seen.calls < 16:
        return (
            f"96 rows with batch_size=6 are 16 steps an epoch, `backward` ran {seen.calls} times: split the "
            "rows by the argument `batch_size`"
        )
    return None


@probe("epochs-ignored")
def epochs_ignored(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t, count=16, epochs=2)
    if len(losses) > 2:
        return f"epochs=2 gave {len(losses)} losses: `epochs` is how often to go through all rows"
    return None


@probe("learning-rate-ignored")
def rate_ignored(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 48)
    one, six = (scores_of(a.train_digits(X, y, epochs=epochs, lr=0.0)[0], X) for epochs in (1, 6))
    if one.shape == six.shape and not torch.equal(one, six):
        return (
            "with lr=0 one epoch and six give two different networks: a parameter moves by `lr` times "
            "its gradient, here not at all"
        )
    return None


@probe("loss-of-the-last-batch")
def last_batch(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t, epochs=6, lr=0.0)
    values = [float(loss) for loss in losses]
    if len(values) == 6 and max(values) - min(values) > 0.1 and all(math.isfinite(v) for v in values):
        return (
            f"with lr=0 nothing changes, and yet `losses` is {numbers(torch.tensor(values))}: that is the "
            "loss of single batches. Asked for is the mean over all rows of the epoch"
        )
    return None


def order_of_rows(a: Any, t: Trial, rows: int = 24) -> list[list[int]]:
    """The order in which two epochs go through the rows, as far as it shows in the Vars of each step."""
    X, y = few_digits(t, rows)
    X = X.clone()
    X[:, 0] = torch.arange(rows) / rows  # tells the rows apart
    known: list[Any] = []
    batches: list[Tensor] = []

    def note(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        fresh = [v for v in living(a.Var) if not any(v is old for old in known)]
        known.extend(fresh)
        inputs = [v.data for v in fresh if isinstance(v.data, Tensor) and tuple(v.data.shape) == (6, 64)]
        batches.extend(x[:, 0].clone() for x in inputs[:1])
        original(self, *args, **kwargs)

    gc.collect()
    gc.freeze()  # what is older needs no look
    try:
        with exchanged(a.Var, note):
            a.train_digits(X, y, hidden=HIDDEN, epochs=2, batch_size=6)
    finally:
        gc.unfreeze()
    if len(batches) != rows // 3:
        return []
    epochs = torch.cat(batches).reshape(2, rows)
    if any(len(epoch.unique()) < rows for epoch in epochs):
        return []
    return [epoch.argsort().argsort().tolist() for epoch in epochs]


@probe("rows-in-the-same-order")
def same_order(a: Any, t: Trial) -> str | None:
    found = order_of_rows(a, t)
    if found and found[0] == sorted(found[0]):
        return (
            "the first epoch goes through the rows in the order in which they come in X: draw a random order "
            "for each epoch, `torch.randperm(len(X), generator=…)`"
        )
    if found and found[0] == found[1]:
        return "both epochs go through the rows in the same order: draw a new one in each epoch"
    return None


@probe("networks-share-their-parameters")
def shared_parameters(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 32)
    predict, _ = a.train_digits(X, y, hidden=HIDDEN, epochs=1, seed=3)
    before = scores_of(predict, X).clone()
    a.train_digits(X, y, hidden=HIDDEN, epochs=1, seed=4)
    if not torch.equal(before, scores_of(predict, X)):
        return (
            "after a second call of train_digits the first call's `predict` gives other scores: the two "
            "networks share their parameters. Make new ones in each call, as local variables"
        )
    return None
