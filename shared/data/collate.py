"""From examples to a batch."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from shared.shapes import Lengths, Real


def stack(examples: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Examples of equal shapes: the first parts as one tensor, the second parts as one, and so on."""
    return tuple(torch.stack(parts) for parts in zip(*examples, strict=True))


def pad(sequences: Sequence[Tensor], *, value: float = 0, multiple_of: int = 1) -> tuple[Tensor, Lengths]:
    """Sequences [T_i, …] of one dtype as [B, T, …], filled up at the end with ``value``; and their lengths.

    T is the longest length, rounded up to a multiple: fewer different shapes suit kernels and compilers.
    What is real must be told from the lengths (``real_positions``), since ``value`` may be a real token,
    too.
    """
    if not sequences:
        raise ValueError("a batch needs at least one sequence")
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    longest = -(-int(lengths.max()) // multiple_of) * multiple_of
    padded = sequences[0].new_full((len(sequences), longest, *sequences[0].shape[1:]), value)  # B T …
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded, lengths


def real_positions(lengths: Lengths, time: int) -> Real:
    """Which positions hold a token, not padding."""
    return torch.arange(time, device=lengths.device) < lengths.unsqueeze(1)  # B T


def pad_labelled(
    examples: Sequence[tuple[Tensor, Tensor]],
) -> tuple[Tensor, Bool[Tensor, "B T"], Int[Tensor, "B"]]:
    """Sequences, each with one label: tokens [B, T], which of them are real [B, T], labels [B]."""
    tokens, lengths = pad([sequence for sequence, _ in examples])
    return tokens, real_positions(lengths, tokens.shape[1]), torch.stack([label for _, label in examples])


def pad_pairs(
    examples: Sequence[tuple[Tensor, Tensor]], *, ignore: int = -100
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sources and the sequences to be written for them, which begin with a start token and end with an end
    token.

    Gives sources [B, S], what the decoder reads [B, T] (all but the last token), which sources are real
    [B, S], in the order in which ``TransformerSeq2Seq`` takes them, and what it should say [B, T] (all but
    the first), padded with ``ignore``.
    """
    sources, lengths = pad([source for source, _ in examples])
    read, _ = pad([target[:-1] for _, target in examples])
    say, _ = pad([target[1:] for _, target in examples], value=ignore)
    return sources, read, real_positions(lengths, sources.shape[1]), say
