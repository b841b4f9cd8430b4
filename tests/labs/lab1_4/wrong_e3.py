"""Wrong answers to E3, as a stranger would write them."""

import random
import warnings

import torch
from torch.utils.data import Sampler

from tests.labs.answers import Answers

wrong = Answers()


class Sound(Sampler):
    def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
        self.lengths, self.max_tokens, self.bucket_size = list(lengths), max_tokens, bucket_size
        self.shuffle, self.drop_last, self.seed, self.epoch = shuffle, drop_last, seed, 0
        self.begin()

    def begin(self):
        if max(self.lengths, default=0) > self.max_tokens:
            warnings.warn("too long", stacklevel=3)

    def set_epoch(self, e):
        self.epoch = e

    def rng(self):
        return random.Random(f"{self.seed}/{self.epoch}")

    def cut(self, bucket):
        made = [[]]
        for i in sorted(bucket, key=lambda i: self.lengths[i]):
            if made[-1] and (len(made[-1]) + 1) * self.lengths[i] > self.max_tokens:
                made.append([])
            made[-1].append(i)
        return made[:-1] if self.drop_last else made

    def plan(self):
        rng = self.rng()
        order = list(range(len(self.lengths)))
        if self.shuffle:
            rng.shuffle(order)
        out = []
        for s in range(0, len(order), self.bucket_size):
            out += self.cut(order[s : s + self.bucket_size])
        if self.shuffle:
            rng.shuffle(out)
        return out

    def __iter__(self):
        return iter(self.plan())

    def __len__(self):
        return len(self.plan())


def sampler(**methods):
    return {"BucketBatchSampler": type("BucketBatchSampler", (Sound,), methods)}


@wrong("E3")
def tensors_as_batches():
    return sampler(__iter__=lambda self: iter([torch.tensor(batch) for batch in self.plan()]))


@wrong("E3")
def flat_indices():
    return sampler(__iter__=lambda self: iter([i for batch in self.plan() for i in batch]))


@wrong("E3")
def yields_the_lengths():
    def __iter__(self):
        return iter([[self.lengths[i] for i in batch] for batch in self.plan()])

    return sampler(__iter__=__iter__)


