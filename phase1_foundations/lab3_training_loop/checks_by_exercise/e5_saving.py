"""The known mistakes of E5's checkpoints: files, and what is lost between saving and resuming."""

import os
from pathlib import Path
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    Resumed,
    World,
    equal,
    farthest,
    folder,
    interrupted,
    scramble,
    weights,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
MIDDLE = 9  # the third of six steps in the second epoch


def saved(a: Any, t: Trial, path: Path, epochs: int = 2) -> tuple[Any, World]:
    world = World(t.seed % 1000)
    trainer = world.factory(a.Trainer, path)()
    trainer.fit(world.train, world.valid, epochs)
    return trainer, world


def back(a: Any, t: Trial, path: Path) -> Any:
    scramble(3)
    return a.Trainer.resume(path, World(t.seed % 1000).factory(a.Trainer, path))


# ---- files ------


@probes("folder-not-made")
def folder_not_made(a: Any, t: Trial) -> str | None:
    with folder() as path:
        attempt = t.tried(lambda: saved(a, t, path / "new" / "run", epochs=1))
        if attempt.raised(OSError, RuntimeError) and not (path / "new" / "run").is_dir():
            return (
                f"where `ckpt_dir` does not exist yet saving fails ({attempt.error!s:.80}): make it, "
                "parents too"
            )
    return None


