"""What the check of E5 sees of a training run: the scaler it hands over, optimizers, rows, bytes kept."""

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from courseware.check import Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.watched_scaler import (
    WatchedScaler,
    parameters_of,
)
from shared.data import digits

BATCH = 128
DTYPES = {(5, 10): torch.float16, (8, 7): torch.bfloat16}


def all_digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """1,437 digits to learn from and 360 to be tested on."""
    found = digits(flat=True)
    return found.train.inputs, found.train.targets, found.test.inputs, found.test.targets


def few_digits(t: Trial, count: int) -> tuple[Tensor, Tensor]:
    X, y, _, _ = all_digits()
    some = torch.randperm(len(X), generator=t.generator)[:count]
    return X[some], y[some]


def accuracy(model: nn.Module, X: Tensor, y: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(X).argmax(dim=1) == y).double().mean())


def weights_of(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def representable(values: list[Tensor], fmt: tuple[int, int]) -> bool:
    return all(torch.equal(v, v.to(DTYPES[fmt]).float()) for v in values)


class Noting(WatchedScaler):
    """Keeps the optimizer's parameters and true gradients of each step."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.parameters: list[list[Tensor]] = []
        self.gradients: list[list[Tensor | None]] = []

    def seen_step(self, optimizer: torch.optim.Optimizer) -> None:
        own = parameters_of(optimizer)
        self.parameters.append([p.detach().clone() for p in own])
        self.gradients.append([None if p.grad is None else p.grad.detach().clone() for p in own])


@dataclass
class Run:
    """One call of train_amp and what was seen of it."""

    model: nn.Module = field(default_factory=nn.Identity)
    log: list[dict[str, Any]] = field(default_factory=list)
    scaler: Any = None
    pieces: list[Tensor] = field(default_factory=list)
    """The rows [n, 64] that entered the network, forward passes and recomputations alike."""
    kept: list[int] = field(default_factory=list)
    """Bytes kept for backward when a backward pass began."""
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    steps: int = 0


class Held:
    """A tensor that waits for its backward pass."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


@contextmanager
def bytes_kept(into: list[int]) -> Iterator[None]:
    """Whenever a backward pass begins from outside, note the bytes of all tensors that wait for one."""
    waiting: weakref.WeakSet[Held] = weakref.WeakSet()
    depth = [0]

    def pack(tensor: Tensor) -> Held:
        held = Held(tensor.detach() if tensor.is_leaf else tensor)
        waiting.add(held)
        return held

    def guarded(original: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            if depth[0] == 0:
                storages = {
                    h.tensor.untyped_storage()._cdata: h.tensor.untyped_storage().nbytes() for h in waiting
                }
                into.append(sum(storages.values()))
            depth[0] += 1
            try:
                return original(*args, **kwargs)
            finally:
                depth[0] -= 1

        return run

    places = [(torch.autograd, "_engine_run_backward"), (torch.autograd.graph, "_engine_run_backward")]
    with ExitStack() as stack:
        for module, name in places:
            original = getattr(module, name)
            setattr(module, name, guarded(original))
            stack.callback(setattr, module, name, original)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda held: held.tensor))
        yield


def train(a: Any, X: Tensor, y: Tensor, *, scaler: Any = None, measure: bool = False, **how: Any) -> Run:
    """Run train_amp and watch it from outside."""
    seen = Run(scaler=scaler)

    def entering(module: nn.Module, inputs: Any) -> None:
        x = inputs[0] if inputs else None
        if isinstance(x, Tensor) and x.dim() == 2 and x.shape[1] == 64 and not _inside(module):
            seen.pieces.append(x.detach())

    def _inside(module: nn.Module) -> bool:
        """A container: the module inside it will be seen with the same rows."""
        return isinstance(module, nn.ModuleList | nn.Sequential) or hasattr(module, "blocks")

    def stepped(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        seen.steps += 1
        if not any(optimizer is known for known in seen.optimizers):
            seen.optimizers.append(optimizer)

    handles = [register_module_forward_pre_hook(entering), register_optimizer_step_post_hook(stepped)]
    try:
        with ExitStack() as stack:
            if measure:
                stack.enter_context(bytes_kept(seen.kept))
            seen.model, seen.log = a.train_amp(X, y, scaler=scaler, **how)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def expected_gradient(parameters: list[Tensor], X: Tensor, y: Tensor, loss_div: float) -> list[Tensor]:
    """The gradient of the mean cross-entropy, divided, of the network with these weights in float32."""
    leaves = [p.clone().requires_grad_() for p in parameters]
    h = X
    for i in range(0, len(leaves), 2):
        h = F.linear(h, leaves[i], leaves[i + 1])
        h = h.relu() if i + 2 < len(leaves) else h
    loss = F.cross_entropy(h, y) / loss_div
    return list(torch.autograd.grad(loss, leaves))


def compare_gradients(found: list[Tensor | None], expected: list[Tensor]) -> tuple[float, float]:
    """(how many times as long, cosine of the angle between) of two lists of gradients."""
    left = torch.cat(
        [
            torch.zeros_like(e).flatten() if f is None else f.flatten()
            for f, e in zip(found, expected, strict=True)
        ]
    ).double()
    right = torch.cat([e.flatten() for e in expected]).double()
    inner, own, other = float(left @ right), float(left @ left), float(right @ right)
    return (own / other) ** 0.5, inner / max((own * other) ** 0.5, 1e-300)
