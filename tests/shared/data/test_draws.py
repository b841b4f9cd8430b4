"""Random numbers by key: as random as they should be, and a function of the key alone."""

import numpy as np
import pytest
import torch
from scipy import stats

from shared.data import Draws

N = 20_000


def test_the_numbers_are_those_of_splitmix64() -> None:
    """Against the published algorithm in unbounded integers."""

    def mix(bits: int) -> int:
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) % 2**64
        return bits ^ (bits >> 31)

    from shared.seeding import derive_seed

    drawn = Draws(5, 3, torch.tensor([0, 1, 77])).uniform(4)
    for row, index in zip(drawn.tolist(), (0, 1, 77), strict=True):
        key = mix(mix((index + derive_seed(5, 3)) % 2**64))
        expected = [
            (mix((key + number * 0x9E3779B97F4A7C15) % 2**64) >> 40) / 2**24 for number in (1, 2, 3, 4)
        ]
        assert row == expected


@pytest.mark.parametrize("epoch", [0, 1])
def test_uniform_numbers_are_uniform_and_normal_ones_normal(epoch: int) -> None:
    draws = Draws(0, epoch, torch.arange(N))
    uniform, normal = draws.uniform(3).double().numpy(), draws.normal(2).double().numpy()
    for column in uniform.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    for column in normal.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4
    assert ((uniform >= 0) & (uniform < 1)).all()
    assert np.isfinite(normal).all()


def test_columns_neighbours_epochs_and_seeds_are_unrelated() -> None:
    columns = [
        *Draws(0, 0, torch.arange(N)).uniform(2).T,
        Draws(0, 1, torch.arange(N)).uniform(1)[:, 0],
        Draws(1, 0, torch.arange(N)).uniform(1)[:, 0],
        Draws(0, 0, torch.arange(1, N + 1)).uniform(1)[:, 0],
    ]
    correlations = torch.corrcoef(torch.stack(list(columns))) - torch.eye(len(columns))
    assert correlations.abs().max() < 5 / N**0.5


def test_the_bounds_are_kept() -> None:
    drawn = Draws(0, 0, torch.arange(N)).uniform(1, -3.0, 5.0)
    assert -3 <= drawn.min() < -2.99
    assert 4.99 < drawn.max() < 5


def test_a_chance_happens_as_often_as_it_says() -> None:
    for probability in (0.0, 0.3, 1.0):
        share = Draws(0, 0, torch.arange(N)).chance(probability).double().mean().item()
        assert share == pytest.approx(probability, abs=4 * (probability * (1 - probability) / N) ** 0.5)


def test_an_examples_numbers_do_not_depend_on_its_batch() -> None:
    together = Draws(7, 2, torch.arange(10)).uniform(3)
    for index in range(10):
        assert torch.equal(Draws(7, 2, torch.tensor([index])).uniform(3), together[index : index + 1])
    assert torch.equal(Draws(7, 2, torch.tensor([9, 4])).uniform(3), together[[9, 4]])


def test_each_call_gives_new_numbers_and_the_order_of_calls_is_all_that_counts() -> None:
    one, other = Draws(0, 0, torch.arange(3)), Draws(0, 0, torch.arange(3))
    assert torch.equal(torch.cat([one.uniform(2), one.uniform(1)], 1), other.uniform(3))


def test_global_generators_are_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    Draws(0, 0, torch.arange(100)).normal(10)
    assert torch.equal(torch.rand(3), expected)
