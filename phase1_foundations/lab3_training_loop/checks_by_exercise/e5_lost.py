"""The known mistakes of E5 in what a resumed run has lost."""

from typing import Any

from courseware.check import Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_saving import MIDDLE, probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    Resumed,
    World,
    equal,
    farthest,
    folder,
    interrupted,
    weights,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

# ---- what is lost ------


def run(a: Any, t: Trial, at: int = MIDDLE, epochs: int = 3, options: Any = None, **world: Any) -> Resumed:
    return interrupted(a.Trainer, at, epochs, options, **{"seed": t.seed % 1000, **world})


@probes("model-lost")
def model_lost(a: Any, t: Trial) -> str | None:
    found = run(a, t)
    if not equal(found.at_save["model"], found.at_resume["model"]):
        return (
            "after resume the model has other weights than at the moment of saving: save and load "
            "model.state_dict()"
        )
    return None


@probes("optimizer-lost")
def optimizer_lost(a: Any, t: Trial) -> str | None:
    found = run(a, t)
    if not equal(found.at_save["optimizer"], found.at_resume["optimizer"]):
        off = farthest(weights(found.through), weights(found.again))
        return (
            f"Adam's moments were lost between save and resume: at the end the weights differ by {off:.1g}. "
            "Save optimizer.state_dict(), too"
        )
    return None


@probes("schedule-lost")
def schedule_lost(a: Any, t: Trial) -> str | None:
    found = run(a, t, scheduled=True)
    saved_at, resumed_at = found.at_save["schedule"], found.at_resume["schedule"]
    if saved_at != resumed_at:
        return (
            f"the schedule had made {saved_at} steps when it was saved, and {resumed_at} after "
            "resume: save its state"
        )
    if not close(found.at_save["lr"], found.at_resume["lr"]):
        return (
            f"the learning rate was {found.at_save['lr']:.4g} at saving and is "
            f"{found.at_resume['lr']:.4g} after resume"
        )
    return None


@probes("counters-lost")
def counters_lost(a: Any, t: Trial) -> str | None:
    found = run(a, t)
    for name in ("step", "epoch"):
        if found.at_save[name] != found.at_resume[name]:
            return (
                f"`trainer.{name}` was {found.at_save[name]} when it was saved and is "
                f"{found.at_resume[name]} after resume: save the counters"
            )
    return None


@probes("history-lost")
def history_lost(a: Any, t: Trial) -> str | None:
    found = run(a, t)
    if found.at_save["history"] != found.at_resume["history"]:
        lengths = [
            len(found.at_resume["history"].get("val_loss", [])),
            len(found.at_save["history"]["val_loss"]),
        ]
        return (
            f"after resume the history covers {lengths[0]} epochs, it covered {lengths[1]} when it "
            "was saved: save it"
        )
    return None


@probes("history-shared")
def history_shared(a: Any, t: Trial) -> str | None:
    world = World(t.seed % 1000)
    with folder() as one, folder() as two:
        first, second = world.factory(a.Trainer, one)(), world.factory(a.Trainer, two)()
        first.fit(world.train, world.valid, 1)
    if len(second.history.get("val_loss", [])) or second.step:
        return (
            "a second trainer, just made, already has the first one's history: make it in `__init__`, "
            "not in the class"
        )
    return None


@probes("best-lost")
def best_lost(a: Any, t: Trial) -> str | None:
    found = run(a, t, script=(1.0, 2.0, 3.0))
    before, after = found.at_save["best"], found.at_resume["best"]
    if before is not None and (after is None or not equal(list(before.values()), list(after.values()))):
        said = "None" if after is None else "another"
        return (
            f"best_state was that of epoch 1 when the run was saved, and is {said} after resume: save "
            "it as well"
        )
    end = found.again.best_state
    if end is None or not equal(list(end.values()), list(found.through.best_state.values())):
        return (
            "the best epoch was the first, before the interruption; the resumed run took a later one for "
            "better: the lowest val_loss so far must be saved with best_state"
        )
    return None


