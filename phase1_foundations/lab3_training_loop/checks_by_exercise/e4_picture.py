"""The reward of E4: how wrong the mean of means is, and how exact the learner's step."""

from typing import Any

import torch
from torch import nn

from courseware.check import Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_world import (
    Spy,
    Tokens,
    batch,
    squared_errors,
    truth,
    vector,
)
from shared.plotting import COLOURS, panels, show
from shared.train import Precision, train_step

SKEWS = (1, 2, 4, 8, 16, 32)


class Masked:
    """The library's kind of task for micro-batches (x, y, mask)."""

    def count(self, each: Any) -> Any:
        return each[2].sum()

    def loss(self, model: nn.Module, each: Any) -> Any:
        return squared_errors(model(each[0]), each[1], each[2])


def errors(a: Any, skew: int) -> tuple[float, float, float]:
    """Relative error of the gradient with two micro-batches of 1 and `skew` tokens a row: three ways."""
    t = Trial(0, "reward")
    model = Tokens(t)
    short, long = batch(t, 64, 1), batch(t, 64, skew)
    batches = [(short[0], short[1] + 1, short[2]), long]  # short texts are harder
    right = vector(truth(model, batches)[1])
    naive = sum(vector(truth(model, [each])[1]) for each in batches) / 2
    own, library = Spy(model, lr=0.0), Spy(model, lr=0.0)
    a.accumulate_step(model, squared_errors, batches, own)
    precision = Precision("fp32", torch.device("cpu"))
    train_step(model, library, Masked(), batches, parameters=list(model.parameters()), precision=precision)
    found = (naive, vector(own.used[0]), vector(library.used[0]))
    return tuple(float((g - right).norm() / right.norm()) for g in found)  # type: ignore[return-value]


def naive_against_exact(a: Any) -> None:
    rows = [errors(a, skew) for skew in SKEWS]
    fig, ax = panels(height=2.8)
    places = torch.arange(len(SKEWS))
    ax.bar(places - 0.2, [100 * row[0] for row in rows], 0.4, color=COLOURS["red"], label="mean of means")
    ax.bar(places + 0.2, [100 * row[1] for row in rows], 0.4, color=COLOURS["blue"], label="yours")
    ax.set_xticks(places, [f"1 : {skew}" for skew in SKEWS])
    ax.set(xlabel="tokens a row in the two micro-batches", ylabel="error of the gradient, %")
    ax.legend()
    show(
        fig,
        caption=(
            f"The more the lengths differ, the more the mean of means is off: {rows[-1][0]:.0%} at 1 to 32. "
            f"Your bars are there as well, at {max(row[1] for row in rows):.0e}."
        ),
        alt=(
            "Bars of the gradient's error for six ratios of lengths. For the mean of means they grow from "
            "zero with the ratio; for the exact accumulation they are too small to be seen."
        ),
    )
    assert all(row[2] < 1e-6 for row in rows)
    print(f"shared.train.train_step, the library's version, is off by {max(row[2] for row in rows):.0e}")
