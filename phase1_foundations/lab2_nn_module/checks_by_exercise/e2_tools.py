"""How the check of E2 calls the six, and measures what they give."""

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial

TAKES_GAIN = ("xavier_uniform_", "xavier_normal_")
KAIMING = ("kaiming_uniform_", "kaiming_normal_")
DENSE = (*TAKES_GAIN, *KAIMING)
_KAIMING: dict[str, Any] = {"a": 0.0, "mode": "fan_in", "nonlinearity": "leaky_relu"}
DEFAULTS: dict[str, dict[str, Any]] = {
    **{name: {"gain": 1.0} for name in (*TAKES_GAIN, "orthogonal_")},
    **dict.fromkeys(KAIMING, _KAIMING),
    "sparse_": {"std": 0.01},
}


def fill(a: Any, name: str, t: Tensor, /, **how: Any) -> Tensor:
    """Any of the six by its name; sparse_ needs a second argument."""
    return getattr(a, name)(t, 0.3, **how) if name == "sparse_" else getattr(a, name)(t, **how)


def generator(t: Trial) -> torch.Generator:
    return torch.Generator().manual_seed(t.random.getrandbits(40))


def spread(a: Any, t: Trial, name: str, /, *shape: int, **how: Any) -> float:
    """The deviation of a filled tensor; with 30,000 elements it is known to about 0.5 %."""
    weight = torch.full(shape, math.nan)
    fill(a, name, weight, **{"generator": generator(t), **how})
    return float(weight.std())


def near(observed: float, expected: float, within: float = 0.03) -> bool:
    return abs(observed - expected) <= within * expected
