"""Characters as numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

PAD, UNKNOWN, START, END = range(4)
SPECIAL = 4
"""How many numbers are no characters."""


@dataclass(frozen=True)
class Vocabulary:
    """Numbers for characters, from 4 on. Make it from the training texts alone: at test time there will be
    unknowns."""

    characters: tuple[str, ...]
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = {character: number for number, character in enumerate(self.characters, start=SPECIAL)}
        object.__setattr__(self, "_numbers", numbers)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Vocabulary":
        """All characters that occur, in their order in Unicode."""
        return cls(tuple(sorted({character for text in texts for character in text})))

    def __len__(self) -> int:
        return SPECIAL + len(self.characters)

    def encode(self, text: str, *, ends: bool = False) -> Int[Tensor, "T"]:
        """One number a character; with ``ends``, between START and END."""
        numbers = [self._numbers.get(character, UNKNOWN) for character in text]
        return torch.tensor([START, *numbers, END] if ends else numbers, dtype=torch.long)

    def decode(self, numbers: Sequence[int] | Tensor) -> str:
        """The text up to END. START and padding vanish, and the unknown is shown as "�"."""
        text = ""
        for number in torch.as_tensor(numbers).tolist():
            if number == END:
                break
            if number >= SPECIAL:
                text += self.characters[number - SPECIAL]
            elif number == UNKNOWN:
                text += "�"
        return text
