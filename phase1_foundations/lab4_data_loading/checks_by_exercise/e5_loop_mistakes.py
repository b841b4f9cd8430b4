"""The known mistakes of E5's `choose_workers` and `train`, each by its signature in a short run."""

import math
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_world import (
    START_UP,
    Counted,
    Enough,
    Waiting,
    accuracy,
    easy_task,
    simulated_workers,
    watched_steps,
)

probe = Probes()

# ---- choose_workers -------------------------------------------------------------------------------------


@probe("answer-of-another-form")
def another_form(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        result = a.choose_workers(Waiting(40), (0, 2), 1.0)
    if len(result) != 2 or not isinstance(result[1], dict):
        return (
            f"choose_workers returns {str(result)[:80]}, asked for is a pair (best, seconds), seconds a dict"
        )
    if set(result[1]) != {0, 2}:
        return (
            f"the candidates were (0, 2), your dict has the keys {sorted(map(str, result[1]))}: one for "
            "each candidate"
        )
    if not all(isinstance(value, float) for value in result[1].values()):
        return "the values of the dict should be floats: the seconds of one epoch"
    return None


@probe("candidates-not-measured")
def not_measured(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(64), (0, 1, 2), 2.0)
    idle = [w for w in (0, 1, 2) if tried.fetched.get(w, 0) == 0]
    if idle:
        return (
            f"with {idle} workers not a single example was read through a DataLoader: measure every "
            "candidate by going through a loader, a rule of thumb knows nothing of this dataset"
        )
    return None


@probe("another-batch-size")
def batch_size(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(64), (0, 1), 2.0)
    others = [size for size in tried.batch_sizes if size != 32]
    if others:
        return (
            f"you measure with batch_size={others[0]}; asked for is 32, so that the numbers can be compared"
        )
    return None


@probe("only-the-first-batches")
def first_batches(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(320), (0, 1), 20.0)
    if tried.fetched.get(0, 0) < 320:
        return (
            f"there was time for all 320 examples, you looked at {tried.fetched.get(0, 0)}: go through the "
            "whole epoch unless the share of the budget is spent"
        )
    return None


@probe("seconds-in-another-unit")
def another_unit(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        _, seconds = a.choose_workers(Waiting(384, 0.0005), (0,), 6.0)
    if seconds[0] < 0.1:
        return (
            f"384 examples of 0.5 ms each take at least 0.19 s, you report {seconds[0]:.4f}: asked for are "
            "the seconds of a whole *epoch*, not of a batch or an example (nor epochs a second)"
        )
    if seconds[0] > 40:
        return (
            f"384 examples of 0.5 ms each take about 0.2 s, you report {seconds[0]:.1f}: seconds, not "
            "milliseconds"
        )
    return None


@probe("start-up-not-counted")
def start_up(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        _, seconds = a.choose_workers(Waiting(64), (0, 2), 2.0)
    if seconds[2] < START_UP * 0.9:
        return (
            f"the workers took {START_UP * 1000:.0f} ms to start, you report {seconds[2] * 1000:.1f} ms for "
            "the epoch: start the clock before `iter(loader)`. Each epoch pays for the start"
        )
    return None


@probe("budget-ignored")
def budget_ignored(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        attempt = t.attempt(lambda: a.choose_workers(Waiting(3000, 0.002, most=400), (0, 2), 0.2))
    if isinstance(attempt.error, Enough):
        return (
            "an epoch of 6 s with a budget of 0.2 s: after 0.8 s you were still going through the first "
            "candidate. Look at the clock after each batch, and stop when the share is spent"
        )
    return None


@probe("whole-budget-for-each")
def whole_budget(a: Any, t: Trial) -> str | None:
    with simulated_workers() as tried:
        a.choose_workers(Waiting(3000, 0.002), (0, 2, 4, 8), 0.4)
    if tried.fetched.get(0, 0) > 2.5 * 32:  # a batch takes 64 ms at least, the share is 100 ms
        return (
            f"four candidates share 0.4 s, so each has 0.1 s; you read {tried.fetched[0]} examples of 2 ms "
            "with the first one: divide the budget by the number of candidates"
        )
    return None


@probe("not-extrapolated")
def not_extrapolated(a: Any, t: Trial) -> str | None:
    with simulated_workers():
        _, seconds = a.choose_workers(Waiting(640, 0.001), (0, 4), 0.2)
    if seconds[0] < 0.55:
        return (
            f"an epoch of 640 examples of 1 ms takes 0.64 s, the budget stopped you earlier, and you report "
            f"{seconds[0]:.2f} s: extrapolate, elapsed · (batches in all) / (batches seen)"
        )
    return None


@probe("not-the-fastest")
def not_fastest(a: Any, t: Trial) -> str | None:
    for candidates in ((4, 0), (0, 4)):
        for data in (Waiting(64), Waiting(128, 0.002)):
            with simulated_workers():
                best, seconds = a.choose_workers(data, candidates, 4.0)
            fastest = min(seconds, key=seconds.__getitem__)
            if best != fastest:
                if best == list(candidates).index(fastest):
                    return (
                        f"best is {best}, the *place* of the fastest among the candidates {candidates}; "
                        f"asked for is the candidate itself, {fastest}"
                    )
                return (
                    f"your seconds are {seconds}, and you choose {best}: the fastest needs the fewest seconds"
                )
    return None


# ---- train ----------------------------------------------------------------------------------------------


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
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        found.append([p.detach().clone() for p in short_run(a)[0].parameters()])
    if not all(same(one, other) for one, other in zip(*found, strict=True)):
        return (
            "the same seed and the same batches gave two networks: the weights at the start come from the "
            "global random state as it happens to be. Call torch.manual_seed(seed) before the network is "
            "made"
        )
    return None


@probe("training-ignores-the-seed")
def seed_ignored(a: Any, t: Trial) -> str | None:
    found = [[p.detach().clone() for p in short_run(a, seed=seed)[0].parameters()] for seed in (1, 2)]
    if all(same(one, other) for one, other in zip(*found, strict=True)):
        return "seeds 1 and 2 gave the same network: the weights at the start come from `seed`"
    return None
