"""Wrong answers to W1 … W4."""

import torch

from courseware.check import misconception

# ---- W1 ----------------------------------------------------------------------------------------------


def windows(length, pick):
    """The class with its two methods exchanged."""

    class Windows:
        def __init__(self, series, width):
            self.series, self.width = series, width

        def __len__(self):
            return length(len(self.series), self.width)

        def __getitem__(self, index):
            return pick(self, index)

    return Windows


def complete(n, width):
    return max(0, n - width + 1)


def careful(self, index):
    if index >= len(self):
        raise IndexError
    return self.series[index : index + self.width]


@misconception("W1", diagnosis="one-window-short")
def counts_the_gaps():
    return {"Windows": windows(lambda n, width: max(0, n - width), careful)}


@misconception("W1", diagnosis="incomplete-windows-counted")
def a_window_for_each_number():
    return {"Windows": windows(lambda n, width: n, careful)}


@misconception("W1", diagnosis="no-index-error")
def slices_past_the_end():
    return {"Windows": windows(complete, lambda self, i: self.series[i : i + self.width])}


@misconception("W1", diagnosis="negative-length")
def forgets_short_series():
    return {"Windows": windows(lambda n, width: n - width + 1, careful)}


@misconception("W1", diagnosis="windows-do-not-overlap")
def cuts_into_blocks():
    def pick(self, index):
        if index >= len(self):
            raise IndexError
        return self.series[index * self.width : (index + 1) * self.width]

    return {"Windows": windows(lambda n, width: n // width, pick)}


@misconception("W1", diagnosis="ends-at-width")
def slice_by_begin_and_size():
    def pick(self, index):
        if index >= len(self):
            raise IndexError
        return self.series[index : self.width]

    return {"Windows": windows(complete, pick)}


# ---- W2 ----------------------------------------------------------------------------------------------


@misconception("W2", diagnosis="short-batch-lost")
def floor_of_the_quotient():
    def index_batches(n, batch_size, drop_last=False):
        return [list(range(i * batch_size, (i + 1) * batch_size)) for i in range(n // batch_size)]

    return {"index_batches": index_batches}


@misconception("W2", diagnosis="full-batch-lost")
def always_drops_the_last():
    def index_batches(n, batch_size, drop_last=False):
        batches = [list(range(n))[i : i + batch_size] for i in range(0, n, batch_size)]
        return batches[:-1] if drop_last else batches

    return {"index_batches": index_batches}


@misconception("W2", diagnosis="past-the-end")
def every_batch_full():
    def index_batches(n, batch_size, drop_last=False):
        end = n - n % batch_size if drop_last else n
        return [list(range(i, i + batch_size)) for i in range(0, end, batch_size)]

    return {"index_batches": index_batches}


@misconception("W2", diagnosis="empty-batch")
def one_batch_more():
    def index_batches(n, batch_size, drop_last=False):
        count = n // batch_size if drop_last else n // batch_size + 1
        return [list(range(n))[i * batch_size : (i + 1) * batch_size] for i in range(count)]

    return {"index_batches": index_batches}


@misconception("W2", diagnosis="drop-last-ignored")
def never_drops():
    def index_batches(n, batch_size, drop_last=False):
        return [list(range(n))[i : i + batch_size] for i in range(0, n, batch_size)]

    return {"index_batches": index_batches}


# ---- W3 ----------------------------------------------------------------------------------------------


@misconception("W3", diagnosis="one-too-many")
def smaller_or_equal():
    def length_mask(lengths, width):
        return torch.arange(width) <= lengths[:, None]

    return {"length_mask": length_mask}


@misconception("W3", diagnosis="inverted")
def marks_the_filler():
    def length_mask(lengths, width):
        return torch.arange(width) >= lengths[:, None]

    return {"length_mask": length_mask}


@misconception("W3", diagnosis="transposed")
def extra_axis_on_the_columns():
    def length_mask(lengths, width):
        return torch.arange(width)[:, None] < lengths

    return {"length_mask": length_mask}


@misconception("W3", diagnosis="not-boolean")
def ones_and_zeros():
    def length_mask(lengths, width):
        mask = torch.zeros(len(lengths), width)
        for row, length in zip(mask, lengths, strict=True):
            row[:length] = 1
        return mask

    return {"length_mask": length_mask}


@misconception("W3", diagnosis="width-ignored")
def as_wide_as_needed():
    def length_mask(lengths, width):
        return torch.arange(int(lengths.max())) < lengths[:, None]

    return {"length_mask": length_mask}


# ---- W4 ----------------------------------------------------------------------------------------------


@misconception("W4", diagnosis="moves-the-global-state")
def seeds_everything():
    def epoch_order(n, seed, epoch):
        torch.manual_seed(seed + epoch)
        return torch.randperm(n)

    return {"epoch_order": epoch_order}


@misconception("W4", diagnosis="epoch-ignored")
def seed_alone():
    def epoch_order(n, seed, epoch):
        return torch.randperm(n, generator=torch.Generator().manual_seed(seed))

    return {"epoch_order": epoch_order}


@misconception("W4", diagnosis="seed-ignored")
def epoch_alone():
    def epoch_order(n, seed, epoch):
        return torch.randperm(n, generator=torch.Generator().manual_seed(epoch))

    return {"epoch_order": epoch_order}


@misconception("W4", diagnosis="seed-times-epoch")
def multiplies():
    def epoch_order(n, seed, epoch):
        return torch.randperm(n, generator=torch.Generator().manual_seed(seed * epoch))

    return {"epoch_order": epoch_order}


@misconception("W4", diagnosis="another-order-each-time")
def one_generator_for_ever():
    generator = torch.Generator().manual_seed(0)

    def epoch_order(n, seed, epoch):
        return torch.randperm(n, generator=generator)

    return {"epoch_order": epoch_order}


@misconception("W4", diagnosis="not-a-permutation")
def draws_with_replacement():
    def epoch_order(n, seed, epoch):
        generator = torch.Generator().manual_seed(seed * 1000 + epoch)
        return torch.randint(0, max(n, 1), (n,), generator=generator)

    return {"epoch_order": epoch_order}
