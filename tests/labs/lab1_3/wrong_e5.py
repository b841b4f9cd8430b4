"""Wrong answers to E5 beyond the lab's own misconceptions."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

wrong = Answers()
Right = solution.Trainer


def answer(cls):
    def build():
        cls.__name__ = "Trainer"
        return {"Trainer": cls}

    wrong.add("E5", cls.__name__, build)
    return cls


def looping(
    epoch=lambda self: self.epoch,
    start=lambda self: self.used,
    share=lambda y, window, self: len(y) / sum(len(t) for _, t in window),
    zero=lambda self: self.optimizer.zero_grad(),
    windows=lambda batches, accum: [batches[i : i + accum] for i in range(0, len(batches), accum)],
    clip=lambda self: nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm),
    schedule=lambda self: self.scheduler.step(),
    mode=lambda self: self.model.train(),
    note=lambda self, loss, y: loss.item() * len(y),
    call=lambda self, callback: callback(self),
):
    """The reference's epoch with parts to be exchanged."""

    class Trainer(Right):
        def train_epoch(self, train):
            mode(self)
            for window in windows(list(train.epoch(epoch(self), start(self))), self.accum):
                zero(self)
                for x, y in window:
                    loss = self.loss_fn(self.model(x), y)
                    (loss * share(y, window, self)).backward()
                    self.loss_sum += note(self, loss, y)
                    self.examples += len(y)
                if self.max_norm is not None:
                    clip(self)
                self.optimizer.step()
                if self.scheduler is not None:
                    schedule(self)
                self.step, self.used = self.step + 1, self.used + len(window)
                for callback in self.callbacks:
                    call(self, callback)

    return Trainer


def changed(name, **parts):
    wrong.add("E5", name, lambda: {"Trainer": looping(**parts)})


changed("always_epoch_zero", epoch=lambda self: 0)
changed("epochs_from_one", epoch=lambda self: self.epoch + 1)
changed("never_zeroes", zero=lambda self: None)
changed("sums_the_window", share=lambda y, window, self: 1.0)
changed("divides_by_accum", share=lambda y, window, self: 1 / self.accum)
changed("drops_the_rest", windows=lambda b, n: [b[i : i + n] for i in range(0, len(b) - n + 1, n)])
changed("one_batch_a_step", windows=lambda batches, accum: [[batch] for batch in batches])
changed("whole_epoch_a_step", windows=lambda batches, accum: [batches])
changed("never_clips", clip=lambda self: None)
changed("clips_by_value", clip=lambda self: nn.utils.clip_grad_value_(self.model.parameters(), self.max_norm))
changed("never_steps_the_schedule", schedule=lambda self: None)
changed("steps_the_schedule_two_times", schedule=lambda self: [self.scheduler.step() for _ in range(2)])
changed("trains_in_eval_mode", mode=lambda self: self.model.eval())
changed("mean_of_batch_losses", note=lambda self, loss, y: loss.item() * 22 / 6)
changed("adds_up_losses", note=lambda self, loss, y: loss.item())
changed("callback_gets_the_step", call=lambda self, callback: callback(self.step))
changed("callbacks_each_epoch", call=lambda self, callback: self.used >= 6 and callback(self))


@answer
class never_validates(Right):
    def evaluate(self, valid):
        return 0.0, 0.0


@answer
class validates_with_gradients(Right):
    def evaluate(self, valid):
        self.model.eval()
        loss, hits, count = 0.0, 0, 0
        for x, y in valid.epoch(0, 0):
            output = self.model(x)
            loss += self.loss_fn(output, y).item() * len(y)
            hits += int((output.argmax(-1) == y).sum())
            count += len(y)
        self.model.train()
        return loss / count, hits / count


@answer
class accuracy_in_percent(Right):
    def evaluate(self, valid):
        loss, accuracy = super().evaluate(valid)
        return loss, 100 * accuracy


@answer
class accuracy_of_batch_means(Right):
    def evaluate(self, valid):
        self.model.eval()
        loss, shares, count = 0.0, [], 0
        with torch.no_grad():
            for x, y in valid.epoch(0, 0):
                output = self.model(x)
                loss += self.loss_fn(output, y).item() * len(y)
                shares.append((output.argmax(-1) == y).double().mean().item())
                count += len(y)
        self.model.train()
        return loss / count, sum(shares) / len(shares)


@answer
class history_in_tensors(Right):
    def evaluate(self, valid):
        loss, accuracy = super().evaluate(valid)
        return torch.tensor(loss), accuracy


@answer
class history_as_a_list(Right):
    def fit(self, train, valid, epochs):
        history = super().fit(train, valid, epochs)
        return list(zip(*history.values(), strict=True))


@answer
class returns_nothing(Right):
    def fit(self, train, valid, epochs):
        super().fit(train, valid, epochs)


@answer
class epochs_on_top(Right):
    def fit(self, train, valid, epochs):
        return super().fit(train, valid, self.epoch + epochs)


@answer
class never_seeds(Right):
    def fit(self, train, valid, epochs):
        if self.step == 0:
            self.step = -1
            self.shift = True
            self.step = 0
        dice = solution.rng_state()
        seed, solution_seed = solution.seed_everything, lambda seed: solution.restore_rng_state(dice)
        solution.seed_everything = solution_seed
        try:
            return super().fit(train, valid, epochs)
        finally:
            solution.seed_everything = seed


@answer
class seeds_torch_alone(Right):
    def fit(self, train, valid, epochs):
        seed = solution.seed_everything
        solution.seed_everything = torch.manual_seed
        try:
            return super().fit(train, valid, epochs)
        finally:
            solution.seed_everything = seed


@answer
class seeds_with_zero(Right):
    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "seed": 0})