@wrong("E3")
def fixed_batch_size():
    def cut(self, bucket):
        size = max(1, self.max_tokens // max(max(self.lengths), 1))
        ordered = sorted(bucket, key=lambda i: self.lengths[i])
        made = [ordered[i : i + size] for i in range(0, len(ordered), size)]
        return made[:-1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def budget_of_items():
    def cut(self, bucket):
        ordered = sorted(bucket, key=lambda i: self.lengths[i])
        made = [ordered[i : i + self.max_tokens] for i in range(0, len(ordered), self.max_tokens)]
        return made[:-1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def strictly_below_the_budget():
    def cut(self, bucket):
        made = [[]]
        for i in sorted(bucket, key=lambda i: self.lengths[i]):
            if made[-1] and (len(made[-1]) + 1) * self.lengths[i] >= self.max_tokens:
                made.append([])
            made[-1].append(i)
        return made[:-1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def longest_before_the_new_item():
    def cut(self, bucket):
        made = [[]]
        for i in sorted(bucket, key=lambda i: self.lengths[i]):
            longest = max((self.lengths[j] for j in made[-1]), default=0)
            if made[-1] and (len(made[-1]) + 1) * longest > self.max_tokens:
                made.append([])
            made[-1].append(i)
        return made[:-1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def unsorted_buckets():
    def cut(self, bucket):
        made = [[]]
        for i in bucket:
            cost = (len(made[-1]) + 1) * max([self.lengths[i], *(self.lengths[j] for j in made[-1])])
            if made[-1] and cost > self.max_tokens:
                made.append([])
            made[-1].append(i)
        return made[:-1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def empty_first_batch():
    def cut(self, bucket):
        made, current = [], []
        for i in sorted(bucket, key=lambda i: self.lengths[i]):
            if (len(current) + 1) * self.lengths[i] > self.max_tokens:
                made.append(current)
                current = []
            current.append(i)
        return made if self.drop_last else [*made, current]

    return sampler(cut=cut)


@wrong("E3")
def raises_for_long_items():
    def begin(self):
        if max(self.lengths, default=0) > self.max_tokens:
            raise ValueError("an item exceeds the budget")

    return sampler(begin=begin)


@wrong("E3")
def warns_for_each_item():
    def begin(self):
        for i, n in enumerate(self.lengths):
            if n > self.max_tokens:
                warnings.warn(f"item {i} is too long", stacklevel=3)

    return sampler(begin=begin)


@wrong("E3")
def warns_when_iterated():
    def __iter__(self):
        if max(self.lengths, default=0) > self.max_tokens:
            warnings.warn("too long", stacklevel=2)
        return iter(self.plan())

    return sampler(begin=lambda self: None, __iter__=__iter__)


@wrong("E3")
def warns_at_the_budget():
    def begin(self):
        if max(self.lengths, default=0) >= self.max_tokens:
            warnings.warn("too long", stacklevel=3)

    return sampler(begin=begin)


@wrong("E3")
def prints_instead_of_warning():
    def begin(self):
        if max(self.lengths, default=0) > self.max_tokens:
            print("warning: too long")

    return sampler(begin=begin)


@wrong("E3")
def truncates_to_full_buckets():
    def plan(self):
        kept = len(self.lengths) - len(self.lengths) % self.bucket_size or len(self.lengths)
        rng = self.rng()
        order = list(range(len(self.lengths)))
        if self.shuffle:
            rng.shuffle(order)
        out = [b for s in range(0, kept, self.bucket_size) for b in self.cut(order[s : s + self.bucket_size])]
        if self.shuffle:
            rng.shuffle(out)
        return out

    return sampler(plan=plan)


@wrong("E3")
def shuffles_within_batches_only():
    def plan(self):
        rng = self.rng()
        order = list(range(len(self.lengths)))
        if self.shuffle:
            rng.shuffle(order)
        out = []
        for s in range(0, len(order), self.bucket_size):
            out += self.cut(order[s : s + self.bucket_size])
        if self.shuffle:
            for batch in out:
                rng.shuffle(batch)
        return out

    return sampler(plan=plan)


@wrong("E3")
def shuffles_buckets_not_batches():
    def plan(self):
        rng = self.rng()
        order = list(range(len(self.lengths)))
        if self.shuffle:
            rng.shuffle(order)
        groups = [self.cut(order[s : s + self.bucket_size]) for s in range(0, len(order), self.bucket_size)]
        if self.shuffle:
            rng.shuffle(groups)
        return [batch for group in groups for batch in group]

    return sampler(plan=plan)


@wrong("E3")
def sorts_everything_at_first():
    def plan(self):
        rng = self.rng()
        order = sorted(range(len(self.lengths)), key=lambda i: self.lengths[i])
        out = []
        for s in range(0, len(order), self.bucket_size):
            out += self.cut(order[s : s + self.bucket_size])
        if self.shuffle:
            rng.shuffle(out)
        return out

    return sampler(plan=plan)


@wrong("E3")
def shuffle_is_ignored():
    class BucketBatchSampler(Sound):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "shuffle": True})

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def never_shuffles():
    class BucketBatchSampler(Sound):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "shuffle": False})

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def length_in_items():
    return sampler(__len__=lambda self: len(self.lengths))


@wrong("E3")
def length_of_epoch_zero():
    class BucketBatchSampler(Sound):
        def begin(self):
            super().begin()
            self.count = len(self.plan())

        def __len__(self):
            return self.count

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def planned_once_for_all():
    class BucketBatchSampler(Sound):
        def begin(self):
            super().begin()
            self.batches = Sound.plan(self)

        def plan(self):
            return self.batches

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def one_pass_only():
    class BucketBatchSampler(Sound):
        def begin(self):
            super().begin()
            self.iterator = None

        def set_epoch(self, e):
            self.epoch, self.iterator = e, None

        def __iter__(self):
            if self.iterator is None:
                self.iterator = iter(self.plan())
            return self.iterator

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def epoch_counts_itself():
    class BucketBatchSampler(Sound):
        def __iter__(self):
            batches = self.plan()
            self.epoch += 1
            return iter(batches)

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def global_torch_permutation():
    def plan(self):
        torch.manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths)).tolist() if self.shuffle else list(range(len(self.lengths)))
        out = []
        for s in range(0, len(order), self.bucket_size):
            out += self.cut(order[s : s + self.bucket_size])
        return [out[i] for i in torch.randperm(len(out)).tolist()] if self.shuffle else out

    return sampler(plan=plan)


