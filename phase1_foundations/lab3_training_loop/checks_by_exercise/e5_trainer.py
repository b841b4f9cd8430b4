"""E5: a trainer that survives kill -9. Known mistakes: `e5_loop`, `e5_history`, `e5_saving`, `e5_lost`."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_digits import (
    loaders,
    test_accuracy,
    trainer_for_digits,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_edges import probes as edge_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_history import probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_kill import in_new_process, train_and_die
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_lost import probes as saving_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_picture import one_curve_twice
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_plain import RATE, plain_run
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    Resumed,
    World,
    equal,
    farthest,
    folder,
    interrupted,
    optimizer_state,
    scramble,
    weights,
)

ACCURACY = 0.95
CHANCE = 0.25

e5 = Exercise(
    "E5",
    takes={"Trainer": None},
    forbids=forbid(
        python=(
            "shared.train.trainer.Trainer.__init__",
            "shared.train.step.train_step",
            "shared.train.evaluate.evaluate",
            "shared.checkpoint.store.CheckpointStore.__init__",
        ),
        why="it is the grown-up version of what you are building here",
    ),
    hints=(
        "Write down everything that changes while a run goes on: what the three objects hold that you were "
        "given, where in the data you are, what is known of the unfinished epoch, the dice, and what you "
        "remember of the past. Each of these must be in the file.",
        "Order per (seed, epoch): `train.epoch(self.epoch, batches_used)`. Window: zero_grad; for each batch "
        "(loss · n / n_window).backward(); clip; step; schedule; count; callbacks. File: write tag.pt.tmp, "
        "then os.replace onto tag.pt. Newest: the largest step among those that torch.load can read.",
        "state = {model, optimizer, scheduler: state_dict(); epoch, step, used, loss_sum, examples, history, "
        "best_state, best_loss, bad; rng: rng_state()}. Seed only if `self.step == 0`. After each epoch: "
        "evaluate, history, best (`copy.deepcopy(model.state_dict())`), epoch + 1, used = 0, save.",
    ),
)
probes.add_to(e5)
saving_probes.add_to(e5)
edge_probes.add_to(e5)


@e5.property("the loop: windows, clipping, schedule, history", points=5)
def the_loop(a: Any, t: Trial) -> None:
    cases: tuple[dict[str, Any], ...] = ({}, {"accum": 2}, {"accum": 4}, {"accum": 10}, {"max_norm": 0.1})
    for options in (*cases, {"accum": 3, "max_norm": 0.2, "scheduled": True}):
        world = World(t.seed % 1000, optimizer="sgd", scheduled=options.get("scheduled", False))
        right = plain_run(world, 3, **options)
        t.given(f"three epochs of plain descent, lr {RATE}, {options or 'one batch a step'}")
        with folder() as path:
            own = {name: value for name, value in options.items() if name != "scheduled"}
            trainer = world.factory(a.Trainer, path, **own)()
            history = trainer.fit(world.train, world.valid, 3)
        for found, expected in zip(weights(trainer), right.weights, strict=True):
            t.equal(found, expected, "the weights", rtol=1e-5, atol=1e-6)
        for name in ("train_loss", "val_loss", "val_accuracy"):
            t.equal(list(history[name]), getattr(right, name), f"history[{name!r}]", rtol=1e-5)
        t.equal((trainer.step, trainer.epoch), (right.steps, 3), "(step, epoch)")


def same_end(t: Trial, found: Resumed, words: str) -> None:
    """The resumed run ends with the same bits as the uninterrupted one."""
    t.given(words)
    one, two = found.through, found.again
    off = farthest(weights(one), weights(two))
    t.that(equal(weights(one), weights(two)), f"{words}: the weights differ by up to {off:.2g}")
    same = equal(optimizer_state(one.optimizer), optimizer_state(two.optimizer))
    t.that(same, f"{words}: the optimizers' states differ")
    rates = [each.optimizer.param_groups[0]["lr"] for each in (one, two)]
    t.that(rates[0] == rates[1], f"{words}: the learning rates are {rates[1]} and {rates[0]}")
    t.that(one.history == two.history, f"{words}: the histories are {two.history} and {one.history}")
    t.that(one.step == two.step and one.epoch == two.epoch, f"{words}: step or epoch differ")
    best = [list(each.best_state.values()) for each in (one, two)]
    t.that(equal(*best), f"{words}: best_state differs")


@e5.property("saved anywhere, resumed elsewhere: the same bits", points=6)
def the_same_bits(a: Any, t: Trial) -> None:
    for at in (1, 3, 6, 8, 12, 17, 18):
        world = {"seed": t.seed % 1000, "noise": "all", "scheduled": True}
        found = interrupted(a.Trainer, at, 3, {"max_norm": 0.5}, **world)
        same_end(t, found, f"saved after step {at} of 18, six an epoch")
    found = interrupted(
        a.Trainer, 5, 3, {"accum": 2, "seed": 3}, seed=t.seed % 1000, noise="all", scheduled=True
    )
    same_end(t, found, "with accum=2, saved after step 5 of 9")
    script = (2.0, 1.0, 1.5, 1.6, 1.7, 1.8)
    for at in (7, 13, 19):
        found = interrupted(
            a.Trainer, at, 6, {"patience": 3}, seed=t.seed % 1000, noise="torch", script=script
        )
        same_end(t, found, f"patience=3, saved after step {at}, six an epoch")


@e5.property("killed by kill -9, resumed in another process", points=4)
def killed(a: Any, t: Trial) -> None:
    seed = t.seed % 1000
    t.given("a run that is killed at its tenth step and resumed here")
    with folder() as path:
        other = World(seed, noise="all", scheduled=True)
        through = other.factory(a.Trainer, path)()
        through.fit(other.train, other.valid, 3)
    with folder() as path, tempfile.TemporaryDirectory() as work:
        try:
            fault = in_new_process(Path(work), train_and_die, a.Trainer, seed, path, 9)
        except OSError:  # no other process can be had here: this one has to do
            found = interrupted(a.Trainer, 9, seed=seed, noise="all", scheduled=True)
            same_end(t, found, "saved after step 9 of 18")
            return
        t.that(fault is None, f"in a process of its own the run failed before it was killed: {fault}")
        files = sorted(each.name for each in path.iterdir())
        t.that("here.pt" in files, f"here.pt was saved before the kill, but the folder holds {files}")
        world = World(seed, noise="all", scheduled=True)
        scramble(4)
        again = a.Trainer.resume(path, world.factory(a.Trainer, path))
        t.that(again.step == 9, f"resumed after step {again.step}, expected 9")
        again.fit(world.train, world.valid, 3)
    off = farthest(weights(through), weights(again))
    t.that(equal(weights(through), weights(again)), f"the weights differ by up to {off:.2g}")
    t.that(through.history == again.history, "the histories differ")


@e5.property("damaged files are passed over", points=2)
def damaged_files(a: Any, t: Trial) -> None:
    world = World(t.seed % 1000)
    with folder() as path:
        make = world.factory(a.Trainer, path)
        t.raises(FileNotFoundError, lambda: a.Trainer.resume(path, make), "resume in an empty folder")
        trainer = make()
        trainer.fit(world.train, world.valid, 3)
        for left in (2, 1):
            newest = path / f"epoch-{left + 1}.pt"
            newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
            t.given(f"epoch-{left + 1}.pt cut in half")
            t.equal(a.Trainer.resume(path, make).epoch, left, f"epoch-{left + 1}.pt is cut in half: epoch")


@e5.property("early stopping, and the best weights", points=3)
def early_stopping(a: Any, t: Trial) -> None:
    for script, patience, stopped, best in (
        ((1.0, 2.0, 3.0, 4.0, 5.0), 1, 2, 1),
        ((3.0, 1.0, 2.0, 1.0, 0.5, 0.4), 2, 4, 2),
        ((3.0, 2.0, 2.5, 1.0, 0.5, 0.6), 2, 6, 5),
        ((3.0, 2.0, 2.5, 2.6, 0.5, 0.6), None, 6, 5),
    ):
        ends: dict[int, list[torch.Tensor]] = {}
        world = World(t.seed % 1000, script=script)
        t.given(f"val_loss {script}, patience={patience}")

        def keep(trainer: Any, ends: dict[int, list[torch.Tensor]] = ends) -> None:
            ends[-(-trainer.step // 6)] = weights(trainer)

        with folder() as path:
            trainer = world.factory(a.Trainer, path, patience=patience, callbacks=(keep,))()
            trainer.fit(world.train, world.valid, len(script))
        t.equal(trainer.epoch, stopped, "complete epochs")
        held = [value.detach() for value in trainer.best_state.values()]
        t.that(equal(held, ends[best]), f"best_state is not that of epoch {best}")
        final = ends[best if patience else stopped]
        t.that(equal(weights(trainer), final), "after fit the model has other weights than asked for")


@e5.property("0.95 of the test digits right; random labels teach nothing", points=5)
def digits_right(a: Any, t: Trial) -> None:
    seed = t.seed % 1000
    with folder() as path:
        t.given(f"digits, seed {seed}")
        trainer = trainer_for_digits(a.Trainer, path, seed)
        history = trainer.fit(*loaders(seed), 12)
        right = test_accuracy(trainer)
    first, last = history["train_loss"][0], history["train_loss"][-1]
    more = f"the training loss went from {first:.3g} to {last:.3g}"
    t.reaches(right, ACCURACY, "of the test digits are right", more=more)
    with folder() as path:
        t.given("digits with labels in random order")
        trainer = trainer_for_digits(a.Trainer, path, seed, epochs=4)
        trainer.fit(*loaders(seed, t.generator), 4)
        right = test_accuracy(trainer)
    t.reaches(right, CHANCE, "of the test digits are right after training on random labels", at_most=True)


e5.reward(one_curve_twice)
