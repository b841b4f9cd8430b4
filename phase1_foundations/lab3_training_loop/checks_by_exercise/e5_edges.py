"""More known mistakes of E5: an epoch's own checkpoint, what lies beside it, folders, shapes."""

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    World,
    equal,
    folder,
    scramble,
    weights,
)

probes = Probes()


@probes("folder-given-as-text")
def folder_as_text(a: Any, t: Trial) -> str | None:
    world = World(t.seed % 1000)
    with folder() as path:
        make = world.factory(a.Trainer, str(path / "run"))
        attempt = t.tried(lambda: make().fit(world.train, world.valid, 1))
        if attempt.raised(AttributeError, TypeError):
            return f"with `ckpt_dir` as a str saving fails ({attempt.error!s:.80}): make it a Path first"
        attempt = t.tried(lambda: a.Trainer.resume(str(path / "run"), make))
        if attempt.raised(AttributeError, TypeError):
            return f"with `ckpt_dir` as a str resume fails ({attempt.error!s:.80}): make it a Path first"
    return None


@probes("other-files-taken")
def other_files(a: Any, t: Trial) -> str | None:
    world = World(t.seed % 1000)
    with folder() as path:
        make = world.factory(a.Trainer, path)
        make().fit(world.train, world.valid, 2)
        (path / "epoch-2.pt").rename(path / "epoch-2.pt.tmp")
        alone = [each.name for each in path.glob("*.pt")] == ["epoch-1.pt"]
        found = a.Trainer.resume(path, make).epoch
    if alone and found == 2:
        return (
            "resume took epoch-2.pt.tmp, which a killed run had begun to write, rather than epoch-1.pt: "
            "only files that end in .pt are checkpoints"
        )
    return None


def after_first_epoch(a: Any, t: Trial, script: tuple[float, ...], **options: Any) -> tuple[Any, Any, World]:
    """A run that went through, and one that goes on from the first one's epoch-1.pt alone."""
    first, second = (World(t.seed % 1000, noise="torch", script=script) for _ in range(2))
    second.first_epoch = 1
    with folder() as one, folder() as two:
        through = first.factory(a.Trainer, one, **options)()
        through.fit(first.train, first.valid, len(script))
        shutil.copy(one / "epoch-1.pt", two)
        scramble(3)
        again = a.Trainer.resume(two, second.factory(a.Trainer, two, **options))
        if again.epoch == 1:
            t.attempt(lambda: again.fit(second.train, second.valid, len(script)))
    return through, again, second


@probes("saved-before-the-epoch-is-complete")
def saved_too_early(a: Any, t: Trial) -> str | None:
    through, again, world = after_first_epoch(a, t, (1.0, 2.0, 3.0))
    batches = len(world.trained_on())
    if again.epoch >= 1 and batches in (0, 6):
        return (
            f"resumed from epoch-1.pt, two epochs of 6 batches were left, and {batches} were trained on: set "
            "the position in the epoch back to 0 before you save, not after"
        )
    if len(again.history["val_loss"]) != len(through.history["val_loss"]) or again.epoch != through.epoch:
        return (
            "resumed from epoch-1.pt and trained on, the run has "
            f"{len(again.history['val_loss'])} entries in its history after {again.epoch} epochs: count the "
            "epoch and note its losses before you save"
        )
    best = [list((each.best_state or {}).values()) for each in (through, again)]
    if equal(weights(through), weights(again)) and not equal(*best):
        return (
            "the first epoch was the best; resumed from its epoch-1.pt, the run ends with another one: "
            "update best_state and its loss before you save, not after"
        )
    return None


@probes("goes-on-after-it-was-stopped")
def goes_on(a: Any, t: Trial) -> str | None:
    world = World(t.seed % 1000, script=(1.0, 2.0, 3.0, 4.0, 5.0))
    with folder() as path:
        make = world.factory(a.Trainer, path, patience=2)
        trainer = make()
        trainer.fit(world.train, world.valid, 5)
        stopped, again = trainer.epoch, a.Trainer.resume(path, make)
        again.fit(world.train, world.valid, 5)
    if stopped == 3 and again.epoch != 3:
        return (
            "with patience=2 a run was stopped after 3 epochs; resumed from its last checkpoint it trains "
            f"until epoch {again.epoch}: ask whether patience is over before an epoch, not only after it"
        )
    return None


class Rows(nn.Module):
    """Scores of shape (examples, 1, 3): what is chosen among stands in the last axis."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = model

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[:, None, :]


class Columns:
    """A loader whose targets have the shape (examples, 1)."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def epoch(self, epoch: int, start: int = 0) -> Any:
        return ((x, y[:, None]) for x, y in self.loader.epoch(epoch, start))

    def __iter__(self) -> Any:
        return self.epoch(0)

    def __len__(self) -> int:
        return len(self.loader)


def row_loss(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), y.flatten())


@probes("argmax-over-another-axis")
def another_axis(a: Any, t: Trial) -> str | None:
    world = World(t.seed % 1000)
    model = Rows(world.model())
    with folder() as path:
        trainer = a.Trainer(model, torch.optim.SGD(model.parameters(), lr=0.3), row_loss, ckpt_dir=Path(path))
        attempt = t.tried(lambda: trainer.fit(Columns(world.train), Columns(world.valid), 1))
    with torch.no_grad():
        chosen = model(world.valid.x)[:, 0].argmax(-1)
    right = (chosen == world.valid.y).double().mean().item()
    found = None if attempt.error else trainer.history["val_accuracy"][0]
    if found is None or abs(found - right) > 1e-6:
        said = type(attempt.error).__name__ if found is None else numbers(found)
        return (
            f"for scores of shape (4, 1, 3) and targets of shape (4, 1) val_accuracy is {said}, expected "
            f"{numbers(right)}: argmax goes over the *last* axis, `dim=-1`, which is 1 only for a matrix"
        )
    return None
