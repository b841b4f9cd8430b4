"""Right answers to the warm-ups, written otherwise than the reference."""

import hashlib

import numpy as np
import torch
from torch.utils.data import BatchSampler, Dataset

from tests.labs.answers import Answers

right = Answers()

# ---- W1 ----------------------------------------------------------------------------------------------


@right("W1")
def unfolded_in_advance():
    class Windows(Dataset):
        def __init__(self, series, width):
            long_enough = len(series) >= width
            self.table = series.unfold(0, width, 1) if long_enough else series.new_zeros(0, width)

        def __len__(self):
            return self.table.shape[0]

        def __getitem__(self, index):
            return self.table[index]

    return {"Windows": Windows}


@right("W1")
def a_list_of_windows():
    class Windows:
        def __init__(self, series, width):
            self.all = [series[i : i + width] for i in range(len(series) - width + 1)]

        def __len__(self):
            return len(self.all)

        def __getitem__(self, index):
            return self.all[index]

    return {"Windows": Windows}


@right("W1")
def refuses_negative_numbers_too():
    class Windows:
        def __init__(self, series, width):
            self.s, self.w = series, width
            self.n = len(range(len(series) - width + 1))

        def __len__(self):
            return self.n

        def __getitem__(self, i):
            if not 0 <= i < self.n:
                raise IndexError(i)
            return self.s.narrow(0, i, self.w)

    return {"Windows": Windows}


@right("W1")
def gathers_indices():
    class Windows:
        def __init__(self, series, width):
            self.series, self.offsets = series, torch.arange(width)

        def __len__(self):
            n = self.series.shape[0] - self.offsets.numel() + 1
            return n if n > 0 else 0

        def __getitem__(self, index):
            if index > len(self) - 1:
                raise IndexError("no such window")
            return self.series[self.offsets + index].clone()

    return {"Windows": Windows}


# ---- W2 ----------------------------------------------------------------------------------------------


@right("W2")
def torch_sampler():
    def index_batches(n, batch_size, drop_last=False):
        return [list(batch) for batch in BatchSampler(range(n), batch_size, drop_last)]

    return {"index_batches": index_batches}


@right("W2")
def a_growing_batch():
    def index_batches(n, batch_size, drop_last=False):
        out, current = [], []
        for i in range(n):
            current.append(i)
            if len(current) == batch_size:
                out.append(current)
                current = []
        if current and not drop_last:
            out.append(current)
        return out

    return {"index_batches": index_batches}


@right("W2")
def split_tensor():
    def index_batches(n, batch_size, drop_last=False):
        if n == 0:
            return []
        parts = [part.tolist() for part in torch.arange(n).split(batch_size)]
        return [part for part in parts if len(part) == batch_size or not drop_last]

    return {"index_batches": index_batches}


@right("W2")
def pops_the_short_one():
    def index_batches(n, batch_size, drop_last=False):
        indices = list(range(n))
        batches = [indices[i : i + batch_size] for i in range(0, n, batch_size)]
        if drop_last and batches and len(batches[-1]) < batch_size:
            batches.pop()
        return batches

    return {"index_batches": index_batches}


# ---- W3 ----------------------------------------------------------------------------------------------


@right("W3")
def one_row_at_a_time():
    def length_mask(lengths, width):
        mask = torch.zeros(len(lengths), width, dtype=torch.bool)
        for i, n in enumerate(lengths.tolist()):
            mask[i, :n] = True
        return mask

    return {"length_mask": length_mask}


@right("W3")
def greater_than():
    def length_mask(lengths, width):
        return lengths.unsqueeze(1).gt(torch.arange(width).unsqueeze(0))

    return {"length_mask": length_mask}


@right("W3")
def through_numpy():
    def length_mask(lengths, width):
        return torch.from_numpy(np.arange(width)[None, :] < lengths.numpy()[:, None])

    return {"length_mask": length_mask}


@right("W3")
def a_triangle():
    def length_mask(lengths, width):
        triangle = torch.tril(torch.ones(width + 1, width), diagonal=-1).bool()
        return triangle[lengths]

    return {"length_mask": length_mask}


# ---- W4 ----------------------------------------------------------------------------------------------


@right("W4")
def seed_plus_epoch():
    def epoch_order(n, seed, epoch):
        g = torch.Generator()
        g.manual_seed(seed + epoch)
        return torch.randperm(n, generator=g)

    return {"epoch_order": epoch_order}


@right("W4")
def numpy_generator():
    def epoch_order(n, seed, epoch):
        return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(n))

    return {"epoch_order": epoch_order}


@right("W4")
def sorted_random_keys():
    def epoch_order(n, seed, epoch):
        g = torch.Generator().manual_seed(hash((seed, epoch)) % 2**63)
        return torch.rand(n, generator=g, dtype=torch.float64).argsort()

    return {"epoch_order": epoch_order}


@right("W4")
def hashed_keys():
    def epoch_order(n, seed, epoch):
        def key(i):
            return hashlib.sha256(f"{seed} {epoch} {i}".encode()).digest()

        return torch.tensor(sorted(range(n), key=key), dtype=torch.int64)

    return {"epoch_order": epoch_order}


@right("W4")
def forked_global_state():
    def epoch_order(n, seed, epoch):
        with torch.random.fork_rng():
            torch.manual_seed(seed * 10_007 + epoch)
            return torch.randperm(n)

    return {"epoch_order": epoch_order}
