"""Wrong answers to the warm-ups, as a stranger would write them."""

import random

import numpy as np
import torch

from tests.labs.answers import Answers

wrong = Answers()

# ---- W1 ----------------------------------------------------------------------------------------------


def windows(length, pick):
    class Windows:
        def __init__(self, series, width):
            self.series, self.width = series, width

        def __len__(self):
            return length(self)

        def __getitem__(self, index):
            return pick(self, index)

    return {"Windows": Windows}


def count(self):
    return max(0, len(self.series) - self.width + 1)


@wrong("W1")
def returns_nothing():
    def pick(self, index):
        if index >= len(self):
            raise IndexError
        self.series[index : index + self.width]

    return windows(count, pick)


@wrong("W1")
def value_error_at_the_end():
    def pick(self, index):
        if index >= len(self):
            raise ValueError("no such window")
        return self.series[index : index + self.width]

    return windows(count, pick)


@wrong("W1")
def refuses_the_last_window():
    def pick(self, index):
        if index >= len(self) - 1:
            raise IndexError
        return self.series[index : index + self.width]

    return windows(count, pick)


@wrong("W1")
def one_number_too_many():
    def pick(self, index):
        if index >= len(self):
            raise IndexError
        return self.series[index : index + self.width + 1]

    return windows(count, pick)


@wrong("W1")
def a_list_of_floats():
    def pick(self, index):
        if index >= len(self):
            raise IndexError
        return self.series[index : index + self.width].tolist()

    return windows(count, pick)


@wrong("W1")
def counts_from_one():
    def pick(self, index):
        if index >= len(self):
            raise IndexError
        return self.series[index + 1 : index + 1 + self.width]

    return windows(count, pick)


@wrong("W1")
def length_of_the_series():
    def pick(self, index):
        if index + self.width > len(self.series):
            raise IndexError
        return self.series[index : index + self.width]

    return windows(lambda self: len(self.series), pick)


# ---- W2 ----------------------------------------------------------------------------------------------


@wrong("W2")
def ranges():
    def index_batches(n, batch_size, drop_last=False):
        end = n - n % batch_size if drop_last else n
        return [range(i, min(i + batch_size, n)) for i in range(0, end, batch_size)]

    return {"index_batches": index_batches}


@wrong("W2")
def a_generator():
    def index_batches(n, batch_size, drop_last=False):
        for i in range(0, n, batch_size):
            yield list(range(i, min(i + batch_size, n)))

    return {"index_batches": index_batches}


