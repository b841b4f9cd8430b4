"""E2: Adam, RMSprop, Adagrad. What must hold; known mistakes stand in `e2_mistakes` and `e2_state`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_edges import probes as edge_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_first import late as late_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_first import probes as first_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_mistakes import probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_picture import dense_and_rare
from phase1_foundations.lab3_training_loop.checks_by_exercise.e2_state import probes as state_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, race
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import OPTIM

e2 = Exercise(
    "E2",
    takes={"Adam": None, "RMSprop": None, "Adagrad": None},
    forbids=forbid(python=OPTIM, why="torch.optim is what you are building here"),
    hints=(
        "Two running averages, one of g and one of g², for each parameter; W2 is the whole idea. What is "
        "remembered is never corrected, only what is used.",
        "m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), θ ← θ − lr·m̂ / (√v̂ + ε); t is remembered with the "
        "parameter, and 1 in its first step. AdamW: θ ← θ·(1 − lr·λ) before all else.",
        "`kept['step'] += 1; m.mul_(b1).add_(g, alpha=1 - b1); v.mul_(b2).addcmul_(g, g, value=1 - b2); "
        "p.copy_(x - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + eps))`, with x and g from "
        "`at_least_float32`, all under `torch.no_grad()`.",
    ),
)
first_probes.add_to(e2)
probes.add_to(e2)
state_probes.add_to(e2)
edge_probes.add_to(e2)
late_probes.add_to(e2)

Twins = tuple[Callable[[list[Tensor]], Any], Callable[[list[Tensor]], Any]]


def adam(a: Any, decoupled: bool = False, **how: Any) -> Twins:
    theirs = torch.optim.AdamW if decoupled else torch.optim.Adam
    decay = {"weight_decay": 0.0, **how}  # AdamW's own default is another
    return lambda p: a.Adam(p, decoupled=decoupled, **how), lambda p: theirs(p, **decay)


def rmsprop(a: Any, **how: Any) -> Twins:
    return lambda p: a.RMSprop(p, **how), lambda p: torch.optim.RMSprop(p, **how)


def adagrad(a: Any, initial_accumulator: float = 0.0, **how: Any) -> Twins:
    return (
        lambda p: a.Adagrad(p, initial_accumulator=initial_accumulator, **how),
        lambda p: torch.optim.Adagrad(p, initial_accumulator_value=initial_accumulator, **how),
    )


def every_option(a: Any) -> dict[str, Twins]:
    return {
        "Adam with weight decay": adam(a, lr=0.1, weight_decay=0.1, amsgrad=True),
        "AdamW": adam(a, True, lr=0.1, weight_decay=0.1),
        "RMSprop, centered, with momentum": rmsprop(a, lr=0.1, momentum=0.5, centered=True),
        "Adagrad": adagrad(a, lr=0.1, initial_accumulator=0.5),
    }


def start(t: Trial) -> list[Tensor]:
    return [t.randn(3), t.randn(4, 2).T, t.randn(0, 2)]


def like(t: Trial, words: str, twins: Twins, **how: Any) -> None:
    race(t, words, *twins, how.pop("params", None) or start(t), **{"steps": 30, "rtol": 1e-10, **how})


@e2.property("Adam and AdamW like torch's", points=6)
def adam_like_torch(a: Any, t: Trial) -> None:
    like(t, "Adam(params)", adam(a))
    for how in ({"betas": (0.5, 0.9)}, {"eps": 0.1}, {"weight_decay": 0.1}, {"amsgrad": True}):
        like(t, f"Adam, lr=0.1, {how}", adam(a, lr=0.1, **how))
    for how in ({"weight_decay": 0.1}, {"weight_decay": 0.3, "amsgrad": True}):
        like(t, f"AdamW, lr=0.1, {how}", adam(a, True, lr=0.1, **how))


@e2.property("RMSprop like torch's", points=3)
def rmsprop_like_torch(a: Any, t: Trial) -> None:
    like(t, "RMSprop(params)", rmsprop(a))
    for how in ({"alpha": 0.5, "eps": 0.1}, {"momentum": 0.8}, {"centered": True, "momentum": 0.5}):
        like(t, f"RMSprop, lr=0.1, {how}", rmsprop(a, lr=0.1, **how))


@e2.property("Adagrad like torch's", points=2)
def adagrad_like_torch(a: Any, t: Trial) -> None:
    like(t, "Adagrad(params)", adagrad(a))
    like(t, "Adagrad, lr=0.1, eps=0.1", adagrad(a, lr=0.1, eps=0.1))
    like(t, "Adagrad, lr=0.1, initial_accumulator=0.5", adagrad(a, 0.5, lr=0.1))


@e2.property("missing gradients, changing rates", points=2)
def missing_and_changing(a: Any, t: Trial) -> None:
    for name, twins in every_option(a).items():
        like(
            t,
            f"{name}; some gradients are None; lr falls at step 10",
            twins,
            skipped=lambda step, i: (step + 2 * i) % 3 == 0 or (i == 0 and step < 6),
            slower_at=10,
        )


@e2.property("saved, moved to another place, and going on", points=3)
def saved_and_loaded(a: Any, t: Trial) -> None:
    for name, twins in every_option(a).items():
        like(
            t,
            f"{name}; saved and loaded before step 8",
            twins,
            steps=16,
            slower_at=4,
            saved_at=8,
            skipped=lambda step, i: step < 3 and i == 0,
        )

    p, q = leaf([1.0]), leaf([1.0])
    optimizer = a.Adagrad([{"params": [p]}, {"params": [q], "initial_accumulator": 8.0}], lr=0.3)
    p.grad, q.grad = torch.ones_like(p), torch.ones_like(q)
    optimizer.step()
    t.given("Adagrad, lr=0.3, a group with initial_accumulator = 8 of its own, gradient 1")
    t.equal([p.item(), q.item()], [0.7, 0.9], "the parameters, which were 1", atol=1e-8)


@e2.property("gradients from 1e-30 to 1e30, and none at all", points=2)
def extremes(a: Any, t: Trial) -> None:
    for size in (1e-30, 1e-8, 1.0, 1e30):
        for sign in (1.0, -1.0):
            p, x = leaf([0.0]), 0.0
            optimizer = a.Adam([p], lr=0.1)
            for step in range(1, 6):
                p.grad = torch.full_like(p, sign * size)
                optimizer.step()
                x -= 0.1 * sign / (1 + 1e-8 / size)
                t.given(f"Adam, lr=0.1, {step} gradients of {sign * size:g}")
                t.equal(
                    p.item(), x, "−lr·sign(g)/(1 + ε/|g|) in every step: the parameter", rtol=1e-6, atol=1e-36
                )
    for name, twins in every_option(a).items():
        for size in (1e-30, 1e30):
            if "decay" not in name:
                like(t, f"{name}; gradients around {size:g}", twins, scale=size, steps=8)
    for make in (a.Adam, a.RMSprop, a.Adagrad):
        p = leaf(t.randn(3))
        before, optimizer = p.detach().clone(), make([p])
        for _ in range(10):
            p.grad = torch.zeros_like(p)
            optimizer.step()
        t.given(f"{make.__name__}, ten gradients of 0")
        t.equal(p.detach(), before, "the parameter")


@e2.property("bfloat16 parameters, remembered in float32", points=2)
def half_precision(a: Any, t: Trial) -> None:
    for name, (mine, theirs) in every_option(a).items():
        p = leaf(t.randn(6, dtype=torch.bfloat16))
        q = leaf(p.float())
        optimizer = mine([p])
        with t.oracle():
            twin = theirs([q])
        for step in range(1, 26):
            p.grad = t.randn(6, dtype=torch.bfloat16) * (1.0 if step < 8 else 0.05)
            q.grad = p.grad.float()
            optimizer.step()
            with t.oracle(), torch.no_grad():
                twin.step()
                q.copy_(q.to(torch.bfloat16))
            t.given(f"{name}: a bfloat16 parameter, step {step}")
            t.equal(p.detach(), q.detach().to(torch.bfloat16), "the parameter", rtol=2.0**-5, atol=2.0**-7)
        again = mine([leaf(p)])
        again.load_state_dict(optimizer.state_dict())
        for key, value in again.state_dict()["state"][0].items():
            t.that(
                not isinstance(value, Tensor) or value.dtype != torch.bfloat16,
                f"{key}, which was remembered in float32, is bfloat16 after loading",
            )


e2.reward(dense_and_rare)
