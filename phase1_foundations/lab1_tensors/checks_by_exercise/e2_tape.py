"""E2: a tape that differentiates. What must hold; the known mistakes stand in `e2_mistakes`."""

import sys
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.numeric import numeric_gradient
from courseware.check.observe import same_storage
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_mistakes import ordinary_recursion_limit
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_mistakes_edges import probe
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_picture import gradients_on_a_graph
from phase1_foundations.lab1_tensors.checks_by_exercise.e2_programs import (
    Program,
    Step,
    random_program,
    seed_for,
    smallest_mistake,
)

e2 = Exercise(
    "E2",
    takes={"Var": None},
    forbids=forbid(
        *("grad_fn", "requires_grad_"),
        autograd=True,
        why="`Var` is the autograd here. With torch's own inside there would be nothing left to build",
    ),
    hints=(
        "Each operation, while it computes, writes down its inputs and how a gradient of its output "
        "becomes one gradient for each input. `backward` only carries gradients along these notes and "
        "adds up what arrives.",
        "A node may hand its gradient on when everybody who used it has contributed: go through the nodes "
        "in reverse topological order (each node after all that were made from it). Shares: + gives g and "
        "g; * gives g·y and g·x; x @ w gives g @ wᵀ and xᵀ @ g; exp gives g·exp(x); relu gives g where x "
        "> 0. Each summed back to its input's shape by `unbroadcast`.",
        "Order without recursion: a stack of (node, parents_done). Pop; if parents_done, append the node "
        "to the order; else, if not seen yet, push (node, True), then (p, False) for its parents. Then "
        "for each node in the reversed order: take its gradient out of a dict; at a leaf add it to "
        "`.grad` (`g.clone()` the first time); elsewhere add `unbroadcast(share, parent.data.shape)` into "
        "the dict for each parent, with `a + b`, never `+=`.",
    ),
)
probe.add_to(e2)

