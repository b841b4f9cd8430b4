"""What optimizers share that treat every parameter alone."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from shared.optim.checks import dense_gradient


def evaluated(closure: Callable[[], float] | None) -> float | None:
    """The closure's loss, computed with gradients although a step is made without."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


class ElementwiseOptimizer(Optimizer):
    """Walks over the parameters that have a gradient; the rest are left alone."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; with a ``closure``, evaluates it first and returns its loss."""
        loss = evaluated(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, dense_gradient(parameter, type(self).__name__), group)
        return loss

    @abstractmethod
    def _update(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        """Move one parameter in place, and what is remembered of it in ``self.state[parameter]``."""
