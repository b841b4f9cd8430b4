"""E1: SGD. What must hold; the known mistakes stand in `e1_mistakes` and `e1_state`."""

from typing import Any

import torch

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab3_training_loop.checks_by_exercise.e1_groups import probes as group_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e1_mistakes import probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e1_picture import paths_on_beale
from phase1_foundations.lab3_training_loop.checks_by_exercise.e1_state import probes as state_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, race
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import OPTIM

e1 = Exercise(
    "E1",
    takes={"SGD": None},
    forbids=forbid(python=OPTIM, why="torch.optim is what you are building here"),
    hints=(
        "Each parameter has a memory of its own: a dict from the parameter to what is remembered about it. "
        "The options live in the groups, and `step` reads them there. Turn `params` into a list first: a "
        "generator can be gone through only once.",
        "For each parameter with a gradient: decay (d = g + λθ) → buffer (v = d the first time, then μv + "
        "(1 − τ)d) → Nesterov (d + μv) or v → θ −= lr·d. All under `torch.no_grad()`.",
        "`v = d.clone() if first else v.mul_(mu).add_(d, alpha=1 - tau)`; `d = d + mu * v if nesterov else "
        "v`; `p.add_(d, alpha=-lr)`. In state_dict, number the parameters with `enumerate` through all "
        "groups; in load_state_dict, begin with `copy.deepcopy`.",
    ),
)
probes.add_to(e1)
state_probes.add_to(e1)
group_probes.add_to(e1)

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"lr": 0.1},
    {"lr": 0.1, "weight_decay": 0.1, "dampening": 0.5},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2},
    {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2, "nesterov": True},
    {"lr": 0.02, "momentum": 0.99, "dampening": 0.9, "weight_decay": 0.01},
)


def start(t: Trial) -> list[torch.Tensor]:
    return [t.randn(3), t.randn(4, 2).T, t.randn(0, 2)]


@e1.property("50 steps like torch.optim.SGD, in eight configurations", points=5)
def like_torch(a: Any, t: Trial) -> None:
    for how in CONFIGURATIONS:
        words = "SGD(params, " + ", ".join(f"{k}={v}" for k, v in how.items()) + ")"
        race(t, words, lambda p, h=how: a.SGD(p, **h), lambda p, h=how: torch.optim.SGD(p, **h), start(t))


@e1.property("groups, each with its own options; a generator of parameters", points=3)
def groups(a: Any, t: Trial) -> None:
    def grouped(optimizer: Any, lazy: bool) -> Any:
        def make(p: list[torch.Tensor]) -> Any:
            first = (each for each in p[:1]) if lazy else p[:1]
            own = {"params": p[1:], "lr": 0.01, "momentum": 0.0, "weight_decay": 0.3}
            return optimizer([{"params": first}, own], lr=0.1, momentum=0.8)

        return make

    for lazy in (False, True):
        race(t, "two groups", grouped(a.SGD, lazy), grouped(torch.optim.SGD, False), start(t), steps=12)
    race(
        t,
        "a generator",
        lambda p: a.SGD((each for each in p), lr=0.1, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        start(t),
        steps=12,
    )


@e1.property("gradients that are missing, rates that change", points=3)
def missing_and_changing(a: Any, t: Trial) -> None:
    for how in ({"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "dampening": 0.3}):
        race(
            t,
            "some gradients are None; lr falls at step 10",
            lambda p, h=how: a.SGD(p, lr=0.1, **h),
            lambda p, h=how: torch.optim.SGD(p, lr=0.1, **h),
            start(t),
            steps=25,
            skipped=lambda step, i: (step + 2 * i) % 3 == 0 or (i == 0 and step < 6),
            slower_at=10,
        )


@e1.property("saved, moved to another place, and going on", points=3)
def saved_and_loaded(a: Any, t: Trial) -> None:
    for how in ({"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}, {"momentum": 0.0}):
        race(
            t,
            "saved and loaded before step 13",
            lambda p, h=how: a.SGD([{"params": p[:1]}, {"params": p[1:], "lr": 0.03}], lr=0.1, **h),
            lambda p, h=how: torch.optim.SGD([{"params": p[:1]}, {"params": p[1:], "lr": 0.03}], lr=0.1, **h),
            start(t),
            steps=25,
            slower_at=6,
            saved_at=13,
        )
    ours = {"lr": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": True, "weight_decay": 0.1}
    saved = a.SGD([{"params": [leaf([1.0])]}, {"params": [leaf([1.0])], "lr": 0.3}], **ours).state_dict()
    p, q = leaf([1.0]), leaf([1.0])
    again = a.SGD([{"params": [p]}, {"params": [q]}], lr=0.7, momentum=0.1, dampening=0.5)
    p.grad, q.grad = torch.ones_like(p), torch.ones_like(q)
    again.step()
    again.load_state_dict(saved)
    for group, lr in zip(again.param_groups, (0.1, 0.3), strict=True):
        for name, value in {**ours, "lr": lr}.items():
            t.that(group[name] == value, f"{name} = {value} was saved, after loading it is {group[name]}")
    before = p.item()
    p.grad = torch.zeros_like(p)
    again.param_groups[0]["weight_decay"] = 0.0
    again.step()
    t.that(p.item() == before, "after loading a state without momentum, the old momentum still moves θ")
    params = [leaf([1.0]) for _ in range(4)]
    optimizer = a.SGD([{"params": params[:2]}, {"params": params[2:]}], lr=0.1, momentum=0.5)
    for each in (params[1], params[3]):
        each.grad = torch.ones_like(each)
    optimizer.step()
    kept = [number for number, value in optimizer.state_dict()["state"].items() if value]
    t.equal(sorted(kept), [1, 3], "two of four parameters have a momentum: the numbers in the state")


@e1.property("zero_grad, and what nesterov needs", points=1)
def zero_grad(a: Any, t: Trial) -> None:
    p, unused = leaf(t.randn(3)), leaf(t.randn(2))
    optimizer = a.SGD((each for each in (p, unused)), lr=0.1)
    p.grad = t.randn(3)
    optimizer.zero_grad(set_to_none=False)
    t.equal(p.grad, torch.zeros(3, dtype=torch.float64), "the gradient after zero_grad(set_to_none=False)")
    group = a.SGD([leaf([1.0])], 0.1, 0.9, 0.0, True, 0.01).param_groups[0]
    t.equal(
        [group[name] for name in ("lr", "momentum", "dampening", "nesterov", "weight_decay")],
        [0.1, 0.9, 0.0, True, 0.01],
        "the options of SGD(params, 0.1, 0.9, 0.0, True, 0.01)",
    )
    t.that(unused.grad is None, "zero_grad(set_to_none=False) gave a gradient to a parameter without one")
    optimizer.zero_grad()
    t.that(p.grad is None, "after zero_grad() a gradient is not None")
    params = [leaf([0.0]), leaf([0.0])]
    optimizer = a.SGD([{"params": [each]} for each in params], lr=1.0, momentum=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        for each in params:
            t.that(each.grad is None, "after zero_grad() a gradient of another group is not None")
            each.grad = torch.ones_like(each)
        optimizer.step()
    moved = torch.cat(params).detach()
    t.equal(moved, torch.full_like(moved, -2.5), "momentum over two steps with zero_grad between them")
    for wrong in ({"nesterov": True}, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}):
        t.raises(
            ValueError, lambda w=wrong: a.SGD([leaf([1.0])], lr=0.1, **w), f"SGD(params, lr=0.1, {wrong})"
        )


e1.reward(paths_on_beale)
