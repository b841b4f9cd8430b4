"""Random computations for E2: the same Python runs on `Var` and, as the oracle, on torch's own tensors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import Difference, difference

# Every operation keeps its results of moderate size: domains are made safe by v² + 1, growth by tanh.
UNARY: dict[str, Callable[[Any], Any]] = {
    "-{0}": lambda v: -v,
    "{0} * 0.5": lambda v: v * 0.5,
    "2 - {0}": lambda v: 2 - v,
    "{0} + 1.5": lambda v: v + 1.5,
    "{0} ** 2": lambda v: v**2,
    "1 / ({0} ** 2 + 1)": lambda v: 1 / (v**2 + 1),
    "({0} ** 2 + 1) ** 0.5": lambda v: (v**2 + 1) ** 0.5,
    "{0}.tanh().exp()": lambda v: v.tanh().exp(),
    "({0} ** 2 + 1).log()": lambda v: (v**2 + 1).log(),
    "{0}.relu()": lambda v: v.relu(),
    "{0}.tanh()": lambda v: v.tanh(),
    "{0}.sum()": lambda v: v.sum(),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "{0} + {1}": lambda v, w: v + w,
    "{0} - {1}": lambda v, w: v - w,
    "{0} * {1}": lambda v, w: v * w,
    "{0} / ({1} ** 2 + 1)": lambda v, w: v / (w**2 + 1),
}
MATRIX: dict[str, Callable[[Any], Any]] = {
    "{0}.T": lambda v: v.T,
    "{0}.sum(dim=0)": lambda v: v.sum(dim=0),
    "{0}.sum(dim=-1, keepdim=True)": lambda v: v.sum(dim=-1, keepdim=True),
    "{0} @ {0}.T": lambda v: v @ v.T,
    "{0}.T @ {0}": lambda v: v.T @ v,
}
LEAVES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (3, 2), (1, 3), (2, 1), (2, 2))
LARGEST = 30.0


@dataclass(frozen=True)
class Step:
    """One operation: how it is written, what it does, on which nodes."""

    text: str
    run: Callable[..., Any]
    nodes: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """Leaves first, then the results of the steps, all numbered in this order."""

    leaves: list[Tensor]
    steps: list[Step]

    def run(self, leaves: list[Any]) -> list[Any]:
        nodes = list(leaves)
        for step in self.steps:
            nodes.append(step.run(*(nodes[i] for i in step.nodes)))
        return nodes

    def first(self, count: int) -> "Program":
        return Program(self.leaves, self.steps[:count])

    def __str__(self) -> str:
        def name(i: int) -> str:
            return "abcd"[i] if i < len(self.leaves) else f"v{i - len(self.leaves) + 1}"

        used, waiting = set(), [len(self.leaves) + len(self.steps) - 1]
        while waiting:
            i = waiting.pop()
            if i not in used:
                used.add(i)
                waiting += self.steps[i - len(self.leaves)].nodes if i >= len(self.leaves) else ()
        lines = [
            f"{name(i)} has shape {tuple(leaf.shape)}" for i, leaf in enumerate(self.leaves) if i in used
        ]
        for i, step in enumerate(self.steps, len(self.leaves)):
            if i in used:
                lines.append(f"{name(i)} = " + step.text.format(*(name(n) for n in step.nodes)))
        return "; ".join(lines) + "; backward from the last"


def random_program(t: Trial, length: int) -> Program:
    """A DAG with fan-out and broadcasting; recent nodes are used more often, so that chains get deep."""
    leaves = [t.randn(*t.random.choice(LEAVES)) for _ in range(t.random.randint(2, 4))]
    values, steps = list(leaves), []
    while len(steps) < length:
        step = _random_step(t, values)
        try:
            with t.oracle():
                value = step.run(*(values[i] for i in step.nodes))
        except (RuntimeError, IndexError):  # these shapes do not fit: draw again
            continue
        if value.dim() <= 2 and value.numel() <= 12 and bool((value.abs() < LARGEST).all()):
            steps.append(step)
            values.append(value)
    return Program(leaves, steps)


def _random_step(t: Trial, values: list[Tensor]) -> Step:
    def node() -> int:
        return t.random.choice([t.random.randrange(len(values)), len(values) - 1 - t.random.randrange(2)])

    kind = t.random.random()
    if kind < 0.45:
        text = t.random.choice(list(BINARY))
        return Step(text, BINARY[text], (node(), node()))
    i = node()
    if values[i].dim() == 2 and kind < 0.7:
        text = t.random.choice(list(MATRIX))
        return Step(text, MATRIX[text], (i,))
    text = t.random.choice(list(UNARY))
    return Step(text, UNARY[text], (i,))


def seed_for(value: Tensor) -> Tensor:
    """A gradient for the result that is different in each element: 1, 1.25, 1.5, …"""
    return 1 + torch.arange(value.numel(), dtype=value.dtype).reshape(value.shape) / 4


def expected_gradients(t: Trial, program: Program) -> tuple[Tensor, list[Tensor | None]]:
    """The last value and each leaf's gradient, by torch's own engine."""
    with t.oracle():
        leaves = [leaf.clone().requires_grad_() for leaf in program.leaves]
        result = program.run(leaves)[-1]
        grads = torch.autograd.grad(result, leaves, seed_for(result.detach()), allow_unused=True)
    return result.detach(), list(grads)


def mistake(t: Trial, var: type, program: Program) -> Difference | None:
    """What the learner's tape gets wrong about this program."""
    value, gradients = expected_gradients(t, program)
    leaves = [var(leaf) for leaf in program.leaves]
    result = program.run(leaves)[-1]
    found = difference(result.data, value, where="the value")
    if found:
        return found
    result.backward(seed_for(value))
    for i, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        where = f"the gradient of {'abcd'[i]}"
        if gradient is None and leaf.grad is not None:
            return difference(leaf.grad, "None", where=f"{where}, which is not used,")
        if gradient is not None:
            found = difference(leaf.grad, gradient, where=where, rtol=1e-8, atol=1e-9)
            if found:
                return found
    return None


def smallest_mistake(t: Trial, var: type, program: Program) -> tuple[Program, Difference] | None:
    """The shortest beginning of the program that goes wrong, if the program does."""
    if mistake(t, var, program) is None:
        return None
    for length in range(1, len(program.steps) + 1):
        part = program.first(length)
        found = mistake(t, var, part)
        if found:
            return part, found
    return None
