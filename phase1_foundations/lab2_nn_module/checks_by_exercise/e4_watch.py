"""What E4 needs to see: its own full recording of activations, hooks that are left, memory that is kept."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from courseware.check import Trial
from courseware.check.observe import storage_key

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def hooks_of(model: nn.Module) -> int:
    """How many hooks hang on the model, of whatever kind; an exchanged `forward` counts as one."""
    return sum(
        sum(len(getattr(module, kind, ())) for kind in HOOKS) + ("forward" in vars(module))
        for module in model.modules()
    )


def mlp(depth: int, width: int, *, bias: bool = True) -> nn.Sequential:
    """Linear and ReLU in turn: layers 0, 2, 4, …"""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width, bias=bias), nn.ReLU()]
    return nn.Sequential(*layers)


class Two(nn.Module):
    """One layer that is used twice, one that is never used, one inside a child."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.twice = nn.Linear(width, width)
        self.unused = nn.Linear(width, width)
        self.inner = nn.Sequential(nn.Linear(width, 2), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(self.twice(torch.relu(self.twice(x))))
        return y


class Reversed(nn.Module):
    """Registered in the opposite order of execution."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.middle, self.first = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(torch.relu(self.middle(torch.relu(self.first(x)))))
        return y


def identity_layer() -> nn.Linear:
    """A layer that passes a single number on, so that its statistics are those of its input."""
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    return layer


def watched(a: Any, *batches: Tensor, backward: bool = False) -> Any:
    """The statistics of one layer that passes on what it gets."""
    layer = identity_layer()
    with a.ActivationProbe(layer) as found:
        for batch in batches:
            y = layer(batch)
            if backward:
                y.sum().backward()
    return found.stats[""]


def first() -> Tensor:
    """A first batch: mean 1, deviation 1."""
    return torch.tensor([[0.0], [2.0]])


def second() -> Tensor:
    """A second batch: mean 11, deviation √2; mean 7 and deviation 5.06 with the first."""
    return torch.tensor([[10.0], [10.0], [13.0]])


class Recording:
    """All outputs of one layer, and all gradients that arrived at them."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []
        self.gradients: list[Tensor] = []

    def expected(self) -> dict[str, float]:
        values = np.concatenate([v.double().flatten().numpy() for v in self.values])
        finite = values[np.isfinite(values)]
        square = sum(float((g.double() ** 2).sum()) for g in self.gradients)
        return {
            "n": len(values),
            "mean": float(finite.mean()) if len(finite) else float("nan"),
            "std": float(finite.std()) if len(finite) else float("nan"),
            "frac_zero": float((values == 0).mean()),
            "frac_nonfinite": float(1 - len(finite) / len(values)),
            "grad_norm": square**0.5,
        }


def record(model: nn.Module, run: Callable[[], Any], types: tuple[type, ...]) -> dict[str, Recording]:
    """The check's own observation: everything is kept, nothing is merged."""
    found: dict[str, Recording] = {}
    handles = []

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            recording = found.setdefault(name, Recording())
            for tensor in floating(output):
                recording.values.append(tensor.detach().clone())
                if tensor.requires_grad:
                    tensor.register_hook(lambda g: recording.gradients.append(g.detach().clone()))

        return hook

    for name, module in model.named_modules():
        if isinstance(module, types):
            handles.append(module.register_forward_hook(watch(name)))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found


def floating(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    if isinstance(output, tuple | list):
        return [tensor for part in output for tensor in floating(part)]
    return []


FIELDS = ("n", "mean", "std", "frac_zero", "frac_nonfinite", "grad_norm")


def compare(t: Trial, stats: Any, expected: dict[str, Recording]) -> None:
    """The learner's numbers against the recording."""
    t.equal(sorted(stats), sorted(expected), "the names in probe.stats")
    for name, recording in expected.items():
        for field, value in recording.expected().items():
            observed = getattr(stats[name], field)
            t.that(
                isinstance(observed, int if field == "n" else float)
                or (field == "frac_zero" and observed in (0, 1)),
                f"{field} of {name!r} is a {type(observed).__name__}, expected "
                f"{'an int' if field == 'n' else 'a float'}",
            )
            scale = abs(recording.expected()["std"]) if field == "mean" else 0.0
            t.equal(observed, value, f"{field} of layer {name!r}", rtol=1e-4, atol=1e-7 + 1e-4 * scale)


def both(
    a: Any, t: Trial, model: nn.Module, run: Callable[[], Any], types: Any = (nn.Linear, nn.Conv2d)
) -> Any:
    """Run twice, once under the check's recording and once under the learner's probe, and compare."""
    expected = record(model, run, types)
    with a.ActivationProbe(model, types) as probe:
        run()
    compare(t, probe.stats, expected)
    return probe


@contextmanager
def only_what_is_new() -> Iterator[None]:
    """The garbage collector looks at objects of the body alone: a full collection takes 0.1 seconds here."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def kept_memory(work: Callable[[], Any]) -> tuple[int, int]:
    """What is alive after `work` and was not before: bytes of tensors' storages, bytes of other memory."""
    with only_what_is_new():
        tracemalloc.start()
        try:
            work()
            gc.collect()
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        fresh = [thing for thing in gc.get_objects() if type(thing) in (Tensor, nn.Parameter)]
        storages = {storage_key(tensor): tensor.untyped_storage().nbytes() for tensor in fresh}
    return sum(storages.values()), grown


def deviations(model: nn.Module, x: Tensor) -> dict[str, float]:
    """Each linear or convolutional layer's output deviation in evaluation mode, in the order of execution."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    with torch.no_grad():
        found = record(model, lambda: model(x), (nn.Linear, nn.Conv2d))
    for module, mode in modes.items():
        module.training = mode
    return {name: recording.expected()["std"] for name, recording in found.items()}
