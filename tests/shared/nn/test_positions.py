"""Positions equal their formulas, and have the property that each is used for."""

import math

import pytest
import torch

from shared.nn import LearnedPositions, Rotary, SinusoidalPositions


def waves(length: int, width: int) -> torch.Tensor:
    return SinusoidalPositions(width)(torch.zeros(1, length, width, dtype=torch.float64))[0]


def test_sinusoids_are_the_formula() -> None:
    table = waves(50, 6)
    for p in range(50):
        for i in range(3):
            angle = p / 10_000 ** (2 * i / 6)
            assert table[p, 2 * i] == pytest.approx(math.sin(angle), abs=1e-12)
            assert table[p, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-12)


def test_a_shift_of_sinusoids_is_one_linear_map_for_all_positions() -> None:
    table = waves(40, 8)
    shift = torch.linalg.lstsq(table[:20], table[7:27]).solution
    torch.testing.assert_close(table[13:33] @ shift, table[20:40], atol=1e-8, rtol=0)


@pytest.mark.parametrize("module", [SinusoidalPositions(8), LearnedPositions(20, 8)])
def test_a_start_continues_where_the_past_ended(module) -> None:
    x = torch.randn(2, 9, 8)
    torch.testing.assert_close(module(x[:, 5:], start=5), module(x)[:, 5:])


def test_learned_positions_are_added_and_learned() -> None:
    module = LearnedPositions(5, 3)
    out = module(torch.zeros(2, 4, 3))
    assert torch.equal(out[1], module.table[:4])
    out.sum().backward()
    assert module.table.grad[:4].eq(2).all()
    assert not module.table.grad[4].any()


def test_more_positions_than_learned_are_refused() -> None:
    with pytest.raises(ValueError, match="6 positions, only 5 are learned"):
        LearnedPositions(5, 3)(torch.zeros(1, 2, 3), start=4)


def test_rotary_is_a_multiplication_of_complex_numbers() -> None:
    x = torch.randn(2, 3, 11, 6, dtype=torch.float64)
    angle = torch.arange(4, 15)[:, None] * 10_000 ** (-torch.arange(0, 6, 2, dtype=torch.float64) / 6)
    turned = torch.view_as_complex(x.unflatten(-1, (3, 2))) * torch.polar(torch.ones_like(angle), angle)
    torch.testing.assert_close(Rotary(6)(x, start=4), torch.view_as_real(turned).flatten(-2))


@pytest.mark.parametrize("shift", [0, 1, 17, 5000])
def test_a_rotary_product_depends_on_the_distance_only(shift: int) -> None:
    rotary, q, k = Rotary(8), *torch.randn(2, 1, 8, dtype=torch.float64)
    near = rotary(q, start=3) @ rotary(k, start=1).T
    far = rotary(q, start=3 + shift) @ rotary(k, start=1 + shift).T
    torch.testing.assert_close(near, far, atol=1e-10, rtol=0)


def test_rotary_keeps_lengths_and_leaves_position_zero_alone() -> None:
    x = torch.randn(3, 7, 8, dtype=torch.float64)
    turned = Rotary(8)(x)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[:, 0], x[:, 0])


def test_neighbouring_positions_differ_in_bfloat16() -> None:
    x = torch.ones(1, 2, 8, dtype=torch.bfloat16)
    turned = Rotary(8)(x, start=300)
    assert turned.dtype == torch.bfloat16
    assert not torch.equal(turned[:, 0], turned[:, 1])


@pytest.mark.parametrize("build", [Rotary, SinusoidalPositions])
def test_an_odd_width_is_refused(build) -> None:
    with pytest.raises(ValueError, match="must be even, not 7"):
        build(7)


def test_no_positions_at_all_are_fine() -> None:
    assert Rotary(4)(torch.zeros(2, 0, 4)).shape == (2, 0, 4)
    assert SinusoidalPositions(4)(torch.zeros(2, 0, 4)).shape == (2, 0, 4)
