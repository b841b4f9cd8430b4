"""E1: an exportable network and a parity report. What must hold; the known mistakes stand in two other "
"files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial
from phase2_intermediate.lab6_model_export.checks_by_exercise import e1_network, e1_parity, e1_same_network
from phase2_intermediate.lab6_model_export.checks_by_exercise.e1_network import batch, formula, network
from phase2_intermediate.lab6_model_export.checks_by_exercise.pictures import exported_graph
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import quiet

e1 = Exercise(
    "E1",
    takes={"ExportableNet": None, "export_dynamic": torch.export.ExportedProgram, "parity": None},
    hints=(
        "Three decisions are made in Python: the branch, the loop, the size. Each has a tensor operation "
        "that "
        "does the same inside the program. And before exporting: in which mode is the model?",
        '`torch.where(x.mean() > t, bright, dark)`; all rows at once; `Dim("batch", min=1, max=4096)`, '
        "one for each name, and an example with at least two rows. Parity: finite = both finite; mismatch = "
        "not finite "
        "and "
        "neither equal nor both NaN.",
        "`scores - scores.mean(dim=0)`; `torch.export.export(model.eval(), (example,), "
        "dynamic_shapes=({axis: "
        "sizes[name], …},))`, and `example.repeat_interleave(2, dim=axis)` where it has size 1; `per_row = "
        "torch.where(mismatch, inf, distance).amax(dim=1)`, `worst = int(per_row.argmax())`.",
    ),
)
e1_same_network.early.add_to(e1)
e1_parity.probe.add_to(e1)  # the cheap ones first
e1_network.probe.add_to(e1)
e1_same_network.probe.add_to(e1)


@e1.property("ExportableNet is GatedNet, before and after export", points=5)
def equal_network(a: Any, t: Trial) -> None:
    model = network(a, features=6, hidden=8, threshold=0.1)
    size = torch.export.Dim("rows", min=1, max=4096)
    with quiet():
        program = torch.export.export(model, (batch(t, 3, 1.0),), dynamic_shapes=({0: size},))
    with tempfile.TemporaryDirectory() as folder, quiet():
        torch.export.save(program, Path(folder) / "net.pt2")
        loaded = torch.export.load(Path(folder) / "net.pt2").module()
    for rows in (1, 2, 7, 64):
        for shift in (-1.0, 0.0, 1.0):
            x = batch(t, rows, shift)
            right = formula(model.state_dict(), x, 0.1).float()
            t.equal(model(x).detach(), right, f"{rows} rows, mean {x.mean():.3f}", rtol=1e-4, atol=1e-5)
            t.equal(loaded(x).detach(), right, f"saved and loaded, {rows} rows", rtol=1e-4, atol=1e-5)


@e1.property("export_dynamic: the program of evaluation mode, for any size", points=4)
def programs(a: Any, t: Trial) -> None:
    torch.manual_seed(t.seed)
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.3), nn.Linear(5, 2)).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with quiet():
        program = a.export_dynamic(model, t.randn(1, 3, dtype=torch.float32), {0: "rows"}).module()
    t.that(model.training, "the model was in training mode and is not any more")
    for name, value in model.state_dict().items():
        t.that(torch.equal(value, state[name]), f"the model's {name} has changed")
    model.eval()
    for rows in (1, 2, 7, 64, 1000):
        x = t.randn(rows, 3, dtype=torch.float32)
        t.equal(program(x).detach(), model(x).detach(), f"{rows} rows", rtol=1e-5, atol=1e-6)


def by_numpy(left: Tensor, right: Tensor, rtol: float, atol: float) -> dict[str, Any]:
    """The report's numbers with loops over elements."""
    r, c = left.double().numpy(), right.double().numpy()
    pairs = [(x, y) for x, y in zip(r.flat, c.flat, strict=True) if np.isfinite(x) and np.isfinite(y)]
    grid = list(zip(r, c, strict=True))
    bad = np.array([[not np.isfinite([x, y]).all() for x, y in zip(*row, strict=True)] for row in grid])
    same = np.array([[x == y or (x != x and y != y) for x, y in zip(*row, strict=True)] for row in grid])
    mismatch = bad & ~same
    distance = np.where(bad, 0.0, np.abs(np.where(bad, 0.0, r) - np.where(bad, 0.0, c)))
    rows = [np.inf if mismatch[i].any() else distance[i].max() for i in range(len(r))]
    x, y = np.array(pairs).reshape(-1, 2).T
    return {
        "max_abs": max((abs(p - q) for p, q in pairs), default=0.0),
        "max_rel": max((abs(p - q) / max(abs(p), atol, 1e-12) for p, q in pairs), default=0.0),
        "cosine": float(x @ y / np.sqrt((x @ x) * (y @ y))),
        "argmax_agreement": float(np.mean(left.argmax(1).numpy() == right.argmax(1).numpy())),
        "worst_input_index": int(np.argmax(rows)),
        "nonfinite_mismatch": int(mismatch.sum()),
        "passed": not mismatch.any() and all(abs(p - q) <= atol + rtol * abs(p) for p, q in pairs),
    }


@e1.property("parity: every number of the report", points=6)
def reports(a: Any, t: Trial) -> None:
    for case in range(10):
        sizes = [t.random.choice((1, 2, 5)) for _ in range(t.random.choice((1, 2, 3)))]
        left = [t.randn(rows, 4, dtype=torch.float32) for rows in sizes]
        noise = t.random.choice((1e-7, 1e-3, 1.0))
        right = [x + noise * t.randn(*x.shape, dtype=torch.float32) for x in left]
        if case % 2:
            for values in (*left, *right):
                special = t.random.choice((torch.nan, torch.inf, -torch.inf))
                values[t.random.randrange(len(values)), t.random.randrange(4)] = special
        rtol, atol = t.random.choice(((1e-4, 1e-5), (1e-2, 1e-3), (0.0, 0.5)))
        expected = by_numpy(torch.cat(left), torch.cat(right), rtol, atol)
        numbers = [torch.tensor([float(i)]) for i in range(len(sizes))]
        found = a.parity(
            lambda x, left=left: left[int(x)].clone(),
            lambda x, right=right: right[int(x)].clone(),
            iter(numbers),
            rtol=rtol,
            atol=atol,
        )
        for field, value in expected.items():
            t.equal(getattr(found, field), value, field, rtol=1e-6, atol=1e-9)


e1.reward(exported_graph)
