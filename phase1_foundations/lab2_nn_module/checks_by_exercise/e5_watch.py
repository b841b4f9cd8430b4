"""What the check of E5 needs: digits, a trained network for several properties, what its blocks do."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Trial
from courseware.check.rules import suspended
from shared.data import digits as all_digits
from shared.data.examples import Split


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The lab's split: 1,437 to learn from, 360 to be tested on, pixels 0 … 1; new tensors at every call."""
    both = _digits()
    return tuple(t.clone() for part in (both.train, both.test) for t in (part.inputs, part.targets))  # type: ignore[return-value]


@cache
def _digits() -> Split:
    return all_digits(flat=True)


def few_digits(t: Trial, count: int) -> tuple[Tensor, Tensor]:
    X, y, _, _ = digits()
    some = torch.randperm(len(X), generator=t.generator)[:count]
    return X[some], y[some]


@contextmanager
def default_weights_allowed() -> Iterator[None]:
    """`nn.Linear` calls `nn.init` itself when it is made: that is not the learner's doing."""
    kinds = (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding, nn.Bilinear)
    originals = [kind.reset_parameters for kind in kinds]

    def lifted(original: Any) -> Any:
        def reset_parameters(self: Any) -> None:
            with suspended():
                original(self)

        return reset_parameters

    for kind, original in zip(kinds, originals, strict=True):
        kind.reset_parameters = lifted(original)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for kind, original in zip(kinds, originals, strict=True):
            kind.reset_parameters = original  # type: ignore[method-assign]


def built(a: Any, seed: int, *args: Any, **how: Any) -> nn.Module:
    torch.manual_seed(seed)
    with default_weights_allowed():
        model: nn.Module = a.build_deep(*args, **how)
    return model


def small(a: Any, t: Trial, **how: Any) -> nn.Module:
    """A network that costs next to nothing."""
    return built(a, t.seed % 1000, **{"depth": 6, "width": 16, **how})


def trained(a: Any, model: nn.Module, X: Tensor, y: Tensor, **how: Any) -> nn.Module:
    with default_weights_allowed():
        result: nn.Module = a.train_deep(model, X, y, **how)
    return result


def scores(model: nn.Module, X: Tensor) -> Tensor:
    with torch.no_grad():
        result: Tensor = model(X)
    return result


def accuracy(model: nn.Module, X: Tensor, y: Tensor) -> float:
    return float((scores(model, X).argmax(dim=1) == y).double().mean())


def fully_trained(a: Any, seed: int) -> nn.Module:
    """The default network after the default training: made once for all properties that look at it."""
    known = _networks.setdefault(a, {})
    if seed not in known:
        X, y, _, _ = digits()
        known[seed] = trained(a, built(a, seed), X, y, seed=seed)
    return known[seed]


_networks: WeakKeyDictionary[Any, dict[int, nn.Module]] = WeakKeyDictionary()


def gradient_norms(model: nn.Module, X: Tensor, y: Tensor) -> list[float]:
    """The norm of the loss's gradient with respect to each block's parameters."""
    model.zero_grad()
    F.cross_entropy(model(X), y).backward()
    norms = [
        sum(float(p.grad.double().square().sum()) for p in block.parameters() if p.grad is not None) ** 0.5
        for block in model.blocks
    ]
    model.zero_grad()
    return norms


def passes(model: nn.Module, X: Tensor) -> list[tuple[int, Tensor, Tensor]]:
    """(block, its input, its output) for every call of a block in one forward pass, in order."""
    seen: list[tuple[int, Tensor, Tensor]] = []
    handles = []
    for i, block in enumerate(model.blocks):

        def hook(_block: Any, inputs: Any, output: Any, i: int = i) -> None:
            seen.append((i, inputs[0].detach().clone(), output.detach().clone()))

        handles.append(block.register_forward_hook(hook))
    try:
        with torch.no_grad():
            model(X)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@contextmanager
def stirred(model: nn.Module, t: Trial) -> Iterator[None]:
    """Every parameter is moved a little as long as the body runs: a branch that starts at zero wakes up."""
    before = [p.detach().clone() for p in model.parameters()]
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * t.randn(*p.shape).to(p.dtype))
    try:
        yield
    finally:
        with torch.no_grad():
            for p, old in zip(model.parameters(), before, strict=True):
                p.copy_(old)


def is_linear(block: nn.Module, x: Tensor) -> bool:
    """Does the middle of two inputs go to the middle of their outputs?"""
    half = len(x) // 2
    with torch.no_grad():
        middle, ends = block((x[:half] + x[half:]) / 2), block(x)
    return torch.allclose(middle, (ends[:half] + ends[half:]) / 2, rtol=1e-4, atol=1e-6)


@contextmanager
def silenced(model: nn.Module) -> Iterator[None]:
    """The last block gives zeros as long as the body runs."""
    handle = model.blocks[-1].register_forward_hook(lambda _block, _inputs, output: torch.zeros_like(output))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def without_blocks(model: nn.Module) -> Iterator[None]:
    """Every block passes its input on as long as the body runs."""
    handles = [
        block.register_forward_hook(lambda _block, inputs, _output: inputs[0]) for block in model.blocks
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
