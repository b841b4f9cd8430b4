"""What the trainer says when something is wrong, or otherwise than before."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from shared.train import (
    CheckpointConfig,
    History,
    StoppingConfig,
    Trainer,
    classification,
)
from tests.shared.train.runs import (
    StopAt,
    config_in,
    equal,
    make,
    network,
    problem,
    train_loader,
    valid_loader,
    weights,
)


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
