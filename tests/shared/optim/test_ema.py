"""The moving average against torch's and against its closed form."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from shared.models import build
from shared.optim import EMA


def shift(model: nn.Module, seed: int) -> None:
    """Something like a training step, which moves running statistics too."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model(torch.randn(4, 1, 8, 8))


def test_it_is_torchs_average_buffers_included() -> None:
    model = build("resnet")
    ours = EMA(model, 0.9, ramp=False)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    theirs.update_parameters(model)  # its first update is a copy, which ours starts with
    for seed in range(5):
        shift(model, seed)
        ours.update(model)
        theirs.update_parameters(model)
    expected = theirs.module.state_dict()
    for name, value in ours.average.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name])


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    model = nn.BatchNorm1d(3)
    ema = EMA(model, 0.5, ramp=False)
    model(torch.randn(8, 3) + 10)
    ema.update(model)
    torch.testing.assert_close(ema.average.running_mean, model.running_mean / 2)
    assert ema.average.num_batches_tracked == 1


def test_the_ramp_follows_its_formula() -> None:
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.zeros_(model.weight)
    ema, expected = EMA(model, 0.5), 0.0
    for n in range(1, 30):
        nn.init.constant_(model.weight, n)
        ema.update(model)
        d = min(0.5, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * n
        assert ema.average.weight.item() == pytest.approx(expected)


def test_weights_are_lent_and_given_back_even_after_an_error() -> None:
    model = build("transformer_decoder", {"vocabulary": 11, "layers": 1})  # with tied weights
    ema = EMA(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    live, average = copy.deepcopy(model.state_dict()), copy.deepcopy(ema.average.state_dict())

    def evaluate() -> None:
        with ema.applied(model):
            for name, value in model.state_dict().items():
                assert torch.equal(value, average[name])
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        evaluate()
    for name, value in model.state_dict().items():
        assert torch.equal(value, live[name])
    for name, value in ema.average.state_dict().items():
        assert torch.equal(value, average[name])


def test_the_average_neither_trains_nor_drops() -> None:
    ema = EMA(build("cnn", {"dropout": 0.5}))
    assert not ema.average.training
    assert not any(p.requires_grad for p in ema.average.parameters())


def test_a_saved_average_goes_on_exactly(tmp_path) -> None:
    model = build("cnn")
    ema = EMA(model)
    shift(model, 0)
    ema.update(model)
    torch.save(ema.state_dict(), tmp_path / "ema.pt")
    resumed = EMA(build("cnn"))
    resumed.load_state_dict(torch.load(tmp_path / "ema.pt", weights_only=True))
    shift(model, 1)
    ema.update(model)
    resumed.update(model)
    for a, b in zip(ema.average.state_dict().values(), resumed.average.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_decay_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\), but it is 1.0"):
        EMA(nn.Linear(1, 1), 1.0)
