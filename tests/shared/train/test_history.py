"""Results are read together, and a NaN among them is found with its step."""

import io
import math

import pytest
import torch
from torch import Tensor

from shared.train import History, Meter, StepResult, TrainingDiverged


def meter(losses: list[float], norms: list[float] | None = None) -> Meter:
    made = Meter()
    for index, loss in enumerate(losses):
        norm = None if norms is None else torch.tensor(norms[index])
        made.results.append(StepResult(torch.tensor(loss), index + 1, norm))
    return made


def test_the_loss_is_weighted_by_the_targets_of_each_step() -> None:
    record = meter([2.0, 2.0, 9.0], [0.5, 3.0, 1.0]).look(30, scaled=False)
    assert record == {"step": 30, "loss": 13 / 6, "grad_norm": 3.0}


def test_counts_and_norms_may_be_tensors_or_numbers() -> None:
    mixed = Meter()
    mixed.results = [
        StepResult(torch.tensor(1.0), torch.tensor(2), 0.25),
        StepResult(torch.tensor(4.0), 3, torch.tensor(0.5)),
    ]
    assert mixed.look(2, scaled=False) == {"step": 2, "loss": 1.0, "grad_norm": 0.5}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_found_with_its_step(bad: float) -> None:
    with pytest.raises(TrainingDiverged, match=rf"the loss became {bad} at step 41$"):
        meter([1.0, bad, 1.0, bad]).look(43, scaled=False)


def test_a_gradient_that_is_not_finite_is_found_with_its_step() -> None:
    with pytest.raises(TrainingDiverged, match=r"the gradient norm became nan at step 3$"):
        meter([1.0, 1.0, 1.0], [1.0, 1.0, math.nan]).look(3, scaled=False)


def test_with_a_scaler_an_overflow_is_no_failure_and_no_maximum() -> None:
    assert meter([1.0, 1.0], [0.5, math.inf]).look(2, scaled=True)["grad_norm"] == 0.5
    assert meter([1.0], [math.inf]).look(1, scaled=True)["grad_norm"] == math.inf
    with pytest.raises(TrainingDiverged, match="loss"):
        meter([math.nan], [1.0]).look(1, scaled=True)


def test_losses_of_all_ranks_are_added() -> None:
    class Doubling:
        rank, size = 0, 2

        def sum(self, value: Tensor) -> Tensor:
            return value * 2

        def synchronise(self, model: object, last: bool) -> None: ...

    assert meter([3.0]).look(1, scaled=False, ranks=Doubling())["loss"] == 6.0


def test_what_nobody_has_read_survives_a_file() -> None:
    file = io.BytesIO()
    torch.save(meter([1.0, 2.0], [0.5, 0.25]).state_dict(), file)
    file.seek(0)
    restored = Meter()
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert restored.look(2, scaled=False) == meter([1.0, 2.0], [0.5, 0.25]).look(2, scaled=False)


def test_unread_results_go_back_to_the_device_that_adds_to_them() -> None:
    restored = Meter(torch.device("meta"))
    restored.load_state_dict(meter([1.0], [0.5]).state_dict())
    assert restored.results[0].loss_sum.is_meta


def test_a_column_comes_from_the_evaluations_first() -> None:
    history = History(
        steps=[{"step": 1, "loss": 3.0, "lr": 0.1}, {"step": 2, "loss": 2.0, "lr": 0.05}],
        evaluations=[{"epoch": 1, "step": 2, "loss": 1.5, "accuracy": 0.5}],
    )
    assert history.column("loss") == [1.5]
    assert history.column("lr") == [0.1, 0.05]
    with pytest.raises(KeyError, match='no record has "acc": there are accuracy, epoch, loss, lr, step'):
        history.column("acc")
