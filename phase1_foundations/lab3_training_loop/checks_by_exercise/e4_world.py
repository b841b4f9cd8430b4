"""A small world for E4: a model that takes notes, batches of tokens, an optimizer that shows its gradient."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf

Batch = tuple[Tensor, Tensor, Tensor]


def with_gradients(*gradients: Any, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """A parameter for each gradient; None stays None."""
    params = []
    for g in gradients:
        values = torch.zeros(2, dtype=dtype) if g is None else torch.as_tensor(g, dtype=dtype)
        p = leaf(torch.zeros_like(values))
        p.grad = None if g is None else values.clone()
        params.append(p)
    return params


def gradients(params: Sequence[Tensor]) -> list[Tensor | None]:
    return [None if p.grad is None else p.grad.clone() for p in params]


class Tokens(nn.Module):
    """[B, T, 3] → [B, T]: one score a token. Notes which forward and backward passes ran, in order."""

    def __init__(self, t: Trial) -> None:
        super().__init__()
        self.weight = nn.Parameter(t.randn(3))
        self.bias = nn.Parameter(t.randn())
        self.unused = nn.Parameter(t.randn(2))
        self.events: list[str] = []
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        number = len(self.seen)
        self.seen.append(len(x))
        self.events.append(f"forward {number}")
        scores = (x @ self.weight + self.bias).tanh()
        if scores.requires_grad:
            scores.register_hook(lambda g: self.events.append(f"backward {number}"))
        return scores


def squared_errors(scores: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """The sum of (score − y)² over the tokens that count."""
    return ((scores - y) ** 2)[mask].sum()


class Spy(torch.optim.SGD):
    """Plain descent that keeps the gradient of each step."""

    def __init__(self, model: nn.Module, lr: float = 0.1) -> None:
        self.model = model
        self.used: list[dict[str, Tensor | None]] = []
        super().__init__(model.parameters(), lr=lr)

    def step(self, closure: Any = None) -> Any:
        named = self.model.named_parameters()
        self.used.append({name: None if p.grad is None else p.grad.clone() for name, p in named})
        return super().step(closure)


def batch(t: Trial, rows: int, length: int, tokens: int | None = None) -> Batch:
    """A micro-batch in which `tokens` tokens count (all of them by default)."""
    x, y = t.randn(rows, length, 3), t.randn(rows, length)
    mask = torch.zeros(rows * length, dtype=torch.bool)
    mask[: rows * length if tokens is None else tokens] = True
    return x, y, mask[torch.randperm(rows * length, generator=t.generator)].reshape(rows, length)


def truth(model: Tokens, batches: Sequence[Batch]) -> tuple[float, dict[str, Tensor]]:
    """Objective and gradient of one long batch, by autograd on a formula of our own."""
    weight, bias = leaf(model.weight), leaf(model.bias)
    chosen = [(x[mask], y[mask]) for x, y, mask in batches]
    x, y = (torch.cat(parts) for parts in zip(*chosen, strict=True))
    loss = (((x @ weight + bias).tanh() - y) ** 2).mean()
    loss.backward()
    return loss.item(), {"weight": weight.grad, "bias": bias.grad}


def vector(gradient: dict[str, Tensor | None]) -> Tensor:
    """Weight and bias as one vector; a missing gradient is 0."""
    parts = [gradient.get("weight"), gradient.get("bias")]
    sizes = (3, 1)
    zeros = [torch.zeros(n, dtype=torch.float64) for n in sizes]
    return torch.cat([z if g is None else g.reshape(-1) for g, z in zip(parts, zeros, strict=True)])


def one_step(a: Any, t: Trial, batches: Sequence[Batch], **how: Any) -> tuple[Any, Tokens, Spy]:
    model = Tokens(t)
    optimizer = Spy(model)
    options = "".join(f", {name}={value:g}" for name, value in how.items())
    counts = [int(mask.sum()) for _, _, mask in batches]
    t.given(f"accumulate_step on micro-batches with {counts} tokens that count{options}")
    return a.accumulate_step(model, squared_errors, batches, optimizer, **how), model, optimizer
