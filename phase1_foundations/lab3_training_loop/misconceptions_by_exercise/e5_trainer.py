"""Wrong answers to E5: the sound trainer with one mistake at a time."""

import copy
import math
import random

import torch

from courseware.check import misconception
from phase1_foundations.lab3_training_loop.solution import Trainer as Right
from shared.seeding import seed_everything


def forgets(*names):
    """A trainer whose checkpoints lack some of what changes."""

    class Trainer(Right):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.changing = tuple(name for name in self.changing if name not in names)

        def state_dict(self):
            return {name: value for name, value in super().state_dict().items() if name not in names}

        def load_state_dict(self, state):
            super().load_state_dict({"rng": None, **state})

    return Trainer


@misconception("E5", diagnosis="optimizer-lost")
def saves_no_optimizer():
    return {"Trainer": forgets("optimizer")}


@misconception("E5", diagnosis="schedule-lost")
def saves_no_schedule():
    return {"Trainer": forgets("scheduler")}


@misconception("E5", diagnosis="position-lost")
def begins_the_epoch_anew():
    class Trainer(Right):
        def load_state_dict(self, state):
            super().load_state_dict(state)
            self.used, self.loss_sum, self.examples = 0, 0.0, 0

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="generators-lost")
def saves_torchs_generator_alone():
    class Trainer(Right):
        def load_state_dict(self, state):
            others = random.getstate()
            super().load_state_dict(state)
            random.setstate(others)

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="half-an-epochs-loss")
def forgets_the_losses_so_far():
    class Trainer(Right):
        def load_state_dict(self, state):
            super().load_state_dict(state)
            self.loss_sum, self.examples = 0.0, 0

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="best-lost")
def forgets_how_good_the_best_was():
    class Trainer(Right):
        def load_state_dict(self, state):
            super().load_state_dict(state)
            self.best_loss = math.inf

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="schedule-stepped-otherwise")
def steps_the_schedule_twice():
    class Trainer(Right):
        def evaluate(self, valid):
            if self.scheduler is not None:
                self.scheduler.step()
            return super().evaluate(valid)

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="overwrites-in-place")
def writes_onto_the_old_file():
    class Trainer(Right):
        def save(self, tag):
            self.ckpt_dir.mkdir(parents=True, exist_ok=True)
            torch.save(self.state_dict(), self.ckpt_dir / f"{tag}.pt")

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="validates-in-train-mode")
def never_calls_eval():
    class Trainer(Right):
        def evaluate(self, valid):
            loss, right, count = 0.0, 0, 0
            with torch.no_grad():
                for x, y in valid.epoch(0, 0):
                    output = self.model(x)
                    loss += self.loss_fn(output, y).item() * len(y)
                    right += int((output.argmax(-1) == y).sum())
                    count += len(y)
            return loss / count, right / count

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="best-is-an-alias")
def keeps_the_live_weights_as_best():
    class Trainer(Right):
        def save(self, tag):
            if self.best_state is not None and self.bad == 0 and tag.startswith("epoch"):
                self.best_state = self.model.state_dict()
            super().save(tag)

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="val-loss-of-batch-means")
def averages_batch_means():
    class Trainer(Right):
        def evaluate(self, valid):
            _, accuracy = super().evaluate(valid)
            self.model.eval()
            with torch.no_grad():
                losses = [self.loss_fn(self.model(x), y).item() for x, y in valid.epoch(0, 0)]
            valid.asked.pop()  # looked at twice, only to keep this example short
            del self.model.world.forwards[-len(losses) :]
            self.model.train()
            return sum(losses) / len(losses), accuracy

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="damaged-file-chosen")
def trusts_every_file():
    class Trainer(Right):
        @classmethod
        def resume(cls, ckpt_dir, factory):
            from pathlib import Path

            states = [torch.load(path, weights_only=True) for path in Path(ckpt_dir).glob("*.pt")]
            if not states:
                raise FileNotFoundError(ckpt_dir)
            trainer = factory()
            trainer.load_state_dict(max(states, key=lambda state: state["own"]["step"]))
            return trainer

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="newest-by-name-or-time")
def sorts_by_name():
    class Trainer(Right):
        @classmethod
        def resume(cls, ckpt_dir, factory):
            from pathlib import Path

            for path in sorted(Path(ckpt_dir).glob("*.pt"), reverse=True):
                try:
                    state = torch.load(path, weights_only=True)
                except Exception:
                    continue
                trainer = factory()
                trainer.load_state_dict(state)
                return trainer
            raise FileNotFoundError(ckpt_dir)

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="seeded-again")
def seeds_in_every_fit():
    class Trainer(Right):
        def fit(self, train, valid, epochs):
            seed_everything(self.seed)
            return super().fit(train, valid, epochs)

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="mean-of-means")
def divides_by_accum():
    class Trainer(Right):
        def train_epoch(self, train):
            self.model.train()
            batches = list(train.epoch(self.epoch, self.used))
            for begin in range(0, len(batches), self.accum):
                window = batches[begin : begin + self.accum]
                self.optimizer.zero_grad()
                for x, y in window:
                    loss = self.loss_fn(self.model(x), y)
                    (loss / len(window)).backward()
                    self.loss_sum += loss.item() * len(y)
                    self.examples += len(y)
                if self.max_norm is not None:
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)
                self.optimizer.step()
                if self.scheduler is not None:
                    self.scheduler.step()
                self.step, self.used = self.step + 1, self.used + len(window)
                for callback in self.callbacks:
                    callback(self)

    return {"Trainer": Trainer}


@misconception("E5", diagnosis="patience-lost")
def forgets_how_long_it_has_waited():
    class Trainer(Right):
        def load_state_dict(self, state):
            state = copy.deepcopy(state)
            state["own"]["bad"] = 0
            super().load_state_dict(state)

    return {"Trainer": Trainer}
