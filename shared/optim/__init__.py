"""Optimizers from a configuration, learning-rate schedules, averaged weights."""

from shared.optim.adabelief import AdaBelief
from shared.optim.ema import EMA
from shared.optim.factory import OptimizerConfig, make_optimizer
from shared.optim.groups import decay_groups
from shared.optim.joined import Joined
from shared.optim.lion import Lion
from shared.optim.plateau import Plateau
from shared.optim.schedule import Schedule, ScheduleConfig, make_curve, make_schedule

__all__ = [
    "EMA",
    "AdaBelief",
    "Joined",
    "Lion",
    "OptimizerConfig",
    "Plateau",
    "Schedule",
    "ScheduleConfig",
    "decay_groups",
    "make_curve",
    "make_optimizer",
    "make_schedule",
]
