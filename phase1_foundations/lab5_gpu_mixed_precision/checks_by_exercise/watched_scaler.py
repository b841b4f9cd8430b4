"""A loss scaler that takes notes of its calls; the checks of E2 and E5 hand it to the learner's code."""

import math
from typing import Any

import torch
from torch import Tensor


def parameters_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


class WatchedScaler:
    """The five methods of E2, with a list of what was called; steps in `overflow_at` count as overflows."""

    def __init__(self, scale: float = 2.0**16, *, overflow_at: tuple[int, ...] = (), interval: int = 2000):
        self._scale, self._interval, self._good = float(scale), interval, 0
        self._overflow_at, self._found = overflow_at, {}
        self.calls: list[str] = []
        self.losses: list[float] = []
        self.steps = self.updates = 0

    def get_scale(self) -> float:
        return self._scale

    def scale(self, loss: Tensor) -> Tensor:
        self.calls.append("scale")
        self.losses.append(float(torch.as_tensor(loss).detach()))
        self.seen_loss(loss)
        return loss * self._scale

    def seen_loss(self, loss: Tensor) -> None:
        """For watchers that want to look at the graph."""

    def unscale_(self, optimizer: torch.optim.Optimizer) -> None:
        self.calls.append("unscale_")
        if id(optimizer) in self._found:
            raise RuntimeError("unscale_ has already been called for this optimizer since the last update")
        self._unscale(optimizer)

    def _unscale(self, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for p in parameters_of(optimizer) if p.grad is not None]
        bad = any(not bool(g.isfinite().all()) for g in gradients)
        self._found[id(optimizer)] = bad or self.steps in self._overflow_at
        with torch.no_grad():
            for gradient in gradients:
                gradient.div_(self._scale)

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        self.calls.append("step")
        if id(optimizer) not in self._found:
            self._unscale(optimizer)
        self.seen_step(optimizer)
        self.steps += 1
        if self._found[id(optimizer)]:
            return False
        optimizer.step()
        return True

    def seen_step(self, optimizer: torch.optim.Optimizer) -> None:
        """For watchers that want to look at the optimizer before it moves."""

    def update(self) -> None:
        self.calls.append("update")
        self.updates += 1
        if any(self._found.values()):
            self._scale, self._good = self._scale / 2, 0
        else:
            self._good += 1
            if self._good == self._interval:
                self._scale, self._good = self._scale * 2, 0
        self._found = {}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"the check's scaler has no {name!r}: use get_scale, scale, unscale_, step and update alone"
        )


def loss_with_gradient(parameter: Tensor, *gradient: float) -> Tensor:
    """A loss whose gradient with respect to the parameter is exactly this."""
    return (parameter * torch.tensor(gradient)).sum()


def length(values: Tensor) -> float:
    return math.sqrt(float((values.double() ** 2).sum()))
