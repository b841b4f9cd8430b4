"""Right answers to E5, written otherwise than the reference."""

from __future__ import annotations

import copy
import io
import math
import os
import random
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

right = Answers()


@right("E5", slow=True)
def everything_in_one_dict():
    """Own generators' states, an outer dict for all that changes, a temporary name of the system's."""

    def generators():
        kind, keys, place, has, value = np.random.get_state()
        return {
            "torch": torch.random.get_rng_state(),
            "python": random.getstate(),
            "numpy": [kind, keys.tolist(), place, has, value],
        }

    def restore(state):
        torch.random.set_rng_state(state["torch"])
        random.setstate(state["python"])
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))

    class Trainer:
        def __init__(self, model, optimizer, loss_fn, **options):
            self.model, self.optimizer, self.loss_fn = model, optimizer, loss_fn
            self.scheduler = options.get("scheduler")
            self.max_norm, self.accum = options.get("max_norm"), options.get("accum", 1)
            self.patience, self.seed = options.get("patience"), options.get("seed", 0)
            self.callbacks, self.folder = options.get("callbacks", ()), Path(options["ckpt_dir"])
            self.run = {
                "epoch": 0,
                "step": 0,
                "batch": 0,
                "losses": [],
                "sizes": [],
                "best": None,
                "best_loss": None,
                "waited": 0,
                "history": {"train_loss": [], "val_loss": [], "val_accuracy": []},
                "begun": False,
            }

        epoch = property(lambda self: self.run["epoch"])
        step = property(lambda self: self.run["step"])
        history = property(lambda self: self.run["history"])
        best_state = property(lambda self: self.run["best"])

        def fit(self, train, valid, epochs):
            if not self.run["begun"]:
                self.run["begun"] = True
                torch.manual_seed(self.seed)
                random.seed(self.seed)
                np.random.seed(self.seed)
            while self.run["epoch"] < epochs:
                if self.patience is not None and self.run["waited"] >= self.patience:
                    break
                self._train(train)
                self._finish(valid)
            if self.patience is not None and self.run["best"]:
                self.model.load_state_dict(self.run["best"])
            return self.run["history"]

        def _train(self, train):
            run = self.run
            self.model.train()
            batches = list(train.epoch(run["epoch"], 0))[run["batch"] :]
            for first in range(0, len(batches), self.accum):
                window = batches[first : first + self.accum]
                total = sum(x.shape[0] for x, _ in window)
                self.optimizer.zero_grad()
                for x, y in window:
                    loss = self.loss_fn(self.model(x), y) * x.shape[0]
                    (loss / total).backward()
                    run["losses"].append(loss.item())
                    run["sizes"].append(x.shape[0])
                if self.max_norm is not None:
                    nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)
                self.optimizer.step()
                if self.scheduler:
                    self.scheduler.step()
                run["step"] += 1
                run["batch"] += len(window)
                for callback in self.callbacks:
                    callback(self)

        @torch.no_grad()
        def _finish(self, valid):
            run, loss, right_ones, count = self.run, [], 0, 0
            self.model.eval()
            for x, y in valid.epoch(0):
                output = self.model(x)
                loss.append(float(self.loss_fn(output, y)) * len(x))
                right_ones += (output.max(-1).indices == y).sum().item()
                count += len(x)
            value = math.fsum(loss) / count
            run["history"]["train_loss"].append(math.fsum(run["losses"]) / sum(run["sizes"]))
            run["history"]["val_loss"].append(value)
            run["history"]["val_accuracy"].append(right_ones / count)
            if run["best_loss"] is None or value < run["best_loss"]:
                run["best_loss"], run["waited"] = value, 0
                run["best"] = {k: v.clone() for k, v in self.model.state_dict().items()}
            else:
                run["waited"] += 1
            run["epoch"] += 1
            run["batch"], run["losses"], run["sizes"] = 0, [], []
            self.save("epoch-%d" % run["epoch"])  # noqa: UP031

        def save(self, tag):
            self.folder.mkdir(parents=True, exist_ok=True)
            state = {"run": self.run, "rng": generators(), "model": self.model.state_dict()}
            state["optimizer"] = self.optimizer.state_dict()
            if self.scheduler:
                state["scheduler"] = self.scheduler.state_dict()
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                torch.save(state, file)
            os.replace(name, self.folder / (tag + ".pt"))  # noqa: PTH105

        @classmethod
        def resume(cls, ckpt_dir, factory):
            best = None
            for name in sorted(os.listdir(ckpt_dir)):  # noqa: PTH208
                if name.endswith(".pt"):
                    try:
                        state = torch.load(os.path.join(ckpt_dir, name), weights_only=True)  # noqa: PTH118
                    except Exception:
                        continue
                    if best is None or state["run"]["step"] >= best["run"]["step"]:
                        best = state
            if best is None:
                raise FileNotFoundError(f"nothing to resume from in {ckpt_dir}")
            trainer = factory()
            trainer.model.load_state_dict(best["model"])
            trainer.optimizer.load_state_dict(best["optimizer"])
            if trainer.scheduler:
                trainer.scheduler.load_state_dict(best["scheduler"])
            trainer.run = best["run"]
            restore(best["rng"])
            return trainer

    return {"Trainer": Trainer}


