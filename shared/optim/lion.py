"""Lion: every weight moves by the learning rate, in the direction that momentum and gradient vote for.

    u ← sign(β₁ m + (1 − β₁) g)
    θ ← θ − η (u + λ θ)
    m ← β₂ m + (1 − β₂) g

One number of state a weight where Adam has two. Its steps are larger than Adam's, so η is chosen 3 to 10
times smaller, and λ as many times larger. (Chen et al. 2023, Symbolic discovery of optimization algorithms)
"""

from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from shared.optim.checks import check_betas, check_not_negative
from shared.optim.elementwise import ElementwiseOptimizer


class Lion(ElementwiseOptimizer):
    """Sign momentum with decoupled weight decay. A parameter without a gradient is left alone."""

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        check_not_negative(lr=lr, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def _update(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: torch.Tensor = state["momentum"]
        beta1, beta2 = group["betas"]
        vote = momentum.lerp(gradient, 1 - beta1).sign_()
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(vote, alpha=-group["lr"])
        momentum.lerp_(gradient, 1 - beta2)