OPERATIONS: dict[str, tuple[Any, ...]] = {
    "a + b": (lambda a, b: a + b, (2, 3), (2, 3)),
    "a - b": (lambda a, b: a - b, (2, 3), (2, 3)),
    "a * b": (lambda a, b: a * b, (2, 3), (2, 3)),
    "a / (b ** 2 + 1)": (lambda a, b: a / (b**2 + 1), (2, 3), (2, 3)),
    "-a": (lambda a: -a, (3,)),
    "a + 2": (lambda a: a + 2, (3,)),
    "2 + a": (lambda a: 2 + a, (3,)),
    "a - 2": (lambda a: a - 2, (3,)),
    "2 - a": (lambda a: 2 - a, (3,)),
    "a * 2.5": (lambda a: a * 2.5, (3,)),
    "2.5 * a": (lambda a: 2.5 * a, (3,)),
    "a / 4": (lambda a: a / 4, (3,)),
    "1 / (a ** 2 + 1)": (lambda a: 1 / (a**2 + 1), (3,)),
    "a ** 2": (lambda a: a**2, (3,)),
    "a ** 3": (lambda a: a**3, (3,)),
    "(a ** 2 + 1) ** -1.5": (lambda a: (a**2 + 1) ** -1.5, (3,)),
    "a @ b": (lambda a, b: a @ b, (2, 3), (3, 4)),
    "a.sum()": (lambda a: a.sum(), (2, 3)),
    "a.sum(keepdim=True) of a vector": (lambda a: a.sum(dim=0, keepdim=True), (3,)),
    "a.sum(dim=0)": (lambda a: a.sum(dim=0), (2, 3)),
    "a.sum(1)": (lambda a: a.sum(1), (2, 3)),
    "a.sum(dim=-2)": (lambda a: a.sum(dim=-2), (2, 2)),
    "a.sum(dim=1, keepdim=True)": (lambda a: a.sum(dim=1, keepdim=True), (2, 2)),
    "a.sum(dim=-1) with three axes": (lambda a: a.sum(dim=-1), (2, 3, 2)),
    "a.exp()": (lambda a: a.exp(), (3,)),
    "(a ** 2 + 1).log()": (lambda a: (a**2 + 1).log(), (3,)),
    "a.relu()": (lambda a: a.relu(), (2, 4)),
    "a.tanh()": (lambda a: a.tanh(), (3,)),
    "a.reshape(3, 2)": (lambda a: a.reshape(3, 2), (2, 3)),
    "a.reshape(6)": (lambda a: a.reshape(6), (2, 3)),
    "a.reshape(3, -1)": (lambda a: a.reshape(3, -1), (2, 3)),
    "a.T": (lambda a: a.T, (2, 3)),
    "a.T.reshape(6)": (lambda a: a.T.reshape(6), (2, 3)),
}
BROADCASTS = (
    ((2, 3), (3,)),
    ((3,), (2, 3)),
    ((2, 1), (2, 3)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((1,), (3,)),
    ((2, 3, 2), (3, 1)),
)


def hold(t: Trial, var: type, program: Program) -> None:
    """Miss the property where tape and torch differ, on the smallest part of the program that shows it."""
    t.given(str(program))
    found = smallest_mistake(t, var, program)
    if found:
        part, difference = found
        t.given(str(part))
        t.fail(difference.words, observed=difference.observed, expected=difference.expected)


@e2.property("a Var holds the tensor it is given", points=1)
def holds(a: Any, t: Trial) -> None:
    data = t.randn(2, 3)
    v = a.Var(data)
    t.that(
        isinstance(v.data, Tensor) and same_storage(v.data, data),
        "Var(data).data is not the tensor it was given",
    )
    t.that(v.grad is None, f"a new Var's grad is {v.grad!r}, expected None")
    number = a.Var(2.0)
    t.equal(number.data, torch.tensor(2.0), "Var(2.0).data")
    t.that(not v.data.requires_grad and not (v * v).data.requires_grad, "data requires a gradient of torch")
    v.data, v.grad = data + 1, data
    t.equal((v * 2).data, (data + 1) * 2, "after v.data was assigned")


@e2.property("every operation: value and derivative", points=6)
def every_operation(a: Any, t: Trial) -> None:
    for text, (run, *shapes) in OPERATIONS.items():
        leaves = [t.randn(*shape) for shape in shapes]
        hold(t, a.Var, Program(leaves, [Step(text, run, tuple(range(len(leaves))))]))
    zero = a.Var(torch.tensor([0.0, -1.0, 1.0]))
    zero.relu().backward(torch.ones(3))
    t.given("a = [0, -1, 1]; a.relu()")
    t.equal(zero.grad, torch.tensor([0.0, 0.0, 1.0]), "the slope of relu at 0, −1 and 1")


@e2.property("broadcasting: gradients have the shape of their data", points=2)
def broadcasting(a: Any, t: Trial) -> None:
    for left, right in BROADCASTS:
        for text in ("a + b", "a - b", "a * b", "a / (b ** 2 + 1)"):
            hold(
                t,
                a.Var,
                Program([t.randn(*left), t.randn(*right)], [Step(text, OPERATIONS[text][0], (0, 1))]),
            )


@e2.property("gradients add up, within a pass and from pass to pass", points=3)
def adding_up(a: Any, t: Trial) -> None:
    x = t.randn(3)
    v, unused = a.Var(x), a.Var(x)
    h = v * v
    y = h.sum() + (h * h).sum()
    t.given("h = v * v; y = h.sum() + (h * h).sum()")
    y.backward()
    once = 2 * x + 4 * x**3
    t.equal(v.grad, once, "the gradient of v")
    y.backward()
    t.equal(v.grad, 2 * once, "after a second y.backward()")
    h.sum().backward()
    t.equal(v.grad, 2 * once + 2 * x, "after h.sum().backward() on top")
    v.grad = None
    y.backward()
    t.equal(v.grad, once, "after v.grad = None and another y.backward()")
    t.that(unused.grad is None, "a leaf that was not used has a gradient")


@e2.property("the seed", points=1)
def seeds(a: Any, t: Trial) -> None:
    x, seed = t.randn(2, 3), t.randn(2, 3)
    kept = seed.clone()
    v = a.Var(x)
    y = v * 3
    y.backward(seed)
    t.equal(v.grad, 3 * seed, "y = v * 3 with a seed: the gradient of v")
    y.backward(seed)
    t.equal(v.grad, 6 * kept, "after a second backward with the same seed")
    t.equal(seed, kept, "the seed after backward")
    t.raises(
        (ValueError, RuntimeError),
        lambda: (a.Var(x) * 3).backward(),
        "backward() of a (2, 3) result without a seed",
    )
    leaf = a.Var(x)
    leaf.backward(seed)
    t.equal(leaf.grad, kept, "leaf.backward(seed): the gradient of the leaf itself")
    one = a.Var(t.randn(1, 1))
    (one * 2).backward()
    t.equal(
        one.grad,
        torch.full((1, 1), 2.0, dtype=torch.float64),
        "a result with one element needs no seed: the gradient",
    )


@e2.property("a chain of 20,000 operations", points=2)
def long_chain(a: Any, t: Trial) -> None:
    v = a.Var(torch.tensor(1.0, dtype=torch.float64))
    y = v
    r = 1 - 2.0**-13  # exact in float32 too, in which a tape may hold Python's numbers
    for _ in range(10_000):
        y = y * r + v
    t.given("10,000 times y = y * (1 − 2⁻¹³) + v")
    with ordinary_recursion_limit() as limit:
        y.backward()
        t.that(sys.getrecursionlimit() == limit, "backward moved Python's recursion limit")
    expected = r**10_000 + (1 - r**10_000) / (1 - r)
    t.equal(v.grad, torch.tensor(expected, dtype=torch.float64), "the gradient of v", rtol=1e-8)


@e2.property("100 random graphs against torch", points=4)
def random_graphs(a: Any, t: Trial) -> None:
    for case in range(100):
        hold(t, a.Var, random_program(t, 5 + case // 4))


@e2.property("10 random graphs against central differences", points=1)
def central_differences(a: Any, t: Trial) -> None:
    for case in range(10):
        program = random_program(t, 3 + case)
        t.given(str(program))
        leaves = [a.Var(leaf) for leaf in program.leaves]
        result = program.run(leaves)[-1]
        weights = seed_for(result.data)
        result.backward(weights)
        for i, leaf in enumerate(leaves):
            if leaf.grad is not None:
                expected = by_differences(t, program, i, weights)
                t.equal(leaf.grad, expected, f"the gradient of {'abcd'[i]}", rtol=1e-5, atol=1e-5)


def by_differences(t: Trial, program: Program, i: int, weights: Tensor) -> Tensor:
    """The gradient of Σ weights · result with respect to leaf i, without any autograd."""

    def f(x: Tensor) -> Tensor:
        leaves = [x if j == i else other for j, other in enumerate(program.leaves)]
        return (program.run(leaves)[-1] * weights).sum()

    with t.oracle():
        return numeric_gradient(f, program.leaves[i])


e2.reward(gradients_on_a_graph)
