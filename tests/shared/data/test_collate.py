"""Padding, against torch's own and by hand."""

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from shared.data import pad, pad_labelled, pad_pairs, real_positions, stack


def sequences(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, 9, (length,), generator=generator) for length in lengths]


@pytest.mark.parametrize("lengths", [(3, 5, 1), (4,), (2, 2), (0, 3)])
def test_padding_agrees_with_torch(lengths: tuple[int, ...]) -> None:
    padded, found = pad(sequences(*lengths))
    assert torch.equal(padded, pad_sequence(sequences(*lengths), batch_first=True))
    assert found.tolist() == list(lengths)
    assert padded.dtype == torch.long


@pytest.mark.parametrize(("longest", "time"), [(9, 16), (8, 8), (1, 8), (0, 0)])
def test_lengths_are_rounded_up_to_a_multiple(longest: int, time: int) -> None:
    assert pad(sequences(longest), multiple_of=8)[0].shape == (1, time)


def test_features_and_dtypes_come_through() -> None:
    padded, _ = pad([torch.ones(2, 3, dtype=torch.float64), torch.ones(1, 3, dtype=torch.float64)], value=-1)
    assert padded.shape == (2, 2, 3)
    assert padded.dtype == torch.float64
    assert padded[1, 1].tolist() == [-1, -1, -1]


def test_what_is_real_comes_from_the_lengths() -> None:
    """Zero may be a real token."""
    tokens, real, labels = pad_labelled(
        [(torch.tensor([0, 0, 0]), torch.tensor(1)), (torch.tensor([5]), torch.tensor(0))]
    )
    assert tokens.tolist() == [[0, 0, 0], [5, 0, 0]]
    assert real.tolist() == [[True, True, True], [True, False, False]]
    assert labels.tolist() == [1, 0]
    assert real_positions(torch.tensor([0, 2]), 2).tolist() == [[False, False], [True, True]]


def test_a_decoder_reads_what_it_should_say_one_step_later() -> None:
    examples = [(torch.tensor([7]), torch.tensor([2, 5, 6, 3])), (torch.tensor([7, 8]), torch.tensor([2, 3]))]
    sources, read, real, say = pad_pairs(examples)
    assert sources.tolist() == [[7, 0], [7, 8]]
    assert real.tolist() == [[True, False], [True, True]]
    assert read.tolist() == [[2, 5, 6], [2, 0, 0]]
    assert say.tolist() == [[5, 6, 3], [3, -100, -100]]


def test_examples_of_equal_shapes_are_stacked() -> None:
    images, labels = stack([(torch.zeros(2, 2), torch.tensor(1)), (torch.ones(2, 2), torch.tensor(0))])
    assert images.shape == (2, 2, 2)
    assert labels.tolist() == [1, 0]


def test_inputs_are_not_modified() -> None:
    given = sequences(2, 4)
    before = [each.clone() for each in given]
    padded, _ = pad(given)
    padded.fill_(9)
    assert all(map(torch.equal, given, before))


def test_no_sequences_are_no_batch() -> None:
    with pytest.raises(ValueError, match="at least one sequence"):
        pad([])
