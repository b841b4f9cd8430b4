"""The known mistakes of E5's loop: epochs, windows, schedule, validation, history, best weights."""

import copy
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_plain import plain_run
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    World,
    equal,
    farthest,
    folder,
    scramble,
    weights,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
KEYS = ("train_loss", "val_loss", "val_accuracy")


def run(
    a: Any, t: Trial, epochs: int = 2, *, world: dict[str, Any] | None = None, **options: Any
) -> tuple[Any, World]:
    """A trainer after `epochs` epochs of plain descent, and its world."""
    here = World(t.seed % 1000, **{"optimizer": "sgd", **(world or {})})
    with folder() as path:
        trainer = here.factory(a.Trainer, path, **options)()
        trainer.returned = trainer.fit(here.train, here.valid, epochs)
    return trainer, here


def alike(trainer: Any, expected: Any) -> bool:
    return farthest(weights(trainer), expected.weights) < 1e-6  # torch's clipping divides by norm + 1e-6


# ---- epochs and their order ------


@probes("nothing-is-trained")
def nothing(a: Any, t: Trial) -> str | None:
    trainer, world = run(a, t)
    if farthest(weights(trainer), [w.double() for w in world.weights]) == 0:
        return (
            "after two epochs the weights are what they were: is `optimizer.step()` called, after "
            "`backward()`?"
        )
    return None


@probes("same-order-every-epoch")
def same_order(a: Any, t: Trial) -> str | None:
    _, world = run(a, t, epochs=3)
    seen = world.trained_on()
    if len(seen) == 18 and seen[:6] == seen[6:12]:
        return (
            "every epoch visits the batches in the same order: pass the number of the epoch to "
            "`train.epoch(e, "
            "start)`"
        )
    asked = [epoch for epoch, start in world.train.asked if start == 0]
    if asked[:1] == [1]:
        return "your first epoch is `train.epoch(1)`: epochs are counted from 0"
    return None


@probes("epochs-in-addition")
def in_addition(a: Any, t: Trial) -> str | None:
    world = World(t.seed % 1000, optimizer="sgd")
    with folder() as path:
        trainer = world.factory(a.Trainer, path)()
        trainer.fit(world.train, world.valid, 2)
        trainer.fit(world.train, world.valid, 3)
    done = len(world.trained_on()) // 6
    if done == 5:
        return (
            "fit(…, 2) and then fit(…, 3) made 5 epochs: `epochs` counts all, so the second call "
            "makes one more"
        )
    if trainer.epoch != 3:
        return (
            f"after fit(…, 2) and fit(…, 3) `trainer.epoch` is {trainer.epoch!r}, expected 3 complete epochs"
        )
    return None


@probes("leftover-dropped")
def leftover(a: Any, t: Trial) -> str | None:
    trainer, world = run(a, t, accum=4)
    if (
        len(world.trained_on()) == 8
        or trainer.step == 2
        or alike(trainer, plain_run(world, 2, accum=4, wrong="drops leftover"))
    ):
        return (
            "6 batches with accum=4 are two steps an epoch, of 4 and of 2 batches; yours makes one: "
            "the last batches "
            "of an epoch count too"
        )
    return None


@probes("step-not-counted")
def step_not_counted(a: Any, t: Trial) -> str | None:
    trainer, world = run(a, t, accum=2)
    made = world.log.count("optimizer")
    if made == 12:
        return (
            "with accum=2 there were 6 optimizer steps an epoch for 6 batches: one step for every two batches"
        )
    if made == 6 and trainer.step != 6:
        return f"after 6 optimizer steps `trainer.step` is {trainer.step!r}: it counts optimizer steps"
    return None


def known_path(diagnosis: str, wrongs: tuple[str, ...], words: str, **options: Any) -> None:
    def check(a: Any, t: Trial) -> str | None:
        trainer, world = run(a, t, **options)
        if alike(trainer, plain_run(world, 2, **options)):
            return None
        if any(alike(trainer, plain_run(world, 2, **options, wrong=wrong)) for wrong in wrongs):
            return words
        return None

    probes(diagnosis)(check)


known_path(
    "gradients-never-cleared",
    ("never cleared",),
    "the gradients of all steps pile up: `optimizer.zero_grad()` before each window",
)
known_path(
    "mean-of-means",
    ("mean of means", "divided by accum"),
    "with accum=4 the batches of a window count equally, but the last one has 2 examples where the "
    "others have 4: "
    "weight each by its number of examples, over the examples of the window",
    accum=4,
)
known_path(
    "accumulation-not-divided",
    ("not divided",),
    "with accum=4 the gradients of four batches are added up and never divided: the step is four "
    "times too long",
    accum=4,
)
known_path(
    "divided-by-a-full-window",
    ("full batches",),
    "each window is divided by accum · batch size; the last one of an epoch has fewer examples: "
    "divide by those it has",
    accum=4,
)
known_path(
    "never-clipped",
    ("unclipped",),
    "max_norm = 0.05 makes no difference: clip before the step",
    max_norm=0.05,
)
known_path(
    "clips-each-batch",
    ("clips each",),
    "each batch of the window is clipped by itself: accumulate, then clip the whole gradient once",
    accum=4,
    max_norm=0.05,
)


@probes("schedule-never-stepped")
def schedule_never(a: Any, t: Trial) -> str | None:
    _, world = run(a, t, world={"scheduled": True}, accum=2)
    if world.log.count("schedule") == 0:
        return "the schedule was never stepped: `scheduler.step()` after each optimizer step"
    return None