@right("E5")
def through_a_buffer():
    class Trainer(solution.Trainer):
        def save(self, tag):
            self.ckpt_dir.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            torch.save(self.state_dict(), buffer)
            beside = self.ckpt_dir / f".{tag}.writing"
            beside.write_bytes(buffer.getvalue())
            beside.replace(self.ckpt_dir / f"{tag}.pt")

    return {"Trainer": Trainer}


@right("E5", slow=True)
def restores_generators_when_training_begins():
    class Trainer(solution.Trainer):
        def load_state_dict(self, state):
            super().load_state_dict(state)
            self.dice = state["rng"]

        def fit(self, train, valid, epochs):
            if getattr(self, "dice", None) is not None:
                solution.restore_rng_state(self.dice)
                self.dice = None
            return super().fit(train, valid, epochs)

    return {"Trainer": Trainer}


@right("E5", slow=True)
def gradients_summed_and_divided():
    class Trainer(solution.Trainer):
        def train_epoch(self, train):
            self.model.train()
            waiting, examples = 0, 0
            batches = train.epoch(self.epoch, self.used)
            left = len(train) - self.used
            for number, (x, y) in enumerate(batches, start=1):
                if waiting == 0:
                    self.optimizer.zero_grad()
                loss = self.loss_fn(self.model(x), y) * len(y)
                loss.backward()
                self.loss_sum += float(loss.detach())
                waiting, examples = waiting + 1, examples + len(y)
                if waiting < self.accum and number < left:
                    continue
                for p in self.model.parameters():
                    p.grad /= examples
                if self.max_norm is not None:
                    solution.clip_grad_norm_(self.model.parameters(), self.max_norm)
                self.optimizer.step()
                if self.scheduler is not None:
                    self.scheduler.step()
                self.step += 1
                self.used, self.examples = self.used + waiting, self.examples + examples
                waiting = examples = 0
                for callback in self.callbacks:
                    callback(self)

    return {"Trainer": Trainer}


@right("E5")
def best_copied_by_hand():
    class Trainer(solution.Trainer):
        def evaluate(self, valid):
            modes = {module: module.training for module in self.model.modules()}
            self.model.train(False)
            sums = torch.zeros(3, dtype=torch.float64)
            with torch.inference_mode():
                for x, y in valid.epoch(0, 0):
                    scores = self.model(x)
                    correct = torch.eq(scores.argmax(-1), y).sum()
                    sums += torch.tensor([float(self.loss_fn(scores, y)) * len(y), float(correct), len(y)])
            for module, mode in modes.items():
                module.training = mode
            loss, correct, count = sums.tolist()
            return loss / count, correct / count

        def state_dict(self):
            return copy.deepcopy(super().state_dict())

    return {"Trainer": Trainer}
