"""The reward of E5: a run that went through and one that was killed, drawn over each other."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_digits import (
    EPOCHS,
    loaders,
    test_accuracy,
    trainer_for_digits,
)
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_kill import in_new_process, kill_self
from shared.plotting import COLOURS, panels, show

SAVED, KILLED = 130, 133  # of 456, 38 an epoch


def train_and_die(cls: type, folder: Path) -> None:
    def watch(trainer: Any) -> None:
        if trainer.step == SAVED:
            trainer.save("latest")
        elif trainer.step == KILLED:
            kill_self()

    torch.set_num_threads(1)
    trainer_for_digits(cls, folder, 0, callbacks=(watch,)).fit(*loaders(0), EPOCHS)


class Losses:
    """A loss function that remembers what it said in training."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def __call__(self, output: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(output, y)
        if loss.requires_grad:
            self.values.append(loss.item())
        return loss


def one_curve_twice(a: Any) -> None:
    whole, rest = Losses(), Losses()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        through = trainer_for_digits(a.Trainer, Path(one), 0, loss_fn=whole)
        through.fit(*loaders(0), EPOCHS)
        with tempfile.TemporaryDirectory() as work:
            in_new_process(Path(work), train_and_die, a.Trainer, Path(two))
        again = a.Trainer.resume(two, lambda: trainer_for_digits(a.Trainer, Path(two), 0, loss_fn=rest))
        again.fit(*loaders(0), EPOCHS)
    pairs = zip(through.model.parameters(), again.model.parameters(), strict=True)
    same = all(torch.equal(p, q) for p, q in pairs)
    fig, ax = panels(height=2.8)
    ax.plot(whole.values, color=COLOURS["sky"], linewidth=4, label="never interrupted")
    steps = range(SAVED, SAVED + len(rest.values))
    ax.plot(steps, rest.values, color=COLOURS["black"], linewidth=1, label="killed and resumed")
    ax.axvline(KILLED, color=COLOURS["red"], linewidth=1.2, linestyle="--")
    ax.annotate("kill −9", (KILLED + 4, 2 * min(whole.values)), color=COLOURS["red"])
    ax.set(xlabel="step", ylabel="training loss", yscale="log")
    ax.legend()
    show(
        fig,
        caption=(
            f"Two runs of your trainer on digits. One process was killed at step {KILLED}, three steps after "
            "its last checkpoint; another resumed it. The thin line lies on the thick one to the last bit."
        ),
        alt=(
            "A noisy falling loss curve, drawn thick; from step 130 on a thin black line runs exactly on it. "
            "A dashed vertical line marks the kill at step 133."
        ),
    )
    print("all weights equal, bit by bit:", same)
    print(
        f"test digits right: yours {test_accuracy(again):.3f}; logistic regression 0.969; support vector "
        "machine 0.994 (C = 10)"
    )
