"""Examples in memory, and the one rule by which they are split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.seeding import derive_seed


@dataclass(frozen=True)
class Examples:
    """``inputs[i]`` belongs to ``targets[i]``."""

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"there are {len(self.inputs)} inputs but {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int | Tensor | slice) -> tuple[Tensor, Tensor]:
        """One example, or a batch of those that a tensor of indices or a slice names."""
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"example {index} was asked for, but there are {len(self)}")
        return self.inputs[index], self.targets[index]

    def take(self, indices: Tensor) -> Examples:
        """Those examples, in that order."""
        return Examples(self.inputs[indices], self.targets[indices])


@dataclass(frozen=True)
class Split:
    """Examples to learn from and examples to be judged by, with the names of their columns and classes."""

    train: Examples
    test: Examples
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def permuted(count: int) -> tuple[Tensor, Tensor]:
    """The rule: indices to learn from and to be judged by. A permutation with seed 0; its first fifth,
    rounded up, is the test. It is the same for everybody and for ever, so that numbers can be compared."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    test = count - int(0.8 * count)
    return order[test:], order[:test]


def split(examples: Examples, *, features: tuple[str, ...] = (), classes: tuple[str, ...] = ()) -> Split:
    """The examples, split by that rule."""
    train, test = permuted(len(examples))
    return Split(examples.take(train), examples.take(test), features, classes)


def hold_out(examples: Examples, count: int, *, seed: int = 0) -> tuple[Examples, Examples]:
    """Set ``count`` of the training examples aside: what remains, and those. To choose a model by, or to
    stop by; the test examples are for neither."""
    if not 0 < count < len(examples):
        raise ValueError(
            f"from 1 to {len(examples) - 1} examples can be held out, but {count} were asked for"
        )
    generator = torch.Generator().manual_seed(derive_seed(seed, len(examples)))
    order = torch.randperm(len(examples), generator=generator)
    return examples.take(order[count:]), examples.take(order[:count])


def standardise(data: Split) -> Split:
    """Every feature with mean 0 and standard deviation 1 over the *training* examples; a constant one
    becomes 0.

    The test examples are moved by the same amounts: their own mean is not known when a model is used.
    """
    deviation, mean = torch.std_mean(data.train.inputs, dim=0, correction=0)
    scale = torch.where(deviation > 0, deviation, 1.0)
    train, test = ((part.inputs - mean) / scale for part in (data.train, data.test))
    return Split(
        Examples(train, data.train.targets), Examples(test, data.test.targets), data.features, data.classes
    )
