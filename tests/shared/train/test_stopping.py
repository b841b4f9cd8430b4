"""The best evaluation, and the end of patience."""

import math

import pytest

from shared.train import Stopping, StoppingConfig


def run(config: StoppingConfig, values: list[float]) -> tuple[Stopping, list[bool], list[bool]]:
    stopping, better, exhausted = Stopping(config), [], []
    for step, value in enumerate(values, start=1):
        better.append(stopping.update(value, step))
        exhausted.append(stopping.exhausted)
    return stopping, better, exhausted


def test_patience_counts_evaluations_in_a_row_that_are_no_better() -> None:
    stopping, better, exhausted = run(StoppingConfig(patience=2), [3.0, 2.0, 2.5, 1.0, 1.0, 1.5])
    assert better == [True, True, False, True, False, False]
    assert exhausted == [False, False, False, False, False, True]
    assert (stopping.best, stopping.best_step) == (1.0, 4)


def test_more_may_be_better() -> None:
    stopping, better, _ = run(StoppingConfig(mode="max"), [0.5, 0.7, 0.6])
    assert better == [True, True, False]
    assert stopping.best == 0.7


def test_a_gain_must_exceed_min_delta() -> None:
    _, better, _ = run(StoppingConfig(min_delta=0.25), [1.0, 0.75, 0.5])
    assert better == [True, False, True]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_never_the_best_and_uses_up_patience(mode: str) -> None:
    config = StoppingConfig(mode=mode, patience=2)  # type: ignore[arg-type]
    stopping, better, exhausted = run(config, [math.nan, 1.0, math.nan, math.nan])
    assert better == [False, True, False, False]
    assert exhausted == [False, False, False, True]
    assert stopping.best_step == 2


def test_without_patience_it_never_ends() -> None:
    assert not any(run(StoppingConfig(), [1.0] * 50)[2])


def test_it_goes_on_where_it_was_saved() -> None:
    values = [3.0, 2.0, 2.5, 2.6, 1.0]
    config = StoppingConfig(patience=3)
    first, _, _ = run(config, values[:3])
    second = Stopping(config)
    second.load_state_dict(first.state_dict())
    for step, value in enumerate(values[3:], start=4):
        second.update(value, step)
    assert second.state_dict() == run(config, values)[0].state_dict()
