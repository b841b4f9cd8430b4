"""The loop as a whole: it learns, stops, saves itself, goes on exactly, and says what is wrong."""

import copy
import math
import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

from shared.checkpoint import CheckpointStore
from shared.train import (
    CheckpointConfig,
    History,
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


def problem() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(105, 6, generator=generator)
    return inputs, (inputs[:, 0] * inputs[:, 1] > 0).long()


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.BatchNorm1d(24), nn.Dropout(0.2), nn.Linear(24, 2))


def train_loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(*problem()), batch_size=10, shuffle=True)  # 11 batches, the last of 5


def valid_loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(*problem()), batch_size=64)


class Stop(Exception):
    """Ends a run from within."""


class StopAt(Hook):
    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, state: TrainState) -> None:
        if state.step == self.step:
            raise Stop


class Average(Hook):
    def __init__(self, model: nn.Module) -> None:
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))

    def stepped(self, state: TrainState) -> None:
        self.averaged.update_parameters(state.model)


def make(config: TrainConfig, hooks: Sequence[Hook] = ()) -> tuple[Trainer, Average]:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2)
    average = Average(model)
    scheduler = CosineAnnealingLR(optimizer, 60)
    trainer = Trainer(
        model,
        optimizer,
        classification(),
        config,
        scheduler=scheduler,
        hooks=[average, *hooks],
        also={"average": average.averaged},
    )
    return trainer, average


def config_in(folder: Path | None, **more: Any) -> TrainConfig:
    checkpoint = CheckpointConfig(
        folder=folder, every=3 if folder else None, keep=2, resume=folder is not None
    )
    defaults = {"epochs": 4, "accumulate": 3, "log_every": 5, "checkpoint": checkpoint}
    return TrainConfig(**{**defaults, **more})


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return copy.deepcopy(trainer.state.model.state_dict())


def equal(one: Any, other: Any) -> bool:
    """Equality to the bit of nested states."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def without_settings(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "config"}


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


def test_going_on_with_other_options_is_pointed_out(tmp_path: Path) -> None:
    make(config_in(tmp_path, epochs=1))[0].fit(train_loader())
    changed, _ = make(config_in(tmp_path, epochs=2, accumulate=2, log_every=9))
    with pytest.warns(
        UserWarning, match=r"goes on with other options than it began with: accumulate was 3 and is 2$"
    ):
        changed.fit(train_loader())


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    make(config_in(tmp_path, epochs=1))[0].fit(train_loader())
    fresh, _ = make(config_in(None, checkpoint=CheckpointConfig(folder=tmp_path)))
    with pytest.raises(ValueError, match="there are checkpoints already, the newest of step 4: set"):
        fresh.fit(train_loader())


def test_a_run_of_other_parts_is_refused(tmp_path: Path) -> None:
    make(config_in(tmp_path, epochs=1))[0].fit(train_loader())
    model = network()
    other = Trainer(
        model, torch.optim.AdamW(model.parameters()), classification(), config_in(tmp_path, precision="fp16")
    )
    with (
        pytest.warns(UserWarning, match="precision was 'fp32' and is 'fp16'"),
        pytest.raises(
            ValueError,
            match=r"only the checkpoint has also.average, scheduler; only this run has scaler: make the run",
        ),
    ):
        other.fit(train_loader())


def test_an_empty_loader_is_named() -> None:
    trainer, _ = make(config_in(None))
    with pytest.raises(
        ValueError, match="the training loader yielded no batch in epoch 0: check that its data set"
    ):
        trainer.fit([])


def test_a_loader_that_runs_dry_is_named() -> None:
    class Once:
        def __init__(self) -> None:
            self.batches = [problem()]

        def __iter__(self) -> Any:
            while self.batches:
                yield self.batches.pop()

    trainer, _ = make(config_in(None))
    with pytest.raises(ValueError, match="no batch in epoch 1"):
        trainer.fit(Once())


def test_an_unknown_metric_is_named_with_the_one_that_was_meant() -> None:
    trainer, _ = make(config_in(None, stopping=StoppingConfig(metric="acuracy", mode="max")))
    with pytest.raises(ValueError, match='the task measures no "acuracy": did you mean "accuracy"'):
        trainer.fit(train_loader(), valid_loader())


def test_patience_without_validation_is_refused_before_any_work() -> None:
    trainer, _ = make(config_in(None, stopping=StoppingConfig(patience=1)), [StopAt(1)])
    with pytest.raises(ValueError, match="patience needs evaluations to compare"):
        trainer.fit(train_loader())


def test_no_evaluation_that_is_a_number_leaves_the_last_weights_and_says_so() -> None:
    trainer, _ = make(config_in(None, stopping=StoppingConfig(patience=1)))
    inputs, targets = problem()
    with pytest.warns(UserWarning, match="no evaluation was ever a number"):
        history = trainer.fit(train_loader(), [(inputs * math.nan, targets)])
    assert len(history.evaluations) == 1


def test_several_ranks_need_a_store_for_several(tmp_path: Path) -> None:
    class Rank:
        rank, size = 0, 2

        def sum(self, value: Tensor) -> Tensor:
            return value

        def synchronise(self, model: nn.Module, last: bool) -> Any: ...

    model = network()
    with pytest.raises(ValueError, match="pass a store that keeps them all"):
        Trainer(
            model, torch.optim.SGD(model.parameters()), classification(), config_in(tmp_path), ranks=Rank()
        )


def test_a_bar_is_drawn_on_a_terminal_only(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(config_in(None, epochs=1))[0].fit(train_loader())
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    make(config_in(None, epochs=1))[0].fit(train_loader())
    assert "4/4" in capfd.readouterr().err
    make(config_in(None, epochs=1, progress=False))[0].fit(train_loader())
    assert capfd.readouterr() == ("", "")


def test_no_epochs_are_no_training() -> None:
    trainer, _ = make(config_in(None, epochs=0))
    before = weights(trainer)
    assert trainer.fit(train_loader()) == History()
    assert equal(weights(trainer), before)
