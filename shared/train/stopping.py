"""Which evaluation was the best, and whether it is time to stop."""

import math
from typing import Any

from shared.train.config import StoppingConfig


class Stopping:
    """Remembers the best evaluation. A metric that is NaN is never the best."""

    def __init__(self, config: StoppingConfig) -> None:
        self.config = config
        self.best: float | None = None
        self.best_step: int | None = None
        self.waited = 0
        """Evaluations since the best one."""

    def update(self, value: float, step: int) -> bool:
        """Take note of an evaluation, and say whether it is the best so far."""
        better = not math.isnan(value) and (self.best is None or self._gain(value) > self.config.min_delta)
        if better:
            self.best, self.best_step, self.waited = value, step, 0
        else:
            self.waited += 1
        return better

    def _gain(self, value: float) -> float:
        assert self.best is not None
        return self.best - value if self.config.mode == "min" else value - self.best

    @property
    def exhausted(self) -> bool:
        """Whether ``patience`` evaluations in a row were no better: with patience 1, the first such one
        ends it."""
        return self.config.patience is not None and self.waited >= self.config.patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_step, self.waited = state["best"], state["best_step"], state["waited"]
