"""Every example exactly once, in an order that is a function of the epoch."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from shared.data import InOrder, Order, Shuffled, TokenBudget, padding_share
from shared.data.names import names


def flat(order: Order, epoch: int = 0) -> list[int]:
    return [index for batch in order.batches(epoch) for index in batch.tolist()]


@given(st.integers(0, 50), st.integers(1, 12), st.integers(0, 3))
def test_a_shuffled_epoch_has_every_example_once(size: int, batch_size: int, epoch: int) -> None:
    order = Shuffled(size, batch_size, seed=4)
    assert sorted(flat(order, epoch)) == list(range(size))
    sizes = [len(batch) for batch in order.batches(epoch)]
    assert all(each == batch_size for each in sizes[:-1])
    assert flat(order, epoch) == flat(Shuffled(size, batch_size, seed=4), epoch)
    kept = Shuffled(size, batch_size, seed=4, drop_last=True).batches(epoch)
    assert [len(batch) for batch in kept] == [batch_size] * (size // batch_size)


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(flat(Shuffled(30, 4, seed), epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_dropping_the_last_batch_drops_others_in_other_epochs() -> None:
    order = Shuffled(10, 4, drop_last=True)
    dropped = {tuple(sorted(set(range(10)) - set(flat(order, epoch)))) for epoch in range(10)}
    assert len(dropped) > 5


def test_in_order_is_in_order() -> None:
    assert [batch.tolist() for batch in InOrder(5, 2).batches(7)] == [[0, 1], [2, 3], [4]]
    assert list(InOrder(0, 2).batches(0)) == []


@pytest.mark.parametrize("make", [lambda: InOrder(3, 0), lambda: Shuffled(3, -1)])
def test_a_batch_has_at_least_one_example(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="at least 1 example, but batch_size is"):
        make()


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(20, 60), st.integers(1, 30), st.integers(0, 2))
def test_a_token_budget_is_kept_and_every_example_comes_once(
    lengths: list[int], budget: int, pool: int, epoch: int
) -> None:
    order = TokenBudget(torch.tensor(lengths, dtype=torch.long), budget, seed=1, pool=pool)
    batches = order.batches(epoch)
    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) > 0
        assert len(batch) * max(lengths[index] for index in batch.tolist()) <= budget
    again = TokenBudget(torch.tensor(lengths, dtype=torch.long), budget, seed=1, pool=pool)
    assert flat(order, epoch) == flat(again, epoch)


def test_an_example_beyond_the_budget_gets_its_own_batch_and_a_warning() -> None:
    with pytest.warns(
        UserWarning, match=r"the longest example has 90 tokens, more than a batch may have \(20\)"
    ):
        order = TokenBudget(torch.tensor([5, 90, 5, 5]), 20)
    sizes = Counter(tuple(sorted(batch.tolist())) for batch in order.batches(0))
    assert sizes[(1,)] == 1
    assert sizes[(0, 2, 3)] == 1


@pytest.fixture(scope="module")
def lengths() -> Tensor:
    return torch.tensor([len(name.text) for name in names().train])


def test_batches_are_well_filled(lengths: Tensor) -> None:
    """A budget could also be kept by batches of one."""
    batches = TokenBudget(lengths, 1000).batches(0)
    assert len(batches) <= 1.25 * int(lengths.sum()) / 1000


def test_little_is_padded(lengths: Tensor) -> None:
    bucketed = TokenBudget(lengths, 1000).batches(0)
    mean_size = len(lengths) // len(bucketed)
    wasted = padding_share(lengths, bucketed)
    assert wasted < 0.2 * padding_share(lengths, Shuffled(len(lengths), mean_size).batches(0))


def test_short_batches_do_not_come_first(lengths: Tensor) -> None:
    longest = [int(lengths[batch].max()) for batch in TokenBudget(lengths, 1000).batches(0)]
    assert abs(stats.spearmanr(range(len(longest)), longest).statistic) < 0.3


def test_batches_are_mixed_anew_in_every_epoch(lengths: Tensor) -> None:
    order = TokenBudget(lengths, 1000)
    first, second = ({frozenset(batch.tolist()) for batch in order.batches(epoch)} for epoch in (0, 1))
    assert len(first & second) < 0.05 * len(first)


def test_the_share_of_padding() -> None:
    assert padding_share(torch.tensor([1, 3, 2]), [torch.tensor([0, 1]), torch.tensor([2])]) == pytest.approx(
        2 / 8
    )
    assert padding_share(torch.tensor([0]), [torch.tensor([0])]) == 0.0


def test_nonsense_budgets_are_refused() -> None:
    with pytest.raises(ValueError, match="should be positive"):
        TokenBudget(torch.tensor([1]), 0)
