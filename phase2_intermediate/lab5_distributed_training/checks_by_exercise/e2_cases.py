"""What E2's check lets three ranks do with the learner's functions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from courseware.check import Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import Me, Outcome, on_ranks

RANKS = 3
TOKENS = (5, 1, 2)


def metrics(a: Any, me: Me) -> Any:
    """(name, result, expected, are the arguments as they were)."""
    given: dict[str, tuple[list[float], list[float], torch.dtype, torch.dtype]] = {
        "unequal counts": ([90.0, 1.0, 4.0], [100.0, 2.0, 10.0], torch.float64, torch.int64),
        "float32 sums": ([1.5, 2.25, 0.25], [2.0, 1.0, 5.0], torch.float32, torch.float32),
        "int sums": ([3.0, 4.0, 9.0], [7.0, 5.0, 20.0], torch.int64, torch.int64),
        "a rank without examples": ([3.0, 0.0, 1.0], [4.0, 0.0, 2.0], torch.float32, torch.int64),
        "a sum of zero": ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], torch.float32, torch.int64),
        "nobody has an example": ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], torch.float32, torch.int64),
        "counts that are no whole numbers": ([1.0, 2.0, 3.0], [2.5, 1.25, 0.5], torch.float32, torch.float64),
        "sums beyond float32": ([16777216.0, 1.0, 2.0], [1.0, 1.0, 1.0], torch.float32, torch.int64),
    }
    facts = []
    for name, (sums, counts, sum_type, count_type) in given.items():
        mine = torch.tensor(sums[me.rank], dtype=sum_type), torch.tensor(counts[me.rank], dtype=count_type)
        before = [tensor.clone() for tensor in mine]
        found = a.global_metric(*mine)
        expected = math.fsum(sums) / math.fsum(counts) if any(counts) else math.nan
        kept = all(bool(torch.equal(x, y)) for x, y in zip(mine, before, strict=True))
        facts.append((name, found, expected, kept))
    return facts


def network(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).to(dtype)
    model[2].bias.requires_grad_(False)
    return model


def batches(me: Me, tokens: tuple[int, ...], dtype: torch.dtype) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(me.seed)
    return [
        (
            torch.randn(n, 4, generator=generator, dtype=torch.float64).to(dtype),
            torch.randint(2, (n,), generator=generator),
        )
        for n in tokens
    ]


def gradients(a: Any, me: Me) -> Any:
    """(name, [(parameter, gradient)], expected gradients): several ways in which tokens may be spread."""
    facts = []
    for name, tokens, dtype in (
        ("5, 1 and 2 tokens", TOKENS, torch.float64),
        ("4, 4 and 4 tokens", (4, 4, 4), torch.float32),
        ("rank 1 without tokens", (3, 0, 2), torch.float64),
        ("no tokens at all", (0, 0, 0), torch.float64),
        ("bfloat16", (2, 3, 1), torch.bfloat16),
    ):
        data = batches(me, tokens, dtype)
        model, whole = network(dtype), network(dtype)
        x, y = data[me.rank]
        if len(x):
            nn.functional.cross_entropy(model(x), y, reduction="sum").backward()
        a.weighted_grad_mean(model, tokens[me.rank])
        everything = [torch.cat(part) for part in zip(*data, strict=True)]
        loss = nn.functional.cross_entropy(whole(everything[0]), everything[1], reduction="sum")
        (loss / max(sum(tokens), 1)).backward()
        found = [(key, None if p.grad is None else p.grad.clone()) for key, p in model.named_parameters()]
        facts.append((name, found, [p.grad for p in whole.parameters()]))
    return facts


def plain(a: Any, me: Me) -> Any:
    """One weight whose gradients of sums are 6, 30 and 2: the mean over 2 + 1 + 1 tokens is 9.5."""
    model = nn.Linear(1, 1)
    model.bias.requires_grad_(False)
    model.bias.grad = torch.tensor([4.0])  # from before it was frozen
    tokens, grads = (2, 1, 1), (6.0, 30.0, 2.0)
    model.weight.grad = torch.tensor([[grads[me.rank]]])
    result = a.weighted_grad_mean(model, tokens[me.rank])
    kept = model.bias.grad is not None and float(model.bias.grad) == 4.0
    return float(model.weight.grad), type(result).__name__, kept


class Twice(nn.Module):
    """One weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.second.weight = self.first.weight


COUNTS = {
    "one token, on rank 0": ((1, 0, 0), (6.0, None, None)),
    "301, 77 and 1 tokens": ((301, 77, 1), (6.0, 30.0, 2.0)),
}


def counted(a: Any, me: Me) -> Any:
    """(name, result, expected, is the weight used twice): few tokens, many, and a weight of two layers."""
    facts = []
    for name, (tokens, grads) in COUNTS.items():
        model = nn.Linear(1, 1, bias=False)
        _counted(a, me, model, tokens, grads)
        expected = sum(g or 0.0 for g in grads) / sum(tokens)
        facts.append((name, float(model.weight.grad), expected, False))
    tied = Twice()
    _counted(a, me, tied, (2, 1, 1), (6.0, 30.0, 2.0))
    facts.append(("a weight that two layers share", float(tied.first.weight.grad), 9.5, True))
    return facts


def _counted(a: Any, me: Me, model: nn.Module, tokens: Any, grads: Any) -> None:
    grad = grads[me.rank]
    (weight,) = model.parameters()
    weight.grad = None if grad is None else torch.full_like(weight, grad)
    a.weighted_grad_mean(model, tokens[me.rank])


CASES = (metrics, plain, gradients, counted)


def outcome(a: Any, t: Trial) -> Outcome:
    return on_ranks(a, t, ["global_metric", "weighted_grad_mean"], CASES, ranks=RANKS)
