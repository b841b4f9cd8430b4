"""A folded layer does what the layer and its norm do in evaluation, and refuses what cannot be folded."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from shared.nn import BatchNorm, fold_batchnorm, fold_batchnorms

CASES = [
    (nn.Linear(3, 4), (5, 3)),
    (nn.Linear(3, 4, bias=False), (5, 3)),
    (nn.Conv1d(2, 4, 3, padding=1), (2, 2, 7)),
    (nn.Conv2d(4, 6, 3, groups=2, stride=2, padding=1), (2, 4, 6, 6)),
    (nn.Conv2d(4, 4, 3, groups=4, dilation=2, bias=False), (2, 4, 7, 7)),
    (nn.Conv2d(2, 4, 3, padding="same", padding_mode="circular"), (2, 2, 5, 5)),
    (nn.Conv3d(1, 2, 2), (2, 1, 3, 3, 3)),
]


def worn_in(channels: int, *, affine: bool = True) -> BatchNorm:
    norm = BatchNorm(channels, eps=1e-3, affine=affine).double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.3, 2.0)
    return norm.eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("layer", "shape"), CASES, ids=[str(layer) for layer, _ in CASES])
def test_folded_and_unfolded_agree(layer: nn.Module, shape: tuple[int, ...], affine: bool) -> None:
    layer = copy.deepcopy(layer).double()
    norm, x = worn_in(layer.weight.shape[0], affine=affine), torch.randn(shape, dtype=torch.float64)
    before = {**layer.state_dict(prefix="layer."), **norm.state_dict(prefix="norm.")}
    kept = {name: tensor.clone() for name, tensor in before.items()}
    folded = fold_batchnorm(layer, norm)
    assert type(folded) is type(layer)
    torch.testing.assert_close(folded(x), norm(layer(x)), rtol=1e-12, atol=1e-12)
    for name, tensor in before.items():
        assert torch.equal(tensor, kept[name]), f"{name} has changed"


def test_torchs_own_fusion_gives_the_same_weights() -> None:
    conv, linear = nn.Conv2d(3, 5, 3).eval(), nn.Linear(3, 5).eval()
    for layer, fuse in ((conv, fuse_conv_bn_eval), (linear, fuse_linear_bn_eval)):
        norm = worn_in(5).float()
        theirs, ours = fuse(layer, norm), fold_batchnorm(layer, norm)
        torch.testing.assert_close(ours.weight, theirs.weight)
        torch.testing.assert_close(ours.bias, theirs.bias)


def test_the_dtype_is_the_layers_and_the_bias_is_a_parameter() -> None:
    folded = fold_batchnorm(nn.Linear(3, 4, bias=False).bfloat16(), worn_in(4).float())
    assert folded.weight.dtype == folded.bias.dtype == torch.bfloat16
    assert isinstance(folded.bias, nn.Parameter)


def test_what_cannot_be_folded_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="4 channels, the norm takes 5"):
        fold_batchnorm(nn.Linear(3, 4), nn.BatchNorm1d(5))
    with pytest.raises(ValueError, match="without running statistics"):
        fold_batchnorm(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False))
    with pytest.raises(TypeError, match="ConvTranspose2d is neither"):
        fold_batchnorm(nn.ConvTranspose2d(3, 4, 3), nn.BatchNorm2d(4))


def a_model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3), worn_in(4), nn.ReLU()),
        nn.Sequential(worn_in(4), nn.Conv2d(4, 4, 3)),  # a norm first: stays
        nn.Flatten(),
        nn.Linear(64, 6),
        worn_in(6),
    )
    return model.double()


def test_a_model_without_its_norms_gives_the_same_and_keeps_its_names() -> None:
    model, x = a_model(), torch.randn(3, 1, 8, 8, dtype=torch.float64)
    folded = fold_batchnorms(model)
    torch.testing.assert_close(folded(x), model.eval()(x), rtol=1e-11, atol=1e-11)
    left = [name for name, module in folded.named_modules() if isinstance(module, BatchNorm)]
    assert left == ["1.0"]
    assert {name for name, _ in folded.named_modules()} == {name for name, _ in model.named_modules()}
    assert not folded.training


def test_a_layer_that_is_used_twice_is_left_alone() -> None:
    shared = nn.Linear(4, 4).double()
    tied = nn.Linear(4, 4).double()
    tied.weight = shared.weight
    for second in (shared, tied):
        model = nn.Sequential(shared, worn_in(4), second).double().eval()
        x = torch.randn(3, 4, dtype=torch.float64)
        torch.testing.assert_close(fold_batchnorms(model)(x), model(x))
