"""Evaluation weighs every target the same and leaves no trace."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.train import classification, evaluate, regression


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(50, 4, generator=generator), torch.randint(0, 3, (50,), generator=generator)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


@pytest.mark.parametrize("sizes", [[50], [16, 16, 16, 2], [49, 1], [1] * 50])
def test_how_the_data_are_cut_into_batches_makes_no_difference(sizes: list[int]) -> None:
    model, (inputs, targets) = network(), data()
    batches = list(zip(inputs.split(sizes), targets.split(sizes), strict=True))
    measured = evaluate(model, classification(), batches)
    model.eval()
    logits = model(inputs)
    assert measured["loss"] == pytest.approx(F.cross_entropy(logits, targets).item(), rel=1e-6)
    assert measured["accuracy"] == (logits.argmax(-1) == targets).double().mean().item()


def test_every_module_gets_its_own_flag_back() -> None:
    model = network()
    model[1].eval()  # a frozen normalisation stays frozen
    flags = [module.training for module in model.modules()]
    evaluate(model, classification(), [data()])
    assert [module.training for module in model.modules()] == flags


def test_flags_come_back_after_a_failure_too() -> None:
    model = network()
    with pytest.raises(RuntimeError):
        evaluate(model, classification(), [(torch.zeros(2, 99), torch.zeros(2))])
    assert all(module.training for module in model.modules())


def test_random_numbers_go_on_as_if_nothing_had_happened() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), torch.rand(()).item()

    def batches() -> "list[tuple[Tensor, Tensor]]":
        drawn()
        return [data()]

    class Greedy:
        def __iter__(self):  # type: ignore[no-untyped-def]
            drawn()
            yield data()

    model = network()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = drawn()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    evaluate(model, classification(), Greedy())
    assert drawn() == expected


def test_no_graph_and_no_gradient_is_made() -> None:
    model = network()
    evaluate(model, classification(), [data()])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_ignored_targets_do_not_dilute_the_mean() -> None:
    model, (inputs, targets) = network(), data()
    padded = targets.masked_fill(torch.arange(50) % 3 == 0, -1)
    measured = evaluate(
        model, classification(ignore=-1), [(inputs[:7], padded[:7]), (inputs[7:], padded[7:])]
    )
    model.eval()
    kept = padded != -1
    assert measured["loss"] == pytest.approx(
        F.cross_entropy(model(inputs[kept]), padded[kept]).item(), rel=1e-6
    )


def test_sums_of_many_batches_do_not_lose_digits() -> None:
    """A float32 sum of a million ones that grows by 0.1 at a time is off by percents."""
    model = nn.Identity()
    batches = [(torch.zeros(1), torch.full((1,), 0.1**0.5))] * 20_000
    measured = evaluate(model, regression(), batches)
    assert measured["loss"] == pytest.approx(0.1, rel=1e-7)


def test_an_empty_loader_is_named() -> None:
    with pytest.raises(ValueError, match="yielded no batch: check that its data set is not empty"):
        evaluate(network(), classification(), [])


def test_batches_without_valid_targets_are_named() -> None:
    with pytest.raises(ValueError, match="no valid target"):
        evaluate(network(), classification(ignore=-1), [(torch.zeros(2, 4), torch.full((2,), -1))])


def test_the_sums_of_all_ranks_are_used() -> None:
    class Two:
        """A rank whose twin has the same sums, and one whose count is known."""

        rank, size = 0, 2

        def sum(self, value: Tensor) -> Tensor:
            return value * 3

        def synchronise(self, model: nn.Module, last: bool) -> None: ...

    model, batch = network(), data()
    alone = evaluate(model, classification(), [batch])
    assert evaluate(model, classification(), [batch], ranks=Two()) == pytest.approx(alone)
