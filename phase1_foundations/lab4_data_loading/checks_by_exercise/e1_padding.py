"""E1: a dataset of sequences and its padded collate. What must hold; the mistakes stand in `e1_mistakes`."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from courseware.check import Exercise, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise import e1_collate_mistakes, e1_dataset_mistakes
from phase1_foundations.lab4_data_loading.checks_by_exercise.e1_picture import padded_batch

e1 = Exercise(
    "E1",
    takes={"SequenceDataset": None, "pad_collate": (tuple, list)},
    hints=(
        "A batch is allocated first, full of `pad`, and then filled: each sequence is written over the "
        "beginning of its row. What is real is known from the lengths, before anything is padded.",
        "T = ceil(longest / multiple_of) · multiple_of. `sequences[0].new_full((B, T, *features), pad)` "
        "keeps the dtype. mask[i, j] = (j < lengths[i]). In the dataset, `self.sequences[index]` already "
        "knows negative numbers and IndexError.",
        "`x = s[0].new_full((B, T, *s[0].shape[1:]), pad)`; `for row, seq in zip(x, s): row[:len(seq)] = "
        "seq`; `mask = torch.arange(T) < lengths[:, None]`. `__getitem__`: `seq = self.sequences[index]`; "
        "if there is a transform, `seq = self.transform(seq.clone())`; `return seq, "
        "int(self.labels[index])`.",
    ),
)
e1_dataset_mistakes.probe.add_to(e1)
e1_collate_mistakes.probe.add_to(e1)


def sequences(t: Trial, count: int, *features: int, dtype: torch.dtype = torch.int64) -> list[Tensor]:
    """Lengths 0 to 6, numbers 0 to 8: with 0 as a real value, also at the end of a sequence."""
    return [t.randint(0, 9, t.random.randint(0, 6), *features).to(dtype) for _ in range(count)]


def expected_batch(batch: list[tuple[Tensor, int]], pad: int, multiple_of: int) -> tuple[Tensor, ...]:
    found = [sequence for sequence, _ in batch]
    x = pad_sequence(found, batch_first=True, padding_value=pad)
    while x.shape[1] % multiple_of:
        x = torch.cat([x, x.new_full((len(x), 1, *x.shape[2:]), pad)], dim=1)
    mask = torch.tensor([[j < len(seq) for j in range(x.shape[1])] for seq in found], dtype=torch.bool)
    return (
        x,
        torch.tensor([label for _, label in batch]),
        torch.tensor([len(seq) for seq in found]),
        mask.reshape(len(batch), x.shape[1]),
    )


def hold_batch(a: Any, t: Trial, batch: list[tuple[Tensor, int]], pad: int, multiple_of: int) -> None:
    result = a.pad_collate(batch, pad=pad, multiple_of=multiple_of)
    t.that(len(result) == 4, f"{len(result)} results, expected four: x, y, lengths, mask")
    for name, observed, expected in zip(
        ("x", "y", "lengths", "mask"), result, expected_batch(batch, pad, multiple_of), strict=True
    ):
        t.equal(observed, expected, where=name)


@e1.property("the dataset is a list of pairs", points=4)
def list_of_pairs(a: Any, t: Trial) -> None:
    for count in (0, 1, 2, 5):
        stored, labels = sequences(t, count), t.randint(0, 10, count)
        t.given(f"SequenceDataset of {count} sequences with the labels {labels.tolist()}")
        ds = a.SequenceDataset(stored, labels)
        t.that(len(ds) == count, f"len is {len(ds)}, expected {count}")
        for i in range(-count, count):
            sequence, label = ds[i]
            t.equal(sequence, stored[i], where=f"the sequence of ds[{i}]")
            t.that(isinstance(label, int), f"the label is a {type(label).__name__}, expected an int")
            t.equal(label, int(labels[i]), where=f"the label of ds[{i}]")
        for i in (count, count + 3, -count - 1):
            t.raises(IndexError, lambda ds=ds, i=i: ds[i], f"ds[{i}] of {count}")
        seen = 0
        for _ in ds:
            seen += 1
            t.that(seen <= count, f"a for loop over {count} examples goes on after the last one")
        t.that(seen == count, f"a for loop over {count} examples brought {seen}")


@e1.property("the transform is applied freshly and harms nothing", points=3)
def transform_fresh(a: Any, t: Trial) -> None:
    stored = [t.randn(3), t.randn(0), t.randn(2, 4)]
    kept = [sequence.clone() for sequence in stored]
    calls = []

    def shout(sequence: Tensor) -> Tensor:
        calls.append(sequence.clone())
        return sequence.mul_(2).add_(len(calls))  # in place, and another result at each call

    t.given("SequenceDataset with a transform that writes into its argument")
    ds = a.SequenceDataset(stored, torch.tensor([1, 2, 3]), shout)
    for _ in range(3):
        for i in (0, 1, 2, -1):
            before = len(calls)
            sequence, label = ds[i]
            t.that(len(calls) == before + 1, f"{len(calls) - before} calls of the transform for one fetch")
            t.equal(calls[-1], kept[i], "what the transform got")
            t.equal(sequence, kept[i] * 2 + len(calls), "what came back")
            t.equal(label, [1, 2, 3][i], where="the label")
    for now, then in zip(stored, kept, strict=True):
        t.equal(now, then, "the data after three epochs")
    t.equal(a.SequenceDataset([t.randn(4)], torch.tensor([0]), transform=lambda s: s[:2])[0][0].shape, (2,))


@e1.property("x, y, lengths and mask of plain sequences", points=4)
def plain_batches(a: Any, t: Trial) -> None:
    for count in (1, 2, 3, 4, 6):
        for multiple_of in (1, 2, 3, 8):
            batch = [(seq, t.random.randint(0, 9)) for seq in sequences(t, count)]
            hold_batch(a, t, batch, t.random.choice([0, -1, 5]), multiple_of)
    equal = [(t.randint(0, 9, 4), 1) for _ in range(3)]
    hold_batch(a, t, equal, 0, 4)
    hold_batch(a, t, [(t.randint(0, 9, 0), 3), (t.randint(0, 9, 0), 4)], 0, 4)
    result = a.pad_collate(equal)
    for observed, expected in zip(result, expected_batch(equal, 0, 1), strict=True):
        t.equal(observed, expected, "with the defaults")


@e1.property("features and dtypes are kept", points=2)
def features_and_dtypes(a: Any, t: Trial) -> None:
    for features in ((), (3,), (1,)):
        for dtype in (torch.int64, torch.int32, torch.uint8, torch.float32, torch.float64, torch.float16):
            batch = [(seq, i) for i, seq in enumerate(sequences(t, 3, *features, dtype=dtype))]
            hold_batch(a, t, batch, t.random.choice([0, 7]), t.random.choice([1, 4]))
    columns = t.randint(0, 9, 4, 5)
    hold_batch(a, t, [(columns[:, 1], 1), (columns.T[:2, 0], 2)], 0, 1)


@e1.property("ValueError for an empty batch; works in a DataLoader", points=2)
def in_a_loader(a: Any, t: Trial) -> None:
    t.raises(ValueError, lambda: a.pad_collate([]), "an empty batch")
    stored = [t.randint(1, 9, n) for n in (2, 5, 1, 4, 3)]
    ds = a.SequenceDataset(stored, torch.arange(5))
    found = []
    for x, y, lengths, _ in DataLoader(ds, batch_size=2, collate_fn=partial(a.pad_collate, multiple_of=3)):
        for row, label, length in zip(x, y.tolist(), lengths.tolist(), strict=True):
            t.equal(row[:length], stored[label], "a row of a loader's batch")
            found.append(label)
    t.equal(found, [0, 1, 2, 3, 4], "the labels that a loader brought")


e1.reward(padded_batch)
