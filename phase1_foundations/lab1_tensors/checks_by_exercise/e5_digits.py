"""E5: digits with one's own autodiff. What must hold; the known mistakes stand in `e5_mistakes`."""

import math
from typing import Any

import torch

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_mistakes_options import probe
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_picture import what_was_learned
from phase1_foundations.lab1_tensors.checks_by_exercise.e5_watch import (
    accuracy,
    digits,
    few_digits,
    sabotaged,
    scores_of,
    watch,
)

ACCURACY = 0.94  # the reference gets 0.967 to 0.975 over five seeds
LAST_LOSS = 0.2  # and ends at 0.071 to 0.076
CHANCE = 0.25

e5 = Exercise(
    "E5",
    takes={"train_digits": tuple, "Var": None},
    forbids=forbid(
        *("grad_fn", "requires_grad_"),
        autograd=True,
        why=(
            "only your `Var` may differentiate here: torch's backward, and the optimizers that need it, "
            "stay out"
        ),
    ),
    hints=(
        "Write the loop with plain tensors first: scores, loss, update. Then make the parameters `Var`s, "
        "and let `loss.backward()` give you their gradients. Each batch builds a new graph from the same "
        "parameters.",
        "Weights: random with deviation √(2/inputs), biases 0. Loss: with z the scores minus each row's "
        "maximum (a constant), log p = z − log Σ exp z, loss = −Σ onehot · log p / rows. Then p ← p − lr "
        "· p.grad, on `.data`.",
        "`for rows in torch.randperm(len(X), generator=g).split(batch_size):` … `loss.backward()`; "
        "`for p in params: p.data = p.data - lr * p.grad; p.grad = None`. "
        "`predict = lambda x: ((Var(x) @ W1 + b1).relu() @ W2 + b2).data`.",
    ),
)
probe.add_to(e5)


@e5.property("0.94 of the test digits right, last loss below 0.2", points=10)
def reaches_the_metric(a: Any, t: Trial) -> None:
    X, y, X_test, y_test = digits()
    t.given(f"train_digits(X, y, seed={t.seed % 1000}) with 1,437 digits, predict with 360 others")
    predict, losses = a.train_digits(X, y, seed=t.seed % 1000)
    right = accuracy(predict, X_test, y_test)
    course = f"the losses went from {float(losses[0]):.3g} to {float(losses[-1]):.3g}"
    t.reaches(right, ACCURACY, "of the test digits are right", more=course)
    t.that(len(losses) == 30, f"losses has {len(losses)} entries, expected one for each of the 30 epochs")
    t.reaches(float(losses[-1]), LAST_LOSS, "is the last loss", at_most=True)


@e5.property("your Var does the learning", points=6)
def var_does_the_learning(a: Any, t: Trial) -> None:
    X, y = few_digits(t, 200)
    with watch(a.Var) as seen:
        predict, _ = a.train_digits(X, y, epochs=4)
    batches = 4 * math.ceil(200 / 32)
    t.given("train_digits(X, y, epochs=4) with 200 digits")
    t.that(
        seen.calls >= batches,
        f"`backward` of your Var ran {seen.calls} times in 4 epochs of 7 batches; each batch needs a step, "
        f"so at least {batches} times",
    )
    t.that(
        seen.nodes_growth <= 9,
        f"between the third and the twelfth step the number of living Vars grew by {seen.nodes_growth}: "
        "something holds on to old graphs",
    )
    learned = accuracy(predict, X, y)
    with sabotaged(a.Var):
        attempt = t.attempt(lambda: accuracy(a.train_digits(X, y, epochs=4)[0], X, y))
    if attempt.timed_out:
        raise attempt.error
    if attempt.error is None:
        t.that(
            attempt.value < learned - 0.2,
            f"with every gradient of your Var reversed, {attempt.value:.2f} of the digits were still "
            f"learned ({learned:.2f} with the true ones): something else than your Var did the learning",
        )


@e5.property("labels in random order teach nothing", points=4)
def permuted_labels(a: Any, t: Trial) -> None:
    X, y, X_test, y_test = digits()
    shuffled = y[torch.randperm(len(y), generator=t.generator)]
    t.given("train_digits(X, y in random order, epochs=8), predict with the test digits")
    predict, _ = a.train_digits(X, shuffled, epochs=8)
    right = accuracy(predict, X_test, y_test)
    t.that(
        right <= CHANCE,
        f"trained on labels in random order, the network still gets {right:.2f} of the test digits right, "
        "far above chance: the true labels reach it by another way than its argument y",
    )


@e5.property("the seed fixes everything", points=2)
def seed_fixes_everything(a: Any, t: Trial) -> None:
    X, y = few_digits(t, 120)
    first, again, other = (scores_of(a.train_digits(X, y, epochs=2, seed=seed)[0], X) for seed in (3, 3, 4))
    t.given("train_digits(X, y, epochs=2) with seeds 3, 3 and 4")
    t.that(
        bool(torch.equal(first, again)),
        "the same seed gave two different networks: draw everything random from it",
    )
    t.that(not bool(torch.equal(first, other)), "seeds 3 and 4 gave the same network")


@e5.property("predict and losses have the form that is asked for", points=3)
def form(a: Any, t: Trial) -> None:
    X, y = few_digits(t, 100)
    t.given("train_digits(X, y, hidden=5, epochs=3, batch_size=30) with 100 digits")
    predict, losses = a.train_digits(X, y, hidden=5, epochs=3, batch_size=30)
    t.that(callable(predict), f"the first result is a {type(predict).__name__}, expected a function")
    t.that(
        isinstance(losses, list) and len(losses) == 3,
        f"losses is {losses!r:.80}, expected a list of 3 floats",
    )
    for loss in losses:
        t.that(isinstance(loss, float), f"a loss is a {type(loss).__name__}, expected a float")
    scores = scores_of(predict, X[:7])
    t.that(
        tuple(scores.shape) in ((7, 10), (7,)),
        f"predict of 7 digits has shape {tuple(scores.shape)}, expected (7, 10)",
    )
    t.equal(
        scores_of(predict, X[2:3])[0],
        scores[2],
        "the same digit alone and among others",
        rtol=1e-3,
        atol=1e-4,
    )


e5.reward(what_was_learned)
