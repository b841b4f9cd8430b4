"""A run from its configuration to its report. Read ``train_and_report``: it happens in that order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import nn

from shared.config import to_dict
from shared.data.loader import Loader
from shared.experiment.config import ExperimentConfig
from shared.experiment.data import ExperimentData, count_windows
from shared.experiment.digest import weights_digest
from shared.experiment.environment import environment
from shared.experiment.errors import ExperimentError
from shared.experiment.folder import claim_folder, write_results
from shared.experiment.measure import judge, metrics
from shared.experiment.record import Clock, Recorder
from shared.experiment.report import Report
from shared.experiment.sets import fitting_model, open_data
from shared.models import build, configure
from shared.optim import make_optimizer, make_schedule
from shared.seeding import seed_everything
from shared.train import Supervised, Trainer, classification

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """A run that can start: its data are open, and the options of its model are complete and fit them."""

    config: ExperimentConfig
    data: ExperimentData
    fingerprint: str


def run(config: ExperimentConfig) -> Report:
    """Train and measure a model; write ``report.json``, ``report.md``, ``curves.png`` and ``weights.pt``.

    They go to ``config.folder``, with the checkpoints and the tracker's record. What a user can mend raises
    ConfigError, ExperimentError, TrackingError or CheckpointError, one line each; TrainingDiverged says at
    which step a loss was no number.
    """
    return train_and_report(prepare(config))


def prepare(config: ExperimentConfig) -> Prepared:
    """Open the data and complete the model's options; nothing is written yet."""
    config = replace(config, model=fitting_model(config.model, config.data))
    data = _or_say(lambda: open_data(config.data, config.model))
    given = config.architecture
    usual = to_dict(configure(config.model))
    decided = {name: value for name, value in data.settings.items() if name in usual}
    for name, value in decided.items():
        if given.get(name, value) != value:
            raise ExperimentError(
                f"architecture.{name} is {given[name]}, but {data.name} needs {value}: leave it out"
            )
    architecture = to_dict(_or_say(lambda: configure(config.model, {**given, **decided})))
    return Prepared(replace(config, architecture=architecture), data, data.fingerprint())


def train_and_report(prepared: Prepared) -> Report:
    """The run itself."""
    config, data = prepared.config, prepared.data
    with _threads(config.threads):
        seed_everything(config.seed)
        model = _or_say(lambda: build(config.model, config.architecture))
        clock = Clock()
        batches = data.training(config.batch_size, config.seed)
        trainer, recorder = _or_say(lambda: _trainer(model, prepared, batches, clock))
        claim_folder(config)  # not before: a run that cannot start should leave nothing
        with closing(recorder):
            trainer.fit(batches, data.in_order("valid"))
            seconds = clock.seconds
            report = _report(trainer, prepared, seconds)
            recorder.finish(report)
        write_results(config.folder, report, model)
    return report


def _trainer(model: nn.Module, prepared: Prepared, batches: Loader, clock: Clock) -> tuple[Trainer, Recorder]:
    config = prepared.config
    optimizer = make_optimizer(model, config.optimizer)
    steps = count_windows(batches, config.epochs, config.accumulate)
    schedule = make_schedule(optimizer, config.schedule, total=steps)
    recorder = Recorder(config)
    trainer = Trainer(
        model,
        optimizer,
        _task(prepared.data.ignore, config.smoothing),
        config.training(),
        scheduler=schedule,
        hooks=[recorder],
        also={"clock": clock},
    )
    return trainer, recorder


def _task(ignore: int | None, smoothing: float) -> Supervised:
    """Trains with smoothed targets, and measures the loss without: runs of any smoothing can be compared."""
    smoothed, plain = classification(ignore=ignore, smoothing=smoothing), classification(ignore=ignore)
    return replace(smoothed, metrics={**plain.metrics, "loss": plain.loss_sum})


def _report(trainer: Trainer, prepared: Prepared, seconds: float) -> Report:
    config, data, state = prepared.config, prepared.data, trainer.state
    judged = {
        part: judge(state.model, data.in_order(part), state.precision, data.ignore) for part in data.parts
    }
    return Report(
        config=config.of_the_run(),
        data={"name": data.name, "sizes": data.sizes, "fingerprint": prepared.fingerprint},
        environment=environment(trainer.device),
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        weights=weights_digest(state.model.state_dict()),
        steps=state.step,
        epochs=state.epoch,
        best_step=state.stopping.best_step,
        cpu_seconds=seconds,
        metrics={part: metrics(each) for part, each in judged.items()},
        history={"steps": state.history.steps, "evaluations": state.history.evaluations},
    )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Torch with so many threads, and afterwards as it was: a run may also have made it deterministic."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


def _or_say(make: Callable[[], T]) -> T:
    """What the library says about a value that it cannot take is for the user of this run, too."""
    try:
        return make()
    except ValueError as error:
        raise ExperimentError(" ".join(str(error).split())) from error
