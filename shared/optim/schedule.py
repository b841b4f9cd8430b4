"""A learning-rate schedule: a curve over steps, maybe after a warm-up, maybe with an ear for evaluations."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final, Literal

from torch.optim import Optimizer

from shared.config import did_you_mean, option
from shared.optim import curves
from shared.optim.plateau import Plateau

ScheduleName = Literal[
    "constant", "step", "cosine", "warm_restarts", "plateau", "one_cycle", "warmup_stable_decay"
]
Curve = Callable[[int], float]


@dataclass(frozen=True)
class ScheduleConfig:
    """Which schedule, and its numbers; those left at null are the defaults of its curve or plateau."""

    name: ScheduleName = option("cosine", "which schedule")
    warmup: int = option(0, "optimizer steps of linear warm-up before it; they count towards the total")
    floor: float | None = option(
        None, "smallest factor (cosine, warm_restarts, plateau, warmup_stable_decay)"
    )
    every: int | None = option(None, "steps between two cuts (step; needed)")
    factor: float | None = option(None, "what a cut multiplies with (step, plateau), 0.1 by default")
    first: int | None = option(None, "steps of the first cycle (warm_restarts; needed)")
    growth: int | None = option(None, "how much longer each next cycle is (warm_restarts)")
    rise: float | None = option(None, "share of the steps that go up (one_cycle)")
    share: float | None = option(None, "share of the steps that go down (warmup_stable_decay)")
    mode: Literal["min", "max"] | None = option(
        None, "whether less or more of the metric is better (plateau)"
    )
    patience: int | None = option(None, "bad evaluations in a row that are borne (plateau)")
    threshold: float | None = option(None, "share of the best that must be gained (plateau)")
    cooldown: int | None = option(None, "evaluations after a cut that do not count (plateau)")

    def __post_init__(self) -> None:
        if self.name not in _TAKES:
            raise ValueError(f'no schedule is called "{self.name}": {did_you_mean(self.name, list(_TAKES))}')
        for name in self.given():
            if name not in _TAKES[self.name]:
                takes = ", ".join(("warmup", *_TAKES[self.name]))
                raise ValueError(f"the schedule {self.name} has no {name}: it takes {takes}")
        for name, schedule in (("every", "step"), ("first", "warm_restarts")):
            if self.name == schedule and (getattr(self, name) or 0) < 1:
                raise ValueError(f"the schedule {schedule} needs {name}, a number of steps")
        if self.warmup < 0:
            raise ValueError(f"warmup is a number of steps, but it is {self.warmup}")

    def given(self) -> dict[str, Any]:
        """The numbers that are set, by name, without the schedule's name and warm-up."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "warmup")}
        return {name: value for name, value in values.items() if value is not None}


_TAKES: Final[dict[str, tuple[str, ...]]] = {
    "constant": (),
    "step": ("every", "factor"),
    "cosine": ("floor",),
    "warm_restarts": ("first", "growth", "floor"),
    "plateau": ("mode", "factor", "patience", "threshold", "cooldown", "floor"),
    "one_cycle": ("rise",),
    "warmup_stable_decay": ("share", "floor"),
}


class Schedule:
    """Sets each group's learning rate to its initial one · ``curve(steps so far)`` · the plateau's factor.

    Call ``step`` after each optimizer step, and ``report`` after each evaluation if there is a plateau. The
    learning rate of the first step is set on construction.
    """

    def __init__(self, optimizer: Optimizer, curve: Curve, plateau: Plateau | None = None) -> None:
        self.optimizer, self.curve, self.plateau = optimizer, curve, plateau
        self.steps = 0
        self.initial = [float(group["lr"]) for group in optimizer.param_groups]
        self._apply()

    @property
    def factor(self) -> float:
        """What the initial learning rates are multiplied with now."""
        return self.curve(self.steps) * (1.0 if self.plateau is None else self.plateau.scale)

    def step(self) -> None:
        """An optimizer step is done."""
        self.steps += 1
        self._apply()

    def report(self, metric: float) -> None:
        """An evaluation is done."""
        if self.plateau is not None:
            self.plateau.report(metric)
            self._apply()

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        plateau = None if self.plateau is None else self.plateau.state_dict()
        return {"steps": self.steps, "initial": self.initial, "plateau": plateau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; learning rates become those of the saved moment."""
        if len(state["initial"]) != len(self.optimizer.param_groups):
            raise ValueError(
                f"the saved schedule is of {len(state['initial'])} parameter groups, this optimizer has "
                f"{len(self.optimizer.param_groups)}: build the optimizer as it was"
            )
        self.steps, self.initial = state["steps"], list(state["initial"])
        if self.plateau is not None and state["plateau"] is not None:
            self.plateau.load_state_dict(state["plateau"])
        self._apply()

    def _apply(self) -> None:
        factor = self.factor
        for group, initial in zip(self.optimizer.param_groups, self.initial, strict=True):
            group["lr"] = initial * factor


def make_curve(config: ScheduleConfig, total: int) -> Curve:
    """The curve over ``total`` optimizer steps, warm-up included."""
    left = max(total - config.warmup, 1)
    values = {} if config.name == "plateau" else config.given()
    curve: Curve
    match config.name:
        case "step":
            curve = partial(curves.step_decay, **{"factor": 0.1, **values})
        case "cosine":
            curve = partial(curves.cosine, total=left, **values)
        case "warm_restarts":
            curve = partial(curves.warm_restarts, **values)
        case "one_cycle":
            curve = partial(curves.one_cycle, total=left, **values)
        case "warmup_stable_decay":
            curve = partial(curves.stable_decay, total=left, **values)
        case "constant" | "plateau":
            curve = _one
    return partial(_after_warmup, curve=curve, warmup=config.warmup) if config.warmup else curve


def make_schedule(optimizer: Optimizer, config: ScheduleConfig, total: int) -> Schedule:
    """The configured schedule for a run of ``total`` optimizer steps."""
    plateau = Plateau(**config.given()) if config.name == "plateau" else None
    return Schedule(optimizer, make_curve(config, total), plateau)


def _one(t: int) -> float:
    return 1.0


def _after_warmup(t: int, *, curve: Curve, warmup: int) -> float:
    """A ramp up to where the curve begins, and then the curve."""
    return curves.warmup(t, steps=warmup) * curve(0) if t < warmup else curve(t - warmup)
