"""Clipping keeps the direction and bounds the length."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from shared.train import clip, clip_global_norm

Way = Callable[[list[Tensor], list[Tensor], float], float | Tensor]
SHAPES = [(3, 4), (4,), (), (0,), (2, 1, 5)]


def parameters(scale: float = 1.0, dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    made = [nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in SHAPES]
    for each in made:
        each.grad = torch.randn(each.shape, generator=generator, dtype=dtype) * scale
    return made


def gradients(of: list[nn.Parameter]) -> list[Tensor]:
    return [each.grad for each in of if each.grad is not None]


def norms(grads: list[Tensor]) -> list[Tensor]:
    return [grad.norm() for grad in grads]


@pytest.mark.parametrize("scale", [1e-8, 0.1, 1.0, 1e8])
@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 50.0])
def test_it_agrees_with_torch(scale: float, max_norm: float) -> None:
    ours, torchs = parameters(scale), parameters(scale)
    norm = clip_global_norm(ours, max_norm)
    expected = nn.utils.clip_grad_norm_(torchs, max_norm)
    assert norm == pytest.approx(expected.item(), rel=1e-12)
    # torch divides by the norm plus 1e-6: that is all the difference there may be
    torch.testing.assert_close(gradients(ours), gradients(torchs), rtol=2e-6 / max_norm + 1e-12, atol=0)


def test_the_way_without_waiting_gives_the_same_as_the_way_of_the_host() -> None:
    host, device = gradients(parameters()), gradients(parameters())
    norm = clip._scale_on_host(host, norms(host), 0.5)
    waited_for = clip._scale_on_device(device, norms(device), 0.5)
    assert isinstance(waited_for, Tensor)
    assert norm == pytest.approx(waited_for.item(), rel=1e-14)
    torch.testing.assert_close(host, device, rtol=1e-14, atol=0)
    assert math.hypot(*(each.norm().item() for each in device)) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("way", [clip._scale_on_host, clip._scale_on_device])
def test_gradients_below_the_bound_keep_every_bit(way: Way) -> None:
    grads = gradients(parameters())
    before = copy.deepcopy(grads)
    way(grads, norms(grads), 1e9)
    assert all(map(torch.equal, grads, before))


@pytest.mark.parametrize("way", [clip._scale_on_host, clip._scale_on_device])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_told(way: Way, bad: float) -> None:
    grads = gradients(parameters())
    grads[0][0, 0] = bad
    assert not math.isfinite(float(way(grads, norms(grads), 1.0)))


@pytest.mark.parametrize("way", [clip._scale_on_host, clip._scale_on_device])
def test_gradients_of_zero_stay_zero(way: Way) -> None:
    grads = [torch.zeros(3), torch.zeros(2)]
    assert float(way(grads, norms(grads), 1.0)) == 0.0
    assert all(not grad.any() for grad in grads)


def test_parameters_without_gradient_are_passed_over() -> None:
    some = parameters()
    some[0].grad = None
    expected = math.hypot(*(grad.norm().item() for grad in gradients(some)))
    assert clip_global_norm(iter(some), 1.0) == pytest.approx(expected)
    assert clip_global_norm([nn.Parameter(torch.zeros(3))], 1.0) == 0.0


def test_the_path_without_waiting_never_reads_a_value() -> None:
    grad = torch.zeros(3, device="meta")  # has no values: reading one raises
    assert clip._scale_on_device([grad], norms([grad]), 1.0).is_meta