@probes("position-lost")
def position_lost(a: Any, t: Trial) -> str | None:
    found = run(a, t)
    expected = found.world_through.trained_on()[MIDDLE:]
    seen = found.world.trained_on()
    if seen == expected:
        return None
    whole = found.world_through.trained_on()
    if seen == whole[6:]:
        return (
            "saved after three of six batches of epoch 1; the resumed run begins this epoch anew, and three "
            "batches are trained on twice. Save how many batches are used, and go on with `train.epoch(e, "
            "start)`"
        )
    if seen == whole[12:]:
        return (
            "saved after three of six batches; the resumed run begins with the *next* epoch, and "
            "three batches are lost"
        )
    if len(seen) == len(expected):
        return (
            "the resumed run visits other batches than the uninterrupted one: epoch 1 of the data "
            "became another epoch"
        )
    return f"the resumed run trained on {len(seen)} batches, {len(expected)} were left"


@probes("position-in-windows")
def position_in_windows(a: Any, t: Trial) -> str | None:
    found = run(a, t, at=5, options={"accum": 2})
    expected = found.world_through.trained_on()[10:]
    if found.world.trained_on() != expected:
        return (
            "with accum=2, saved after 5 steps (10 batches), the resumed run trained on "
            f"{len(found.world.trained_on())} batches, {len(expected)} were left: count used *batches*, not "
            "steps"
        )
    return None


@probes("generators-lost")
def generators_lost(a: Any, t: Trial) -> str | None:
    for noise, name in (("torch", "torch's"), ("numpy", "NumPy's"), ("python", "Python's")):
        found = run(a, t, noise=noise)
        if not equal(weights(found.through), weights(found.again)) and quiet(a, t):
            return (
                f"a model that draws from {name} generator ends elsewhere after an interruption: the "
                "generator's state belongs into the checkpoint (`rng_state()`, `restore_rng_state(state)`), "
                "and nothing may seed again"
            )
    return None


def quiet(a: Any, t: Trial) -> bool:
    """Without noise, does a resumed run end where the other one does?"""
    found = run(a, t)
    return equal(weights(found.through), weights(found.again))


@probes("half-an-epochs-loss")
def half_loss(a: Any, t: Trial) -> str | None:
    found = run(a, t)
    left, right = found.again.history["train_loss"], found.through.history["train_loss"]
    if left != right and equal(weights(found.through), weights(found.again)):
        return (
            f"train_loss of the interrupted epoch is {numbers(left[1:2], 6)}, without interruption "
            f"{numbers(right[1:2], 6)}: the losses before the interruption (their sum, and the number of "
            "examples) must be saved"
        )
    return None


@probes("patience-lost")
def patience_lost(a: Any, t: Trial) -> str | None:
    script = (1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)
    found = run(a, t, at=14, epochs=7, options={"patience": 3}, script=script)
    if found.again.epoch != found.through.epoch:
        return (
            f"with patience=3 the uninterrupted run stops after {found.through.epoch} epochs, the resumed "
            f"one after {found.again.epoch}: how many epochs in a row were bad must be saved"
        )
    return None


@probes("resumed-run-differs")
def differs(a: Any, t: Trial) -> str | None:
    for at in (1, 6, 12, 17):
        found = run(a, t, at=at, noise="all", scheduled=True, options={"max_norm": 0.5})
        for name in ("train_loss", "val_loss", "val_accuracy"):
            if found.again.history[name] != found.through.history[name]:
                return (
                    f"saved after step {at} (of 18, six an epoch) and resumed, {name} is "
                    f"{numbers(found.again.history[name], 6)}, without interruption "
                    f"{numbers(found.through.history[name], 6)}"
                )
        if not equal(weights(found.through), weights(found.again)):
            off = farthest(weights(found.through), weights(found.again))
            return (
                f"saved after step {at} (of 18, six an epoch) and resumed, the weights differ by "
                f"{off:.2g} at the end"
            )
    return None
