"""The known mistakes of E3 in converting a whole model, and in counting bytes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import family

probe = Probes()


class Special(nn.Linear):
    """A subclass of a linear layer."""


class Net(nn.Module):
    """Layers in layers, one of them special."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 6), nn.Tanh()))
        self.norm = nn.LayerNorm(6)
        self.head = Special(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.body(x)))


def converted(a: Any, model: nn.Module) -> list[str]:
    """The names of the int8 layers."""
    return [name for name, m in model.named_modules() if isinstance(m, a.DynamicQuantLinear)]


def kept(model: nn.Module) -> list[str]:
    return [name for name, m in model.named_modules() if isinstance(m, nn.Linear)]


@probe("original-model-changed")
def original(a: Any, t: Trial) -> str | None:
    torch.manual_seed(0)
    model = Net()
    state = copy.deepcopy(model.state_dict())
    ours = a.quantize_model(model)
    if kept(model) != ["body.0", "body.2.0", "head"]:
        return "the original model has lost its float layers: quantize_model works on a *copy*"
    if any(not torch.equal(value, state[name]) for name, value in model.state_dict().items()):
        return "the original model's weights have changed"
    with torch.no_grad():
        ours.norm.weight.mul_(2)
    if not torch.equal(model.norm.weight, state["norm.weight"]):
        return "the copy shares its other layers with the original: `copy.deepcopy`"
    return None


@probe("nested-layers-missed")
def nested(a: Any, t: Trial) -> str | None:
    found = converted(a, a.quantize_model(Net()))
    if found != ["body.0", "body.2.0", "head"]:
        return (
            f"of the layers body.0, body.2.0 and head (a subclass of nn.Linear) you converted {found}: look "
            f"into modules "
            "at every depth, and ask with `isinstance`"
        )
    return None


@probe("types-ignored")
def types(a: Any, t: Trial) -> str | None:
    found = converted(a, a.quantize_model(Net(), types=(Special,)))
    if found != ["head"]:
        return f"with types=(Special,) only `head` is converted, you converted {found}"
    found = converted(a, a.quantize_model(Net(), types=()))
    if found:
        return f"with types=() nothing is converted, you converted {found}"
    return None


@probe("skip-ignored")
def skip(a: Any, t: Trial) -> str | None:
    asked: list[str] = []

    def last(name: str) -> bool:
        asked.append(name)
        return name == "head"

    found = converted(a, a.quantize_model(Net(), skip=last))
    if found != ["body.0", "body.2.0"]:
        if found == ["head"]:
            return "skip(name) true means that the layer *stays* as it is; you converted only that one"
        return f"with skip true for `head`, body.0 and body.2.0 are converted; you converted {found}"
    found = converted(a, a.quantize_model(Net(), skip=lambda name: name == "body.2.0"))
    if found != ["body.0", "head"]:
        return f'skip gets the dotted name, "body.2.0"; yours was asked about {sorted(set(asked))}'
    found = converted(a, a.quantize_model(Net(), skip=lambda name: name == "0"))
    if found != ["body.0", "body.2.0", "head"]:
        return 'no layer is called "0" here: skip gets the whole dotted name, "body.0"'
    return None


@probe("model-is-the-layer")
def itself(a: Any, t: Trial) -> str | None:
    with family("model-is-the-layer", "the model itself is an nn.Linear"):
        lone = nn.Linear(3, 2)
        found = a.quantize_model(lone)
        t.that(
            isinstance(found, a.DynamicQuantLinear), f"gave a {type(found).__name__}, expected an int8 layer"
        )
        stays = a.quantize_model(lone, skip=lambda name: name == "")
        t.that(isinstance(stays, nn.Linear), 'with skip("") true it must stay float')
    return None


@probe("bytes-of-something-else")
def counted(a: Any, t: Trial) -> str | None:
    model = nn.Sequential(nn.Linear(10, 4), nn.BatchNorm1d(4))
    right = 4 * (40 + 4 + 4 * 4) + 8  # and one int64 counter in the norm
    found = a.artefact_bytes(model)
    named = {
        4 * (44 + 8): "the buffers are missing (running mean, variance and counter of the norm)",
        44 + 16 + 1: "those are numbers, not bytes",
        4 * (44 + 16 + 1): "the counter is an int64: 8 bytes, not 4",
        4 * (44 + 16): "one buffer, the counter of batches, is missing",
    }
    if found != right:
        return (
            f"the tensors of the state_dict of Linear(10, 4) and BatchNorm1d(4) take {right} bytes, you say "
            f"{found}: "
            f"{named.get(found, 'numel · element_size for each of them')}"
        )
    if a.artefact_bytes(nn.ReLU()) != 0:
        return "a model without tensors takes 0 bytes"
    small = nn.Linear(10, 4).half()
    if a.artefact_bytes(small) != 88:
        return (
            f"in float16 each number takes 2 bytes: Linear(10, 4) has 88, you say {a.artefact_bytes(small)}"
        )
    return None


@probe("converted-model-differs")
def works(a: Any, t: Trial) -> str | None:
    torch.manual_seed(1)
    model, x = Net(), t.randn(5, 4, dtype=torch.float32)
    ours = a.quantize_model(model)
    parts = a.DynamicQuantLinear.from_float(model.body[0])(x)
    if not same(ours.body[0](x), parts):
        return "a converted layer must be what `from_float` gives for it"
    if not same(ours(x).double(), model(x).detach().double(), atol=0.1, rtol=0.1):
        return "the converted model gives quite other numbers than the original"
    return None
