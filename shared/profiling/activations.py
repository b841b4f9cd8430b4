"""Looking into a network while it runs: a few numbers a layer, and no activation is kept.

    with ActivationProbe(model) as probe:
        loss(model(x), y).backward()
    print(activation_table(probe.stats))
    probe.first_nonfinite()                    # where the NaN comes from

The numbers of several batches are merged by Chan, Golub and LeVeque's formula: the squared distances from
the mean add up, and the distance between the two means joins them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Kinds = tuple[type[nn.Module], ...]
LAYERS: Kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class LayerStats:
    """What a layer gave so far: every number is over all of its outputs, of all calls.

    The sums stay on the layer's device, so that watching a GPU does not wait for it at every layer; reading
    an attribute does.
    """

    def __init__(self, device: torch.device) -> None:
        # Apple's GPU has no float64
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self.n = 0
        self._finite, self._zeros, self._mean, self._m2, self._square = torch.zeros(
            5, dtype=self._dtype, device=device
        ).unbind()

    def add(self, values: Tensor) -> None:
        """One more tensor of outputs."""
        wide = values.detach().to(self._dtype)
        finite = wide.isfinite()
        count = finite.sum()
        mean = wide.where(finite, 0.0).sum() / count.clamp(min=1)
        m2 = (wide - mean).where(finite, 0.0).square().sum()
        delta, total = mean - self._mean, (self._finite + count).clamp(min=1)
        self._m2 = self._m2 + m2 + delta.square() * self._finite * count / total
        self._mean = self._mean + delta * count / total
        self._finite = self._finite + count
        self._zeros = self._zeros + (wide == 0).sum()
        self.n += values.numel()

    def add_gradient(self, gradient: Tensor) -> None:
        self._square = self._square + gradient.detach().to(self._dtype).square().sum()

    @property
    def mean(self) -> float:
        """Of the finite elements; NaN if there are none."""
        return self._mean.item() if self._finite.item() else math.nan

    @property
    def std(self) -> float:
        """The population's, of the finite elements; NaN if there are none."""
        finite = self._finite.item()
        return math.sqrt(self._m2.item() / finite) if finite else math.nan

    @property
    def frac_zero(self) -> float:
        return self._zeros.item() / self.n if self.n else 0.0

    @property
    def frac_nonfinite(self) -> float:
        return (self.n - self._finite.item()) / self.n if self.n else 0.0

    @property
    def grad_norm(self) -> float:
        """The root of the sum of squares of all gradients of the outputs; 0 before any."""
        return math.sqrt(self._square.item())


class ActivationProbe:
    """Watches the layers of a model between ``with`` and its end, and leaves no hook behind.

    ``stats`` maps a layer's name to its numbers, in the order in which the layers first ran; one that never
    ran has no entry. All floating tensors in an output (tuples, lists and mappings are looked into) count
    as one. Outputs and gradients are what they would be without it. A second ``with`` goes on counting.

    Args:
        model: the module whose layers are watched, itself included.
        types: kinds of modules to watch; subclasses too.
    """

    def __init__(self, model: nn.Module, types: Kinds = LAYERS) -> None:
        self.model, self.types = model, types
        self.stats: dict[str, LayerStats] = {}
        self._handles: list[RemovableHandle] = []
        self._open = False

    def __enter__(self) -> ActivationProbe:
        self._open = True
        for name, module in self.model.named_modules():
            if isinstance(module, self.types):
                self._handles.append(module.register_forward_hook(self._hook(name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False  # hooks on tensors outlive the body
        while self._handles:
            self._handles.pop().remove()

    def first_nonfinite(self) -> str | None:
        """The first layer, in the order of execution, that gave a NaN or an infinity."""
        return next((name for name, stats in self.stats.items() if stats.frac_nonfinite > 0), None)

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def add_gradient(gradient: Tensor) -> None:
            if self._open:
                self.stats[name].add_gradient(gradient)

        def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
            for tensor in _floating(output):
                self.stats.setdefault(name, LayerStats(tensor.device)).add(tensor)
                if tensor.requires_grad:
                    tensor.register_hook(add_gradient)

        return look


def _floating(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from _floating(part)
    elif isinstance(output, tuple | list):
        for part in output:
            yield from _floating(part)


def activation_table(stats: Mapping[str, LayerStats]) -> str:
    """One line a layer, for a terminal."""
    width = max([len("layer"), *map(len, stats)])
    lines = [f"{'layer':{width}} {'mean':>10} {'std':>10} {'zero':>6} {'bad':>6} {'gradient':>10}"]
    for name, s in stats.items():
        lines.append(
            f"{name:{width}} {s.mean:10.3g} {s.std:10.3g} {s.frac_zero:6.1%} {s.frac_nonfinite:6.1%} "
            f"{s.grad_norm:10.3g}"
        )
    return "\n".join(lines)
