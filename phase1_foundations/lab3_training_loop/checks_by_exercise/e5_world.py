"""A small world for E5: loaders, a model and an optimizer that take notes, runs that are interrupted."""

import math
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

TRAIN, VALID, BATCH = 22, 10, 4  # 6 batches an epoch, the last of 2; 3 to validate, the last of 2


class Interrupted(Exception):
    """What a callback raises to end a run."""


@dataclass(frozen=True)
class Forward:
    """One forward pass: which examples (validation ones are negative), in which mode, with a graph?"""

    rows: tuple[int, ...]
    training: bool
    graph: bool

    @property
    def valid(self) -> bool:
        return self.rows[0] < 0


@dataclass
class World:
    """Everything that a trainer is given. Two worlds with the same numbers are the same."""

    seed: int
    noise: str = ""
    """Which generators the model draws from in train mode: torch, numpy, python, or all."""
    script: tuple[float, ...] = ()
    """The validation losses that come out, epoch by epoch; otherwise the real ones."""
    optimizer: str = "adam"
    scheduled: bool = False
    forwards: list[Forward] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    """What optimizer and schedule were asked to do, in order."""

    def __post_init__(self) -> None:
        g = torch.Generator().manual_seed(self.seed)
        self.weights = [torch.randn(shape, generator=g) * 0.5 for shape in ((6, 4), (6,), (3, 6), (3,))]
        x = torch.randn(TRAIN + VALID, 4, generator=g, dtype=torch.float64)
        y = (x[:, 0] + 0.5 * torch.randn(len(x), generator=g) > 0).long() + (x[:, 1] > 0.5).long()
        numbers = torch.cat([torch.arange(1, TRAIN + 1), -torch.arange(1, VALID + 1)])
        x = torch.cat([numbers[:, None].double(), x], dim=1)  # the first column says which example it is
        self.train = Batches(x[:TRAIN], y[:TRAIN], self.seed)
        self.valid = Batches(x[TRAIN:], y[TRAIN:], None)

    def model(self) -> "Net":
        return Net(self)

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(output, y)
        if self.script and self.forwards[-1].valid:
            done = sum(f.valid and f.rows[0] == -1 for f in self.forwards) - 1
            return loss * 0 + self.script[min(self.first_epoch + done, len(self.script) - 1)]
        return loss

    first_epoch: int = 0
    """With which entry of the script this world begins."""

    def factory(self, cls: type, folder: Path | str, **options: Any) -> Callable[[], Any]:
        def make() -> Any:
            model = self.model()
            lr = 0.05 if self.optimizer == "adam" else 0.3
            kind = NotingAdam if self.optimizer == "adam" else NotingSGD
            optimizer = kind(model.parameters(), lr=lr)
            optimizer.log = self.log  # type: ignore[attr-defined]
            scheduler = Decay(optimizer, self.log) if self.scheduled else None
            return cls(model, optimizer, self.loss, scheduler=scheduler, ckpt_dir=folder, **options)

        return make

    def trained_on(self) -> list[tuple[int, ...]]:
        return [f.rows for f in self.forwards if not f.valid]


class Batches:
    """A loader whose order depends on the epoch alone (and does not change without a seed)."""

    def __init__(self, x: Tensor, y: Tensor, seed: int | None) -> None:
        self.x, self.y, self.seed = x, y, seed
        self.asked: list[tuple[int, int]] = []

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        self.asked.append((epoch, start))
        order = torch.arange(len(self.y))
        if self.seed is not None:
            order = torch.randperm(
                len(self.y), generator=torch.Generator().manual_seed(self.seed * 1000 + epoch)
            )
        return iter([(self.x[rows], self.y[rows]) for rows in order.split(BATCH)[start:]])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def __len__(self) -> int:
        return math.ceil(len(self.y) / BATCH)