@probes("schedule-stepped-otherwise")
def schedule_otherwise(a: Any, t: Trial) -> str | None:
    _, world = run(a, t, world={"scheduled": True}, accum=2)
    steps = world.log.count("schedule")
    if steps != 6:
        when = {2: "once an epoch", 12: "twice a step, or once a batch"}.get(steps, f"{steps} times")
        return (
            f"with 6 optimizer steps in two epochs the schedule was stepped {when}: once after each "
            "optimizer step"
        )
    if world.log[:2] == ["schedule", "optimizer"]:
        return (
            "the schedule is stepped before the optimizer: the first step would already use the second rate"
        )
    return None


@probes("callbacks-otherwise")
def callbacks(a: Any, t: Trial) -> str | None:
    seen: list[Any] = []
    trainer, _ = run(a, t, accum=2, callbacks=(lambda who: seen.append((who, getattr(who, "step", None))),))
    if len(seen) != 6:
        return (
            f"a callback was called {len(seen)} times in 6 optimizer steps: once after each, with the trainer"
        )
    if any(who is not trainer for who, _ in seen):
        return "a callback gets the trainer itself: `callback(self)`"
    if [step for _, step in seen] != [1, 2, 3, 4, 5, 6]:
        return (
            f"`trainer.step` in the callbacks was {[s for _, s in seen]}, expected 1 … 6: count "
            "before you call"
        )
    return None


# ---- validation ------


@probes("validates-in-train-mode")
def train_mode(a: Any, t: Trial) -> str | None:
    _, world = run(a, t)
    if any(f.valid and f.training for f in world.forwards):
        return (
            "validation runs in train mode, where dropout is at work: val accuracy changes when run "
            "twice. model.eval()"
        )
    return None


@probes("stays-in-eval-mode")
def eval_mode(a: Any, t: Trial) -> str | None:
    _, world = run(a, t)
    if not all(f.training for f in world.forwards if not f.valid):
        return (
            "training runs in eval mode (after the first validation at least): `model.train()` before "
            "each epoch"
        )
    return None


@probes("validates-with-a-graph")
def graph(a: Any, t: Trial) -> str | None:
    _, world = run(a, t)
    if any(f.valid and f.graph for f in world.forwards):
        return "validation builds graphs that nobody needs: `with torch.no_grad():`"
    return None


@probes("validation-data-otherwise")
def validation_data(a: Any, t: Trial) -> str | None:
    _, world = run(a, t)
    rows = [row for f in world.forwards if f.valid for row in f.rows]
    if sorted(rows) != sorted([*range(-10, 0)] * 2):
        return (
            f"in two epochs {len(rows)} validation examples were looked at, expected all 10 after "
            "each epoch, once"
        )
    if [e for e, _ in world.valid.asked] not in ([0, 0], []):
        return (
            f"validation asks for the epochs {[e for e, _ in world.valid.asked]} of `valid`: always "
            "`valid.epoch(0, 0)`"
        )
    return None


# ---- randomness ------


@probes("not-seeded")
def not_seeded(a: Any, t: Trial) -> str | None:
    for noise, name in (("torch", "torch's"), ("numpy", "NumPy's"), ("python", "Python's")):
        ends = []
        for before in (1, 2):
            scramble(before)
            ends.append(weights(run(a, t, world={"noise": noise}, seed=5)[0]))
        if not equal(*ends):
            return (
                f"the same trainer with seed=5 gives other weights when {name} generator was "
                "elsewhere before: a new "
                "trainer's first fit seeds all three generators"
            )
    return None


@probes("seed-ignored")
def seed_ignored(a: Any, t: Trial) -> str | None:
    ends = [weights(run(a, t, world={"noise": "torch"}, seed=seed)[0]) for seed in (5, 6)]
    if equal(*ends):
        return "seed=5 and seed=6 give the same noise: seed with `seed`, not with a fixed number"
    return None


@probes("seeded-again")
def seeded_again(a: Any, t: Trial) -> str | None:
    whole = weights(run(a, t, epochs=3, world={"noise": "torch"})[0])
    world = World(t.seed % 1000, optimizer="sgd", noise="torch")
    with folder() as path:
        trainer = world.factory(a.Trainer, path)()
        for epochs in (1, 2, 3):
            trainer.fit(world.train, world.valid, epochs)
    if not equal(whole, weights(trainer)):
        return (
            "fit(…, 1), fit(…, 2), fit(…, 3) leads elsewhere than fit(…, 3): the generators are "
            "seeded again. Seed "
            "once, as the run begins, or every epoch has the same noise"
        )
    return None


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
                f"{numbers(right.train_loss, 6)}: "
                "Σ loss · examples over all batches of the epoch, divided by the 22 examples, each "
                "loss as it was "
                "when its batch was trained on"
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
            "the best epoch was the first, but best_state changes with the model: `state_dict()` "
            "gives the live "
            "tensors, which training goes on changing. Keep copies: `copy.deepcopy(model.state_dict())`"
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
            f"val_loss was 3, 1, 2, 1; best_state has the weights {said}, expected those of epoch 2: "
            "the lowest "
            "loss, and the first of two equal ones"
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
                f"with patience=2 and val_loss {', '.join(f'{v:g}' for v in script)} training stopped "
                "after "
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
                f"two epochs of plain descent with {options or 'accum=1'} lead elsewhere than the "
                "formulas: the weights "
                f"differ by up to {farthest(weights(trainer), right.weights):.2g}"
            )
    return None
