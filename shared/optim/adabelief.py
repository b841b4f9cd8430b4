"""AdaBelief: step far where gradients come as expected, carefully where they surprise.

    m ← β₁ m + (1 − β₁) g
    s ← β₂ s + (1 − β₂) (g − m)² + ε
    θ ← θ − η m̂ / (√ŝ + ε),   m̂ = m / (1 − β₁ᵗ),  ŝ = s / (1 − β₂ᵗ)

Adam divides by the size of gradients, AdaBelief by their deviation from the expected one: on a long even
slope Adam's steps stay at η, these grow. (Zhuang et al. 2020, AdaBelief optimizer)
"""

from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from shared.optim.checks import check_betas, check_not_negative
from shared.optim.elementwise import ElementwiseOptimizer


class AdaBelief(ElementwiseOptimizer):
    """With decoupled weight decay, θ ← (1 − η λ) θ. A parameter without a gradient is left alone."""

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _update(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["expected"] = torch.zeros_like(parameter)
            state["surprise"] = torch.zeros_like(parameter)
        state["step"] += 1
        expected: torch.Tensor = state["expected"]
        surprise: torch.Tensor = state["surprise"]
        (beta1, beta2), lr, eps = group["betas"], group["lr"], group["eps"]
        expected.lerp_(gradient, 1 - beta1)
        deviation = gradient - expected
        surprise.mul_(beta2).addcmul_(deviation, deviation, value=1 - beta2).add_(eps)
        first, second = 1 - beta1 ** state["step"], 1 - beta2 ** state["step"]
        denominator = (surprise / second).sqrt_().add_(eps)
        parameter.mul_(1 - lr * group["weight_decay"]).addcdiv_(expected, denominator, value=-lr / first)
