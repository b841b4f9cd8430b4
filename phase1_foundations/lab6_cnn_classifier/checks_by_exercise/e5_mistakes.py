"""The known mistakes of train_resnet, each seen in a training run of a few steps."""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_watch import (
    ACCURACY,
    accuracy,
    digits,
    few_digits,
    fully_trained,
    logits_of,
    short_run,
    watch,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text, shape

probe = Probes()


def falls_short(a: Any, t: Trial) -> bool:
    """Does the whole training miss its mark too? A short run may look bad for a good reason."""
    _, _, X_test, y_test = digits()
    return accuracy(fully_trained(a, t), X_test, y_test) < ACCURACY


@probe("training-does-not-run")
def does_not_run(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: short_run(a, t))
    if attempt.error is not None:
        return f"train_resnet(X, y, epochs=2) with 100 digits ends in {error_text(attempt.error)}"
    return None


@probe("softmax-before-the-loss")
def softmax_first(a: Any, t: Trial) -> str | None:
    with watch() as seen:
        model = short_run(a, t)
    out = logits_of(model, few_digits(t, 5)[0])
    if out.dim() == 2 and bool((out >= 0).all()) and same(out.sum(1), torch.ones(5), atol=1e-4):
        return (
            "the model returns probabilities: asked for are logits. And if they went into "
            "cross_entropy, its loss could never fall below 1.46: it takes the softmax itself"
        )
    if seen.probabilities:
        return (
            "what goes into cross_entropy are probabilities already: it takes the softmax itself, so "
            "the loss can never fall below −log(e / (e + 9)) = 1.46. CrossEntropyLoss wants logits"
        )
    if seen.unnormalised:
        return (
            "nll_loss wants log-probabilities, and got something else: apply log_softmax first, or use "
            "cross_entropy"
        )
    return None


@probe("returned-in-training-mode")
def training_mode(a: Any, t: Trial) -> str | None:
    model = short_run(a, t)
    if model.training or any(part.training for part in model.modules()):
        return (
            "the model comes back in training mode: its batch norms would use the statistics of "
            "whatever batch they are shown. Return `model.eval()`"
        )
    return None


@probe("depends-on-the-other-digits")
def other_digits(a: Any, t: Trial) -> str | None:
    model, (X, _) = short_run(a, t), few_digits(t, 20)
    if not same(logits_of(model, X)[:1], logits_of(model, X[:1]), rtol=1e-3, atol=1e-4):
        return (
            "the model gives a digit other logits when it comes alone than among others: something in "
            "it looks at the batch, in evaluation mode too"
        )
    return None


@probe("model-of-another-form")
def other_form(a: Any, t: Trial) -> str | None:
    model, (X, _) = short_run(a, t), few_digits(t, 3)
    if not isinstance(getattr(model, "features", None), nn.Module):
        return (
            "the model has no part `features`, which Grad-CAM needs: the part that makes the last feature map"
        )
    if model.features(X).dim() != 4:
        return (
            f"`features` gives {shape(model.features(X))} for 3 digits, expected a feature map [3, K, h, w]"
        )
    if tuple(logits_of(model, X).shape) != (3, 10):
        return f"the model gives {shape(logits_of(model, X))} for 3 digits, expected logits of shape (3, 10)"
    count = sum(p.numel() for p in model.parameters())
    if count > 100_000:
        return f"the model has {count:,} parameters, at most 100,000 are allowed"
    return None


@probe("gradients-never-cleared")
def never_cleared(a: Any, t: Trial) -> str | None:
    with watch() as seen:
        short_run(a, t)
    if seen.not_cleared:
        return (
            f"{seen.not_cleared} of {seen.steps} steps began their backward pass with the gradients of "
            "the step before: they pile up. Call `optimizer.zero_grad()` once for every step"
        )
    return None


@probe("one-step-an-epoch")
def few_steps(a: Any, t: Trial) -> str | None:
    with watch() as seen:
        short_run(a, t, count=600, epochs=1)
    if seen.steps == 1 and falls_short(a, t):
        return (
            "600 digits and one epoch made a single optimizer step: split them into batches, a step for each"
        )
    return None


@probe("digits-left-out")
def left_out(a: Any, t: Trial) -> str | None:
    with watch() as first:
        short_run(a, t, count=203, epochs=1)
    with watch() as second:
        short_run(a, t, count=203, epochs=3)
    if first.examples == second.examples == 0:
        return None  # a loss of the learner's own: the digits that went through it cannot be counted
    if first.examples == second.examples:
        return (
            f"epochs=1 and epochs=3 both put {first.examples} digits through the loss: `epochs` is not used"
        )
    if second.examples < 3 * 203:
        return (
            f"203 digits in 3 epochs are 609, through your loss went {second.examples}: the last, "
            "smaller batch counts too, and every digit comes once an epoch"
        )
    return None


@probe("seed-does-not-fix-everything")
def seed_fixes(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 100)
    runs = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(runs))  # what was drawn before must not matter
        runs.append(logits_of(a.train_resnet(X, y, epochs=2, seed=seed), X[:20]))
    if not torch.equal(runs[0], runs[1]):
        return (
            "the same seed gave two different networks: set it before the model is made (its weights "
            "are random too), and let it decide the order of the digits"
        )
    if torch.equal(runs[0], runs[2]):
        return "seeds 3 and 4 gave the same network: `seed` is not used, or set to a fixed number"
    return None


@probe("learns-nothing")
def learns_nothing(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 300)
    model = a.train_resnet(X, y, epochs=10)
    right = accuracy(model, X, y)
    if right < 0.5 and falls_short(a, t):
        return (
            f"after 10 epochs with 300 digits only {right:.2f} of *these* digits are right: does the "
            "optimizer hold this model's parameters, does it step, and down the gradient, and is the "
            "rate neither tiny nor huge?"
        )
    return None


@probe("true-labels-leak-in")
def leak(a: Any, t: Trial) -> str | None:
    X, y, X_test, y_test = digits()
    model = a.train_resnet(X[:500], (y[:500] + 1) % 10, epochs=8)
    right = accuracy(model, X_test, y_test)
    if right > 0.5:
        return (
            f"trained on labels that are all wrong (y + 1), the network got {right:.2f} of the test "
            "digits right: it learns from other data than the X and y that it is given. Use the "
            "arguments, not the notebook's variables"
        )
    return None
