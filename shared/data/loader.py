"""Batches of any epoch from any point on, the same whoever fetches them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shared.data.draws import Draws
from shared.data.examples import Examples
from shared.data.order import InOrder, Order, Shuffled
from shared.data.transforms import Transform


@runtime_checkable
class Source(Protocol):
    """Examples by their index: a list, a torch ``Dataset``, ``Examples``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Loader:
    """Serves the batches of any epoch from any point on; a trainer resumes in the middle of one.

    What a batch holds is a function of (seed, epoch, its place): not of the number of workers, nor of what
    was loaded before. Iterating over the loader itself gives epoch 0, as evaluation wants it.

    Args:
        data: ``Examples``, which are indexed a batch at a time, or any other source, with ``collate``.
        order: which examples go into which batch; without it, batches of ``batch_size``, shuffled or not.
        transform: applied to the first tensor of each batch, with random numbers of (seed, epoch, index).
        collate: makes a batch from a list of examples.
        workers: processes that fetch ahead. They cost start-up and copying: 0 is best for data in memory.
            With workers, one epoch at a time can be gone through.
    """

    def __init__(
        self,
        data: Examples | Source,
        batch_size: int | None = None,
        *,
        order: Order | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        transform: Transform | None = None,
        collate: Callable[[Sequence[Any]], Any] | None = None,
        workers: int = 0,
    ) -> None:
        if (order is None) == (batch_size is None):
            raise ValueError("a loader needs either a batch_size or an order, and not both")
        if collate is None and not isinstance(data, Examples):
            raise ValueError(f"a {type(data).__name__} needs a collate function, such as shared.data.stack")
        if order is None:
            assert batch_size is not None
            shuffled = Shuffled(len(data), batch_size, seed, drop_last)
            order = shuffled if shuffle else InOrder(len(data), batch_size)
        self.order = order
        self.seed = seed
        self._fetch = partial(_fetch, data, collate, transform, seed)
        self._plan = _Plan()
        self._workers = None if workers == 0 else self._with_workers(workers)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """The batches of that epoch, without the first ``start``, which are not even read."""
        self._plan.keys = [(epoch, indices) for indices in self.order.batches(epoch)[start:]]
        if self._workers is None:
            return map(self._fetch, self._plan.keys)
        return iter(self._workers)

    def __iter__(self) -> Iterator[Any]:
        return self.epoch(0)

    def __len__(self) -> int:
        """The batches of epoch 0; under a token budget, other epochs may have a few more or less."""
        return len(self.order.batches(0))

    def state_dict(self) -> dict[str, Any]:
        return self._identity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore; but a checkpoint of other data, or of another order, must not be continued."""
        if state != self._identity():
            raise ValueError(
                f"the checkpoint's batches are {state}, and this loader's {self._identity()}: "
                "use the data, batch size and seed that it was made with"
            )

    def _identity(self) -> dict[str, Any]:
        first = self.order.batches(0)
        start = first[0][:8].tolist() if len(first) else []
        return {"batches": len(first), "seed": self.seed, "first": start}

    def _with_workers(self, workers: int) -> "DataLoader[Any]":
        return DataLoader(
            _Fetched(self._fetch),
            batch_size=None,  # an item of ours is a whole batch
            sampler=self._plan,
            num_workers=workers,
            persistent_workers=True,
            generator=torch.Generator(),  # or every epoch would take a number from the global one
        )


class _Plan:
    """What is to be fetched next, as a sampler: it stays the same object while its content changes."""

    def __init__(self) -> None:
        self.keys: list[tuple[int, Tensor]] = []

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        """As lists: a tensor would go to a worker through shared memory, which is slow for so little."""
        return iter([(epoch, indices.tolist()) for epoch, indices in self.keys])

    def __len__(self) -> int:
        return len(self.keys)


class _Fetched(Dataset[Any]):
    """A data set whose items are batches."""

    def __init__(self, fetch: Callable[[tuple[int, Tensor]], Any]) -> None:
        self.fetch = fetch

    def __getitem__(self, key: tuple[int, list[int]]) -> Any:
        epoch, indices = key
        return self.fetch((epoch, torch.tensor(indices)))


def _fetch(
    data: Examples | Source,
    collate: Callable[[Sequence[Any]], Any] | None,
    transform: Transform | None,
    seed: int,
    key: tuple[int, Tensor],
) -> Any:
    """One batch: all that workers do."""
    epoch, indices = key
    if collate is not None:
        batch = collate([data[index] for index in indices.tolist()])
    else:
        assert isinstance(data, Examples)
        batch = data[indices]
    if transform is None:
        return batch
    first, *rest = batch
    return (transform(first, Draws(seed, epoch, indices)), *rest)
