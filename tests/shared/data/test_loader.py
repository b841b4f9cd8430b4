"""The same batches, whoever fetches them and wherever one comes in."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from shared.data import Affine, Compose, Examples, Loader, Noise, TokenBudget, digits, pad_labelled, stack
from shared.train import Batches, TrainConfig, Trainer, classification

AUGMENT = Compose([Affine(degrees=10, shift=1), Noise(0.05)])


def loader(**more: Any) -> Loader:
    options = {"batch_size": 64, "shuffle": True, "seed": 3, "transform": AUGMENT, **more}
    return Loader(digits().train.take(torch.arange(300)), **options)


def equal(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(
        all(map(torch.equal, left, right)) for left, right in zip(one, other, strict=True)
    )


def test_workers_make_no_difference() -> None:
    alone, helped = loader(), loader(workers=2)
    for epoch in (0, 1, 5):
        assert equal(list(alone.epoch(epoch)), list(helped.epoch(epoch)))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_be_entered_anywhere(workers: int) -> None:
    whole = list(loader().epoch(4))
    for start in (0, 1, 3, 5):
        assert equal(list(loader(workers=workers).epoch(4, start=start)), whole[start:])


def test_an_epoch_left_early_does_not_disturb_the_next() -> None:
    helped = loader(workers=2)
    iterator = helped.epoch(0)
    next(iterator)
    assert equal(list(helped.epoch(1)), list(loader().epoch(1)))


def test_what_is_skipped_is_not_even_read() -> None:
    class Watched:
        def __init__(self) -> None:
            self.read: list[int] = []

        def __len__(self) -> int:
            return 10

        def __getitem__(self, index: int) -> tuple[Tensor]:
            self.read.append(index)
            return (torch.tensor(index),)

    watched = Watched()
    list(Loader(watched, 2, collate=stack).epoch(0, start=3))
    assert watched.read == [6, 7, 8, 9]


def test_an_image_is_augmented_by_seed_epoch_and_index_alone() -> None:
    """Whatever batch size and order it comes in."""
    data = digits().train.take(torch.arange(40))
    images = {}
    for batch_size, shuffle in [(40, False), (7, False), (8, True)]:
        served = Loader(data, batch_size, shuffle=shuffle, seed=3, transform=AUGMENT)
        order = torch.cat(list(served.order.batches(2)))
        out = torch.cat([batch[0] for batch in served.epoch(2)])
        images[batch_size] = out[order.argsort()]
    torch.testing.assert_close(images[40], images[7], atol=1e-6, rtol=0)
    torch.testing.assert_close(images[40], images[8], atol=1e-6, rtol=0)


def test_epochs_and_seeds_augment_differently() -> None:
    still = {"shuffle": False}
    first = next(loader(**still).epoch(0))[0]
    assert not torch.equal(first, next(loader(**still).epoch(1))[0])
    assert not torch.equal(first, next(loader(**still, seed=4).epoch(0))[0])


def test_labels_stay_with_their_images() -> None:
    data = Examples(torch.arange(100.0).view(100, 1), torch.arange(100))
    for inputs, targets in Loader(data, 9, shuffle=True).epoch(3):
        assert torch.equal(inputs[:, 0], targets.float())


def test_iterating_gives_epoch_zero_every_time() -> None:
    served = loader()
    assert equal(list(served), list(served.epoch(0)))
    assert equal(list(served), list(served))
    assert len(served) == len(list(served)) == 5


def test_global_generators_are_left_alone() -> None:
    for workers in (0, 2):
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        list(loader(workers=workers).epoch(0))
        assert torch.equal(torch.rand(3), expected)


def test_sequences_are_bucketed_and_padded() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 20, (50,), generator=generator)
    examples = [(torch.full((int(length),), 7), length) for length in lengths]
    served = Loader(examples, order=TokenBudget(lengths, 60, pool=25), collate=pad_labelled)
    total = 0
    for tokens, real, labels in served.epoch(1):
        assert tokens.numel() <= 60
        assert torch.equal(real.sum(1), labels)
        assert torch.equal(tokens == 7, real)
        total += len(labels)
    assert total == 50


def test_a_trainer_takes_it_and_a_checkpoint_of_other_batches_is_refused() -> None:
    served = loader()
    assert isinstance(served, Batches)
    file = io.BytesIO()
    torch.save(served.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    loader().load_state_dict(state)
    for other in (loader(batch_size=32), loader(seed=4), loader(shuffle=False)):
        with pytest.raises(ValueError, match="use the data, batch size and seed that it was made with"):
            other.load_state_dict(state)


def test_a_network_learns_from_it() -> None:
    data = digits()
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    train, test = Loader(data.train, 64, shuffle=True), Loader(data.test, 360)
    history = Trainer(model, optimizer, classification(), TrainConfig(epochs=8)).fit(train, test)
    assert history.column("accuracy")[-1] > 0.95


@pytest.mark.parametrize("options", [{}, {"batch_size": 2, "order": TokenBudget(torch.tensor([1]), 1)}])
def test_either_a_batch_size_or_an_order(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either a batch_size or an order, and not both"):
        Loader(digits().train, **options)


def test_a_list_needs_a_collate_function() -> None:
    with pytest.raises(ValueError, match="a list needs a collate function"):
        Loader([(torch.tensor(1),)], 1)


def test_empty_data_have_no_batches() -> None:
    assert list(Loader(Examples(torch.zeros(0, 2), torch.zeros(0)), 4, shuffle=True)) == []
