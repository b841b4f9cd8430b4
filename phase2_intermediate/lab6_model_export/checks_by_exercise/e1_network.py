"""The known mistakes of E1 in the network and in its export."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import exported, quiet

SHAPES = {
    "bright.weight": (8, 6),
    "bright.bias": (8,),
    "dark.weight": (8, 6),
    "dark.bias": (8,),
    "out.weight": (3, 8),
    "out.bias": (3,),
}
probe = Probes()


def formula(state: dict[str, Tensor], x: Tensor, threshold: float = 0.0, *, bright: Any = None) -> Tensor:
    """What GatedNet gives in evaluation mode, in float64; `bright` overrides the gate."""
    s = {name: value.double() for name, value in state.items()}
    x = x.double()
    bright = bool(x.mean() > threshold) if bright is None else bright
    light = (x @ s["bright.weight"].T + s["bright.bias"]).clamp(min=0)
    dim = torch.tanh(x @ s["dark.weight"].T + s["dark.bias"])
    h = torch.where(bright, light, dim) if isinstance(bright, Tensor) else (light if bright else dim)
    scores = h @ s["out.weight"].T + s["out.bias"]
    return scores - scores.sum(dim=0) / len(scores)


def network(a: Any, **how: Any) -> nn.Module:
    torch.manual_seed(0)
    return a.ExportableNet(**how).eval()


def batch(t: Trial, rows: int, shift: float, features: int = 6) -> Tensor:
    return t.randn(rows, features, dtype=torch.float32) + shift


@probe("other-parameters")
def parameters(a: Any, t: Trial) -> str | None:
    found = {name: tuple(p.shape) for name, p in network(a).state_dict().items()}
    if found != SHAPES:
        return f"GatedNet's state_dict must load; yours has {found}, expected {SHAPES}"
    sizes = network(a, features=5, hidden=4, threshold=1.0).state_dict()
    if tuple(sizes["bright.weight"].shape) != (4, 5) or tuple(sizes["out.weight"].shape) != (3, 4):
        return "the constructor's arguments `features` and `hidden` must give the sizes of the layers"
    return None


def seen(a: Any, t: Trial, shift: float, **how: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    model, x = network(a, **how), batch(t, 4, shift)
    return model(x).detach().double(), x, model.state_dict()


@probe("dropout")
def dropout(a: Any, t: Trial) -> str | None:
    model, x = network(a), batch(t, 16, 2.0)
    if not torch.equal(model(x), model(x)):
        return (
            "in evaluation mode two runs differ: dropout must be a module (or get `training=self.training`)"
        )
    model.train()
    if all(torch.equal(model(x), model(x)) for _ in range(3)):
        return "in training mode two runs are equal: GatedNet's dropout of 0.2 is missing"
    return None


@probe("wrong-branch")
def branch(a: Any, t: Trial) -> str | None:
    for shift in (2.0, -2.0):
        found, x, state = seen(a, t, shift)
        if same(found, formula(state, x), rtol=1e-4, atol=1e-5):
            continue
        if same(found, formula(state, x, bright=shift < 0), rtol=1e-4, atol=1e-5):
            return f"a batch with mean {x.mean():.2f} takes the other branch, though the threshold is 0"
    return None


@probe("gate-of-a-row")
def row_gate(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[3.0] * 6, [-1.0] * 6])
    model = network(a)
    found, state = model(x).detach().double(), model.state_dict()
    for dim, words in ((1, "row"), (0, "column")):
        gate = x.double().mean(dim=dim, keepdim=True) > 0
        if dim == 0:
            gate = x.double() > 0
            gate = gate.any(dim=1, keepdim=True)
        if same(found, formula(state, x, bright=gate), rtol=1e-4, atol=1e-5):
            return f"each {words} chose its branch for itself; the mean of the *whole batch* decides, once"
    return None


@probe("not-centred")
def centred(a: Any, t: Trial) -> str | None:
    found, x, state = seen(a, t, 2.0)
    right = formula(state, x)
    if same(found - found.mean(dim=0), right, rtol=1e-4, atol=1e-5) and not same(found, right, atol=1e-4):
        return "the mean of the batch's scores is not taken off as GatedNet does: total / x.shape[0]"
    return None


@probe("threshold-ignored")
def threshold(a: Any, t: Trial) -> str | None:
    found, x, state = seen(a, t, 0.5, threshold=5.0)
    if same(found, formula(state, x, bright=True), rtol=1e-4, atol=1e-5):
        return "a batch with mean 0.5 is not above the threshold 5 that the constructor was given"
    model, zeros = network(a), torch.zeros(3, 6)
    zeros[0, 0], zeros[1, 1] = 1.0, -1.0
    found = model(zeros).detach().double()
    if same(found, formula(model.state_dict(), zeros, bright=True), rtol=1e-4, atol=1e-5):
        return "a mean equal to the threshold is not greater than it: the dark branch is taken"
    return None


@probe("other-scores")
def activations(a: Any, t: Trial) -> str | None:
    for shift, words in ((2.0, "bright"), (-2.0, "dark")):
        found, x, state = seen(a, t, shift)
        if same(found, formula(state, x), rtol=1e-4, atol=1e-5):
            continue
        wide = {name: value.double() for name, value in state.items()}
        z = x.double() @ wide[f"{words}.weight"].T + wide[f"{words}.bias"]
        for name, h in (
            ("tanh", z.tanh()),
            ("relu", z.relu()),
            ("no activation", z),
            ("sigmoid", z.sigmoid()),
        ):
            scores = h @ wide["out.weight"].T + wide["out.bias"]
            if same(found, scores - scores.mean(dim=0), rtol=1e-4, atol=1e-5):
                right = "relu" if words == "bright" else "tanh"
                return f"the {words} branch ends in {right}; yours has {name}"
        scores = (z.relu() if words == "bright" else z.tanh()) @ wide["out.weight"].T + wide["out.bias"]
        if same(found, scores - scores.mean(dim=1, keepdim=True), rtol=1e-4, atol=1e-5):
            return (
                "you take off the mean over the classes of a row; it is the mean over the rows, for each "
                "class"
            )
        if same(found, scores - scores.mean(), rtol=1e-4, atol=1e-5):
            return "you take off one mean over everything; it is the mean over the rows, for each class"
        if same(found, scores - scores.sum(dim=0), rtol=1e-4, atol=1e-5):
            return "you take off the sum over the rows; it is to be divided by their number"
    return None


@probe("other-network")
def other_gate(a: Any, t: Trial) -> str | None:
    for shift in (2.0, 0.4, -0.4, -2.0):
        found, x, state = seen(a, t, shift)
        if not same(found, formula(state, x), rtol=1e-4, atol=1e-5):
            return (
                f"a batch whose mean is {x.mean():.2f}, threshold 0, does not give GatedNet's scores: the "
                f"mean of all of x "
                "chooses one branch for the whole batch, then dropout, `out`, and the mean over the rows is "
                "taken off"
            )
    return None


@probe("asks-for-a-value")
def asks(a: Any, t: Trial) -> str | None:
    size = torch.export.Dim("b", min=1, max=4096)
    attempt = t.tried(lambda: exported(network(a), batch(t, 4, 1.0), {0: size}))
    if attempt.error is None:
        return None
    words = str(attempt.error)
    if "data-dependent" in words.lower() or ".item()" in words:
        return (
            "`torch.export` ends with a data-dependent error: somewhere Python asks for a value (`if`, "
            "`.item()`, "
            "`float()`, `bool()`). `torch.where` or `torch.cond` decide inside the program"
        )
    if "specialized" in words or "Constraints violated" in words or "batch" in words:
        return (
            "the network cannot be exported with a batch of any size: somewhere the number of rows became a "
            "constant. A loop over rows, `len(x)` in a list, or `int(x.shape[0])` do that"
        )
    return f"`torch.export` ends with {type(attempt.error).__name__}: {words[:300]}"


@probe("branch-baked-in")
def baked(a: Any, t: Trial) -> str | None:
    size = torch.export.Dim("b", min=1, max=4096)
    model = network(a)
    for example in (1.0, -1.0):
        program = exported(model, batch(t, 4, 2 * example), {0: size}).module()
        x = batch(t, 4, -2 * example)
        right = formula(model.state_dict(), x).float()
        if same(model(x).detach(), right, rtol=1e-4, atol=1e-5) and not same(
            program(x).detach(), right, rtol=1e-4, atol=1e-5
        ):
            above = "≤" if example > 0 else ">"
            return (
                f"exported with an example on one branch, the program takes the same branch for a batch "
                f"with mean "
                f"{above} threshold, and no error says so: the choice was made in Python, or by a traced "
                f"constant"
            )
    return None


# ---- export_dynamic -------------------------------------------------------------------------------------


class Small(nn.Module):
    """Layers that behave otherwise in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class Symmetric(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + x.T


def export(a: Any, model: nn.Module, example: Tensor, dims: dict[int, str]) -> Any:
    with quiet():
        return a.export_dynamic(model, example, dims).module()


@probe("train-mode")
def train_mode(a: Any, t: Trial) -> str | None:
    torch.manual_seed(1)
    model = Small().train()
    model.layers[1].running_mean += 1
    program, x = export(a, model, t.randn(4, 3, dtype=torch.float32), {0: "batch"}), torch.ones(4, 3)
    one, two = program(x), program(x)
    right = model.eval()(x)
    if not torch.equal(one, two) or not same(one.detach(), right.detach()):
        return (
            "a model that was in training mode was exported as it was: dropout and batch norm are active in "
            "the "
            "program, and two runs differ. Call `model.eval()` first"
        )
    return None


@probe("mode-changed")
def mode_restored(a: Any, t: Trial) -> str | None:
    model = Small().train()
    model.layers[1].eval()  # a frozen norm within a model in training
    before = [m.training for m in model.modules()]
    export(a, model, torch.ones(4, 3), {0: "batch"})
    after = [m.training for m in model.modules()]
    if before != after:
        return (
            "the model's modes are not what they were: it was in training mode with one frozen norm; "
            f"`training` of its modules was {before} and is {after}. Remember and restore each of them"
        )
    return None


@probe("batch-baked-in")
def batch_baked(a: Any, t: Trial) -> str | None:
    program = export(a, Small().eval(), torch.ones(4, 3), {0: "batch"})
    for rows in (7, 4096):
        if t.tried(lambda rows=rows: program(torch.ones(rows, 3))).error is not None:
            return (
                f'exported with 4 rows and dims {{0: "batch"}}, the program refuses {rows}: declare the '
                'axis, with `dynamic_shapes=({0: Dim("batch", min=1, max=4096)},)`'
            )
    return None


@probe("batch-of-one")
def batch_of_one(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: export(a, Small().eval(), torch.ones(1, 3), {0: "batch"}))
    if attempt.error is not None:
        return (
            "an example with one row cannot be exported by your function: a size of 1 is taken for a "
            "constant. "
            "Export with two rows or more (repeat the example), the program can then run with one"
        )
    for rows in (1, 2, 5):
        if t.tried(lambda rows=rows: attempt.value(torch.ones(rows, 3))).error is not None:
            return f"exported with an example of one row, the program refuses {rows}: export with two or more"
    return None


@probe("refuses-one-row")
def one_row(a: Any, t: Trial) -> str | None:
    program = export(a, Small().eval(), torch.ones(4, 3), {0: "batch"})
    if t.tried(lambda: program(torch.ones(1, 3))).error is not None:
        return "the program refuses a single row: the axis may have any size from 1 on"
    return None


@probe("wrong-axis")
def wrong_axis(a: Any, t: Trial) -> str | None:
    program = export(a, Doubled(), torch.ones(4, 3), {1: "time"})
    if t.tried(lambda: program(torch.ones(4, 9))).error is not None:
        return 'with dims {1: "time"} axis 1 may have any size, and the program refuses 9 there'
    if t.tried(lambda: program(torch.ones(6, 3))).error is None:
        return 'with dims {1: "time"} axis 0 stays as it is in the example, 4, but the program takes 6'
    program = export(a, Doubled(), torch.ones(4, 3), {})
    if t.tried(lambda: program(torch.ones(5, 3))).error is None:
        return "with empty dims every size is fixed, but the program takes 5 rows instead of 4"
    return None


@probe("two-axes")
def two_axes(a: Any, t: Trial) -> str | None:
    words = "dims with two axes"
    with family("two-axes", words):
        program = export(a, Doubled(), torch.ones(4, 3), {0: "batch", 1: "time"})
        if t.tried(lambda: program(torch.ones(2, 7))).error is not None:
            return 'with dims {0: "batch", 1: "time"} the program refuses the shape (2, 7): each axis is free'
        program = export(a, Symmetric(), torch.ones(3, 3), {0: "n", 1: "n"})
        if t.tried(lambda: program(torch.ones(5, 5))).error is not None:
            return (
                'with dims {0: "n", 1: "n"} both axes have the same size, any; the program refuses (5, 5). '
                "One `Dim` object for each *name*"
            )
    return None
