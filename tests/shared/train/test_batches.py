"""Any loader can be entered in the middle of an epoch, exactly."""

import io
import random

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, TensorDataset

from shared.seeding import preserved_rng, restore_rng_state, rng_state, seed_everything
from shared.train import Replayed, as_batches, to_device, windows


class Noisy(Dataset[Tensor]):
    """Draws from all global generators, as augmentations do."""

    def __len__(self) -> int:
        return 23

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor([index, torch.rand(()).item(), np.random.rand(), random.random()])


def loaders() -> dict[str, DataLoader[Tensor]]:
    data = Noisy()
    return {
        "in order": DataLoader(data, 4),
        "shuffled": DataLoader(data, 4, shuffle=True),
        "own generator": DataLoader(data, 4, shuffle=True, generator=torch.Generator().manual_seed(5)),
        "with workers": DataLoader(data, 4, shuffle=True, num_workers=2),
        "workers and generator": DataLoader(
            data, 4, shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(5)
        ),
    }


def state_of(source: Replayed) -> dict[str, object]:
    with preserved_rng():  # the type checker that watches these tests draws random numbers, too
        return {"rng": rng_state(), "batches": source.state_dict()}


def saved_and_loaded(state: dict[str, object]) -> dict[str, object]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", loaders())
@pytest.mark.parametrize("used", [0, 1, 4, 6])
def test_a_loader_goes_on_in_the_middle_of_an_epoch(name: str, used: int) -> None:
    """The training draws random numbers between batches, too, as dropout does."""
    seed_everything(0)
    source = Replayed(loaders()[name])
    uninterrupted = []
    state = {}
    for epoch in range(3):
        for number, batch in enumerate(source.epoch(epoch)):
            uninterrupted.append((batch, torch.rand(())))
            if epoch == 1 and number + 1 == used:
                state = {"rng": rng_state(), "batches": source.state_dict()}
        if epoch == 0 and used == 0:
            state = {"rng": rng_state(), "batches": source.state_dict()}

    seed_everything(99)
    state = saved_and_loaded(state)
    fresh = Replayed(loaders()[name])
    fresh.load_state_dict(state["batches"])  # type: ignore[arg-type]
    restore_rng_state(state["rng"])  # type: ignore[arg-type]
    resumed = [(batch, torch.rand(())) for batch in fresh.epoch(1, start=used)]
    resumed += [(batch, torch.rand(())) for batch in fresh.epoch(2)]
    expected = uninterrupted[6 + used :]
    assert len(resumed) == len(expected) == 12 - used
    for (batch, drawn), (expected_batch, expected_drawn) in zip(resumed, expected, strict=True):
        assert torch.equal(batch, expected_batch)
        assert torch.equal(drawn, expected_drawn)


def test_a_distributed_sampler_hears_of_the_epoch() -> None:
    data = TensorDataset(torch.arange(20))
    sampler: DistributedSampler[Tensor] = DistributedSampler(data, num_replicas=2, rank=0, seed=1)
    source = Replayed(DataLoader(data, 10, sampler=sampler))
    orders = [torch.cat([batch[0] for batch in source.epoch(epoch)]).tolist() for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]


def test_a_list_is_a_source_and_has_a_length() -> None:
    source = as_batches([1, 2, 3])
    assert isinstance(source, Replayed)
    assert list(source.epoch(0)) == [1, 2, 3]
    assert list(source.epoch(5, start=2)) == [3]
    assert len(source) == 3


def test_what_can_be_gone_through_only_once_is_refused() -> None:
    with pytest.raises(ValueError, match="got an iterator: pass the loader or the list itself"):
        as_batches(iter([1, 2, 3]))


def test_a_source_that_knows_better_is_left_alone() -> None:
    source = Replayed([1])
    assert as_batches(source) is source


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(6, 3, [3, 3]), (7, 3, [3, 3, 1]), (2, 5, [2]), (0, 2, [])]
)
def test_windows_lose_nothing(count: int, size: int, sizes: list[int]) -> None:
    cut = list(windows(range(count), size))
    assert [len(window) for window in cut] == sizes
    assert [item for window in cut for item in window] == list(range(count))


def test_windows_read_no_further_than_they_must() -> None:
    read = []
    source = (read.append(number) or number for number in range(10))  # type: ignore[func-returns-value]
    next(windows(source, 3))
    assert read == [0, 1, 2]


def test_tensors_move_through_all_containers() -> None:
    from collections import namedtuple

    Pair = namedtuple("Pair", "left right")
    zero = torch.zeros(1)
    moved = to_device({"a": [zero, (zero, "text")], "b": Pair(zero, 3)}, torch.device("meta"))
    assert moved["a"][0].is_meta
    assert moved["a"][1][0].is_meta
    assert moved["a"][1][1] == "text"
    assert isinstance(moved["b"], Pair)
    assert moved["b"].left.is_meta
