"""The known mistakes of E4's `count_cost` around the call: what is counted when, and what is left behind."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial

probe = Probes()


@probe("second-call-forgotten")
def second_call(a: Any, t: Trial) -> str | None:
    shared = nn.Linear(4, 4)
    found = a.count_cost(nn.Sequential(shared, nn.ReLU(), shared), torch.ones(5, 4))
    if "0" in found and found["0"].flops == 160:
        return (
            "a layer that is called twice in one pass has 160 FLOPs in your count, expected 320: add to "
            "what is "
            "there already, do not overwrite it"
        )
    if "0" in found and (found["0"].flops, found["0"].bytes_read, found["0"].bytes_written) != (
        320,
        320,
        160,
    ):
        return (
            f"a layer that is called twice costs {found['0']}, expected 320 FLOPs, 320 bytes read, 160 "
            f"written"
        )
    return None


@probe("leaf-that-never-ran")
def never_ran(a: Any, t: Trial) -> str | None:
    holder = nn.ModuleDict({"used": nn.Linear(4, 4), "unused": nn.Linear(9, 9)})

    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = holder

        def forward(self, x: Tensor) -> Tensor:
            return self.parts["used"](x)

    found = a.count_cost(Partly(), torch.ones(5, 4))
    if "parts.unused" in found:
        return "a leaf that the forward pass never calls has an entry: only what is called costs something"
    return None


@probe("runs-the-model-more-than-once")
def runs_once(a: Any, t: Trial) -> str | None:
    calls: list[int] = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            calls.append(1)
            return self.inner(x)

    a.count_cost(Counting(), torch.ones(5, 4))
    if len(calls) != 1:
        return f"`model(x)` ran {len(calls)} times, once is asked for"
    return None


@probe("counts-with-a-graph")
def with_graph(a: Any, t: Trial) -> str | None:
    recorded: list[bool] = []

    class Looking(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            recorded.append(y.requires_grad)
            return y

    a.count_cost(nn.Sequential(Looking(4, 4)), torch.ones(5, 4))
    if any(recorded):
        return "the call recorded a graph, which keeps every activation: count under `torch.no_grad()`"
    return None


@probe("model-left-changed")
def left_changed(a: Any, t: Trial) -> str | None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    model.train()
    model[1].eval()
    flags = [m.training for m in model.modules()]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    a.count_cost(model, t.randn(5, 4, dtype=torch.float32))
    if [m.training for m in model.modules()] != flags:
        return (
            f"the training flags were {flags} and are {[m.training for m in model.modules()]}: remember "
            f"each module's, "
            "and put it back (`model.train()` sets all of them)"
        )
    if any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()):
        return "hooks are still registered afterwards: `remove()` each handle"
    model.train()
    a.count_cost(model, t.randn(5, 4, dtype=torch.float32))
    if any(not torch.equal(v, before[k]) for k, v in model.state_dict().items()):
        return (
            "the running statistics of a BatchNorm changed: count in evaluation mode (`model.eval()`), "
            "and put the "
            "flags back"
        )
    return None
