"""The known mistakes of E5's `train`, each by its signature in a short run."""

import math
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.hashing import STRING_HASHES, other_process
from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_world import (
    Counted,
    accuracy,
    easy_task,
    watched_steps,
)

probe = Probes()


def short_run(a: Any, steps: int = 10, seed: int = 0) -> tuple[Any, Counted]:
    loader = Counted(*easy_task(), batch_size=16)
    return a.train(loader, steps=steps, seed=seed), loader


@probe("returns-no-network")
def no_network(a: Any, t: Trial) -> str | None:
    model, _ = short_run(a)
    if not isinstance(model, nn.Module):
        return f"train returns a {type(model).__name__}, asked for is the trained nn.Module"
    attempt = t.attempt(lambda: model(easy_task(6)[0]))
    if attempt.error is not None:
        return f"the network cannot read images [6, 1, 8, 8]: {str(attempt.error)[:100]}"
    if tuple(getattr(attempt.value, "shape", ())) != (6, 10):
        return f"six images gave scores of shape {tuple(attempt.value.shape)}, expected (6, 10)"
    return None


@probe("loader-not-used")
def not_used(a: Any, t: Trial) -> str | None:
    _, loader = short_run(a)
    if loader.batches == 0:
        return "train took no batch from the loader that it was given: use the argument"
    return None


@probe("first-epoch-kept")
def first_epoch_kept(a: Any, t: Trial) -> str | None:
    with watched_steps() as seen:
        _, loader = short_run(a)
    if loader.passes == 1 and loader.batches <= 4 and len(seen.norms) > 4:
        return (
            "ten steps, and the loader (four batches) was begun only once: `itertools.cycle` and "
            "`list(loader)` keep the first epoch, so the same distorted images come for ever. Begin the "
            "loader anew each epoch"
        )
    return None


@probe("an-epoch-for-each-step")
def epoch_a_step(a: Any, t: Trial) -> str | None:
    _, loader = short_run(a)
    if loader.passes >= 10 and loader.batches <= 11:
        return (
            f"ten steps began the loader {loader.passes} times: `next(iter(loader))` begins a new epoch "
            "for each step and takes its first batch alone. Go on in the same epoch until it is through"
        )
    return None


@probe("stops-with-the-loader")
def stops(a: Any, t: Trial) -> str | None:
    _, loader = short_run(a)
    if loader.batches == 4:
        return (
            "ten steps were asked for, and training stopped after the four batches of one epoch: begin the "
            "next one"
        )
    return None


@probe("steps-miscounted")
def miscounted(a: Any, t: Trial) -> str | None:
    for steps in (1, 4, 10):
        with watched_steps() as seen:
            _, loader = short_run(a, steps)
        taken = len(seen.norms) or loader.batches
        if loader.batches == 4 * steps:
            return (
                f"steps={steps} took {loader.batches} batches: you count epochs, asked for are optimizer "
                "steps"
            )
        if taken != steps or loader.batches > steps + 1:
            return (
                f"steps={steps} made {taken} optimizer steps, with {loader.batches} batches: exactly one "
                "step a batch"
            )
    return None


@probe("gradients-never-cleared")
def never_cleared(a: Any, t: Trial) -> str | None:
    loader = Counted(*easy_task(16), batch_size=16)
    with watched_steps() as seen:
        a.train(loader, steps=4, seed=0)
    if len(seen.norms) == 4 and all(seen.norms[i] > 0.75 * (i + 1) * seen.norms[0] for i in (1, 2, 3)):
        grown = ", ".join(f"{norm:.2g}" for norm in seen.norms)
        return (
            f"four steps on the same batch, and the gradient's norm grows like 1, 2, 3, 4 ({grown}): "
            "gradients add up. Call optimizer.zero_grad() for each batch"
        )
    return None


@probe("left-in-training-mode")
def training_mode(a: Any, t: Trial) -> str | None:
    model, _ = short_run(a)
    if model.training:
        return (
            "the network comes back in training mode: return `model.eval()`, or dropout and batch norm go on"
        )
    return None


@probe("answers-change")
def answers_change(a: Any, t: Trial) -> str | None:
    model, _ = short_run(a)
    x, _ = easy_task(20)
    with torch.no_grad():
        first, again = model(x), model(x)
    if not same(first, again, atol=1e-5):
        return (
            "the same test images get other scores each time: something random (dropout, distortion) is "
            "part of the network that you return. Accuracy is then not repeatable: distort in training only"
        )
    return None


@probe("depends-on-the-other-images")
def depends(a: Any, t: Trial) -> str | None:
    model, _ = short_run(a)
    x, _ = easy_task(20)
    with torch.no_grad():
        together, alone = model(x)[:1], model(x[:1])
    if not same(together, alone, rtol=1e-3, atol=1e-3):
        return (
            "an image gets other scores alone than among others: it is normalised by the statistics of the "
            "batch. Use fixed numbers, or those of the training data"
        )
    return None


@probe("learns-nothing")
def learns_nothing(a: Any, t: Trial) -> str | None:
    model, _ = short_run(a, 150)
    x, y = easy_task()
    with torch.no_grad():
        loss = float(nn.functional.cross_entropy(model(x).float(), y))
    right = accuracy(model, x, y)
    if not math.isfinite(loss):
        return "after 150 steps the scores are not finite: the learning rate is far too large, or a log of 0"
    few, more = (list(short_run(a, steps)[0].parameters()) for steps in (2, 8))
    if all(same(one, other, rtol=0, atol=0) for one, other in zip(few, more, strict=True)):
        return (
            "after 8 steps the weights are what they were after 2: nothing moves. Is there a "
            "`loss.backward()`, and after it an `optimizer.step()` with the gradients still there?"
        )
    if right < 0.35:
        return (
            f"after 150 steps on ten clearly different images {right:.0%} of them are right, chance is 10 "
            "%: is there a `loss.backward()` and an `optimizer.step()`, on the parameters of the network "
            "that you return?"
        )
    return None


@probe("training-not-repeatable")
def not_repeatable(a: Any, t: Trial) -> str | None:
    found = []
    with other_process():
        elsewhere = [p.detach().clone() for p in short_run(a)[0].parameters()]
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        found.append([p.detach().clone() for p in short_run(a)[0].parameters()])
    if not all(same(one, other) for one, other in zip(*found, strict=True)):
        return (
            "the same seed and the same batches gave two networks: the weights at the start come from the "
            "global random state as it happens to be. Call torch.manual_seed(seed) before the network is "
            "made"
        )
    if not all(same(one, other) for one, other in zip(found[0], elsewhere, strict=True)):
        return STRING_HASHES
    return None


@probe("training-ignores-the-seed")
def seed_ignored(a: Any, t: Trial) -> str | None:
    found = [[p.detach().clone() for p in short_run(a, seed=seed)[0].parameters()] for seed in (1, 2)]
    if all(same(one, other) for one, other in zip(*found, strict=True)):
        return "seeds 1 and 2 gave the same network: the weights at the start come from `seed`"
    return None
