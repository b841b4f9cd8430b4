"""The known mistakes of E5 in the loop: epochs and their order, validation, randomness."""

from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_plain import plain_run
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    World,
    equal,
    farthest,
    folder,
    scramble,
    weights,
)

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
            "`train.epoch(e, start)`"
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
            "6 batches with accum=4 are two steps an epoch, of 4 and of 2 batches; yours makes one: the last "
            "batches of an epoch count too"
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
    "with accum=4 the batches of a window count equally, but the last one has 2 examples where the others "
    "have 4: weight each by its number of examples, over the examples of the window",
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
                f"the same trainer with seed=5 gives other weights when {name} generator was elsewhere "
                "before: a new trainer's first fit seeds all three generators"
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
            "fit(…, 1), fit(…, 2), fit(…, 3) leads elsewhere than fit(…, 3): the generators are seeded "
            "again. Seed once, as the run begins, or every epoch has the same noise"
        )
    return None
