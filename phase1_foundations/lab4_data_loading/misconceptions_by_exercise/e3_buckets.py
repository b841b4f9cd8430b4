"""Wrong answers to E3: one sampler, with one mistake at a time."""

import random
import warnings

import torch
from torch.utils.data import Sampler

from courseware.check import misconception


class Sound(Sampler):
    """A right sampler in parts, for wrong ones to change."""

    def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
        self.lengths, self.max_tokens, self.bucket_size = list(lengths), max_tokens, bucket_size
        self.shuffle, self.drop_last, self.seed, self.epoch = shuffle, drop_last, seed, 0
        self.warn()

    def warn(self):
        if any(length > self.max_tokens for length in self.lengths):
            warnings.warn("an item exceeds the budget", stacklevel=3)

    def set_epoch(self, e):
        self.epoch = e

    def generator(self):
        return torch.Generator().manual_seed(self.seed * 7919 + self.epoch)

    def order(self, generator):
        count = len(self.lengths)
        return torch.randperm(count, generator=generator).tolist() if self.shuffle else list(range(count))

    def fits(self, batch, index):
        return (len(batch) + 1) * self.lengths[index] <= self.max_tokens

    def sort(self, bucket):
        return sorted(bucket, key=lambda index: self.lengths[index])

    def cut(self, bucket):
        batches = []
        for index in self.sort(bucket):
            if batches and self.fits(batches[-1], index):
                batches[-1].append(index)
            else:
                batches.append([index])
        return batches[:-1] if self.drop_last else batches

    def mix(self, batches, generator):
        if not self.shuffle:
            return batches
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def plan(self):
        generator = self.generator()
        order = self.order(generator)
        starts = range(0, len(order), self.bucket_size)
        batches = [batch for s in starts for batch in self.cut(order[s : s + self.bucket_size])]
        return self.mix(batches, generator)

    def __iter__(self):
        return iter(self.plan())

    def __len__(self):
        return len(self.plan())


def sampler(**methods):
    return {"BucketBatchSampler": type("BucketBatchSampler", (Sound,), methods)}


@misconception("E3", diagnosis="short-to-long-epochs")
def sorted_within_buckets_and_left():
    return sampler(mix=lambda self, batches, generator: batches)


@misconception("E3", diagnosis="budget-counts-real-tokens")
def adds_up_the_lengths():
    def fits(self, batch, index):
        return sum(self.lengths[i] for i in [*batch, index]) <= self.max_tokens

    return sampler(fits=fits)


@misconception("E3", diagnosis="length-is-wrong")
def estimates_the_length():
    return sampler(__len__=lambda self: -(-sum(self.lengths) // self.max_tokens))


@misconception("E3", diagnosis="set-epoch-has-no-effect")
def epoch_left_out():
    return sampler(generator=lambda self: torch.Generator().manual_seed(self.seed))


@misconception("E3", diagnosis="tail-lost")
def loses_the_last_batch():
    def cut(self, bucket):
        batches, current = [], []
        for index in self.sort(bucket):
            if current and not self.fits(current, index):
                batches.append(current)
                current = []
            current.append(index)
        return batches

    return sampler(cut=cut)


@misconception("E3", diagnosis="single-items")
def one_by_one():
    return sampler(fits=lambda self, batch, index: False)


@misconception("E3", diagnosis="one-item-too-many")
def asks_too_late():
    def fits(self, batch, index):
        return len(batch) * self.lengths[index] <= self.max_tokens

    return sampler(fits=fits)


@misconception("E3", diagnosis="bucket-size-ignored")
def one_big_bucket():
    def plan(self):
        generator = self.generator()
        return self.mix(self.cut(self.order(generator)), generator)

    return sampler(plan=plan)


@misconception("E3", diagnosis="same-batches-every-epoch")
def shuffles_batches_only():
    return sampler(order=lambda self, generator: list(range(len(self.lengths))))


@misconception("E3", diagnosis="another-order-without-set-epoch")
def generator_kept():
    class BucketBatchSampler(Sound):
        def __init__(self, *args, seed=0, **kwargs):
            super().__init__(*args, seed=seed, **kwargs)
            self.kept = torch.Generator().manual_seed(seed)

        def generator(self):
            return self.kept

    return {"BucketBatchSampler": BucketBatchSampler}


@misconception("E3", diagnosis="draws-from-the-global-state")
def python_shuffle():
    def order(self, generator):
        indices = list(range(len(self.lengths)))
        if self.shuffle:
            random.seed(self.seed + self.epoch)
            random.shuffle(indices)
        return indices

    return sampler(order=order)


@misconception("E3", diagnosis="seed-ignored")
def seed_left_out():
    return sampler(generator=lambda self: torch.Generator().manual_seed(self.epoch))


@misconception("E3", diagnosis="drop-last-ignored")
def drop_last_unread():
    def cut(self, bucket):
        self.drop_last, kept = False, self.drop_last
        batches = Sound.cut(self, bucket)
        self.drop_last = kept
        return batches

    return sampler(cut=cut)


@misconception("E3", diagnosis="warning-wrong")
def never_warns():
    return sampler(warn=lambda self: None)


@misconception("E3", diagnosis="over-long-item-lost")
def filters_long_items():
    def order(self, generator):
        return [i for i in Sound.order(self, generator) if self.lengths[i] <= self.max_tokens]

    return sampler(order=order)


@misconception("E3", diagnosis="fails-at-an-edge")
def divides_by_the_length():
    def fits(self, batch, index):
        return len(batch) + 1 <= self.max_tokens // self.lengths[index]

    return sampler(fits=fits)


@misconception("E3", diagnosis="long-to-short")
def longest_first():
    def sort(self, bucket):
        return sorted(bucket, key=lambda index: self.lengths[index], reverse=True)

    def fits(self, batch, index):
        return (len(batch) + 1) * self.lengths[batch[0]] <= self.max_tokens

    return sampler(sort=sort, fits=fits)


@misconception("E3", diagnosis="empty-the-second-time")
def one_iterator_for_all_passes():
    def again(self):
        if not hasattr(self, "batches"):
            self.batches = iter(self.plan())
        return self.batches

    return sampler(__iter__=again)
