"""What the activation probe says agrees with NumPy on all values at once, and it leaves no trace."""

import gc
import math
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from shared.profiling import ActivationProbe, activation_table


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules())


def identity() -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    return layer


def test_the_numbers_of_many_batches_are_those_of_all_values() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
    seen: list[torch.Tensor] = []
    model[3].register_forward_hook(lambda module, inputs, output: seen.append(output.detach().clone()))
    gradients: list[torch.Tensor] = []
    with ActivationProbe(model) as probe:
        for size in (1, 5, 2):
            y = model(torch.randn(size, 1, 8, 8))
            y.register_hook(lambda gradient: gradients.append(gradient.clone()))
            y.square().sum().backward()
    stats, values = probe.stats["3"], torch.cat([s.flatten() for s in seen]).double().numpy()
    assert list(probe.stats) == ["0", "3"]
    assert stats.n == values.size
    assert stats.mean == pytest.approx(values.mean(), rel=1e-9)
    assert stats.std == pytest.approx(values.std(), rel=1e-9)
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
    assert stats.grad_norm == pytest.approx(norm, rel=1e-9)


def test_what_is_not_finite_is_counted_apart() -> None:
    layer = identity()
    with ActivationProbe(layer) as probe:
        layer(torch.full((3, 1), math.nan))
        assert math.isnan(probe.stats[""].mean)
        assert math.isnan(probe.stats[""].std)
        layer(torch.tensor([[0.0], [2.0], [math.inf]]))
    stats = probe.stats[""]
    assert (stats.mean, stats.std) == (1.0, 1.0)
    assert stats.frac_nonfinite == pytest.approx(4 / 6)
    assert stats.frac_zero == pytest.approx(1 / 6)


def test_an_offset_does_not_spoil_the_deviation() -> None:
    layer, x = identity(), 1e4 + torch.randn(1000, 1)
    with ActivationProbe(layer) as probe:
        for part in x.split(70):
            layer(part)
    assert probe.stats[""].std == pytest.approx(x.double().numpy().std(), rel=1e-6)


def test_tuples_and_mappings_are_looked_into() -> None:
    class Both(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, object]:
            return {"one": x, "two": (2 * x, [x.long(), None])}

    lstm, both = nn.LSTM(2, 3, batch_first=True), Both()
    with ActivationProbe(lstm, (nn.LSTM,)) as probe:
        lstm(torch.ones(2, 4, 2))
    assert probe.stats[""].n == 2 * 4 * 3 + 2 * (2 * 3)
    with ActivationProbe(both, (Both,)) as probe:
        both(torch.ones(2, 3))
    assert probe.stats[""].n == 12
    assert probe.stats[""].mean == 1.5


def test_nothing_of_the_model_changes_and_no_hook_stays() -> None:
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(5, 4)
    plain = model(x)
    with pytest.raises(KeyError), ActivationProbe(model) as probe:  # noqa: PT012
        watched = model(x)
        assert hooks(model) == 2
        raise KeyError
    assert hooks(model) == 0
    assert torch.equal(plain, watched)
    watched.sum().backward()  # after the end: does not count
    assert probe.stats["0"].grad_norm == 0.0
    with torch.no_grad(), probe:
        model(x)
    assert probe.stats["0"].n == 40


def test_no_activation_is_kept() -> None:
    model, alive = nn.Sequential(nn.Linear(64, 64), nn.ReLU()), []
    model[0].register_forward_hook(lambda module, inputs, output: alive.append(weakref.ref(output)))
    with ActivationProbe(model) as probe:
        for _ in range(3):
            model(torch.randn(128, 64))
        gc.collect()
        assert [reference() for reference in alive] == [None] * 3
    held = [t for s in probe.stats.values() for t in vars(s).values() if isinstance(t, torch.Tensor)]
    assert sum(t.untyped_storage().nbytes() for t in held) <= 5 * 40


def test_the_first_layer_with_a_nan_is_named_in_the_order_of_execution() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.last(self.first(x))
            return y

    model = Backwards()
    with ActivationProbe(model) as probe:
        model(torch.ones(1, 2))
    assert probe.first_nonfinite() is None
    with torch.no_grad():
        model.first.weight[0, 0] = math.nan
    with ActivationProbe(model) as probe:
        model(torch.ones(1, 2))
    assert probe.first_nonfinite() == "first"
    lines = activation_table(probe.stats).splitlines()
    assert [line.split()[0] for line in lines] == ["layer", "first", "last"]


def test_merging_is_independent_of_how_the_values_are_cut() -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (120, 1))).float()
    found = []
    for size in (1, 7, 120):
        layer = identity()
        with ActivationProbe(layer) as probe:
            for part in values.split(size):
                layer(part)
        found.append((probe.stats[""].mean, probe.stats[""].std))
    assert found[0] == pytest.approx(found[2], rel=1e-12)
    assert found[1] == pytest.approx(found[2], rel=1e-12)
