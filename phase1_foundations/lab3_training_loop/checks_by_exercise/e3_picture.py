"""The reward of E3: all schedules on one axis, and what digits make of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from shared.data import Examples, Loader, digits
from shared.optim import curves
from shared.plotting import bars, curve, panels, show

TOTAL, PEAK, BATCH = 480, 0.7, 10


def loss_under(schedule: Callable[[int], float]) -> float:
    """The held-out loss of a small network after TOTAL steps of plain descent under the schedule."""
    torch.manual_seed(0)
    data = digits(flat=True).train
    learn, held = Examples(*data[:1200]), data[1200:]
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    step, epoch = 0, 0
    while step < TOTAL:
        for x, y in Loader(learn, BATCH, shuffle=True).epoch(epoch):
            if step == TOTAL:
                break
            model.zero_grad()
            F.cross_entropy(model(x), y).backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= schedule(step) * p.grad
            step += 1
        epoch += 1
    with torch.no_grad():
        return float(F.cross_entropy(model(held[0]), held[1]))


def all_schedules(a: Any) -> None:
    schedules: dict[str, Callable[[int], float]] = {
        "constant": lambda t: PEAK,
        "step_lr": lambda t: a.step_lr(t, PEAK, 160, 0.3),
        "cosine": lambda t: a.cosine(t, TOTAL, PEAK),
        "warm_restarts": lambda t: a.warm_restarts(t, 160, 2, PEAK),
        "one_cycle": lambda t: a.one_cycle(t, TOTAL, PEAK),
        "warmup_cosine": lambda t: a.warmup_cosine(t, 48, TOTAL, PEAK),
    }
    fig, (left, right) = panels(1, 2, height=3.2, widths=[1.25, 1])
    for name, schedule in schedules.items():
        curve(left, range(TOTAL), [schedule(t) for t in range(TOTAL)], label=name, linewidth=1.5)
    left.set(xlabel="step", ylabel="learning rate")
    left.set_ylim(-0.02, 1.05)
    left.legend(loc="upper center", fontsize=7.5, ncols=2)
    bars(right, {name: loss_under(s) for name, s in schedules.items()}, fmt=lambda v: f"{v:.3f}")
    right.set_xlabel(f"held-out loss after {TOTAL} steps")
    show(
        fig,
        caption=(
            "Your schedules, and the held-out loss of one small network on digits after four epochs of plain "
            "descent under each: one seed, one peak rate. It is no ranking, but the curve matters."
        ),
        alt=(
            "Left, six curves of the learning rate over 480 steps: a constant, a staircase, a falling half "
            "cosine, two cosines with a restart between them, a rise and fall, a short ramp followed by a "
            "cosine. Right, bars of the loss under each."
        ),
    )
    library: dict[str, tuple[Callable[[int], float], Callable[[int], float]]] = {
        "cosine": (schedules["cosine"], lambda t: PEAK * curves.cosine(t, total=TOTAL)),
        "warm_restarts": (schedules["warm_restarts"], lambda t: PEAK * curves.warm_restarts(t, first=160)),
        "one_cycle": (schedules["one_cycle"], lambda t: PEAK * curves.one_cycle(t, total=TOTAL)),
    }
    for name, (own, theirs) in library.items():
        apart = max(abs(own(t) - theirs(t)) for t in range(TOTAL))
        assert apart < 1e-12
        print(f"{name}: yours and shared.optim.curves differ by at most {apart:.0e}")
