"""The known mistakes of E5, second part: each by its signature in a very short training."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Probes, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e5_watch import (
    accuracy,
    digits,
    few_digits,
    scores,
    small,
    trained,
)

probe = Probes()


@probe("returns-another-model")
def another_model(a: Any, t: Trial) -> str | None:
    model = small(a, t)
    X, y = few_digits(t, 64)
    result = trained(a, model, X, y, epochs=1)
    if result is not model:
        return (
            "train_deep returned another model than the one that it was given: train that one, and return it"
        )
    return None


@probe("not-in-eval-mode")
def not_eval(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 96)
    model = trained(a, small(a, t), X, y, epochs=1)
    alone, together = scores(model, X[:2])[:1], scores(model, X)[:1]
    if any(module.training for module in model.modules()):
        depends = not torch.allclose(alone, together, rtol=1e-3, atol=1e-4)
        return "train_deep returns the model in training mode" + (
            ": its norms use the statistics of the test batch, so accuracy depends on the batch's "
            "composition. Call `model.eval()`"
            if depends
            else ": a dropout or batch norm in it would behave differently. Call `model.eval()`"
        )
    if not torch.allclose(alone, together, rtol=1e-3, atol=1e-4):
        return (
            "in evaluation mode a digit's scores depend on the other digits in the call: a norm runs "
            "over the batch. Use running statistics, or a norm of each example"
        )
    return None


@probe("learns-nothing")
def learns_nothing(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 256)
    model = small(a, t)
    before = [p.detach().clone() for p in model.parameters()]
    trained(a, model, X, y, epochs=1)
    if all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True)):
        return (
            "after train_deep every parameter is as before: is `optimizer.step()` called, on the "
            "parameters of this model?"
        )
    still = [
        i for i, block in enumerate(model.blocks) if all(_equal(p, before, model) for p in block.parameters())
    ]
    if len(still) == len(model.blocks):
        return "training changed the head, but no block: are their parameters in the optimizer?"
    return None


def rows_seen(a: Any, t: Trial, epochs: int) -> int:
    """How many rows go forward through the model, in training mode, while it is trained on 320."""
    X, y = few_digits(t, 320)
    model, seen = small(a, t, depth=2), 0

    def count(module: nn.Module, inputs: Any) -> None:
        nonlocal seen
        if module.training and torch.is_grad_enabled() and inputs:
            seen += len(inputs[0])

    model.register_forward_pre_hook(count)
    trained(a, model, X, y, epochs=epochs)
    return seen


@probe("rows-or-epochs-left-out")
def left_out(a: Any, t: Trial) -> str | None:
    once, thrice = rows_seen(a, t, 1), rows_seen(a, t, 3)
    if 0 < once < 240:
        return f"with 320 rows and epochs=1 the network sees {once} of them: each epoch goes through all rows"
    if once and abs(thrice / once - 3) > 0.5:
        return (
            f"with epochs=3 the network sees {thrice / once:.3g} times as many rows as with epochs=1: "
            "`epochs` is ignored"
        )
    return None


@probe("loss-does-not-fall")
def loss_stays(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 320)
    model = small(a, t, depth=2)
    losses = []
    for epochs in (0, 8):
        if epochs:
            trained(a, model, X, y, epochs=epochs)
        losses.append(float(F.cross_entropy(scores(model, X), y)))
    if not losses[1] < 0.97 * losses[0]:
        return (
            "two blocks, 320 digits, eight epochs: the loss on these digits goes from "
            f"{losses[0]:.3g} to {losses[1]:.3g}. It "
            "should fall: look at the sign of the loss, and at the learning rate"
        )
    return None


def _equal(parameter: Tensor, before: list[Tensor], model: nn.Module) -> bool:
    index = next(i for i, p in enumerate(model.parameters()) if p is parameter)
    return torch.equal(parameter, before[index])


@probe("seed-ignored")
def seed_ignored(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 96)
    results = []
    for stir in (1, 2):
        model = small(a, t)
        torch.manual_seed(stir)
        results.append(scores(trained(a, model, X, y, epochs=2, seed=5), X))
    if not torch.equal(*results):
        return (
            "the same model and the same seed gave two different results: draw the order of the rows "
            "from a generator with that seed"
        )
    return None


@probe("gradients-pile-up")
def pile_up(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 320)
    model = small(a, t)
    norms: list[float] = []
    first = next(model.parameters())
    handle = first.register_post_accumulate_grad_hook(lambda p: norms.append(float((p.grad).norm())))
    raw: list[float] = []
    other = first.register_hook(lambda g: raw.append(float(g.norm())))
    trained(a, model, X, y, epochs=1)
    handle.remove()
    other.remove()
    pairs = list(zip(norms, raw, strict=False))
    if len(pairs) >= 3 and all(abs(whole - new) > 1e-3 * new for whole, new in pairs[1:]):
        return (
            f"in the third step the batch's gradient has norm {pairs[2][1]:.3g}, but .grad holds "
            f"{pairs[2][0]:.3g}: the gradients of earlier batches are still in it. Call "
            "`optimizer.zero_grad()` in every step"
        )
    return None


@probe("labels-leak")
def leak(a: Any, t: Trial) -> str | None:
    X, y, X_test, y_test = digits()
    model = trained(a, small(a, t, depth=2), X[:400], (y[:400] + 1) % 10, epochs=8)
    right = accuracy(model, X_test, y_test)
    if right > 0.5:
        return (
            f"trained on labels that are all wrong (y + 1), the network gets {right:.2f} of the test "
            "digits right: it learns from other data than the X and y that it is given"
        )
    return None
