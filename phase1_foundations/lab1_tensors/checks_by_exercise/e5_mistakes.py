"""The known mistakes of E5, each by its signature in a short training run."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_watch import (
    accuracy,
    digits,
    few_digits,
    scores_of,
    watch,
)

probe = Probes()

HIDDEN = 7  # a width that no other matrix of the network has


def short_run(a: Any, t: Trial, count: int = 160, **how: Any) -> tuple[Callable[[Tensor], Any], list[Any]]:
    X, y = few_digits(t, count)
    return a.train_digits(X, y, **{"hidden": HIDDEN, "epochs": 1, "batch_size": 8, **how})


@probe("var-never-runs-backward")
def never_runs(a: Any, t: Trial) -> str | None:
    with watch(a.Var) as seen:
        short_run(a, t)
    if seen.calls == 0:
        return (
            "`backward` of the Var that you passed in never ran: whatever learned, it was not your tape. "
            "(If you ran the cell of E2 again, run the cell of `train_digits` again too.)"
        )
    return None


@probe("results-in-the-wrong-order")
def wrong_order(a: Any, t: Trial) -> str | None:
    first, second = short_run(a, t)
    if callable(second) and not callable(first):
        return (
            f"train_digits returned a {type(first).__name__} and then a function, asked for is "
            "`(predict, losses)`, the function first"
        )
    return None


@probe("graph-keeps-growing")
def keeps_growing(a: Any, t: Trial) -> str | None:
    with watch(a.Var) as seen:
        short_run(a, t)
    if seen.nodes_growth > 9:
        return (
            f"{seen.nodes[3]:,} Vars were alive at step 3, {seen.nodes[12]:,} at step 12: the graph keeps "
            "growing. Either an update such as `p = p - lr * …` records itself (assign `p.data` instead), "
            "or a list holds on to losses as Vars (keep `loss.data.item()`)"
        )
    return None


@probe("gradients-never-cleared")
def never_cleared(a: Any, t: Trial) -> str | None:
    with watch(a.Var) as seen:
        short_run(a, t)
    if seen.piled_up:
        old, new = max(seen.piled_up)
        return (
            f"after the first batch a gradient had the norm {old:.3g}, it was still there when the second "
            f"backward began, and then it was {new:.3g}: it grows by one batch every step. Set `p.grad = "
            "None` after each update"
        )
    return None


@probe("parameter-without-a-gradient")
def without_gradient(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: short_run(a, t))
    if attempt.raised(TypeError, AttributeError) and "NoneType" in str(attempt.error):
        return (
            f"a parameter's `.grad` is None at the update ({attempt.error}). Perhaps `p = p - lr * …` made "
            "it the *result* of an operation, and only leaves get a gradient: assign `p.data` instead. Or "
            "the loss does not depend on it"
        )
    return None


@probe("all-units-equal")
def all_units_equal(a: Any, t: Trial) -> str | None:
    with watch(a.Var, inputs=64, hidden=HIDDEN) as seen:
        short_run(a, t)
    if seen.constant_rows:
        return (
            "after eight steps all hidden units still have the same weights: equal units get equal "
            "gradients and stay equal for ever, a network of rank 1. Break the symmetry: start from "
            "random weights"
        )
    return None


@probe("loss-is-nan")
def loss_is_nan(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t, epochs=6, batch_size=32)
    if any(not math.isfinite(float(loss)) for loss in losses):
        return (
            f"the losses are {', '.join(f'{float(loss):.3g}' for loss in losses[:4])} …: log of 0 or an "
            "overflow in exp. Take log p as z − log Σ exp z, with each row's maximum subtracted from z "
            "first"
        )
    return None


@probe("one-loss-an-epoch")
def one_loss(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t, epochs=3, batch_size=32)
    if isinstance(losses, list) and len(losses) in (15, 5, 1):
        return (
            f"losses has {len(losses)} entries after 3 epochs of 5 batches, expected 3: one mean training "
            "loss for each epoch"
        )
    return None


@probe("losses-are-no-floats")
def no_floats(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t)
    wrong = [loss for loss in losses if not isinstance(loss, float)]
    if wrong:
        return (
            f"a loss is a {type(wrong[0]).__name__}, expected a Python float: a Var keeps its whole graph "
            "alive. Keep `loss.data.item()`"
        )
    return None


@probe("goes-uphill")
def uphill(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t, epochs=3, batch_size=32, lr=0.02)
    if len(losses) == 3 and losses[2] > losses[0] * 1.05:
        return (
            f"the loss rises, {', '.join(f'{loss:.3g}' for loss in losses)}: the update goes *with* the "
            "gradient (`+ lr * grad`), or the loss has the wrong sign"
        )
    return None


@probe("losses-are-sums")
def sums(a: Any, t: Trial) -> str | None:
    first = float(short_run(a, t, epochs=1, batch_size=32)[1][0])
    if first > 7:
        return (
            f"the loss of the first epoch is {first:.3g}; guessing among ten classes costs ln 10 = 2.3. "
            "You report a sum, over the batches or over the rows; asked for is the mean"
        )
    return None


@probe("predict-returns-a-var")
def returns_var(a: Any, t: Trial) -> str | None:
    predict, _ = short_run(a, t)
    X, _ = few_digits(t, 3)
    if isinstance(predict(X), a.Var):
        return "predict returns a Var, asked for is a plain tensor: return its `.data`"
    return None


@probe("scores-the-wrong-way-round")
def transposed(a: Any, t: Trial) -> str | None:
    predict, _ = short_run(a, t)
    X, _ = few_digits(t, 3)
    if tuple(scores_of(predict, X).shape) == (10, 3):
        return (
            "predict of 3 digits has shape (10, 3), expected (3, 10): a row for each digit, a column for "
            "each class. Is there a `.T` too many?"
        )
    return None


@probe("depends-on-the-other-digits")
def depends_on_others(a: Any, t: Trial) -> str | None:
    predict, _ = short_run(a, t)
    X, _ = few_digits(t, 40)
    together, alone = scores_of(predict, X)[:1], scores_of(predict, X[:1])
    if together.shape == alone.shape and not torch.allclose(
        together.float(), alone.float(), rtol=1e-3, atol=1e-4
    ):
        return (
            "predict gives a digit other scores when it comes alone than among others: it standardises "
            "with the statistics of the rows it is given. That is leakage from the test set. Keep the "
            "mean and deviation of the *training* data"
        )
    return None


@probe("learns-nothing")
def learns_nothing(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t, epochs=4, batch_size=32)
    if len(losses) == 4 and abs(losses[3] - losses[0]) < 1e-4:
        return (
            f"the loss stays at {losses[0]:.4g}: the parameters do not move. Is `p.data` assigned (and not "
            "a local name), and are the parameters the same Vars that `predict` uses?"
        )
    return None


@probe("steps-too-small")
def steps_too_small(a: Any, t: Trial) -> str | None:
    _, losses = short_run(a, t, epochs=6, lr=0.1, hidden=64)
    if len(losses) == 6 and 0.97 * losses[0] < losses[5] <= losses[0]:
        return (
            f"120 steps with lr = 0.1 took the loss only from {losses[0]:.3g} to {losses[5]:.3g}: the steps "
            "are far too small. Is the learning rate or the gradient divided by something twice (a mean, a "
            "division by the rows), or another `lr` used than the one given?"
        )
    return None


@probe("learns-without-steps")
def learns_without_steps(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 200)
    predict, _ = a.train_digits(X, y, lr=0.0, epochs=1)
    right = accuracy(predict, X, y)
    if right > 0.6:
        return (
            f"with lr = 0 no parameter moves, and still predict gets {right:.2f} of the digits right that "
            "it was given: it looks labels up, or something else than your Var's gradients did the learning "
            "(or `lr` is not the step size that you use)"
        )
    return None


@probe("random-outside-the-seed")
def outside_the_seed(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 64)
    first, again = (scores_of(a.train_digits(X, y, epochs=1, seed=3)[0], X) for _ in range(2))
    if first.shape == again.shape and not torch.equal(first, again):
        return (
            "two calls with seed=3 gave two different networks: something random does not come from the "
            "seed. Make one `torch.Generator().manual_seed(seed)` and hand it to every randn and randperm"
        )
    return None


@probe("seed-ignored")
def seed_ignored(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 64)
    first, other = (scores_of(a.train_digits(X, y, epochs=1, seed=seed)[0], X) for seed in (3, 4))
    if first.shape == other.shape and torch.equal(first, other):
        return "seeds 3 and 4 gave the very same network: `seed` is not used for the start and the order"
    return None


@probe("one-step-an-epoch")
def one_step(a: Any, t: Trial) -> str | None:
    with watch(a.Var) as seen:
        short_run(a, t, epochs=2, batch_size=32)
    if 0 < seen.calls <= 2:
        return (
            f"`backward` ran {seen.calls} times in 2 epochs of 5 batches: you take one step an epoch. "
            "Split the rows into batches of `batch_size` and take a step after each"
        )
    return None


@probe("last-batch-dropped")
def last_dropped(a: Any, t: Trial) -> str | None:
    with watch(a.Var) as seen:
        short_run(a, t, count=40, epochs=3, batch_size=32)
    if seen.calls == 3:
        return (
            "40 rows in batches of 32 are two batches an epoch, yours was one: the last batch is smaller, "
            "and counts too"
        )
    return None


@probe("predicts-before-it-learned")
def forgets_training(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 200)
    predict, losses = a.train_digits(X, y, epochs=12)
    right = accuracy(predict, X, y)
    if right < 0.35 and float(losses[-1]) < 1.2:
        return (
            f"the training loss fell to {float(losses[-1]):.2f}, but predict gets only {right:.2f} of the "
            "*training* digits right: it uses other parameters, other preparations of X, or returns "
            "something else than a score for each class"
        )
    return None


@probe("true-labels-leak-in")
def leak(a: Any, t: Trial) -> str | None:
    X, y, X_test, y_test = digits()
    wrong = (y + 1) % 10
    predict, _ = a.train_digits(X[:400], wrong[:400], epochs=4)
    right = accuracy(predict, X_test, y_test)
    if right > 0.5:
        return (
            f"trained on labels that are all wrong (y + 1), the network got {right:.2f} of the test digits "
            "right: it learns from other data than the X and y that it is given. Use the arguments, not "
            "the notebook's variables"
        )
    return None
