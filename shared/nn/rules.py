"""Initialise a whole model by rules: which parameters, filled how, with which gain.

    initialise(model, "kaiming_normal", activation="relu")
    initialise(model, [Rule("*.out.weight", "zeros"), *standard_rules("orthogonal")])

The first rule that matches a parameter fills it. Fused weights are filled block by block: the gates of an
LSTM are four matrices stacked into one, and the fans of the stack are not the fans of a gate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from shared.nn.activations import GAINS
from shared.nn.initialisers import Initialiser, initialiser

Constant = Literal["zeros", "ones", "normal", "keep"]

MATRICES: Final[tuple[type[nn.Module], ...]] = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.RNNBase,
    nn.MultiheadAttention,
)


@dataclass(frozen=True)
class Rule:
    """Fill the parameters that match.

    Args:
        names: pattern on the parameter's full name, such as ``"*.out.weight"``; ``*`` matches anything.
        fill: one of the six initialisers, or ``zeros``, ``ones``, ``normal`` (with ``gain`` as its standard
            deviation), ``keep``.
        gain: multiplies what is drawn; a number, or the name of the activation that follows.
        modules: only parameters that belong directly to a module of these types; empty means any.
    """

    names: str
    fill: Initialiser | Constant
    gain: float | str = 1.0
    modules: tuple[type[nn.Module], ...] = ()

    def __post_init__(self) -> None:
        known = (*get_args(Initialiser), *get_args(Constant))
        if self.fill not in known:
            raise ValueError(f"no initialiser is called {self.fill!r}; there are {', '.join(known)}")
        if isinstance(self.gain, str) and self.gain not in GAINS:
            raise ValueError(
                f"no gain is known for {self.gain!r}; there are {', '.join(GAINS)}, or give a number"
            )

    def matches(self, name: str, owner: nn.Module) -> bool:
        """Whether this rule speaks of the parameter ``name`` of the module ``owner``."""
        return fnmatchcase(name, self.names) and (not self.modules or isinstance(owner, self.modules))

    @torch.no_grad()
    def apply(self, parameter: Tensor, blocks: int = 1, generator: Generator | None = None) -> None:
        """Fill a parameter that consists of that many stacked matrices."""
        gain = GAINS[self.gain] if isinstance(self.gain, str) else self.gain
        if self.fill == "zeros":
            parameter.zero_()
        elif self.fill == "ones":
            parameter.fill_(1.0)
        elif self.fill == "normal":
            parameter.normal_(0.0, gain, generator=generator)
        elif self.fill != "keep":
            for block in parameter.chunk(blocks):
                initialiser(self.fill)(block, gain, generator)


def standard_rules(fill: Initialiser, activation: str = "relu") -> list[Rule]:
    """Matrices by ``fill``, their biases zero; embeddings and norms stay as they were built."""
    return [
        Rule("*bias*", "zeros", modules=MATRICES),
        Rule("*weight*", fill, gain=activation, modules=MATRICES),
        Rule("*", "keep"),
    ]


def initialise(
    model: nn.Module,
    rules: Initialiser | Sequence[Rule],
    *,
    activation: str = "relu",
    generator: Generator | None = None,
) -> dict[str, str]:
    """Fill every parameter of a model by the first rule that matches it.

    ``rules`` is a list, or the name of an initialiser for ``standard_rules``. Returns what was done to each
    parameter, by name. A parameter that no rule matches is an error: say ``Rule("*", "keep")`` last to
    leave the rest alone.
    """
    chosen = standard_rules(rules, activation) if isinstance(rules, str) else list(rules)
    done: dict[str, str] = {}
    for name, parameter, owner in _parameters_with_owners(model):
        rule = next((rule for rule in chosen if rule.matches(name, owner)), None)
        if rule is None:
            raise ValueError(
                f'no rule matches the parameter {name!r}: add one, or Rule("*", "keep") as the last'
            )
        rule.apply(parameter, _blocks(owner, name, parameter), generator)
        done[name] = rule.fill
    return done


def _parameters_with_owners(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Each parameter once, under its first name."""
    for name, parameter in model.named_parameters():
        yield name, parameter, model.get_submodule(name.rpartition(".")[0])


def _blocks(owner: nn.Module, name: str, parameter: Tensor) -> int:
    """How many matrices are stacked in a parameter."""
    if isinstance(owner, nn.RNNBase) and "_hr_" not in name:
        return parameter.shape[0] // owner.hidden_size
    if isinstance(owner, nn.MultiheadAttention) and name.endswith("in_proj_weight"):
        return 3
    return 1
