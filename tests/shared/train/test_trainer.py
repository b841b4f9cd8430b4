"""The loop as a whole: it learns, stops, saves itself, goes on exactly, and says what is wrong."""

import math
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from shared.checkpoint import CheckpointStore
from shared.train import (
    Hook,
    Record,
    StoppingConfig,
    TrainConfig,
    Trainer,
    TrainingDiverged,
    TrainState,
    classification,
    evaluate,
)
from tests.shared.train.runs import (
    Stop,
    StopAt,
    config_in,
    equal,
    make,
    network,
    problem,
    train_loader,
    valid_loader,
    weights,
    without_settings,
)


def test_it_learns() -> None:
    trainer, _ = make(config_in(None, epochs=30, accumulate=1))
    history = trainer.fit(train_loader(), valid_loader())
    assert history.column("accuracy")[-1] > 0.95
    assert history.column("loss")[-1] < 0.5 * history.column("loss")[0]


def test_a_run_repeats_to_the_bit_and_another_seed_does_not() -> None:
    states = []
    for seed in (0, 0, 1):
        trainer, _ = make(config_in(None, seed=seed))
        trainer.fit(train_loader(), valid_loader())
        states.append(without_settings(trainer.state.state_dict()))
    assert equal(states[0], states[1])
    assert not equal(states[0], states[2])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("step", [1, 3, 4, 6, 8, 9, 12, 15, 16])
def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path: Path, step: int, precision: str) -> None:
    """11 batches in windows of 3 are 4 steps an epoch, so checkpoints fall into epochs and between them."""
    whole, whole_average = make(config_in(tmp_path / "whole", precision=precision))
    whole.fit(train_loader(), valid_loader())

    config = config_in(tmp_path / "cut", precision=precision)
    with pytest.raises(Stop):
        make(config, [StopAt(step)])[0].fit(train_loader(), valid_loader())
    random.seed(999), torch.manual_seed(999)
    resumed, resumed_average = make(config)
    resumed.fit(train_loader(), valid_loader())

    assert resumed.state.step == 16
    assert equal(without_settings(resumed.state.state_dict()), without_settings(whole.state.state_dict()))
    assert equal(resumed_average.averaged.state_dict(), whole_average.averaged.state_dict())


def test_a_finished_run_can_be_prolonged(tmp_path: Path) -> None:
    at_once, _ = make(config_in(tmp_path / "a", epochs=5))
    at_once.fit(train_loader(), valid_loader())
    make(config_in(tmp_path / "b", epochs=3))[0].fit(train_loader(), valid_loader())
    prolonged, _ = make(config_in(tmp_path / "b", epochs=5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prolonged.fit(train_loader(), valid_loader())
    assert equal(without_settings(prolonged.state.state_dict()), without_settings(at_once.state.state_dict()))


def test_how_often_a_run_is_saved_and_evaluated_does_not_change_it(tmp_path: Path) -> None:
    silent, _ = make(config_in(None))
    silent.fit(train_loader())
    busy, _ = make(config_in(tmp_path, log_every=1))
    busy.fit(train_loader(), DataLoader(TensorDataset(*problem()), batch_size=3, shuffle=True))
    assert equal(weights(busy), weights(silent))


def test_accumulation_equals_the_big_batch() -> None:
    """Without dropout and batch statistics, which see the batches themselves."""
    ends = []
    for accumulate, batch_size in [(1, 30), (3, 10), (10, 3)]:
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 2)).double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        inputs, targets = problem()
        batches = list(zip(inputs.double().split(batch_size), targets.split(batch_size), strict=True))
        Trainer(model, optimizer, classification(), TrainConfig(epochs=5, accumulate=accumulate)).fit(batches)
        ends.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(ends[2], ends[0], rtol=1e-10, atol=1e-12)


