"""Digits, a sign that has a left and a right, and workers without processes: what E5's check looks at."""

import functools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

START_UP = 0.04
"""Seconds that a simulated worker takes to begin."""


# ---- digits ---------------------------------------------------------------------------------------------


def few_digits(generator: torch.Generator, count: int = 200) -> tuple[Tensor, Tensor]:
    """`count` training digits [count, 1, 8, 8] with values 0 … 1, and their classes."""
    from shared.data import digits

    train = digits().train
    some = torch.randperm(len(train), generator=generator)[:count]
    return train.inputs[some], train.targets[some]


@functools.cache
def test_digits() -> tuple[Tensor, Tensor, Tensor]:
    """360 test digits: crooked, upright, and their classes. Always the same crookedness."""
    from shared.data import digits

    test = digits().test
    u = 2 * torch.rand(len(test), 4, generator=torch.Generator().manual_seed(99)) - 1
    crooked = moved(test.inputs, math.radians(25) * u[:, 0], 1 + 0.1 * u[:, 1], u[:, 2:] * 2 / 8)
    return crooked, test.inputs, test.targets


def moved(x: Tensor, angle: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    cos, sin = scale * angle.cos(), scale * angle.sin()
    theta = torch.stack(
        [torch.stack([cos, -sin, shift[:, 0]], dim=1), torch.stack([sin, cos, shift[:, 1]], dim=1)], dim=1
    )
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float((model(x).argmax(dim=1) == y).double().mean())


# ---- a sign with a left and a right ---------------------------------------------------------------------

SIGN = torch.zeros(8, 8)
SIGN[1, 2:6] = SIGN[1:7, 2] = SIGN[4, 2:5] = 0.8  # an F: neither mirrored nor turned is it itself


def signs(count: int) -> tuple[Tensor, Tensor]:
    """`count` equal images, classes 0 … 9 in turn."""
    return SIGN.repeat(count, 1, 1, 1), torch.arange(count) % 10


def shades(count: int) -> Tensor:
    """Factors [count, 1, 1, 1] that make equal images different ones."""
    return torch.linspace(0.7, 1.1, count).view(-1, 1, 1, 1)


STEPS = (-3, -1.5, 0, 1.5, 3)
NEAR = range(-45, 46, 9)


@functools.cache
def templates() -> dict[str, Tensor]:
    """Unit vectors [M, 64]: the sign as it may come, mirrored, and turned too far."""
    shifts = [(i / 8, j / 8) for i in STEPS for j in STEPS]

    def family(image: Tensor, degrees: range) -> Tensor:
        cases = [(math.radians(angle), *shift) for angle in degrees for shift in shifts]
        numbers = torch.tensor(cases)
        turned = moved(
            image.repeat(len(cases), 1, 1, 1), numbers[:, 0], torch.ones(len(cases)), numbers[:, 1:]
        )
        return F.normalize(turned.flatten(1) - turned.flatten(1).mean(1, keepdim=True), dim=1)

    near, far = NEAR, range(63, 298, 9)
    mirrored = torch.cat([family(SIGN.flip(1), near), family(SIGN.flip(0), near)])
    return {"as it is": family(SIGN, near), "mirrored": mirrored, "turned": family(SIGN, far)}


def directions(images: Tensor) -> dict[str, tuple[float, float]]:
    """Which shares of the images are turned, or shifted, clearly to one side and to the other."""
    flat = images.flatten(1)
    best = (F.normalize(flat - flat.mean(1, keepdim=True), dim=1) @ templates()["as it is"].T).argmax(1)
    size = len(STEPS)
    amounts = {
        "turned": torch.tensor(NEAR)[best // size**2].float(),
        "shifted sideways": torch.tensor(STEPS)[best // size % size],
        "shifted up or down": torch.tensor(STEPS)[best % size],
    }
    return {
        name: (float((n > 0).float().mean()), float((n < 0).float().mean())) for name, n in amounts.items()
    }


def seen_as(images: Tensor) -> dict[str, float]:
    """Which share of the images looks clearly more like a mirrored or a turned sign than like itself."""
    flat = images.flatten(1)
    units = F.normalize(flat - flat.mean(1, keepdim=True), dim=1)
    best = {name: (units @ family.T).amax(1) for name, family in templates().items()}
    odd = torch.maximum(best["mirrored"], best["turned"]) > best["as it is"] + 0.05
    flipped = best["mirrored"] > best["turned"]
    return {
        "mirrored": float((odd & flipped).double().mean()),
        "turned": float((odd & ~flipped).double().mean()),
    }


# ---- epochs of a pipeline -------------------------------------------------------------------------------


def epoch(loader: Any) -> tuple[Tensor, Tensor]:
    """All of one pass, as one batch."""
    images, labels = [], []
    for place, (x, y) in enumerate(loader):
        images.append(x)
        labels.append(y)
        if place > 5000:
            raise RuntimeError("a pass over the loader does not end")
    return (
        (torch.cat(images), torch.cat(labels)) if images else (torch.empty(0, 1, 8, 8), torch.empty(0).long())
    )


def different(images: Tensor) -> int:
    return len(torch.unique((images.flatten(1) * 1e4).round(), dim=0))


# ---- workers without processes --------------------------------------------------------------------------


class Enough(Exception):
    """The learner's loop reads far more than its budget allows."""


class Waiting(Dataset[Tensor]):
    """Each example takes its time, as from a disk or a network; several workers wait side by side."""

    def __init__(self, count: int, seconds: float = 0.0, most: int | None = None) -> None:
        self.count, self.seconds, self.most = count, seconds, most
        self.side_by_side, self.fetched = 1, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        if not 0 <= index < self.count:
            raise IndexError(index)
        self.fetched += 1
        if self.most is not None and self.fetched > self.most:
            raise Enough
        if self.seconds and self.fetched % self.side_by_side == 0:
            time.sleep(self.seconds)
        return torch.zeros(2)


@dataclass
class Tried:
    """What a learner's `choose_workers` did with loaders."""

    workers: list[int] = field(default_factory=list)
    batch_sizes: list[int | None] = field(default_factory=list)
    fetched: dict[int, int] = field(default_factory=dict)
    """Examples read, by number of workers."""


@contextmanager
def simulated_workers() -> Iterator[Tried]:
    """Loaders over `Waiting` behave as if they had workers, start-up and waiting included, in this process.

    Everything is a real sleep on the real clock, but no process is started: it costs nothing, works wherever
    processes are spawned, and a busy machine cannot change who is the fastest.
    """
    tried, original = Tried(), DataLoader.__iter__

    def iterate(self: Any) -> Iterator[Any]:
        if not isinstance(self.dataset, Waiting):
            return original(self)
        tried.workers.append(self.num_workers)
        tried.batch_sizes.append(self.batch_size)
        return _batches(self, tried)

    DataLoader.__iter__ = iterate  # type: ignore[method-assign]
    try:
        yield tried
    finally:
        DataLoader.__iter__ = original  # type: ignore[method-assign]


def _batches(loader: Any, tried: Tried) -> Iterator[Any]:
    data, workers = loader.dataset, loader.num_workers
    data.side_by_side, data.fetched = max(workers, 1), 0
    if workers:
        time.sleep(START_UP)
    try:
        for indices in loader.batch_sampler:
            yield loader.collate_fn([data[index] for index in indices])
    finally:
        tried.fetched[workers] = max(tried.fetched.get(workers, 0), data.fetched)


# ---- training, watched ----------------------------------------------------------------------------------


class Counted(DataLoader[Any]):
    """Counts how often it was begun, and how many batches were taken from it."""

    def __init__(self, x: Tensor, y: Tensor, batch_size: int) -> None:
        super().__init__(TensorDataset(x, y), batch_size=batch_size)
        self.passes = self.batches = 0

    def __iter__(self) -> Any:
        self.passes += 1
        return self._count(super().__iter__())

    def _count(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self.batches += 1
            yield batch


@dataclass
class Steps:
    """Norms of the whole gradient at each optimizer step."""

    norms: list[float] = field(default_factory=list)


@contextmanager
def watched_steps() -> Iterator[Steps]:
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    seen = Steps()

    def note(optimizer: Any, *_: Any) -> None:
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        seen.norms.append(float(sum((g.detach() ** 2).sum() for g in grads)) ** 0.5 if grads else 0.0)

    handle = register_optimizer_step_pre_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def easy_task(count: int = 64) -> tuple[Tensor, Tensor]:
    """Ten clearly different images, each several times with a little noise."""
    generator = torch.Generator().manual_seed(3)
    patterns = (torch.rand(10, 1, 8, 8, generator=generator) > 0.5).float()
    y = torch.arange(count) % 10
    return patterns[y] * 0.9 + 0.1 * torch.rand(count, 1, 8, 8, generator=generator), y