@wrong("W2")
def numpy_chunks():
    def index_batches(n, batch_size, drop_last=False):
        chunks = np.array_split(np.arange(n), max(1, n // batch_size))
        return [chunk.tolist() for chunk in chunks]

    return {"index_batches": index_batches}


@wrong("W2")
def shuffled():
    def index_batches(n, batch_size, drop_last=False):
        order = random.Random(0).sample(range(n), n)
        batches = [order[i : i + batch_size] for i in range(0, n, batch_size)]
        return [b for b in batches if len(b) == batch_size or not drop_last]

    return {"index_batches": index_batches}


@wrong("W2")
def drops_the_first():
    def index_batches(n, batch_size, drop_last=False):
        first = n % batch_size if drop_last else 0
        return [list(range(i, min(i + batch_size, n))) for i in range(first, n, batch_size)]

    return {"index_batches": index_batches}


@wrong("W2")
def drop_last_inverted():
    def index_batches(n, batch_size, drop_last=False):
        end = n if drop_last else n - n % batch_size
        return [list(range(i, min(i + batch_size, n))) for i in range(0, end, batch_size)]

    return {"index_batches": index_batches}


@wrong("W2")
def tensors():
    def index_batches(n, batch_size, drop_last=False):
        parts = list(torch.arange(n).split(batch_size))
        return [part for part in parts if len(part) == batch_size or not drop_last]

    return {"index_batches": index_batches}


# ---- W3 ----------------------------------------------------------------------------------------------


@wrong("W3")
def equal_instead_of_smaller():
    def length_mask(lengths, width):
        return torch.arange(width) == lengths[:, None]

    return {"length_mask": length_mask}


@wrong("W3")
def padded_on_the_left():
    def length_mask(lengths, width):
        return torch.arange(width) >= width - lengths[:, None]

    return {"length_mask": length_mask}


@wrong("W3")
def one_column_short():
    def length_mask(lengths, width):
        return torch.arange(width) < lengths[:, None] - 1

    return {"length_mask": length_mask}


@wrong("W3")
def integers():
    def length_mask(lengths, width):
        return (torch.arange(width) < lengths[:, None]).long()

    return {"length_mask": length_mask}


@wrong("W3")
def a_list():
    def length_mask(lengths, width):
        return [[j < n for j in range(width)] for n in lengths]

    return {"length_mask": length_mask}


@wrong("W3")
def counts_columns_from_one():
    def length_mask(lengths, width):
        return torch.arange(1, width + 1) < lengths[:, None]

    return {"length_mask": length_mask}


# ---- W4 ----------------------------------------------------------------------------------------------


@wrong("W4")
def no_seed_at_all():
    def epoch_order(n, seed, epoch):
        return torch.randperm(n)

    return {"epoch_order": epoch_order}


@wrong("W4")
def fresh_generator_without_seed():
    def epoch_order(n, seed, epoch):
        g = torch.Generator()
        g.seed()
        return torch.randperm(n, generator=g)

    return {"epoch_order": epoch_order}


@wrong("W4")
def rolled():
    def epoch_order(n, seed, epoch):
        return torch.roll(torch.arange(n), seed + epoch)

    return {"epoch_order": epoch_order}


@wrong("W4")
def python_list():
    def epoch_order(n, seed, epoch):
        return random.Random(seed * 1000 + epoch).sample(range(n), n)

    return {"epoch_order": epoch_order}


@wrong("W4")
def python_global():
    def epoch_order(n, seed, epoch):
        random.seed(seed + epoch)
        indices = list(range(n))
        random.shuffle(indices)
        return torch.tensor(indices, dtype=torch.int64)

    return {"epoch_order": epoch_order}


@wrong("W4")
def as_floats():
    def epoch_order(n, seed, epoch):
        g = torch.Generator().manual_seed(seed + epoch)
        return torch.randperm(n, generator=g).float()

    return {"epoch_order": epoch_order}


@wrong("W4")
def numpy_global():
    def epoch_order(n, seed, epoch):
        np.random.seed(seed + epoch)
        return torch.from_numpy(np.random.permutation(n))

    return {"epoch_order": epoch_order}


@wrong("W4")
def one_element_short():
    def epoch_order(n, seed, epoch):
        return torch.randperm(max(n - 1, 0), generator=torch.Generator().manual_seed(seed + epoch))

    return {"epoch_order": epoch_order}


@wrong("W4")
def one_order_rotated():
    def epoch_order(n, seed, epoch):
        return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).roll(epoch)

    return {"epoch_order": epoch_order}


@wrong("W1")
def one_series_for_all():
    class Windows:
        def __init__(self, series, width):
            Windows.series, Windows.width = series, width

        def __len__(self):
            return max(0, len(self.series) - self.width + 1)

        def __getitem__(self, i):
            if i >= len(self):
                raise IndexError(i)
            return self.series[i : i + self.width]

    return {"Windows": Windows}


@wrong("W1")
def unfolds_too_short_a_series():
    class Windows:
        def __init__(self, series, width):
            self.all = series.unfold(0, width, 1)

        def __len__(self):
            return len(self.all)

        def __getitem__(self, i):
            return self.all[i]

    return {"Windows": Windows}


@wrong("W3")
def one_row_after_the_other():
    return {"length_mask": lambda lengths, width: torch.stack([torch.arange(width) < n for n in lengths])}


@wrong("W4")
def hash_of_a_string():
    def epoch_order(n, seed, epoch):
        generator = torch.Generator().manual_seed(hash(f"{seed}-{epoch}") & 0xFFFFFFFF)
        return torch.randperm(n, generator=generator)

    return {"epoch_order": epoch_order}


@wrong("W4")
def the_old_seed_again():
    def epoch_order(n, seed, epoch):
        before = torch.initial_seed()
        torch.manual_seed(1000 * seed + epoch)
        order = torch.randperm(n)
        torch.manual_seed(before)
        return order

    return {"epoch_order": epoch_order}
