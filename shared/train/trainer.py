"""The loop: all that happens in a run happens in ``fit`` and ``_train_epoch``, in that order."""

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm import tqdm

from shared.checkpoint import CheckpointStore, Store
from shared.config import did_you_mean, to_dict
from shared.device import pick_device
from shared.optim.schedule import Schedule
from shared.seeding import preserved_rng, seed_everything
from shared.train.batches import Batches, as_batches, length, to_device, windows
from shared.train.config import TrainConfig
from shared.train.evaluate import evaluate
from shared.train.history import History, Record, TrainingDiverged
from shared.train.hooks import Hook
from shared.train.precision import Precision
from shared.train.state import Scheduler, Stateful, TrainState
from shared.train.step import Ranks, train_step
from shared.train.task import Batch, Task


class Trainer:
    """Trains one model on one task.

    Args:
        optimizer: of this model's parameters.
        scheduler: stepped after every optimizer step; a ``ReduceLROnPlateau`` after every evaluation, with
            the metric that ``config.stopping`` names, which our own ``Schedule`` is told, too.
        hooks: called back at the five places of ``Hook``.
        also: other things to save and restore with the run, by name, such as averaged weights.
        ranks: the processes that train together, if there are several.
        store: where checkpoints go, instead of files in ``config.checkpoint.folder``.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        task: Task,
        config: TrainConfig | None = None,
        *,
        scheduler: Scheduler | ReduceLROnPlateau | None = None,
        hooks: Sequence[Hook] = (),
        also: Mapping[str, Stateful] | None = None,
        ranks: Ranks | None = None,
        store: Store | None = None,
    ) -> None:
        config = config or TrainConfig()
        self.device = pick_device(config.device)
        self.task = task
        self.config = config
        self.ranks = ranks
        self.hooks = hooks
        folder = config.checkpoint.folder
        if folder and ranks and not store:
            raise ValueError("several ranks each have a state to save: pass a store that keeps them all")
        self.store = store or (CheckpointStore(folder, keep=config.checkpoint.keep) if folder else None)
        precision = Precision(config.precision, self.device)
        self.state = TrainState(model.to(self.device), optimizer, config, precision, scheduler, also)
        self._best_weights: dict[str, Any] | None = None

    def fit(self, train: Batches | Iterable[Batch], valid: Iterable[Batch] | None = None) -> History:
        """Train for the configured epochs, or until the evaluations of ``valid`` no longer improve.

        Seeds every generator, or, on resuming, puts them back to where they were. With
        ``stopping.patience`` the model is left with its best weights, otherwise with its last.
        """
        if valid is None and self.config.stopping.patience is not None:
            raise ValueError("stopping.patience needs evaluations to compare: pass validation batches too")
        state, batches = self.state, as_batches(train)
        state.model.train()
        seed_everything(self.config.seed, deterministic=self.config.deterministic)
        self._resume(batches)
        for hook in self.hooks:
            hook.started(state)
        quiet = None if self.config.progress else True  # None: quiet unless on a terminal
        with tqdm(
            total=self._steps(batches), initial=state.step, disable=quiet, unit="step", mininterval=0.5
        ) as bar:
            while not state.finished:
                self._train_epoch(batches, bar)
                state.epoch, state.batch = state.epoch + 1, 0
                if valid is not None:
                    self._evaluate(valid)
                self._save(batches)
        if state.meter.results:
            self._log()
        if self.config.stopping.patience is not None:
            self._restore_best()
        for hook in self.hooks:
            hook.finished(state)
        return state.history

    def _train_epoch(self, batches: Batches, bar: "tqdm[Any]") -> None:
        state, config = self.state, self.config
        parameters = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
        scheduler = None if isinstance(state.scheduler, ReduceLROnPlateau) else state.scheduler
        stepped = [hook.stepped for hook in self.hooks if type(hook).stepped is not Hook.stepped]
        save_every, whole_epoch = config.checkpoint.every, length(batches)
        for window in windows(batches.epoch(state.epoch, start=state.batch), config.accumulate):
            if self.device.type != "cpu":
                window = [to_device(batch, self.device) for batch in window]
            result = train_step(
                state.model,
                state.optimizer,
                self.task,
                window,
                parameters=parameters,
                precision=state.precision,
                clip_norm=config.clip_norm,
                ranks=self.ranks,
            )
            if scheduler is not None:
                scheduler.step()
            state.step += 1
            state.batch += len(window)
            state.meter.results.append(result)
            for call in stepped:
                call(state)
            bar.update()
            if state.step % config.log_every == 0:
                bar.set_postfix(self._log(), refresh=False)
            if save_every and state.step % save_every == 0 and state.batch != whole_epoch:
                self._save(batches)
        if state.batch == 0:
            raise ValueError(
                f"the training loader yielded no batch in epoch {state.epoch}: check that its data set "
                "is not empty, and that dropping a short last batch does not drop the only one"
            )

    def _evaluate(self, valid: Iterable[Batch]) -> None:
        state, metric = self.state, self.config.stopping.metric
        measured = evaluate(state.model, self.task, valid, precision=state.precision, ranks=self.ranks)
        if metric not in measured:
            raise ValueError(f'the task measures no "{metric}": {did_you_mean(metric, list(measured))}')
        record = {"epoch": state.epoch, "step": state.step, **measured}
        state.history.evaluations.append(record)
        if state.stopping.update(measured[metric], state.step) and self.store is None:
            self._best_weights = copy.deepcopy(state.model.state_dict())
        if isinstance(state.scheduler, ReduceLROnPlateau):
            state.scheduler.step(measured[metric])
        elif isinstance(state.scheduler, Schedule):
            state.scheduler.report(measured[metric])
        for hook in self.hooks:
            hook.evaluated(state, record)

    def _log(self) -> Record:
        record = {**self._look(), "lr": self.state.optimizer.param_groups[0]["lr"]}
        self.state.meter.results = []
        self.state.history.steps.append(record)
        for hook in self.hooks:
            hook.logged(self.state, record)
        return record

    def _look(self) -> Record:
        """Read the results of the steps since the last record; the one place where a NaN comes to light."""
        state = self.state
        try:
            return state.meter.look(state.step, scaled=state.precision.scaler is not None, ranks=self.ranks)
        except TrainingDiverged as error:
            saved = self.store.steps() if self.store else []
            raise TrainingDiverged(
                f"{error}, in epoch {state.epoch}: lower or warm up the learning rate, clip the gradient, "
                "or look for a logarithm or a quotient of zero in the loss"
                + (f"; the checkpoint of step {saved[-1]} is sound" if saved else "")
            ) from None

    def _save(self, batches: Batches) -> None:
        if self.state.meter.results:
            self._look()  # weights that are not numbers must not replace good ones
        if self.store is not None:
            with preserved_rng():  # whatever a store draws, the run must not depend on how often it is saved
                saved = {**self.state.state_dict(), "batches": batches.state_dict()}
                self.store.save(saved, self.state.step, best_step=self.state.stopping.best_step)

    def _resume(self, batches: Batches) -> None:
        if self.store is None or self.state.step > 0:
            return
        if not self.config.checkpoint.resume:
            if steps := self.store.steps():
                raise ValueError(
                    f"there are checkpoints already, the newest of step {steps[-1]}: set checkpoint.resume "
                    "to go on from it, or choose another checkpoint.folder"
                )
            return
        if (found := self.store.newest()) is not None:
            _warn_of_changes(found["config"], to_dict(self.config))
            batches.load_state_dict(found["batches"])
            self.state.load_state_dict(found)

    def _restore_best(self) -> None:
        best_step = self.state.stopping.best_step
        if best_step is None:
            warnings.warn(
                "no evaluation was ever a number, so the model keeps its last weights", stacklevel=3
            )
        elif self.store is not None:
            self.state.model.load_state_dict(self.store.load(best_step)["parts"]["model"])
        elif self._best_weights is not None:
            self.state.model.load_state_dict(self._best_weights)

    def _steps(self, batches: Batches) -> int | None:
        if (whole_epoch := length(batches)) is None:
            return None
        return self.config.epochs * -(-whole_epoch // self.config.accumulate)


MAY_CHANGE = ("epochs", "log_every", "progress", "checkpoint")
"""Options that a resumed run may have otherwise and still be the same run."""


def _warn_of_changes(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [name for name in now if name not in MAY_CHANGE and saved.get(name) != now[name]]
    if changed:
        changes = ", ".join(f"{name} was {saved.get(name)!r} and is {now[name]!r}" for name in changed)
        warnings.warn(f"this run goes on with other options than it began with: {changes}", stacklevel=4)
