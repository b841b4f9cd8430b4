"""Known mistakes of E1 that show in training mode, at the edge of the gate, and at odd sizes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise.e1_network import Doubled, export, network
from phase2_intermediate.lab6_model_export.checks_by_exercise.e1_parity import one, report

early, probe = Probes(), Probes()


@probe("dropout-elsewhere")
def dropout_place(a: Any, t: Trial) -> str | None:
    rows = 3000  # of one hidden unit each: it is dropped, or it is not
    model = network(a, features=1, hidden=1, threshold=-1.0)
    with torch.no_grad():
        for name, value in {"bright": 1.0, "out": 1.0}.items():
            getattr(model, name).weight.fill_(value)
            getattr(model, name).bias.zero_()
    torch.manual_seed(t.seed)
    with torch.no_grad():
        found = model.train()(torch.ones(rows, 1)).double()
    low = found < found.mean(dim=0)
    if not bool((low.all(dim=1) == low.any(dim=1)).all()):
        return (
            "in training mode the scores of one row are dropped one by one: GatedNet's dropout works on the "
            "hidden numbers, *before* `out`"
        )
    share = low[:, 0].double().mean().item()
    if not 0.15 < share < 0.25:
        return f"in training mode {share:.2f} of the hidden numbers are dropped; GatedNet's dropout has 0.2"
    return None


@probe("soft-gate")
def soft_gate(a: Any, t: Trial) -> str | None:
    model = network(a, features=1, hidden=1)
    with torch.no_grad():
        model.bright.weight.zero_()
        model.bright.bias.zero_()
        model.dark.weight.fill_(1.0)
        model.dark.bias.zero_()
        model.out.weight.fill_(1.0)
        near = model(torch.tensor([[1.0], [-1.0 + 2e-5]]))  # a mean of 0.00001: the bright branch gives zeros
    if near.abs().max() > 1e-3:
        return (
            "a mean just above the threshold (by 0.00001) still gives a mixture of both branches: the choice "
            "is all or nothing"
        )
    return None


# ---- export_dynamic -------------------------------------------------------------------------------------


class Looked(nn.Module):
    """Takes whole numbers only."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x)


@probe("size-one-elsewhere")
def size_one(a: Any, t: Trial) -> str | None:
    for shape, dims, works in (
        ((4, 1), {1: "time"}, (4, 6)),
        ((1, 1), {0: "batch", 1: "time"}, (3, 5)),
        ((1, 4), {0: "batch"}, (3, 4)),
    ):
        with family("size-one-elsewhere", f"an example of shape {shape} with dims {dims}"):
            program = export(a, Doubled(), torch.ones(shape), dims)
            t.equal(program(torch.ones(works)), 2 * torch.ones(works), f"the program of shape {works}")
    program = export(a, Doubled(), torch.ones(1, 3), {1: "time"})
    if t.tried(lambda: program(torch.ones(2, 3))).error is None:
        return 'dims {1: "time"} and an example of shape (1, 3): axis 0 stays 1, but the program takes 2 rows'
    return None


@probe("another-example")
def another_example(a: Any, t: Trial) -> str | None:
    with family("another-example", "a model of whole numbers (an embedding), and an example with one row"):
        program = export(a, Looked().eval(), torch.ones(1, 3, dtype=torch.int64), {0: "batch"})
        program(torch.ones(5, 3, dtype=torch.int64))
    return None


# ---- parity ---------------------------------------------------------------------------------------------


@probe("equal-is-not-enough")
def equal(a: Any, t: Trial) -> str | None:
    if not one(a, [[1.0, 0.0]], [[1.0, 0.0]], rtol=0.0, atol=0.0).passed:
        return "equal numbers do not pass with rtol = atol = 0: the comparison is ≤, not <"
    return None


@probe("one-in-many")
def one_in_many(a: Any, t: Trial) -> str | None:
    rows = [[1.0, 2.0]] * 600
    if one(a, rows, [*rows[:-1], [1.0, 2.5]]).passed:
        return "one element of 1,200 is off by 0.5 and the report passes: *all* elements must be close"
    return None


@early("sum-in-the-denominator")
def denominator(a: Any, t: Trial) -> str | None:
    found = one(a, [[1.0, 5.0]], [[2.0, 5.0]], atol=0.5).max_rel
    if math.isclose(found, 1 / 1.5, rel_tol=1e-6):
        return (
            f"1 became 2 with atol 0.5: max_rel is 1.0, you give {found:.4g}. The denominator is the larger "
            "of abs(r) and atol, not their sum"
        )
    return None


@probe("worst-by-the-relative-distance")
def worst(a: Any, t: Trial) -> str | None:
    found = report(a, [[[100.0], [1.0]]], [[[110.0], [2.0]]]).worst_input_index
    if found == 1:
        return "rows off by 10 (of 100) and by 1 (of 1): the worst is row 0, by abs(r − c), not relative to r"
    return None
