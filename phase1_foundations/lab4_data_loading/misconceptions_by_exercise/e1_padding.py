"""Wrong answers to E1."""

import torch
from torch.utils.data import Dataset

from courseware.check import misconception


class Sound(Dataset):
    """A right dataset, for wrong ones to change."""

    def __init__(self, sequences, labels, transform=None):
        self.sequences, self.labels, self.transform = sequences, labels, transform

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, index):
        sequence = self.sequences[index]
        if self.transform is not None:
            sequence = self.transform(sequence.clone())
        return sequence, int(self.labels[index])


def collate(
    *,
    width=lambda longest, multiple: -(-longest // multiple) * multiple,
    empty=lambda first, shape, pad: first.new_full(shape, pad),
    mask=lambda x, lengths, pad: torch.arange(x.shape[1]) < lengths[:, None],
    labels=torch.tensor,
    refuse=True,
):
    """A right `pad_collate` with parts to be exchanged."""

    def pad_collate(batch, *, pad=0, multiple_of=1):
        if refuse and not batch:
            raise ValueError("empty batch")
        sequences = [sequence for sequence, _ in batch]
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        longest = width(int(lengths.max()), multiple_of)
        x = empty(sequences[0], (len(batch), longest, *sequences[0].shape[1:]), pad)
        for row, sequence in zip(x, sequences, strict=True):
            row[: len(sequence)] = sequence[:longest]
        return x, labels([label for _, label in batch]), lengths, mask(x, lengths, pad)

    return pad_collate


@misconception("E1", diagnosis="mask-from-values")
def mask_is_what_differs_from_pad():
    def mask(x, lengths, pad):
        return (x != pad) if x.dim() == 2 else (x != pad).any(2)

    return {"pad_collate": collate(mask=mask)}


@misconception("E1", diagnosis="other-dtype")
def allocates_floats():
    return {"pad_collate": collate(empty=lambda first, shape, pad: torch.full(shape, float(pad)))}


@misconception("E1", diagnosis="multiple-rounded-down")
def floors():
    return {"pad_collate": collate(width=lambda longest, multiple: longest // multiple * multiple)}


@misconception("E1", diagnosis="multiple-always-adds")
def always_one_more():
    def width(longest, multiple):
        return longest if multiple == 1 else (longest // multiple + 1) * multiple

    return {"pad_collate": collate(width=width)}


@misconception("E1", diagnosis="multiple-ignored")
def forgets_multiple_of():
    return {"pad_collate": collate(width=lambda longest, multiple: longest)}


@misconception("E1", diagnosis="pad-ignored")
def always_zero():
    return {"pad_collate": collate(empty=lambda first, shape, pad: first.new_zeros(shape))}


@misconception("E1", diagnosis="features-lost")
def vectors_only():
    def empty(first, shape, pad):
        return first.new_full(shape[:2], pad)

    return {"pad_collate": collate(empty=empty)}


@misconception("E1", diagnosis="mask-inverted")
def true_where_padded():
    return {"pad_collate": collate(mask=lambda x, n, pad: torch.arange(x.shape[1]) >= n[:, None])}


@misconception("E1", diagnosis="empty-batch-accepted")
def max_of_nothing():
    return {"pad_collate": collate(refuse=False)}


@misconception("E1", diagnosis="transform-changes-the-data")
def no_copy():
    class SequenceDataset(Sound):
        def __getitem__(self, index):
            sequence = self.sequences[index]
            return (self.transform(sequence) if self.transform else sequence), int(self.labels[index])

    return {"SequenceDataset": SequenceDataset}


@misconception("E1", diagnosis="transform-applied-once-for-all")
def transforms_in_init():
    class SequenceDataset(Sound):
        def __init__(self, sequences, labels, transform=None):
            super().__init__([transform(s.clone()) if transform else s for s in sequences], labels)

    return {"SequenceDataset": SequenceDataset}


@misconception("E1", diagnosis="past-the-end-is-accepted")
def wraps_around():
    class SequenceDataset(Sound):
        def __getitem__(self, index):
            return super().__getitem__(index % len(self))

    return {"SequenceDataset": SequenceDataset}


@misconception("E1", diagnosis="negative-numbers-refused")
def positive_numbers_only():
    class SequenceDataset(Sound):
        def __getitem__(self, index):
            if not 0 <= index < len(self):
                raise IndexError(index)
            return super().__getitem__(index)

    return {"SequenceDataset": SequenceDataset}


@misconception("E1", diagnosis="label-is-no-int")
def label_stays_a_tensor():
    class SequenceDataset(Sound):
        def __getitem__(self, index):
            return super().__getitem__(index)[0], self.labels[index]

    return {"SequenceDataset": SequenceDataset}


@misconception("E1", diagnosis="transform-gets-the-pair")
def transforms_the_pair():
    class SequenceDataset(Sound):
        def __getitem__(self, index):
            pair = self.sequences[index].clone(), int(self.labels[index])
            return self.transform(pair) if self.transform else pair

    return {"SequenceDataset": SequenceDataset}
