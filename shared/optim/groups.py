"""Which parameters decay: matrices do, biases, norm gains and embeddings do not.

Decay pulls weights towards zero, which is a prior for the mixing of features. A bias only shifts, a gain
has its home at one, and an embedding is pulled in every step though most of its rows got no gradient.
"""

from collections.abc import Iterator
from typing import Any

from torch import nn

from shared.nn.positions import LearnedPositions

TABLES = (nn.Embedding, LearnedPositions)
"""Modules whose two-dimensional parameter is a table of vectors, not a matrix that mixes features."""


def named_matrices(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The trainable parameters of two or more dimensions, without tables (nor what is tied to one)."""
    tables = {
        id(p) for module in model.modules() if isinstance(module, TABLES) for p in module.parameters(False)
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.ndim >= 2 and id(parameter) not in tables:
            yield name, parameter


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups for an optimizer: matrices with ``weight_decay``, all else with 0; without empty groups.

    Frozen parameters are in neither.
    """
    matrices = {id(parameter) for _, parameter in named_matrices(model)}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("no parameter of the model requires a gradient, so there is nothing to optimize")
    decayed = [parameter for parameter in trainable if id(parameter) in matrices]
    others = [parameter for parameter in trainable if id(parameter) not in matrices]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
