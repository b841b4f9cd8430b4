"""Folding a batch norm away: in evaluation it is an affine map for each channel, as is the layer before it.

    γ (W x + b − μ) / √(σ² + ε) + β  =  W' x + b'
    W' = W · γ / √(σ² + ε)           b' = (b − μ) · γ / √(σ² + ε) + β

One layer then does the work of two, with one pass over memory less. In training it would be wrong: there μ
and σ² come from the batch.
"""

import copy
from collections import Counter
from typing import Final, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

FOLDABLE: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

Layer = TypeVar("Layer", bound=nn.Module)
Model = TypeVar("Model", bound=nn.Module)


@torch.no_grad()
def fold_batchnorm(layer: Layer, norm: _BatchNorm) -> Layer:
    """A new layer, with a bias, that computes ``norm(layer(x))`` as in evaluation mode.

    Neither argument changes. Behind a linear layer the norm must see [B, C], so that its channels are the
    layer's outputs. Computed in float64, returned in the layer's dtype.
    """
    if not isinstance(layer, FOLDABLE):
        raise TypeError(
            f"fold a norm into a linear layer or a convolution; {type(layer).__name__} is neither"
        )
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a norm without running statistics depends on the batch: it cannot be folded")
    if norm.num_features != layer.weight.shape[0]:
        raise ValueError(
            f"the layer gives {layer.weight.shape[0]} channels, the norm takes {norm.num_features}"
        )
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    if layer.bias is not None:
        shift = shift + layer.bias.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    folded = copy.deepcopy(layer)
    folded.weight.copy_(layer.weight.double() * scale.view(-1, *[1] * (layer.weight.ndim - 1)))
    folded.bias = nn.Parameter(shift.to(layer.weight.dtype))
    return folded


def fold_batchnorms(model: Model) -> Model:
    """A copy of the model in evaluation mode without the norms that stand right behind a layer.

    Looks into every ``nn.Sequential``; a folded norm leaves an ``nn.Identity``, so that the names of all
    others stay. A layer or a weight that is used in a second place is left alone. Folding is for good: the
    copy must not be trained as if it had norms.
    """
    folded = copy.deepcopy(model).eval()
    uses = _uses(folded)
    plain = [module for module in folded.modules() if type(module).forward is nn.Sequential.forward]
    for sequence in plain:
        assert isinstance(sequence, nn.Sequential)
        for i in range(len(sequence) - 1):
            layer, norm = sequence[i], sequence[i + 1]
            if not isinstance(layer, FOLDABLE) or not isinstance(norm, _BatchNorm):
                continue
            tensors: list[Tensor] = [layer.weight, *([] if layer.bias is None else [layer.bias])]
            shared = any(uses[id(each)] > 1 for each in (layer, norm, *tensors))
            if norm.running_mean is not None and not shared:
                sequence[i], sequence[i + 1] = fold_batchnorm(layer, norm), nn.Identity()
    return folded


def _uses(model: nn.Module) -> Counter[int]:
    """How many names each module and each parameter has."""
    modules = [module for _, module in model.named_modules(remove_duplicate=False)]
    parameters = [parameter for _, parameter in model.named_parameters(remove_duplicate=False)]
    return Counter(id(each) for each in [*modules, *parameters])
