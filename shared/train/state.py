"""All that a training run is at one moment: save this, and the run can be continued to the bit."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from shared.config import to_dict
from shared.seeding import restore_rng_state, rng_state
from shared.train.config import TrainConfig
from shared.train.history import History, Meter
from shared.train.precision import Precision
from shared.train.stopping import Stopping


@runtime_checkable
class Stateful(Protocol):
    """Anything that can be saved and restored."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


@runtime_checkable
class Scheduler(Stateful, Protocol):
    """A learning-rate schedule: torch's, or anything that is stepped like them."""

    def step(self) -> Any: ...


class TrainState:
    """The model and all that changes with it. ``epoch`` and ``batch`` say where in the data the run stands:
    ``batch`` batches of epoch ``epoch`` (counted from 0) have been used, in ``step`` optimizer steps in
    all."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        precision: Precision,
        scheduler: Scheduler | ReduceLROnPlateau | None = None,
        also: Mapping[str, Stateful] | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.config = config
        self.precision = precision
        self.scheduler = scheduler
        self.also = dict(also or {})
        self.epoch = self.batch = self.step = 0
        self.history = History()
        self.meter = Meter(precision.device)
        self.stopping = Stopping(config.stopping)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.epoch >= self.config.epochs or self.stopping.exhausted

    def _parts(self) -> dict[str, Stateful]:
        parts = {
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "scaler": self.precision.scaler,
            "meter": self.meter,
            "stopping": self.stopping,
            **{f"also.{name}": part for name, part in self.also.items()},
        }
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, texts and containers of them, which ``torch.load(weights_only=True)`` takes."""
        return {
            "position": {"epoch": self.epoch, "batch": self.batch, "step": self.step},
            "parts": {name: part.state_dict() for name, part in self._parts().items()},
            "history": {"steps": self.history.steps, "evaluations": self.history.evaluations},
            "rng": rng_state(),
            "config": to_dict(self.config),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the saved state. Raises ValueError if the run is made of other parts than the saved one."""
        parts, saved = self._parts(), state["parts"]
        if parts.keys() != saved.keys():
            lacks, has = sorted(saved.keys() - parts.keys()), sorted(parts.keys() - saved.keys())
            raise ValueError(
                "the checkpoint belongs to a run of other parts: "
                + "; ".join(
                    f"{who} has {', '.join(names)}"
                    for who, names in (("only the checkpoint", lacks), ("only this run", has))
                    if names
                )
                + ": make the run as it was, or start in another folder"
            )
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        self.epoch, self.batch, self.step = (state["position"][name] for name in ("epoch", "batch", "step"))
        self.history = History(**state["history"])
        restore_rng_state(state["rng"])