@answer
class best_is_the_last(Right):
    def evaluate(self, valid):
        self.best_loss = math.inf
        return super().evaluate(valid)


@answer
class best_by_the_highest_loss(Right):
    def evaluate(self, valid):
        loss, accuracy = super().evaluate(valid)
        highest = max(self.history["val_loss"], default=-math.inf)
        self.best_loss = math.inf if loss > highest else -math.inf
        return loss, accuracy


@answer
class always_goes_back_to_the_best(Right):
    def fit(self, train, valid, epochs):
        history = super().fit(train, valid, epochs)
        self.model.load_state_dict(self.best_state)
        return history


@answer
class never_goes_back_to_the_best(Right):
    def fit(self, train, valid, epochs):
        patience, self.waits = self.patience, True
        before = self.model.load_state_dict
        self.model.load_state_dict = lambda state: None
        try:
            return super().fit(train, valid, epochs)
        finally:
            self.patience = patience
            self.model.load_state_dict = before


@answer
class one_epoch_too_patient(Right):
    def __init__(self, *args, patience=None, **options):
        super().__init__(*args, patience=None if patience is None else patience + 1, **options)


@answer
class never_stops_early(Right):
    def evaluate(self, valid):
        self.bad = 0
        return super().evaluate(valid)


@answer
class saves_the_objects(Right):
    def save(self, tag):
        self.ckpt_dir.mkdir(parents=True, exist_ok=True)
        beside = self.ckpt_dir / f"{tag}.tmp"
        torch.save({**self.state_dict(), "array": np.zeros(3), "whole": self.model.first.__class__}, beside)
        beside.replace(self.ckpt_dir / f"{tag}.pt")


@answer
class copies_instead_of_renaming(Right):
    def save(self, tag):
        self.ckpt_dir.mkdir(parents=True, exist_ok=True)
        beside = self.ckpt_dir / f"{tag}.tmp"
        torch.save(self.state_dict(), beside)
        shutil.copyfile(beside, self.ckpt_dir / f"{tag}.pt")


@answer
class deletes_before_it_writes(Right):
    def save(self, tag):
        (self.ckpt_dir / f"{tag}.pt").unlink(missing_ok=True)
        super().save(tag)


@answer
class other_file_names(Right):
    def save(self, tag):
        super().save(tag.replace("-", "_"))


@answer
class no_folder(Right):
    def save(self, tag):
        beside = self.ckpt_dir / f"{tag}.tmp"
        torch.save(self.state_dict(), beside)
        beside.replace(self.ckpt_dir / f"{tag}.pt")


@answer
class saves_only_when_asked(Right):
    def save(self, tag):
        if not tag.startswith("epoch"):
            super().save(tag)


def loading(name, change):
    """A trainer whose restored state is changed afterwards."""

    class Trainer(Right):
        def load_state_dict(self, state):
            dice = solution.rng_state()
            super().load_state_dict(state)
            change(self, dice)

    wrong.add("E5", name, lambda: {"Trainer": Trainer})


loading("forgets_the_history", lambda self, dice: self.history.update({k: [] for k in self.history}))
loading("forgets_the_step", lambda self, dice: setattr(self, "step", 0))
loading("forgets_the_epoch", lambda self, dice: setattr(self, "epoch", 0))
loading("goes_to_the_next_epoch", lambda self, dice: setattr(self, "used", 6))
loading("position_in_steps", lambda self, dice: setattr(self, "used", self.step % 3))
loading("forgets_the_dice", lambda self, dice: solution.restore_rng_state(dice))
loading("seeds_again", lambda self, dice: solution.seed_everything(self.seed))
loading("forgets_the_best", lambda self, dice: setattr(self, "best_state", None))
loading("forgets_the_wait", lambda self, dice: setattr(self, "bad", 0))
loading("forgets_the_examples", lambda self, dice: setattr(self, "examples", 0))


@answer
class model_alone(Right):
    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])


@answer
class resumes_nothing(Right):
    @classmethod
    def resume(cls, ckpt_dir, factory):
        return factory()


@answer
class returns_the_state(Right):
    @classmethod
    def resume(cls, ckpt_dir, factory):
        super().resume(ckpt_dir, factory)


@answer
class newest_by_time(Right):
    @classmethod
    def resume(cls, ckpt_dir, factory):
        for path in sorted(Path(ckpt_dir).glob("*.pt"), key=lambda p: p.stat().st_mtime_ns, reverse=True):
            try:
                state = torch.load(path, weights_only=True)
            except Exception:
                continue
            trainer = factory()
            trainer.load_state_dict(state)
            return trainer
        raise FileNotFoundError(ckpt_dir)


@answer
class raises_something_else(Right):
    @classmethod
    def resume(cls, ckpt_dir, factory):
        try:
            return super().resume(ckpt_dir, factory)
        except FileNotFoundError as error:
            raise RuntimeError("no checkpoint") from error


@answer
class starts_afresh_without_a_checkpoint(Right):
    @classmethod
    def resume(cls, ckpt_dir, factory):
        try:
            return super().resume(ckpt_dir, factory)
        except FileNotFoundError:
            return factory()


@answer
class history_on_the_class(Right):
    shared = {"train_loss": [], "val_loss": [], "val_accuracy": []}  # noqa: RUF012

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.history = self.shared


@answer
class trainer_of_the_library(Right):
    def fit(self, train, valid, epochs):
        from shared.train import TrainConfig, classification
        from shared.train import Trainer as Library

        config = TrainConfig(epochs=epochs, accumulate=self.accum, clip_norm=self.max_norm, progress=False)
        Library(self.model, self.optimizer, classification(), config).fit(train, valid)
        return self.history
