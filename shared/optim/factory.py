"""An optimizer from a configuration, which decays only the parameters that should decay."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from shared.config import did_you_mean, option
from shared.optim.adabelief import AdaBelief
from shared.optim.groups import decay_groups, named_matrices
from shared.optim.joined import Joined
from shared.optim.lion import Lion

OptimizerName = Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "muon", "lion", "adabelief"]


@dataclass(frozen=True)
class OptimizerConfig:
    """Which optimizer, and its hyper-parameters; those left at null are the optimizer's own defaults."""

    name: OptimizerName = option("adamw", "which optimizer")
    lr: float = option(1e-3, "learning rate, the peak of the schedule")
    weight_decay: float | None = option(
        None, "pull of matrices towards zero; biases, gains and tables are spared"
    )
    momentum: float | None = option(None, "share of the last step in the next (sgd, rmsprop, muon)")
    nesterov: bool | None = option(None, "look ahead along the momentum (sgd, muon)")
    betas: tuple[float, float] | None = option(
        None, "decay rates of the two averages (adam, adamw, lion, adabelief)"
    )
    alpha: float | None = option(None, "decay rate of the average of squares (rmsprop)")
    eps: float | None = option(None, "what keeps the division finite (all but sgd, lion)")

    def __post_init__(self) -> None:
        if self.name not in _OPTIMIZERS:
            raise ValueError(
                f'no optimizer is called "{self.name}": {did_you_mean(self.name, list(_OPTIMIZERS))}'
            )
        known = _OPTIMIZERS[self.name][1]
        for name in self.given():
            if name not in known:
                raise ValueError(f"{self.name} has no {name}: it takes {', '.join(known)}")

    def given(self) -> dict[str, Any]:
        """The hyper-parameters that are set, by name, without the optimizer's name."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        return {name: value for name, value in values.items() if value is not None}


_OPTIMIZERS: Final[dict[str, tuple[Callable[..., Optimizer], tuple[str, ...]]]] = {
    "adam": (torch.optim.Adam, ("lr", "weight_decay", "betas", "eps")),
    "adamw": (torch.optim.AdamW, ("lr", "weight_decay", "betas", "eps")),
    "sgd": (torch.optim.SGD, ("lr", "weight_decay", "momentum", "nesterov")),
    "rmsprop": (torch.optim.RMSprop, ("lr", "weight_decay", "momentum", "alpha", "eps")),
    "adagrad": (torch.optim.Adagrad, ("lr", "weight_decay", "eps")),
    "muon": (torch.optim.Muon, ("lr", "weight_decay", "momentum", "nesterov", "eps")),
    "lion": (Lion, ("lr", "weight_decay", "betas")),
    "adabelief": (AdaBelief, ("lr", "weight_decay", "betas", "eps")),
}

_DEFAULT_DECAY: Final[dict[str, float]] = {"adamw": 0.01, "muon": 0.1}


def make_optimizer(
    model: nn.Module,
    config: OptimizerConfig | None = None,
    *,
    outputs: tuple[str, ...] = ("leave.*", "head.*"),
) -> Optimizer:
    """The configured optimizer over the trainable parameters of a model.

    Weight decay acts on matrices only (``decay_groups``). Muon takes the two-dimensional matrices inside
    the network; everything else (vectors, tables, convolutions, and the output layer, whose parameters
    match ``outputs``) gets AdamW with the same learning rate and decay, Muon's steps being scaled to the
    size of AdamW's.
    """
    config = OptimizerConfig() if config is None else config
    build, _ = _OPTIMIZERS[config.name]
    options = config.given()
    decay = options.pop("weight_decay", _DEFAULT_DECAY.get(config.name, 0.0))
    groups = decay_groups(model, decay)
    if config.name != "muon":
        return build(groups, **options)
    inside = [
        parameter
        for name, parameter in named_matrices(model)
        if parameter.ndim == 2 and not any(fnmatchcase(name, pattern) for pattern in outputs)
    ]
    if not inside:
        raise ValueError("muon is for matrices inside a network, and this model has none: take adamw")
    taken = {id(parameter) for parameter in inside}
    muon = torch.optim.Muon(inside, weight_decay=decay, adjust_lr_fn="match_rms_adamw", **options)
    rest = [{**group, "params": [p for p in group["params"] if id(p) not in taken]} for group in groups]
    rest = [group for group in rest if group["params"]]
    return Joined([muon, torch.optim.AdamW(rest, lr=config.lr)] if rest else [muon])
