"""Schedules against torch's, step by step, and against their end points."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from shared.optim import OptimizerConfig, Plateau, ScheduleConfig, make_curve, make_optimizer, make_schedule
from shared.optim.curves import cosine, one_cycle, stable_decay, step_decay, warm_restarts, warmup
from shared.train import TrainConfig, Trainer, classification


def optimizer(*rates: float) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in rates])


def rates_of(scheduler: Any, opt: torch.optim.Optimizer, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        scheduler.step()
    return rates


def pair(config: ScheduleConfig, total: int, twin, steps: int) -> tuple[list[float], list[float]]:
    ours, theirs = optimizer(0.7), optimizer(0.7)
    return rates_of(make_schedule(ours, config, total), ours, steps), rates_of(twin(theirs), theirs, steps)


@pytest.mark.parametrize(
    ("config", "twin"),
    [
        (ScheduleConfig("constant"), lambda o: lr_scheduler.ConstantLR(o, 1.0)),
        (ScheduleConfig("step", every=7, factor=0.5), lambda o: lr_scheduler.StepLR(o, 7, 0.5)),
        (ScheduleConfig("step", every=30), lambda o: lr_scheduler.StepLR(o, 30)),
        (ScheduleConfig("cosine", floor=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, 100, 0.07)),
        (
            ScheduleConfig("warm_restarts", first=4, growth=2),
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4, 2),
        ),
        (
            ScheduleConfig("warm_restarts", first=9, growth=1, floor=0.2),
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 9, 1, 0.14),
        ),
        (ScheduleConfig("one_cycle"), lambda o: lr_scheduler.OneCycleLR(o, 0.7, 100, cycle_momentum=False)),
        (
            ScheduleConfig("one_cycle", rise=0.1),
            lambda o: lr_scheduler.OneCycleLR(o, 0.7, 100, pct_start=0.1, cycle_momentum=False),
        ),
    ],
)
def test_a_schedule_is_torchs(config: ScheduleConfig, twin) -> None:
    ours, theirs = pair(config, 100, twin, 100)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("warm", [1, 5, 30])
def test_warm_up_then_any_is_torchs_sequence(warm: int) -> None:
    def twin(o: torch.optim.Optimizer) -> Any:
        ramp = lr_scheduler.LinearLR(o, 1 / (warm + 1), 1.0, warm)
        after = lr_scheduler.CosineAnnealingLR(o, 100 - warm)
        return lr_scheduler.SequentialLR(o, [ramp, after], [warm])

    ours, theirs = pair(ScheduleConfig("cosine", warmup=warm), 100, twin, 100)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


EVERY = [
    ScheduleConfig("constant"),
    ScheduleConfig("step", every=10),
    ScheduleConfig("cosine"),
    ScheduleConfig("warm_restarts", first=10),
    ScheduleConfig("plateau"),
    ScheduleConfig("one_cycle"),
    ScheduleConfig("warmup_stable_decay"),
]


@pytest.mark.parametrize("config", EVERY, ids=lambda c: c.name)
@pytest.mark.parametrize("warm", [0, 8])
def test_a_warm_up_delays_any_schedule_and_climbs_to_its_start(config: ScheduleConfig, warm: int) -> None:
    plain = make_curve(config, 92)
    given = {k: v for k, v in vars(config).items() if k not in ("name", "warmup")}
    warmed = make_curve(ScheduleConfig(config.name, warm, **given), 92 + warm)
    assert [warmed(t + warm) for t in range(92)] == [plain(t) for t in range(92)]
    ramp = [warmed(t) for t in range(warm + 1)]
    steps = [b - a for a, b in pairwise(ramp)]
    assert steps == pytest.approx([plain(0) / (warm + 1)] * warm)
    assert all(0 <= warmed(t) <= 1 for t in range(300))


def test_warmup_stable_decay_has_its_three_parts() -> None:
    curve = make_curve(ScheduleConfig("warmup_stable_decay", warmup=9, share=0.25, floor=0.1), 109)
    assert [curve(t) for t in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert {curve(t) for t in range(9, 85)} == {1.0}
    assert [curve(t) for t in (84, 94, 104, 109, 500)] == pytest.approx([1.0, 0.64, 0.28, 0.1, 0.1])


@pytest.mark.parametrize(
    ("curve", "ends"),
    [
        (lambda t: step_decay(t, every=10, factor=0.5), (1.0, 0.5)),
        (lambda t: cosine(t, total=10, floor=0.2), (1.0, 0.2)),
        (lambda t: stable_decay(t, total=10), (1.0, 0.0)),
        (lambda t: one_cycle(t, total=11, end=0.01), (0.04, 0.01)),
        (lambda t: warmup(t, steps=10), (1 / 11, 1.0)),
        (lambda t: cosine(t, total=0, floor=0.2), (0.2, 0.2)),
    ],
)
def test_first_and_last_values_are_exact(curve, ends: tuple[float, float]) -> None:
    assert (curve(0), curve(10)) == pytest.approx(ends)


def test_warm_restarts_start_anew_at_steps_4_and_12() -> None:
    values = [warm_restarts(t, first=4, growth=2) for t in range(13)]
    assert [t for t in range(13) if values[t] == 1.0] == [0, 4, 12]


@pytest.mark.parametrize("curve", [one_cycle, stable_decay, cosine])
def test_a_run_of_one_step_is_fine(curve) -> None:
    assert 0 <= curve(0, total=1) <= 1
    assert 0 <= curve(1, total=1) <= 1


METRICS = [
    5.0,
    4.0,
    4.0,
    3.9999,
    4.1,
    4.2,
    math.nan,
    3.0,
    3.0,
    3.0,
    3.0,
    3.0,
    3.0,
    3.0,
    2.0,
    2.0,
    2.0,
    2.0,
    2.0,
]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 2])
@pytest.mark.parametrize("cooldown", [0, 2])
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_a_plateau_is_torchs(mode, patience: int, cooldown: int, floor: float) -> None:
    ours, theirs = optimizer(0.7), optimizer(0.7)
    config = ScheduleConfig(
        "plateau", mode=mode, factor=0.5, patience=patience, cooldown=cooldown, floor=floor
    )
    schedule = make_schedule(ours, config, 10)
    twin = lr_scheduler.ReduceLROnPlateau(
        theirs, mode, 0.5, patience, cooldown=cooldown, min_lr=0.7 * floor, eps=0.0
    )
    for metric in METRICS:
        metric = metric if mode == "min" else -metric + 10
        schedule.report(metric)
        twin.step(metric)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)


def test_nan_is_never_the_best() -> None:
    plateau = Plateau(patience=0)
    plateau.report(math.nan)
    assert plateau.best == math.inf
    assert plateau.scale == 0.1


def test_every_group_keeps_its_own_peak() -> None:
    opt = optimizer(1.0, 0.1)
    schedule = make_schedule(opt, ScheduleConfig("cosine"), 10)
    for _ in range(5):
        opt.step()
        schedule.step()
    assert [group["lr"] for group in opt.param_groups] == pytest.approx([0.5, 0.05])
    assert schedule.factor == pytest.approx(0.5)


@pytest.mark.parametrize("config", EVERY, ids=lambda c: c.name)
def test_a_resumed_schedule_goes_on_as_if_nothing_had_happened(config: ScheduleConfig, tmp_path) -> None:
    first = optimizer(0.7)
    schedule = make_schedule(first, config, 40)
    for t in range(13):
        schedule.step()
        schedule.report(float(t))
    torch.save({"optimizer": first.state_dict(), "schedule": schedule.state_dict()}, tmp_path / "s.pt")
    saved = torch.load(tmp_path / "s.pt", weights_only=True)
    second = optimizer(0.7)
    resumed = make_schedule(second, config, 40)
    second.load_state_dict(saved["optimizer"])
    resumed.load_state_dict(saved["schedule"])
    for t in range(30):
        assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"]
        for s in (schedule, resumed):
            s.step()
            s.report(20.0 + t)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ScheduleConfig("cosine", every=3),
            "the schedule cosine has no every: it takes warmup, floor",
        ),
        (lambda: ScheduleConfig("step"), "the schedule step needs every, a number of steps"),
        (lambda: ScheduleConfig("warm_restarts", first=0), "the schedule warm_restarts needs first"),
        (lambda: ScheduleConfig("cosine", warmup=-1), "warmup is a number of steps, but it is -1"),
        (lambda: Plateau(factor=1.5), "between 0 and 1, but it is 1.5"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_schedule_of_other_groups_is_refused() -> None:
    saved = make_schedule(optimizer(1.0, 0.1), ScheduleConfig(), 10).state_dict()
    with pytest.raises(ValueError, match="of 2 parameter groups, this optimizer has 1"):
        make_schedule(optimizer(1.0), ScheduleConfig(), 10).load_state_dict(saved)


def test_the_trainer_tells_a_plateau_of_its_evaluations() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    opt = make_optimizer(model, OptimizerConfig("sgd", lr=0.1))
    schedule = make_schedule(opt, ScheduleConfig("plateau", mode="max", factor=0.5, patience=0), 4)
    batch = [(torch.randn(8, 3), torch.randint(2, (8,)))]
    config = TrainConfig(epochs=4, progress=False)
    Trainer(model, opt, classification(), config, scheduler=schedule).fit(batch, batch)  # the loss falls
    assert opt.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**3)
