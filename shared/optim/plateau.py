"""Lower the learning rate when evaluations no longer improve."""

import math
from typing import Any, Literal


class Plateau:
    """A factor that shrinks after ``patience`` + 1 evaluations in a row that were no better than the best.

    Args:
        mode: whether a smaller (``min``) or a larger (``max``) metric is better.
        factor: what the factor is multiplied with each time.
        threshold: by which share of the best a metric must beat it to count as better.
        cooldown: evaluations after a cut that do not count as bad.
        floor: the smallest factor.

    A metric that is NaN is never better.
    """

    def __init__(
        self,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        floor: float = 0.0,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(
                f"factor shrinks the learning rate, so it lies between 0 and 1, but it is {factor}"
            )
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.cooldown, self.floor = threshold, cooldown, floor
        self.scale = 1.0
        self.best = math.inf if mode == "min" else -math.inf
        self.bad = 0
        self.cooling = 0

    def report(self, metric: float) -> float:
        """Take note of an evaluation; returns the factor from now on."""
        if self._better(metric):
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.cooling > 0:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self.scale = max(self.scale * self.factor, self.floor)
            self.cooling, self.bad = self.cooldown, 0
        return self.scale

    def state_dict(self) -> dict[str, Any]:
        """What changes, as plain numbers."""
        return {"scale": self.scale, "best": self.best, "bad": self.bad, "cooling": self.cooling}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.scale, self.best = state["scale"], state["best"]
        self.bad, self.cooling = state["bad"], state["cooling"]

    def _better(self, metric: float) -> bool:
        if self.mode == "min":
            return metric < self.best * (1 - self.threshold)
        return metric > self.best * (1 + self.threshold)