@probes("no-checkpoint-after-an-epoch")
def no_checkpoint(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        found = sorted(each.name for each in path.iterdir())
    if not {"epoch-1.pt", "epoch-2.pt"} <= set(found):
        return f"after two epochs the folder holds {found or 'nothing'}, expected epoch-1.pt and epoch-2.pt"
    return None


@probes("leftovers-in-the-folder")
def leftovers(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        extra = sorted(each.name for each in path.iterdir() if each.name not in ("epoch-1.pt", "epoch-2.pt"))
    if extra:
        return (
            f"beside the checkpoints the folder holds {extra}: the file written beside must be "
            "*renamed*, not copied"
        )
    return None


@probes("file-is-refused")
def refused(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path, epochs=1)
        attempt = t.tried(lambda: torch.load(path / "epoch-1.pt", weights_only=True))
    if attempt.error is not None:
        return (
            "torch.load(…, weights_only=True) refuses your file "
            f"({' '.join(str(attempt.error).split())[:140]}): save dicts, lists, numbers, texts and "
            "tensors, no objects"
        )
    return None


@probes("overwrites-in-place")
def in_place(a: Any, t: Trial) -> str | None:
    with folder() as path:
        trainer, world = saved(a, t, path, epochs=1)
        trainer.save("latest")
        before = (path / "latest.pt").read_bytes()
        os.link(path / "latest.pt", path / "twin")  # a second name of the same file on the disk
        trainer.fit(world.train, world.valid, 2)
        trainer.save("latest")
        touched, same = (path / "twin").read_bytes() != before, (path / "latest.pt").read_bytes() == before
    if same:
        return 'save("latest") a second time did not replace latest.pt'
    if touched:
        return (
            "the old latest.pt was overwritten in place: killed at that moment, the run has neither "
            "the old nor the "
            "new one (latest.pt is truncated). Write a file beside it, then `os.replace`"
        )
    return None


@probes("old-file-deleted-first")
def deleted_first(a: Any, t: Trial) -> str | None:
    with folder() as path:
        trainer, _ = saved(a, t, path, epochs=1)
        trainer.save("latest")
        before, original = (path / "latest.pt").read_bytes(), torch.save

        def full_disk(*args: Any, **kwargs: Any) -> None:
            raise OSError(28, "No space left on device")

        torch.save = full_disk
        try:
            t.attempt(lambda: trainer.save("latest"))
        finally:
            torch.save = original
        whole = (path / "latest.pt").is_file() and (path / "latest.pt").read_bytes() == before
    if not whole:
        return (
            "the disk was full while latest.pt was saved again, and the old one is gone: replace it "
            "only at the end"
        )
    return None


# ---- which file ------


@probes("resume-returns-nothing")
def returns_nothing(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        found = back(a, t, path)
    if not isinstance(found, a.Trainer):
        return f"Trainer.resume returned {type(found).__name__}, expected the restored trainer"
    return None


@probes("no-checkpoint-no-error")
def no_error(a: Any, t: Trial) -> str | None:
    with folder() as path:
        attempt = t.tried(lambda: back(a, t, path))
        if not attempt.raised(FileNotFoundError):
            did = f"raises {type(attempt.error).__name__}" if attempt.error else "returns"
            return f"in an empty folder Trainer.resume {did}, expected FileNotFoundError"
    return None


@probes("damaged-file-chosen")
def damaged(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        whole = (path / "epoch-2.pt").read_bytes()
        if back(a, t, path).epoch != 2:
            return None  # then it is not the damage
        for name, content in (
            ("truncated", whole[: len(whole) // 2]),
            ("empty", b""),
            ("garbled", b"x" * 500),
        ):
            (path / "epoch-2.pt").write_bytes(content)
            attempt = t.tried(lambda: back(a, t, path).epoch)
            if attempt.raised(Exception):
                return (
                    f"epoch-2.pt is {name}, epoch-1.pt is whole, and resume raises "
                    f"{type(attempt.error).__name__}: "
                    "pass over what cannot be read and take the newest of the others"
                )
            if attempt.value != 1:
                return (
                    f"epoch-2.pt is {name}; resume begins at epoch {attempt.value}, expected 1, from "
                    "epoch-1.pt"
                )
        (path / "epoch-1.pt").write_bytes(b"")
        attempt = t.tried(lambda: back(a, t, path))
        if not attempt.raised(FileNotFoundError):
            did = f"raises {type(attempt.error).__name__}" if attempt.error else "returns"
            return f"where every checkpoint is damaged Trainer.resume {did}, expected FileNotFoundError"
    return None


@probes("newest-by-name-or-time")
def newest(a: Any, t: Trial) -> str | None:
    with folder() as path:
        trainer, world = saved(a, t, path, epochs=1)
        if back(a, t, path).epoch != 1:
            return None  # then it is not the choice
        trainer.save("zzz")
        trainer.fit(world.train, world.valid, 10)
        for i, each in enumerate(sorted(path.iterdir(), key=lambda p: p.stat().st_mtime_ns, reverse=True)):
            os.utime(each, (1_000_000 + i, 1_000_000 + i))
        found = back(a, t, path).epoch
    if found != 10:
        return (
            "after ten epochs, with epoch-1 … epoch-10 and an early zzz.pt in the folder, resume "
            "begins at epoch "
            f"{found}: the newest has the most optimizer steps. Sorted by name epoch-9 comes after "
            "epoch-10; file "
            "times change when files are copied"
        )
    return None


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
            "Adam's moments were lost between save and resume: at the end the weights differ by "
            f"{off:.1g}. Save "
            "optimizer.state_dict(), too"
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
                f"{found.at_resume[name]} after "
                "resume: save the counters"
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
            "the best epoch was the first, before the interruption; the resumed run took a later one "
            "for better: the "
            "lowest val_loss so far must be saved with best_state"
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
            "saved after three of six batches of epoch 1; the resumed run begins this epoch anew, and "
            "three batches "
            "are trained on twice. Save how many batches are used, and go on with `train.epoch(e, start)`"
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
            f"{len(found.world.trained_on())} "
            f"batches, {len(expected)} were left: count used *batches*, not steps"
        )
    return None


@probes("generators-lost")
def generators_lost(a: Any, t: Trial) -> str | None:
    for noise, name in (("torch", "torch's"), ("numpy", "NumPy's"), ("python", "Python's")):
        found = run(a, t, noise=noise)
        if not equal(weights(found.through), weights(found.again)) and quiet(a, t):
            return (
                f"a model that draws from {name} generator ends elsewhere after an interruption: the "
                "generator's "
                "state belongs into the checkpoint (`rng_state()`, `restore_rng_state(state)`), and "
                "nothing may seed again"
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
            f"{numbers(right[1:2], 6)}: "
            "the losses before the interruption (their sum, and the number of examples) must be saved"
        )
    return None


@probes("patience-lost")
def patience_lost(a: Any, t: Trial) -> str | None:
    script = (1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)
    found = run(a, t, at=14, epochs=7, options={"patience": 3}, script=script)
    if found.again.epoch != found.through.epoch:
        return (
            f"with patience=3 the uninterrupted run stops after {found.through.epoch} epochs, the "
            "resumed one after "
            f"{found.again.epoch}: how many epochs in a row were bad must be saved"
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
