"""Wrong answers to E5 at the edges: folders as texts, other files, other shapes, a run that was over."""

from __future__ import annotations

from pathlib import Path

import torch

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

wrong = Answers()
Right = solution.Trainer


@wrong("E5")
def argmax_over_axis_one():
    class Trainer(Right):
        def evaluate(self, valid):
            self.model.eval()
            loss, right, count = 0.0, 0, 0
            with torch.no_grad():
                for x, y in valid.epoch(0, 0):
                    output = self.model(x)
                    loss += self.loss_fn(output, y).item() * len(y)
                    right += int((output.argmax(dim=1) == y).sum())
                    count += len(y)
            self.model.train()
            return loss / count, right / count

    return {"Trainer": Trainer}


@wrong("E5")
def folder_left_as_text():
    class Trainer(Right):
        def __init__(self, *args, ckpt_dir, **options):
            super().__init__(*args, ckpt_dir=ckpt_dir, **options)
            self.ckpt_dir = ckpt_dir

    return {"Trainer": Trainer}


@wrong("E5")
def every_file_is_a_checkpoint():
    class Trainer(Right):
        @classmethod
        def resume(cls, ckpt_dir, factory):
            states = []
            for path in Path(ckpt_dir).iterdir():
                try:
                    states.append(torch.load(path, weights_only=True))
                except Exception:
                    continue
            if not states:
                raise FileNotFoundError(ckpt_dir)
            trainer = factory()
            trainer.load_state_dict(max(states, key=lambda state: state["own"]["step"]))
            return trainer

    return {"Trainer": Trainer}


@wrong("E5")
def saves_before_the_position_is_reset():
    class Trainer(Right):
        def save(self, tag):
            used = self.used
            self.used = 6 if tag.startswith("epoch") else used
            super().save(tag)
            self.used = used

    return {"Trainer": Trainer}


@wrong("E5")
def patience_is_asked_after_an_epoch_only():
    class Trainer(Right):
        def fit(self, train, valid, epochs):
            if self.patience is not None and self.bad >= self.patience:
                self.bad = self.patience - 1
            return super().fit(train, valid, epochs)

    return {"Trainer": Trainer}
