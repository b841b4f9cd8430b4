"""Every norm equals its formula, its torch twin, and its edge cases."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from shared.nn import AdaptiveLayerNorm, BatchNorm, InstanceNorm, image_norm, sequence_norm


def normalised(x: torch.Tensor, dims: tuple[int, ...], eps: float = 1e-5) -> torch.Tensor:
    """The one formula, written out."""
    mean = x.mean(dims, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(dims, keepdim=True) + eps).sqrt()


@pytest.mark.parametrize(("name", "axes"), [("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("instance", (2, 3))])
def test_an_image_norm_is_the_formula_over_its_axes(name, axes) -> None:
    x = 3 + 2 * torch.randn(4, 6, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(image_norm(name, 6).double()(x), normalised(x, axes))


def test_group_norm_normalises_contiguous_blocks_of_channels() -> None:
    x = torch.randn(4, 6, 5, 5, dtype=torch.float64)
    expected = normalised(x.view(4, 3, 2, 5, 5), (2, 3, 4)).view_as(x)
    torch.testing.assert_close(image_norm("group", 6, groups=3).double()(x), expected)


def test_a_group_of_one_channel_is_an_instance_and_one_group_is_a_layer() -> None:
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(
        image_norm("group", 4, groups=4).double()(x), image_norm("instance", 4).double()(x)
    )
    torch.testing.assert_close(
        image_norm("group", 4, groups=1).double()(x), image_norm("layer", 4).double()(x)
    )


@pytest.mark.parametrize("shape", [(16, 5), (8, 5, 7), (4, 5, 3, 3), (2, 5, 2, 2, 2)])
def test_batch_norm_equals_torchs_for_every_rank_with_running_statistics(shape) -> None:
    twin_type = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)]
    ours, twin = BatchNorm(5).double(), twin_type(5).double()
    for _ in range(20):
        x = 1 + torch.randn(shape, dtype=torch.float64)
        assert torch.equal(ours(x), twin(x))
    for name, buffer in twin.named_buffers():
        assert torch.equal(buffer, ours.get_buffer(name))
    assert torch.equal(ours.eval()(x), twin.eval()(x))


def test_batch_norm_keeps_the_unbiased_variance_and_uses_the_biased_one() -> None:
    x = torch.randn(5, 1, dtype=torch.float64)
    norm = BatchNorm(1, momentum=1.0).double()
    torch.testing.assert_close(norm(x), normalised(x, (0,)))
    torch.testing.assert_close(norm.running_var, x.var(0, unbiased=True))


@pytest.mark.parametrize("shape", [(3, 4, 7), (3, 4, 5, 6), (3, 4, 2, 3, 2)])
def test_instance_norm_equals_torchs_for_every_rank(shape) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    ours = InstanceNorm(4).double()
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    expected = F.instance_norm(x) * ours.weight.view(-1, *[1] * (x.ndim - 2)) + ours.bias.view(
        -1, *[1] * (x.ndim - 2)
    )
    torch.testing.assert_close(ours(x), expected)


def test_rms_norm_is_its_formula() -> None:
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    norm = sequence_norm("rms", 8).double()
    nn.init.normal_(norm.weight)
    torch.testing.assert_close(norm(x), norm.weight * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt())


def test_layer_norm_is_its_formula() -> None:
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    torch.testing.assert_close(sequence_norm("layer", 8).double()(x), normalised(x, (-1,)))


@pytest.mark.parametrize("name", ["layer", "instance", "group"])
def test_one_poisoned_example_leaves_the_others_alone(name) -> None:
    norm = image_norm(name, 4)
    x = torch.randn(3, 4, 5, 5)
    clean = norm(x)
    x[1] = torch.nan
    out = norm(x)
    assert torch.equal(out[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("name", ["batch", "layer", "instance", "group"])
def test_a_constant_input_gives_zeros_and_a_large_offset_is_harmless(name) -> None:
    norm = image_norm(name, 4)
    assert norm(torch.full((2, 4, 3, 3), 7.0)).abs().max() < 1e-3
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(norm(x + 1e3), norm(x), atol=5e-3, rtol=5e-3)


def test_adaptive_norm_starts_as_plain_layer_norm_with_a_closed_gate() -> None:
    x, condition = torch.randn(2, 5, 8), torch.randn(2, 3)
    out, gate = AdaptiveLayerNorm(8, 3)(x, condition)
    assert torch.equal(out, F.layer_norm(x, (8,)))
    assert gate.shape == (2, 1, 8)
    assert not gate.any()


def test_adaptive_norm_that_does_not_start_at_zero_has_gates_around_one() -> None:
    _, gate = AdaptiveLayerNorm(8, 3, zero=False)(torch.randn(2, 5, 8), torch.zeros(2, 3))
    torch.testing.assert_close(gate, torch.ones(2, 1, 8))


def test_adaptive_norm_is_its_formula() -> None:
    norm = AdaptiveLayerNorm(4, 3).double()
    nn.init.normal_(norm.project.weight)
    nn.init.normal_(norm.project.bias)
    x, condition = torch.randn(2, 5, 4, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    out, gate = norm(x, condition)
    weight, bias = norm.project.weight, norm.project.bias
    for b in range(2):
        scale, shift, opening = ((weight @ condition[b]) + bias).split(4)
        torch.testing.assert_close(out[b], (1 + scale) * normalised(x[b], (-1,)) + shift)
        torch.testing.assert_close(gate[b, 0], opening)


def test_a_zero_gate_lets_its_own_projection_learn() -> None:
    norm = AdaptiveLayerNorm(4, 3)
    x = torch.randn(2, 5, 4)
    out, gate = norm(x, torch.randn(2, 3))
    (x + gate * torch.tanh(out)).square().sum().backward()
    assert norm.project.weight.grad is not None
    assert norm.project.weight.grad[-4:].any()  # the gate's rows


def test_channels_that_groups_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="12 channels cannot be split into 8 groups"):
        image_norm("group", 12)
