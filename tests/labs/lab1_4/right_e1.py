"""Right answers to E1, written otherwise than the reference."""

import itertools
import math
import operator

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from tests.labs.answers import Answers

right = Answers()


@right("E1")
def pad_sequence_and_concatenate():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if len(batch) == 0:
            raise ValueError("empty")
        xs, ys = zip(*batch, strict=True)
        x = pad_sequence(list(xs), batch_first=True, padding_value=pad)
        extra = (-x.size(1)) % multiple_of
        if extra:
            filler = torch.full((x.size(0), extra, *x.shape[2:]), pad, dtype=x.dtype)
            x = torch.cat([x, filler], dim=1)
        lengths = torch.LongTensor([s.size(0) for s in xs])
        mask = torch.arange(x.size(1)).expand(len(xs), -1) < lengths.unsqueeze(-1)
        return x, torch.LongTensor(ys), lengths, mask

    return {"pad_collate": pad_collate}


@right("E1")
def pads_each_and_stacks():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if not batch:
            raise ValueError("a batch needs examples")
        longest = max(len(s) for s, _ in batch)
        width = math.ceil(longest / multiple_of) * multiple_of
        rows, masks = [], []
        for s, _ in batch:
            missing = width - len(s)
            rows.append(torch.cat([s, s.new_full((missing, *s.shape[1:]), pad)]))
            masks.append(torch.tensor([True] * len(s) + [False] * missing, dtype=torch.bool))
        labels = torch.tensor([label for _, label in batch], dtype=torch.int64)
        return torch.stack(rows), labels, torch.tensor([len(s) for s, _ in batch]), torch.stack(masks)

    return {"pad_collate": pad_collate}


@right("E1")
def functional_pad_and_a_list():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if not batch:
            raise ValueError
        sizes = [item[0].shape[0] for item in batch]
        target = max(sizes)
        while target % multiple_of != 0:
            target += 1
        out = []
        for seq, _ in batch:
            room = [0, 0] * (seq.dim() - 1) + [0, target - len(seq)]
            out.append(F.pad(seq, room, value=pad))
        mask = torch.zeros((len(batch), target)).bool()
        for i, n in enumerate(sizes):
            mask[i, :n] = 1
        return [torch.stack(out), torch.tensor([y for _, y in batch]), torch.tensor(sizes), mask]

    return {"pad_collate": pad_collate}


@right("E1")
def element_by_element():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if batch == []:
            raise ValueError("no examples")
        lengths = [0 if s.numel() == 0 else s.shape[0] for s, _ in batch]
        top = max(lengths)
        top = top if top % multiple_of == 0 else top + multiple_of - top % multiple_of
        first = batch[0][0]
        x = torch.empty((len(batch), top, *first.shape[1:]), dtype=first.dtype)
        mask = torch.empty(len(batch), top, dtype=torch.bool)
        for i, j in itertools.product(range(len(batch)), range(top)):
            real = j < lengths[i]
            mask[i, j] = real
            x[i, j] = batch[i][0][j] if real else pad
        return x, torch.tensor([y for _, y in batch]), torch.tensor(lengths), mask

    return {"pad_collate": pad_collate}


@right("E1")
def scatters_by_the_mask():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if not batch:
            raise ValueError("nothing to collate")
        sequences, labels = [b[0] for b in batch], [b[1] for b in batch]
        lengths = torch.as_tensor(list(map(len, sequences)))
        width = (int(lengths.max()) + multiple_of - 1) // multiple_of * multiple_of
        mask = lengths[:, None] > torch.arange(width)[None]
        x = torch.full((len(batch), width, *sequences[0].shape[1:]), pad, dtype=sequences[0].dtype)
        x[mask] = torch.cat(sequences)
        return x, torch.as_tensor(labels), lengths, mask

    return {"pad_collate": pad_collate}


@right("E1")
def checks_the_index_itself():
    class SequenceDataset(torch.utils.data.Dataset):
        def __init__(self, sequences, labels, transform=None):
            assert len(sequences) == len(labels)
            self.items = list(zip(sequences, labels.tolist(), strict=True))
            self.transform = transform or (lambda sequence: sequence)

        def __len__(self):
            return len(self.items)

        def __getitem__(self, index):
            index = operator.index(index)
            if index < 0:
                index += len(self)
            if not 0 <= index < len(self):
                raise IndexError(f"{index} is out of range")
            sequence, label = self.items[index]
            return self.transform(sequence.detach().clone()), label

    return {"SequenceDataset": SequenceDataset}


@right("E1")
def no_base_class():
    class SequenceDataset:
        def __init__(self, sequences, labels, transform=None):
            self._x, self._y, self._t = tuple(sequences), labels, transform

        def __len__(self):
            return len(self._y)

        def __getitem__(self, i):
            x = torch.tensor(self._x[i].tolist(), dtype=self._x[i].dtype).reshape(self._x[i].shape)
            return (x if self._t is None else self._t(x)), self._y[i].item()

    return {"SequenceDataset": SequenceDataset}


@right("E1")
def one_long_tensor_with_offsets():
    class SequenceDataset(torch.utils.data.Dataset):
        def __init__(self, sequences, labels, transform=None):
            self.sequences = [sequence.clone() for sequence in sequences]
            self.labels, self.transform = labels.clone(), transform

        def __len__(self):
            return self.labels.numel()

        def __getitem__(self, index):
            if index >= len(self) or index < -len(self):
                raise IndexError
            chosen = self.sequences[index % len(self)]
            label = int(self.labels[index % len(self)])
            if not self.transform:
                return [chosen.clone(), label]
            return [self.transform(chosen.clone()), label]

    return {"SequenceDataset": SequenceDataset}


@right("E1")
def numpy_inside():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if not len(batch):
            raise ValueError("empty batch")
        arrays = [s.numpy() for s, _ in batch]
        n = np.array([len(each) for each in arrays])
        width = int(np.ceil(n.max() / multiple_of)) * multiple_of
        x = np.full((len(arrays), width, *arrays[0].shape[1:]), pad, dtype=arrays[0].dtype)
        for i, each in enumerate(arrays):
            x[i, : len(each)] = each
        mask = np.arange(width) < n[:, None]
        return tuple(map(torch.from_numpy, (x, np.array([y for _, y in batch]), n, mask)))

    return {"pad_collate": pad_collate}
