"""Several optimizers that act as one, each on parameters of its own.

Muon is made for the matrices inside a network and leaves vectors and tables to another optimizer. Joined,
the two have one ``step``, one list of groups for a schedule, and one state in torch's ordinary format for a
checkpoint.
"""

from collections.abc import Callable, Sequence

import torch
from torch.optim import Optimizer

from shared.optim.elementwise import evaluated


class Joined(Optimizer):
    """Steps all of ``optimizers``, in their order. No parameter may be in two of them."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        if not optimizers:
            raise ValueError("nothing to join: give at least one optimizer")
        self.optimizers = list(optimizers)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        super().__init__(groups, {})  # refuses a parameter that is in two groups
        self.param_groups = groups
        self._share()
        self.register_load_state_dict_post_hook(lambda _: self._share())

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of each; with a ``closure``, evaluates it first and returns its loss."""
        loss = evaluated(closure)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def _share(self) -> None:
        """Let the parts work on our groups and our state: one truth to save, load and schedule."""
        start = 0
        for optimizer in self.optimizers:
            end = start + len(optimizer.param_groups)
            optimizer.param_groups = self.param_groups[start:end]
            optimizer.state = self.state
            start = end
