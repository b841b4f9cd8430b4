"""Saved by two ranks, continued by one and by three: the same weights to the bit, and the same next step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from shared.checkpoint.sharded import NoCheckpoint, complete, load_sharded, save_sharded
from shared.distributed import distribute, launch, process_group


def build() -> tuple[nn.Module, torch.optim.Optimizer]:
    from shared.distributed import world_size

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    model = distribute(model, "fsdp2" if world_size() > 1 else "none", blocks=nn.Linear)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    x = torch.linspace(-1, 1, 20, dtype=torch.float64).reshape(4, 5)
    model(x).square().sum().backward()  # the same batch on every rank: averaging changes nothing
    optimizer.step()
    optimizer.zero_grad()


def full(model: nn.Module) -> dict[str, torch.Tensor]:
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))


def train_and_save(folder):
    model, optimizer = build()
    for number in (1, 2, 3):
        step(model, optimizer)
        save_sharded(folder, number, model, optimizer, keep=2)
    saved = {name: value.clone() for name, value in full(model).items()}
    step(model, optimizer)
    return saved, full(model)


def load_and_go_on(folder):
    model, optimizer = build()
    number = load_sharded(folder, model, optimizer)
    loaded = {name: value.clone() for name, value in full(model).items()}
    step(model, optimizer)
    return number, loaded, full(model)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded")
    weights, after = launch(train_and_save, folder, ranks=2)[0]
    return folder, weights, after


@pytest.mark.parametrize("ranks", [1, 3])
def test_another_number_of_ranks_loads_the_same_bits_and_takes_the_same_next_step(saved, ranks):
    folder, weights, after = saved
    number, loaded, following = launch(load_and_go_on, folder, ranks=ranks)[0]
    assert number == 3
    for name, value in weights.items():
        assert torch.equal(loaded[name], value)
        torch.testing.assert_close(following[name], after[name], rtol=1e-10, atol=1e-12)


def test_old_ones_are_removed_and_unfinished_ones_are_not_seen(saved):
    folder, _, _ = saved
    (folder / ".step-000000009.part").mkdir(exist_ok=True)
    assert [path.name for path in complete(folder)] == ["step-000000002", "step-000000003"]


def test_an_empty_folder_is_named(tmp_path: Path):
    with process_group(), pytest.raises(NoCheckpoint, match="no complete sharded checkpoint"):
        load_sharded(tmp_path, *build())