def test_the_history_has_every_target_once() -> None:
    """With learning rate 0 and no dropout, the records' mean is the loss of the data set."""
    model = nn.Sequential(nn.Linear(6, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    history = Trainer(model, optimizer, classification(), TrainConfig(epochs=1, log_every=100)).fit(
        train_loader()
    )
    assert [record["step"] for record in history.steps] == [11]
    measured = evaluate(model, classification(), valid_loader())
    assert history.steps[0]["loss"] == pytest.approx(measured["loss"], rel=1e-6)
    assert history.steps[0]["lr"] == 0.0


def misleading_loader() -> DataLoader[Any]:
    """Labels that no model can foresee: the more certain it becomes, the worse its loss here."""
    inputs, targets = problem()
    return DataLoader(
        TensorDataset(inputs, targets[torch.randperm(105, generator=torch.Generator().manual_seed(4))]), 64
    )


@pytest.mark.parametrize("in_files", [False, True])
def test_early_stopping_goes_back_to_the_best_weights(tmp_path: Path, in_files: bool) -> None:
    config = config_in(tmp_path if in_files else None, epochs=100, stopping=StoppingConfig(patience=4))
    trainer, _ = make(config)
    history = trainer.fit(train_loader(), misleading_loader())
    losses = history.column("loss")
    assert trainer.state.epoch == len(losses) < 100
    assert losses.index(min(losses)) == len(losses) - 5
    measured = evaluate(trainer.state.model, classification(), misleading_loader())
    assert measured["loss"] == min(losses)

    if in_files:  # a run that is over stays over, and gives the same model
        again, _ = make(config)
        assert again.fit(train_loader(), misleading_loader()) == history
        assert equal(weights(again), weights(trainer))


def test_without_patience_the_last_weights_stay() -> None:
    trainer, _ = make(config_in(None, epochs=12))
    history = trainer.fit(train_loader(), misleading_loader())
    measured = evaluate(trainer.state.model, classification(), misleading_loader())
    assert measured["loss"] == history.column("loss")[-1] > min(history.column("loss"))


def test_the_best_checkpoint_outlives_newer_ones(tmp_path: Path) -> None:
    trainer, _ = make(config_in(tmp_path, epochs=15))
    trainer.fit(train_loader(), misleading_loader())
    store = CheckpointStore(tmp_path)
    best = trainer.state.stopping.best_step
    assert best is not None
    assert best < trainer.state.step
    assert store.steps() == [best, 57, 60]
    at_best = network()
    at_best.load_state_dict(store.load(best)["parts"]["model"])
    measured = evaluate(at_best, classification(), misleading_loader())
    assert measured["loss"] == trainer.state.stopping.best


class Poison(Hook):
    """Makes one weight NaN after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, state: TrainState) -> None:
        if state.step == self.step:
            next(state.model.parameters()).data[0, 0] = math.nan


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_nan_ends_the_run_and_spoils_no_checkpoint(tmp_path: Path, clip_norm: float | None) -> None:
    trainer, _ = make(config_in(tmp_path, epochs=9, log_every=1000, clip_norm=clip_norm), [Poison(13)])
    with pytest.raises(
        TrainingDiverged,
        match=r"the loss became nan at step 14, in epoch 3: lower or .*; the checkpoint of step 12 is sound",
    ):
        trainer.fit(train_loader(), valid_loader())
    state = CheckpointStore(tmp_path).newest()
    assert state is not None
    assert state["position"]["step"] == 12
    assert all(value.isfinite().all() for value in state["parts"]["model"].values())


def test_every_hook_is_called_in_its_place() -> None:
    calls: list[str] = []

    class Listen(Hook):
        def started(self, state: TrainState) -> None:
            calls.append(f"started at {state.step}")

        def stepped(self, state: TrainState) -> None:
            calls.append(f"step {state.step}")

        def logged(self, state: TrainState, record: Record) -> None:
            calls.append(f"logged {record['step']} {sorted(record)}")

        def evaluated(self, state: TrainState, record: Record) -> None:
            calls.append(f"evaluated {record['epoch']}")

        def finished(self, state: TrainState) -> None:
            calls.append("finished")

    config = TrainConfig(epochs=2, accumulate=6, log_every=3)
    trainer, _ = make(config, [Listen()])
    trainer.fit(train_loader(), valid_loader())
    keys = ["grad_norm", "loss", "lr", "step"]
    assert calls == [
        "started at 0",
        *["step 1", "step 2", "evaluated 1"],
        *["step 3", f"logged 3 {keys}", "step 4", "evaluated 2"],
        f"logged 4 {keys}",  # what is left at the end
        "finished",
    ]
    assert len([name for name in vars(Hook) if not name.startswith("_")]) == 5


def test_a_plateau_schedule_hears_the_evaluations() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.1, patience=0, threshold=0.5)
    config = TrainConfig(epochs=4)
    Trainer(model, optimizer, classification(), config, scheduler=scheduler).fit(
        train_loader(), valid_loader()
    )
    assert optimizer.param_groups[0]["lr"] == pytest.approx(
        1e-6
    )  # one best evaluation, and three that are not


def test_a_frozen_layer_keeps_its_flag_only_outside_of_fit() -> None:
    """``fit`` trains the model that it is given, whatever mode it was left in."""
    trainer, _ = make(config_in(None, epochs=1))
    trainer.state.model.eval()
    trainer.fit(train_loader(), valid_loader())
    assert all(module.training for module in trainer.state.model.modules())
