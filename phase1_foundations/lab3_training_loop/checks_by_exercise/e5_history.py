"""The known mistakes of E5 in its history, and in which weights are the best."""

import copy
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_loop import (
    KEYS,
    alike,
    probes,
    run,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_plain import plain_run
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    World,
    equal,
    farthest,
    folder,
    weights,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

# ---- history ------


@probes("history-of-another-form")
def history_form(a: Any, t: Trial) -> str | None:
    trainer, _ = run(a, t)
    for history, name in (
        (trainer.returned, "fit returned"),
        (getattr(trainer, "history", None), "trainer.history is"),
    ):
        if not isinstance(history, dict) or set(history) != set(KEYS):
            found = list(history) if isinstance(history, dict) else f"{history!r:.60}"
            return f"{name} {found}, expected a dict with {', '.join(KEYS)}"
        for key in KEYS:
            if not isinstance(history[key], list) or len(history[key]) != 2:
                return (
                    f'{name} a dict whose "{key}" is {history[key]!r:.60}; expected a list with one '
                    "float an epoch"
                )
            if any(not isinstance(value, float) for value in history[key]):
                kind = type(history[key][0]).__name__
                return f'"{key}" holds a {kind}, expected Python floats: a tensor may keep its graph alive'
    return None


@probes("val-loss-of-batch-means")
def val_loss(a: Any, t: Trial) -> str | None:
    trainer, world = run(a, t, epochs=1)
    right = plain_run(world, 1)
    found = trainer.history["val_loss"][0]
    if not alike(trainer, right) or close(found, right.val_loss[0], 1e-7):
        return None
    with torch.no_grad():
        parts = [world.loss(trainer.model(x), y).item() for x, y in world.valid.epoch(0)]
    named = {
        "the mean of the batches' means: the last batch has 2 examples, the others 4": sum(parts) / 3,
        "the sum of the batches' means": sum(parts),
        "the last batch's loss": parts[-1],
        "the sum over all examples": right.val_loss[0] * 10,
    }
    what = next((words for words, value in named.items() if close(found, value, 1e-7)), "another number")
    return f"val_loss is {found:.6g}, {what}. The mean over all examples is {right.val_loss[0]:.6g}"


@probes("val-accuracy-otherwise")
def val_accuracy(a: Any, t: Trial) -> str | None:
    trainer, world = run(a, t, epochs=3)
    right = plain_run(world, 3)
    found = trainer.history["val_accuracy"]
    if alike(trainer, right) and not close(found, right.val_accuracy, 1e-9):
        percent = close(found, [100 * value for value in right.val_accuracy])
        why = (
            "a share from 0 to 1, not per cent"
            if percent
            else "the right answers of all batches, over all examples"
        )
        return f"val_accuracy is {numbers(found)}, expected {numbers(right.val_accuracy)}: {why}"
    return None


@probes("train-loss-otherwise")
def train_loss(a: Any, t: Trial) -> str | None:
    for options in ({}, {"accum": 4}):
        trainer, world = run(a, t, **options)
        right = plain_run(world, 2, **options)
        found = trainer.history["train_loss"]
        if alike(trainer, right) and not close(found, right.train_loss, 1e-7):
            return (
                f"with {options or 'accum=1'} train_loss is {numbers(found, 6)}, expected "
                f"{numbers(right.train_loss, 6)}: Σ loss · examples over all batches of the epoch, divided "
                "by the 22 examples, each loss as it was when its batch was trained on"
            )
    return None


# ---- the best ------


def scripted(
    a: Any, t: Trial, script: tuple[float, ...], epochs: int, **options: Any
) -> tuple[Any, list[Any]]:
    """A run with these validation losses, and the weights as they were at the end of each epoch."""
    ends: dict[int, Any] = {}
    world = World(t.seed % 1000, optimizer="sgd", script=script)

    def keep(trainer: Any) -> None:
        ends[(trainer.step - 1) // 6] = copy.deepcopy(list(trainer.model.state_dict().values()))

    with folder() as path:
        trainer = world.factory(a.Trainer, path, callbacks=(keep,), **options)()
        trainer.fit(world.train, world.valid, epochs)
    return trainer, [ends[epoch] for epoch in sorted(ends)]


@probes("best-is-an-alias")
def alias(a: Any, t: Trial) -> str | None:
    trainer, _ = scripted(a, t, (1.0, 2.0, 3.0), 3)
    best = getattr(trainer, "best_state", None)
    live = {p.data_ptr() for p in trainer.model.parameters()}
    if isinstance(best, dict) and any(isinstance(v, Tensor) and v.data_ptr() in live for v in best.values()):
        return (
            "the best epoch was the first, but best_state changes with the model: `state_dict()` gives the "
            "live tensors, which training goes on changing. Keep copies: `copy.deepcopy(model.state_dict())`"
        )
    return None


@probes("best-otherwise")
def best_otherwise(a: Any, t: Trial) -> str | None:
    trainer, ends = scripted(a, t, (3.0, 1.0, 2.0, 1.0), 4)
    best = getattr(trainer, "best_state", None)
    if not isinstance(best, dict) or set(best) != set(trainer.model.state_dict()):
        return (
            f"best_state is {type(best).__name__} after four epochs, expected a copy of the model's "
            "state_dict()"
        )
    if not equal(list(best.values()), ends[1]):
        which = next((i + 1 for i, end in enumerate(ends) if equal(list(best.values()), end)), None)
        said = f"of epoch {which}" if which else "of no epoch's end"
        return (
            f"val_loss was 3, 1, 2, 1; best_state has the weights {said}, expected those of epoch 2: the "
            "lowest loss, and the first of two equal ones"
        )
    return None


@probes("last-weights-lost")
def last_lost(a: Any, t: Trial) -> str | None:
    trainer, ends = scripted(a, t, (1.0, 2.0, 3.0), 3)
    if not equal(weights(trainer), ends[-1]):
        return "without `patience` the model keeps its last weights after fit, yours went back to others"
    return None


@probes("patience-counted-otherwise")
def patience(a: Any, t: Trial) -> str | None:
    cases = (
        (
            (3.0, 1.0, 2.0, 1.0, 1.5, 2.0, 2.0),
            4,
            "the second epoch in a row that is not lower than the lowest",
        ),
        ((3.0, 3.5, 1.0, 1.5, 0.5, 0.6), 6, "the last: there never were two bad ones in a row"),
    )
    for script, stop, why in cases:
        trainer, _ = scripted(a, t, script, len(script), patience=2)
        if trainer.epoch != stop:
            return (
                f"with patience=2 and val_loss {', '.join(f'{v:g}' for v in script)} training stopped after "
                f"{trainer.epoch} epochs, expected {stop}: {why}"
            )
    return None


@probes("best-not-restored")
def not_restored(a: Any, t: Trial) -> str | None:
    for script, epochs, best in (((1.0, 2.0, 3.0, 4.0), 4, 0), ((3.0, 1.0, 2.0), 3, 1)):
        trainer, ends = scripted(a, t, script, epochs, patience=2)
        if not equal(weights(trainer), ends[best]):
            how = "was stopped early" if epochs == 4 else "came to its end"
            return (
                f"with patience given, a run that {how} must leave the model with its best weights, "
                f"of epoch {best + 1}"
            )
    return None


@probes("training-differs")
def training_differs(a: Any, t: Trial) -> str | None:
    for options in ({}, {"accum": 2}, {"accum": 4, "max_norm": 0.05}):
        trainer, world = run(a, t, **options)
        right = plain_run(world, 2, **options)
        if not alike(trainer, right):
            return (
                f"two epochs of plain descent with {options or 'accum=1'} lead elsewhere than the formulas: "
                f"the weights differ by up to {farthest(weights(trainer), right.weights):.2g}"
            )
    return None
