"""Every stream of random numbers is seeded, saved and restored."""

import io
import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import pytest
import torch

from shared.seeding import derive_seed, preserved_rng, restore_rng_state, rng_state, seed_everything

STREAMS: dict[str, Callable[[], float]] = {
    "python": random.random,
    "python normal": lambda: random.gauss(0, 1),  # keeps a second value for the next call
    "numpy": lambda: float(np.random.rand()),
    "numpy normal": lambda: float(np.random.randn()),  # so does this one
    "torch": lambda: torch.rand(()).item(),
    "torch normal": lambda: torch.randn(()).item(),
}


@pytest.fixture(autouse=True)
def outside_untouched() -> Iterator[None]:
    with preserved_rng():
        yield


@pytest.mark.parametrize("draw", STREAMS.values(), ids=STREAMS)
def test_a_saved_state_continues_the_stream_after_a_trip_through_a_file(draw: Callable[[], float]) -> None:
    seed_everything(3)
    draw()
    file = io.BytesIO()
    torch.save(rng_state(), file)
    went_on = [draw() for _ in range(5)]
    file.seek(0)
    restore_rng_state(torch.load(file, weights_only=True))
    assert [draw() for _ in range(5)] == went_on


@pytest.mark.parametrize("draw", STREAMS.values(), ids=STREAMS)
def test_equal_seeds_repeat_and_different_seeds_differ(draw: Callable[[], float]) -> None:
    drawn = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        drawn.append(draw())
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("draw", STREAMS.values(), ids=STREAMS)
def test_a_preserved_stream_does_not_notice_what_was_drawn_inside(draw: Callable[[], float]) -> None:
    seed_everything(5)
    expected = [draw() for _ in range(2)]
    seed_everything(5)
    first = draw()
    with suppress(KeyError), preserved_rng():
        draw()
        raise KeyError
    assert [first, draw()] == expected


def test_a_state_is_a_copy() -> None:
    state = rng_state()
    numpy_key, torch_state = state["numpy"]["key"].clone(), state["torch"].clone()
    for _ in range(1000):
        np.random.rand(), torch.rand(10)
    assert torch.equal(state["numpy"]["key"], numpy_key)
    assert torch.equal(state["torch"], torch_state)


def test_deterministic_refuses_what_has_no_deterministic_implementation() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    try:
        seed_everything(0, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
        seed_everything(0)
        assert torch.are_deterministic_algorithms_enabled()  # not the business of a plain seeding
    finally:
        torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take_is_refused_with_the_range(seed: int) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 2\*\*32 - 1"):
        seed_everything(seed)


def test_derived_seeds_depend_on_every_part_and_its_place_and_never_change() -> None:
    parts = [(a, b, c) for a in range(20) for b in range(20) for c in range(20)]
    seeds = {derive_seed(*p) for p in parts}
    assert len(seeds) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, 23) != derive_seed(12, 3)
    assert derive_seed(0, 1, 2) == derive_seed(0, 1, 2)
    assert derive_seed(1, 2) == 6288156900839449082  # a data order that was once published stays what it was
