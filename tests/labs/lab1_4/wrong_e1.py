"""Wrong answers to E1, as a stranger would write them."""

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from tests.labs.answers import Answers

wrong = Answers()


def collate(change=lambda x, y, lengths, mask: (x, y, lengths, mask), pad_with=None, width=None):
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if not batch:
            raise ValueError("empty")
        sequences = [s for s, _ in batch]
        lengths = torch.tensor([len(s) for s in sequences])
        top = int(lengths.max())
        top = width(top, multiple_of) if width else -(-top // multiple_of) * multiple_of
        filler = pad if pad_with is None else pad_with
        x = sequences[0].new_full((len(batch), top, *sequences[0].shape[1:]), filler)
        for row, s in zip(x, sequences, strict=True):
            row[: len(s)] = s
        mask = torch.arange(top) < lengths[:, None]
        return change(x, torch.tensor([y for _, y in batch]), lengths, mask)

    return {"pad_collate": pad_collate}


@wrong("E1")
def labels_as_floats():
    return collate(lambda x, y, n, m: (x, y.float(), n, m))


@wrong("E1")
def returns_three():
    return collate(lambda x, y, n, m: (x, y, m))


@wrong("E1")
def mask_and_lengths_exchanged():
    return collate(lambda x, y, n, m: (x, y, m, n))


@wrong("E1")
def a_dictionary():
    return collate(lambda x, y, n, m: {"x": x, "y": y, "lengths": n, "mask": m})


@wrong("E1")
def mask_as_floats():
    return collate(lambda x, y, n, m: (x, y, n, m.float()))


@wrong("E1")
def mask_for_each_feature():
    return collate(lambda x, y, n, m: (x, y, n, m if x.dim() == 2 else m[..., None].expand_as(x)))


@wrong("E1")
def lengths_from_what_is_not_pad():
    return collate(lambda x, y, n, m: (x, y, (x != 0).sum(1) if x.dim() == 2 else n, m))


@wrong("E1")
def lengths_after_padding():
    return collate(lambda x, y, n, m: (x, y, torch.full_like(n, x.shape[1]), m))


@wrong("E1")
def sorts_by_length():
    def change(x, y, n, m):
        order = n.argsort(descending=True)
        return x[order], y[order], n[order], m[order]

    return collate(change)


@wrong("E1")
def adds_the_multiple():
    return collate(width=lambda top, multiple: top + multiple if multiple > 1 else top)


@wrong("E1")
def at_least_one_column():
    return collate(width=lambda top, multiple: max(1, -(-top // multiple)) * multiple)


@wrong("E1")
def ignores_pad():
    return collate(pad_with=0)


@wrong("E1")
def time_first():
    return collate(lambda x, y, n, m: (x.transpose(0, 1), y, n, m.T))


@wrong("E1")
def plain_pad_sequence():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        sequences, labels = zip(*batch, strict=True)
        x = pad_sequence(sequences, batch_first=True, padding_value=pad)
        return x, torch.tensor(labels), torch.tensor([len(s) for s in sequences]), x != pad

    return {"pad_collate": pad_collate}


@wrong("E1")
def cuts_to_the_shortest():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        if not batch:
            raise ValueError
        n = min(len(s) for s, _ in batch)
        x = torch.stack([s[:n] for s, _ in batch])
        lengths = torch.tensor([len(s) for s, _ in batch])
        return x, torch.tensor([y for _, y in batch]), lengths, torch.ones(len(batch), n, dtype=torch.bool)

    return {"pad_collate": pad_collate}


@wrong("E1")
def drops_empty_sequences():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        kept = [pair for pair in batch if len(pair[0])]
        return collate()["pad_collate"](kept, pad=pad, multiple_of=multiple_of)

    return {"pad_collate": pad_collate}


@wrong("E1")
def assert_for_an_empty_batch():
    def pad_collate(batch, *, pad=0, multiple_of=1):
        assert batch, "empty batch"
        return collate()["pad_collate"](batch, pad=pad, multiple_of=multiple_of)

    return {"pad_collate": pad_collate}


# ---- the dataset ----------------------------------------------------------------------------------------


class Sound(Dataset):
    def __init__(self, sequences, labels, transform=None):
        self.sequences, self.labels, self.transform = sequences, labels, transform

    def __len__(self):
        return len(self.sequences)

    def get(self, index):
        sequence = self.sequences[index]
        if self.transform:
            sequence = self.transform(sequence.clone())
        return sequence, int(self.labels[index])


def dataset(pick):
    class SequenceDataset(Sound):
        def __getitem__(self, index):
            return pick(self, index)

    return {"SequenceDataset": SequenceDataset}


@wrong("E1")
def label_first():
    return dataset(lambda self, i: self.get(i)[::-1])


@wrong("E1")
def sequence_alone():
    return dataset(lambda self, i: self.get(i)[0])


@wrong("E1")
def forgets_the_transform():
    return dataset(lambda self, i: (self.sequences[i], int(self.labels[i])))


@wrong("E1")
def returns_none_past_the_end():
    return dataset(lambda self, i: self.get(i) if -len(self) <= i < len(self) else None)


@wrong("E1")
def key_error():
    def pick(self, index):
        if not -len(self) <= index < len(self):
            raise KeyError(index)
        return self.get(index)

    return dataset(pick)


@wrong("E1")
def one_off_from_the_end():
    return dataset(lambda self, i: self.get(i if i >= 0 else len(self) + i - 1))


@wrong("E1")
def wraps_negative_numbers():
    return dataset(lambda self, i: self.get(i % len(self) if i < 0 else i))


@wrong("E1")
def caches_what_it_transformed():
    class SequenceDataset(Sound):
        def __getitem__(self, index):
            self.cache = getattr(self, "cache", {})
            if index not in self.cache:
                self.cache[index] = self.get(index)
            return self.cache[index]

    return {"SequenceDataset": SequenceDataset}


@wrong("E1")
def transform_with_the_label():
    def pick(self, i):
        sequence, label = self.sequences[i].clone(), int(self.labels[i])
        return self.transform(sequence, label) if self.transform else (sequence, label)

    return dataset(pick)


@wrong("E1")
def counts_tokens():
    class SequenceDataset(Sound):
        def __len__(self):
            return sum(len(s) for s in self.sequences)

        def __getitem__(self, index):
            return self.get(index)

    return {"SequenceDataset": SequenceDataset}


@wrong("E1")
def detaches_instead_of_copying():
    def pick(self, i):
        sequence = self.sequences[i].detach()
        return (self.transform(sequence) if self.transform else sequence), int(self.labels[i])

    return dataset(pick)


@wrong("E1")
def one_multiple_too_long():
    return collate(width=lambda longest, multiple: (longest // multiple + 1) * multiple)


@wrong("E1")
def another_default_filler():
    from phase1_foundations.lab4_data_loading.solution import pad_collate as right

    def pad_collate(batch, *, pad=-1, multiple_of=1):
        return right(batch, pad=pad, multiple_of=multiple_of)

    return {"pad_collate": pad_collate}


@wrong("E1")
def added_columns_hold_zeros():
    from phase1_foundations.lab4_data_loading.solution import pad_collate as right

    def pad_collate(batch, *, pad=0, multiple_of=1):
        x, y, lengths, _ = right(batch, pad=pad)
        x = torch.cat([x, x.new_zeros(len(x), -x.shape[1] % multiple_of, *x.shape[2:])], dim=1)
        return x, y, lengths, torch.arange(x.shape[1]) < lengths[:, None]

    return {"pad_collate": pad_collate}