@wrong("E3")
def drops_short_batches():
    def cut(self, bucket):
        made = Sound.cut(self, bucket)
        return [batch for batch in made if len(batch) > 1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def drops_one_an_epoch():
    def plan(self):
        self.drop_last, kept = False, self.drop_last
        out = Sound.plan(self)
        self.drop_last = kept
        return out[:-1] if kept else out

    return sampler(plan=plan)


@wrong("E3")
def drop_last_always():
    class BucketBatchSampler(Sound):
        def begin(self):
            super().begin()
            self.drop_last = True

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def sorts_the_callers_list():
    class BucketBatchSampler(Sound):
        def __init__(self, lengths, max_tokens, **how):
            super().__init__(lengths, max_tokens, **how)
            if isinstance(lengths, list):
                lengths.sort()

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def local_places():
    def plan(self):
        out = Sound.plan(self)
        return [[i % self.bucket_size for i in batch] for batch in out]

    return sampler(plan=plan)


@wrong("E3")
def seed_and_epoch_multiplied():
    return sampler(rng=lambda self: random.Random(self.seed * self.epoch))


@wrong("E3")
def length_by_listing_itself():
    return sampler(__len__=lambda self: len(list(self)))


@wrong("E3")
def sorts_long_to_short():
    def cut(self, bucket):
        made = [[]]
        for i in sorted(bucket, key=lambda i: -self.lengths[i]):
            if made[-1] and (len(made[-1]) + 1) * self.lengths[made[-1][0]] > self.max_tokens:
                made.append([])
            made[-1].append(i)
        return made[:-1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def hash_of_a_string():
    return sampler(rng=lambda self: random.Random(hash(f"{self.seed}:{self.epoch}")))


@wrong("E3")
def empty_items_cost_one():
    def cut(self, bucket):
        made = [[]]
        for i in sorted(bucket, key=lambda i: self.lengths[i]):
            if made[-1] and (len(made[-1]) + 1) * max(1, self.lengths[i]) > self.max_tokens:
                made.append([])
            made[-1].append(i)
        return made[:-1] if self.drop_last else made

    return sampler(cut=cut)


@wrong("E3")
def the_sampler_is_its_own_iterator():
    def begin_pass(self):
        self.left = list(self.plan())
        return self

    def following(self):
        if not self.left:
            raise StopIteration
        return self.left.pop(0)

    return sampler(__iter__=begin_pass, __next__=following)


@wrong("E3")
def one_epoch_for_all_samplers():
    class BucketBatchSampler(Sound):
        now = 0

        def set_epoch(self, e):
            BucketBatchSampler.now = e

        def rng(self):
            return random.Random(f"{self.seed}/{self.now}")

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def smaller_buckets_by_default():
    class BucketBatchSampler(Sound):
        def __init__(self, lengths, max_tokens, *, bucket_size=64, **how):
            super().__init__(lengths, max_tokens, bucket_size=bucket_size, **how)

    return {"BucketBatchSampler": BucketBatchSampler}


@wrong("E3")
def long_items_share_a_batch():
    def cut(self, bucket):
        long = [i for i in bucket if self.lengths[i] > self.max_tokens]
        made = Sound.cut(self, [i for i in bucket if self.lengths[i] <= self.max_tokens])
        return [batch for batch in [*made, long] if batch]

    return sampler(cut=cut)
