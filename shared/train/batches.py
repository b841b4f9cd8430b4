"""What a run trains on: anything that can start an epoch in its middle."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from shared.seeding import restore_rng_state, rng_state
from shared.train.task import Batch

T = TypeVar("T")


@runtime_checkable
class Batches(Protocol):
    """A source of batches whose order depends on nothing but the epoch; ``shared.data.Loader`` is one."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of that epoch, without the first ``start``."""

    def state_dict(self) -> dict[str, Any]:
        """What else is needed to go on in the middle of an epoch."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back; refuse a state that belongs to other data."""


class Replayed:
    """Any other iterable (a ``DataLoader``, a list of batches) as ``Batches``.

    It resumes by starting the epoch again with the random generators as they were then, and passing over
    the batches that were used: right for whatever draws from torch's, NumPy's or Python's global generators
    or from the loader's own, but it reads those batches twice.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        if iter(batches) is batches:
            raise ValueError(
                "training needs batches that can be gone through again in every epoch, but got an iterator: "
                "pass the loader or the list itself"
            )
        self.batches = batches
        self._at_start: dict[str, Any] = {}

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        sampler = getattr(self.batches, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)  # type: ignore[union-attr]
        if start == 0:
            self._at_start = {"rng": rng_state(), "own": self._own_generators()}
            yield from self.batches
            return
        now = rng_state()
        restore_rng_state(self._at_start["rng"])
        self._restore_own(self._at_start["own"])
        replay = iter(self.batches)
        for _ in range(start):
            next(replay, None)
        restore_rng_state(now)
        yield from replay

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        return {"at_start": self._at_start, "own": self._own_generators()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._at_start = state["at_start"]
        self._restore_own(state["own"])

    def _generators(self) -> list[torch.Generator]:
        loader = self.batches
        holders = [loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
        found = [getattr(holder, "generator", None) for holder in holders]
        return list({id(each): each for each in found if isinstance(each, torch.Generator)}.values())

    def _own_generators(self) -> list[Tensor]:
        return [generator.get_state() for generator in self._generators()]

    def _restore_own(self, states: list[Tensor]) -> None:
        for generator, state in zip(self._generators(), states, strict=True):
            generator.set_state(state)


def as_batches(batches: Batches | Iterable[Batch]) -> Batches:
    """The source itself if it knows how to start in the middle, else a replayed one."""
    return batches if isinstance(batches, Batches) else Replayed(batches)


def length(batches: Batches) -> int | None:
    """How many batches an epoch has, where that is known."""
    try:
        return len(batches)  # type: ignore[arg-type]
    except TypeError:
        return None


def windows(batches: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive groups of ``size``; the last one is shorter where they do not come out even."""
    source = iter(batches)
    while window := list(islice(source, size)):
        yield window


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with all its tensors on ``device``, through tuples, lists and dictionaries."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