class Net(nn.Module):
    """4 inputs, 6 units, 3 scores, in float64; in train mode with noise if its world has some."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.first, self.last = nn.Linear(4, 6).double(), nn.Linear(6, 3).double()
        with torch.no_grad():
            for p, start in zip(self.parameters(), world.weights, strict=True):
                p.copy_(start)

    def forward(self, x: Tensor) -> Tensor:
        rows = tuple(int(row) for row in x[:, 0])
        hidden = self.first(x[:, 1:]).tanh()
        self.world.forwards.append(Forward(rows, self.training, hidden.requires_grad))
        if self.training and self.world.noise:
            hidden = hidden * (0.5 + draw(self.world.noise))
        return self.last(hidden)


def draw(noise: str) -> float:
    numbers = {
        "torch": lambda: torch.rand(()).item(),
        "numpy": lambda: float(np.random.rand()),
        "python": lambda: random.random(),
    }
    chosen = [numbers[name]() for name in (numbers if noise == "all" else (noise,))]
    return sum(chosen) / len(chosen)


class _Noting:
    log: list[str]

    def step(self, closure: Any = None) -> Any:
        self.log.append("optimizer")
        return super().step(closure)  # type: ignore[misc]


class NotingAdam(_Noting, torch.optim.AdamW):
    """AdamW that writes each step down."""


class NotingSGD(_Noting, torch.optim.SGD):
    """Plain descent that writes each step down."""


class Decay:
    """A schedule: the rate falls by a tenth at each step."""

    def __init__(self, optimizer: Any, log: list[str]) -> None:
        self.optimizer, self.log, self.count = optimizer, log, 0
        self.base = optimizer.param_groups[0]["lr"]

    def step(self, *_: Any) -> None:
        self.log.append("schedule")
        self.count += 1
        self.optimizer.param_groups[0]["lr"] = self.base * 0.9**self.count

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count = state["count"]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="trainer-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def weights(trainer: Any) -> list[Tensor]:
    return [p.detach().clone() for p in trainer.model.parameters()]


def scramble(seed: int = 987) -> None:
    """Every generator as another process would have it."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


@dataclass
class Resumed:
    """A run that went through, and one that was saved after some step, interrupted, and resumed."""

    through: Any
    """The trainer that was never interrupted."""
    at_save: dict[str, Any]
    """What the interrupted trainer was when it was saved."""
    at_resume: dict[str, Any]
    """What the resumed one was before it went on."""
    again: Any
    """The resumed trainer at its end."""
    world: World
    """The resumed trainer's world: what it saw."""
    world_through: World


def snapshot(trainer: Any) -> dict[str, Any]:
    best = getattr(trainer, "best_state", None)
    return {
        "model": [p.detach().clone() for p in trainer.model.parameters()],
        "optimizer": optimizer_state(trainer.optimizer),
        "lr": trainer.optimizer.param_groups[0]["lr"],
        "schedule": getattr(trainer.scheduler, "count", None),
        "step": trainer.step,
        "epoch": trainer.epoch,
        "history": {name: list(values) for name, values in trainer.history.items()},
        "best": None if best is None else {name: value.detach().clone() for name, value in best.items()},
    }


def optimizer_state(optimizer: Any) -> list[Tensor]:
    state = optimizer.state_dict()["state"]
    return [torch.as_tensor(v).clone() for key in sorted(state) for _, v in sorted(state[key].items())]


def interrupted(
    cls: type, at: int, epochs: int = 3, options: dict[str, Any] | None = None, **world: Any
) -> Resumed:
    """Save after step `at`, stop there, scramble the generators, resume elsewhere, go on to the end."""
    options, kept = options or {}, {}

    def stop(trainer: Any) -> None:
        if trainer.step == at:
            trainer.save("here")
            kept.update(snapshot(trainer))
            raise Interrupted

    with folder() as one, folder() as two:
        first = World(**world)
        scramble(1)
        through = first.factory(cls, one, **options)()
        through.fit(first.train, first.valid, epochs)
        second = World(**world)
        scramble(2)
        with suppress(Interrupted):
            second.factory(cls, two, callbacks=(stop,), **options)().fit(second.train, second.valid, epochs)
        third = World(**world)
        third.first_epoch = kept.get("epoch", 0)
        scramble(3)
        again = cls.resume(two, third.factory(cls, two, **options))
        before = snapshot(again)
        again.fit(third.train, third.valid, epochs)
    return Resumed(through, kept, before, again, third, first)


def equal(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def farthest(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    return max((float((a - b).abs().max()) for a, b in zip(left, right, strict=True)), default=0.0)
